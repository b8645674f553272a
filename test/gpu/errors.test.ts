import { beforeAll, describe, expect, it } from 'vitest'
import {
  add,
  conv2d,
  empty,
  GpuError,
  type Kernel,
  KernelFile,
  linear,
  matmul,
  open,
  relu,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { Gpu, messageOf, testGpu } from '../support/gpu.ts'

let shared: Gpu
beforeAll(async () => {
  shared = await testGpu()
})

/** Runs `fn` with a device of its own as the default, and makes the shared one the default again. */
async function onOwnDevice(fn: (gpu: Gpu) => Promise<void>): Promise<void> {
  const gpu = await open()
  try {
    await fn(gpu)
  } finally {
    setDefaultGpu(shared)
    await gpu.close()
  }
}

/** Lets the device's reports arrive. */
const pause = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms))

function errorOf(fn: () => unknown): GpuError {
  try {
    fn()
  } catch (error) {
    if (error instanceof GpuError) return error
    throw error
  }
  return expect.fail('no error was thrown')
}

/** What the promise is rejected with, which must be soon. */
async function rejection(promise: Promise<unknown>): Promise<GpuError> {
  const late = pause(1000).then(() => expect.fail('nothing came within a second'))
  const error: unknown = await Promise.race([
    promise.then(
      () => expect.fail('no error came'),
      (e) => e,
    ),
    late,
  ])
  expect(error).toBeInstanceOf(GpuError)
  return error as GpuError
}

const bad = new KernelFile(
  'bad',
  `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() { out[0] = undefined_name; }`,
).entry('main')
const wide = new KernelFile(
  'wide',
  `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
override WG: u32 = 64u;
@compute @workgroup_size(WG) fn main() { out[0] = 1.0; }`,
).entry('main', {}, { WG: 2 ** 20 })

describe('an error that the device reports', () => {
  /** Runs the kernel until the device's error comes: in the call itself, or in one soon after. */
  async function provoke(gpu: Gpu, kernel: Kernel, out: Tensor): Promise<GpuError> {
    try {
      gpu.emit(kernel, { out: out.storage }, 1)
      await pause()
      gpu.check()
    } catch (error) {
      if (error instanceof GpuError) return error
      throw error
    }
    return expect.fail('no error was thrown')
  }

  it.each([
    ['bad.main', bad, 'undefined_name'],
    ['wide.main', wide, 'workgroup_size'],
  ] as const)('is thrown at once or by the next call, with the name %s', async (name, kernel, detail) => {
    await onOwnDevice(async (gpu) => {
      const error = await provoke(gpu, kernel, tensor([1]))
      expect(error.kind).toBe('validation')
      expect(error.message).toContain(name)
      expect(error.message).toContain(detail)
    })
  })

  it('is thrown again when the kernel is run again', async () => {
    await onOwnDevice(async (gpu) => {
      const x = tensor([1])
      await provoke(gpu, bad, x)
      await x.data().catch(() => undefined)
      let again: unknown
      try {
        gpu.emit(bad, { out: x.storage }, 1)
        await x.data()
      } catch (error) {
        again = error
      }
      expect(again).toBeInstanceOf(GpuError)
      expect(String(again)).toContain('bad.main')
    })
  })

  it('leaves everything else as it was, and the device usable', async () => {
    await onOwnDevice(async (gpu) => {
      const x = tensor([1, 2, 3])
      await provoke(gpu, bad, x)
      await x.data().catch(() => undefined) // where the command was recorded, its submission is refused too
      expect([...(await x.data())]).toEqual([1, 2, 3])
      expect([...(await relu(x).data())]).toEqual([1, 2, 3])
    })
  })

  it('for a write past the end names the buffer', async () => {
    await onOwnDevice(async (gpu) => {
      const x = tensor([1])
      gpu.write(x.storage, new Float32Array(100))
      expect((await rejection(x.data())).message).toContain('tensor [1]')
      expect(await x.item()).toBe(1)
    })
  })
})

describe('memory beyond the limit', () => {
  it('is refused at once, with both numbers, and nothing is taken', () => {
    const { maxBufferSize, maxStorageBufferBindingSize } = shared.device.limits
    const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize)
    const before = shared.memory()
    const size = limit / 4 + 1
    const error = errorOf(() => empty(shared, [size], 'float32', 'conv2d'))
    const numbers = [4 * size, limit].map((n) => n.toLocaleString('en'))
    expect(error.message).toBe(
      `conv2d [${size}] needs ${numbers[0]} bytes; this adapter allows at most ${numbers[1]} in one buffer. Take a smaller batch, or split the tensor`,
    )
    expect(error.kind).toBe('out-of-memory')
    expect(shared.memory()).toEqual(before)
  })

  it('is refused at once by the operation whose result it would be', () => {
    const { maxBufferSize, maxStorageBufferBindingSize } = shared.device.limits
    const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize)
    const side = Math.ceil(Math.sqrt(limit / 4)) + 1
    const [column, one] = [tensor(new Float32Array(side), [side, 1]), tensor([1], [1, 1, 1, 1])]
    const padding = Math.ceil(side / 2)
    const before = shared.memory()
    const { dispatches } = shared
    for (const [result, use] of [
      [`matmul [${side}, ${side}]`, () => matmul(column, column, { transposeB: true })],
      [`linear [${side}, ${side}]`, () => linear(column, column)],
      [`conv2d [1, 1, ${1 + 2 * padding}, ${1 + 2 * padding}]`, () => conv2d(one, one, null, { padding })],
    ] as const) {
      const error = errorOf(use)
      expect(error.kind).toBe('out-of-memory')
      expect(error.message.startsWith(`${result} needs `), error.message).toBe(true)
    }
    expect(shared.memory()).toEqual(before)
    expect(shared.dispatches).toBe(dispatches)
    for (const t of [column, one]) t.dispose()
  })
})

describe('a kernel that does not fit the device or its buffers', () => {
  const buffers = (n: number) =>
    Array.from({ length: n }, (_, i) => `@group(0) @binding(${i}) var<storage, read_write> b${i}: array<f32>;`).join(
      ' ',
    )
  const main = (body: string) => `@compute @workgroup_size(1) fn main() { ${body} }`
  const all = (n: number) => Array.from({ length: n }, (_, i) => `b${i}[0] = 1.0;`).join(' ')
  const at = '@group(0) @binding(0) var<storage, read_write> b0'

  it.each([
    ['an array longer than its buffer', `${at}: array<f32, 1000>; ${main('b0[999] = 1.0;')}`, 'is too small'],
    ['more buffers than a stage may have', `${buffers(65)} ${main(all(65))}`, 'storage buffers (65)'],
    ['one number for two bindings', `${at}: array<f32>; ${at.replace('b0', 'b1')}: array<f32>; ${main(all(2))}`, '(0)'],
    [
      'a texture',
      `${at}: array<f32>; @group(0) @binding(1) var t: texture_2d<f32>; ${main('b0[0] = textureLoad(t, vec2u(), 0).x;')}`,
      '@group(0) @binding(1)',
    ],
    [
      'a write into what it only reads',
      `@group(0) @binding(0) var<storage, read> b0: array<f32>; ${main('b0[0] = 1.0;')}`,
      'read-only',
    ],
    [
      'more shared memory than there is',
      `${buffers(1)} var<workgroup> s: array<f32, 60000>; ${main('s[0] = 1.0; b0[0] = s[1];')}`,
      '',
    ],
  ])('is named with the reason by the call or the next reading: %s', async (_, code, detail) => {
    await onOwnDevice(async (gpu) => {
      const [x, other] = [tensor([5]), tensor([7])]
      const kernel = new KernelFile('odd', code).entry('main')
      const more = Object.fromEntries(kernel.bindings.map(({ name }) => [name, tensor([1]).storage]))
      const error = await rejection(
        (async () => {
          gpu.emit(kernel, { ...more, b0: x.storage }, 1)
          await other.data()
        })(),
      )
      expect(error.kind).toBe('validation')
      expect(error.message.startsWith('odd.main: '), error.message).toBe(true)
      expect(error.message).toContain(detail)
      await other.data().catch(() => undefined) // where the command was recorded, its submission is refused too
      expect([...(await other.data())]).toEqual([7])
      expect(await x.item()).toBe(5)
    })
  })
})

describe('a lost device', () => {
  const lost = 'the device was lost (destroyed): '

  it('fails every call from then on, and disposing still works', async () => {
    await onOwnDevice(async (gpu) => {
      const x = tensor([1, 2])
      gpu.device.destroy()
      await pause()
      for (const use of [
        () => tensor([1]),
        () => relu(x),
        () => gpu.flush(),
        () => gpu.copy(x.storage, x.storage, 4),
      ]) {
        const error = errorOf(use)
        expect([error.kind, error.message.slice(0, lost.length)]).toEqual(['lost', lost])
      }
      expect((await rejection(x.data())).kind).toBe('lost')
      x.dispose()
      expect(gpu.memory().tensors).toBe(0)
    })
  })

  it('rejects reads at once, those under way too', async () => {
    await onOwnDevice(async (gpu) => {
      const x = tensor([1, 2])
      const underWay = x.data()
      gpu.device.destroy()
      const next = x.data() // before the loss was reported
      expect([(await rejection(underWay)).kind, (await rejection(next)).kind]).toEqual(['lost', 'lost'])
    })
  })

  it('rejects a read that waits for more dispatches than ever before', async () => {
    await onOwnDevice(async (gpu) => {
      const large = tensor(new Float32Array(1 << 22))
      await add(large, large).data() // one slow dispatch: the next wait expects as much of each
      let y = tensor([1])
      for (let i = 0; i < 2000; i++) y = add(y, y)
      const reading = y.data()
      gpu.device.destroy()
      expect((await rejection(reading)).kind).toBe('lost')
    })
  })

  it('can be closed', async () => {
    const gpu = await open()
    setDefaultGpu(shared)
    gpu.device.destroy()
    await pause()
    await gpu.close()
    expect(errorOf(() => gpu.check()).kind).toBe('closed')
  })
})

describe('a closed device', () => {
  it('refuses everything but closing again and disposing', async () => {
    const gpu = await open()
    setDefaultGpu(shared)
    const x = tensor([1], [1], { gpu })
    await Promise.all([gpu.close(), gpu.close()])
    await gpu.close()
    const text = `the device ${gpu.info.name} was closed`
    for (const use of [() => tensor([1], [1], { gpu }), () => relu(x), () => gpu.flush(), () => gpu.check()]) {
      const error = errorOf(use)
      expect([error.kind, error.message]).toEqual(['closed', text])
    }
    expect((await rejection(x.data())).message).toBe(text)
    x.dispose()
    expect(gpu.memory().tensors).toBe(0)
    await pause() // the loss that closing causes is no error
    expect(errorOf(() => gpu.check()).kind).toBe('closed')
  })

  it('waits for the work under way: a read started before gets its values, or a GpuError', async () => {
    const gpu = await open()
    setDefaultGpu(shared)
    const reading = tensor([1, 2], [2], { gpu }).data()
    const result = reading.then(
      (values) => [...values],
      (error: unknown) => (error instanceof GpuError ? [1, 2] : error),
    )
    await gpu.close()
    expect(await result).toEqual([1, 2])
  })
})

describe('the default device', () => {
  it('may differ from that of a tensor; two do not mix in one operation', async () => {
    await onOwnDevice(async () => {
      const far = tensor([2], [1], { gpu: shared })
      expect(messageOf(() => add(tensor([1]), far))).toBe('add: its tensors are on two devices')
      expect(await add(far, far).item()).toBe(4)
    })
  })

  it('may differ from that of a gradient: backward refuses one from elsewhere', async () => {
    await onOwnDevice(async (other) => {
      await onOwnDevice(async () => {
        const y = relu(tensor([1], [1], { requiresGrad: true }))
        const far = tensor([2], [1], { gpu: other })
        expect(messageOf(() => y.backward(far))).toBe('backward: its tensors are on two devices')
      })
    })
  })
})

describe('reports', () => {
  /** A device whose reports the test makes itself. */
  function reporting() {
    let made = 0
    let report: (event: { error: { message: string }; preventDefault: () => void }) => void = () => undefined
    let lose: (info: { reason: string; message: string }) => void = () => undefined
    const device = {
      lost: new Promise((resolve) => {
        lose = resolve
      }),
      addEventListener: (_: string, listener: typeof report) => {
        report = listener
      },
      limits: { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 28 },
      createBuffer: ({ size }: { size: number }) => {
        const buffer = { size, number: ++made, destroy: () => undefined }
        if (made === 1) report({ error: new GPUOutOfMemoryError('no memory'), preventDefault: () => undefined })
        return buffer
      },
    }
    const info = {
      name: 'fake',
      vendor: '',
      architecture: '',
      device: '',
      description: '',
      adapterClass: 'gpu' as const,
    }
    const gpu = new Gpu(device as unknown as GPUDevice, info)
    return { gpu, lose, report: (error: { message: string }) => report({ error, preventDefault: () => undefined }) }
  }
  class GPUValidationError extends Error {}
  class GPUOutOfMemoryError extends Error {}
  class GPUInternalError extends Error {}

  it.each([
    ['validation', new GPUValidationError(' text\n')],
    ['out-of-memory', new GPUOutOfMemoryError('text')],
    ['internal', new GPUInternalError('text')],
  ])('of kind %s are thrown once, trimmed', (kind, cause) => {
    const { gpu, report } = reporting()
    report(cause)
    const error = errorOf(() => gpu.check())
    expect([error.name, error.kind, error.message]).toEqual(['GpuError', kind, 'text'])
    gpu.check()
  })

  it('of no memory are thrown, and the buffer without memory is not handed out again', () => {
    const { gpu } = reporting()
    const without = gpu.pool.acquire(1000, 'x')
    expect(errorOf(() => gpu.check()).kind).toBe('out-of-memory')
    without.release()
    const second = gpu.pool.acquire(1000, 'x')
    expect(second.buffer).toMatchObject({ number: 2 })
    second.release()
    expect(gpu.pool.acquire(1000, 'x').buffer).toBe(second.buffer)
  })

  it('that follow from the first are not shown in its place', () => {
    const { gpu, report } = reporting()
    report(new GPUValidationError('the cause'))
    report(new GPUValidationError('a consequence'))
    expect(errorOf(() => gpu.check()).message).toBe('the cause')
    gpu.check()
  })

  it('of a loss are thrown for ever', async () => {
    const { gpu, lose } = reporting()
    lose({ reason: 'unknown', message: 'it fell off the bus\n' })
    await pause()
    for (let i = 0; i < 3; i++) {
      expect(errorOf(() => gpu.check()).message).toBe('the device was lost (unknown): it fell off the bus')
    }
  })

  it('of an error, then of a loss: the error first, then the loss for ever', async () => {
    const { gpu, lose, report } = reporting()
    report(new GPUValidationError('the cause'))
    lose({ reason: 'unknown', message: 'gone' })
    await pause()
    expect(errorOf(() => gpu.check()).message).toBe('the cause')
    for (let i = 0; i < 2; i++) expect(errorOf(() => gpu.check()).kind).toBe('lost')
  })
})

it('a buffer that is written and bound twice is refused at once, with the kernel', async () => {
  const x = tensor([1], [1], { requiresGrad: true })
  const kernel = new KernelFile(
    'twice',
    `@group(0) @binding(0) var<storage, read> a: array<f32>;
     @group(0) @binding(1) var<storage, read_write> out: array<f32>;
     @compute @workgroup_size(1) fn main() { out[0] = a[0]; }`,
  ).entry('main')
  const error = errorOf(() => shared.emit(kernel, { a: x.storage, out: x.storage }, 1))
  expect(error.message).toBe('twice.main: out is written and shares its memory with a')
  expect(await x.item()).toBe(1)
})

it('close throws an error that no call has reported, and closes all the same', async () => {
  const gpu = await open()
  setDefaultGpu(shared)
  const [x, y] = [tensor([1], [1], { gpu }), tensor([1], [1], { gpu })]
  gpu.device.queue.writeBuffer(x.storage.buffer, 1, new Uint8Array(4)) // an offset that is no multiple of 4
  expect((await gpu.close().catch((error: unknown) => error)) instanceof GpuError).toBe(true)
  await gpu.close()
  expect(errorOf(() => relu(y)).kind).toBe('closed')
})
