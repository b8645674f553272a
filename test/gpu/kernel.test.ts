import { beforeAll, describe, expect, it } from 'vitest'
import { capture, Kernel, KernelFile } from '../../src/node/index.ts'
import { type Gpu, messageOf, tensor, testGpu } from '../support/gpu.ts'

const code = `// const PER: u32 = 9u; // tune
struct Params { size: u32, value: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> table: array<vec4f, 2>;
override WG: u32 = 64u;
const PER: u32 = 4u; // tune
const PERIOD: u32 = 4u; // tune
const FIXED: u32 = 4u;
@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.size) { out[id.x] = x[id.x] * f32(PER) + f32(PERIOD) + params.value; }
}
@compute @workgroup_size(1)
fn lookup() { out[0] = table[1].w; }
`

const file = new KernelFile('sample', code)

describe('Kernel', () => {
  it('is named by file and entry point, and knows its bindings', () => {
    const kernel = new Kernel('sample', code, 'forward', { constants: { WG: 32 } })
    expect(kernel.name).toBe('sample.forward')
    expect(kernel.bindings.map((b) => b.name)).toEqual(['params', 'x', 'out'])
    expect(kernel.constants).toEqual({ WG: 32 })
    expect(new Kernel('sample', code, 'lookup').bindings.map((b) => b.name)).toEqual(['out', 'table'])
  })

  it('keeps the text untouched unless tuned', () => {
    expect(new Kernel('sample', code, 'forward').code).toBe(code)
    expect(new Kernel('sample', code, 'forward', { tune: {} }).code).toBe(code)
  })

  it('replaces the numbers of tune lines and nothing else', () => {
    const { code: one } = new Kernel('sample', code, 'forward', { tune: { PER: 16 } })
    expect(one).toBe(code.replace('\nconst PER: u32 = 4u; // tune', '\nconst PER: u32 = 16u; // tune'))
    const { code: both } = new Kernel('sample', code, 'forward', { tune: { PERIOD: 0, PER: 123 } })
    expect(both).toBe(
      code
        .replace('\nconst PER: u32 = 4u; // tune', '\nconst PER: u32 = 123u; // tune')
        .replace('const PERIOD: u32 = 4u;', 'const PERIOD: u32 = 0u;'),
    )
  })

  it.each<[string, () => unknown, string]>([
    [
      'a constant that is no tune line',
      () => new Kernel('sample', code, 'forward', { tune: { FIXED: 8 } }),
      'sample.wgsl has no line "const FIXED: u32 = …u; // tune"',
    ],
    [
      'a negative number',
      () => new Kernel('sample', code, 'forward', { tune: { PER: -1 } }),
      'sample.wgsl: PER = -1 is not a whole number',
    ],
  ])('refuses %s', (_, make, message) => {
    expect(messageOf(make)).toBe(message)
  })
})

describe('KernelFile', () => {
  it('makes the kernel that new Kernel makes', () => {
    const kernel = file.entry('forward', { PER: 16 }, { WG: 32 })
    expect(kernel).toBeInstanceOf(Kernel)
    expect(kernel).toEqual(new Kernel('sample', code, 'forward', { tune: { PER: 16 }, constants: { WG: 32 } }))
  })

  it('gives the same kernel for the same numbers, in whatever order they are named', () => {
    const kernel = file.entry('forward', { PER: 16, PERIOD: 8 }, { WG: 32 })
    expect(file.entry('forward', { PERIOD: 8, PER: 16 }, { WG: 32 })).toBe(kernel)
    expect(file.entry('lookup')).toBe(file.entry('lookup', {}, {}))
  })

  it('tells kernels apart by entry point, by names, by values, and by what a number is for', () => {
    const kernels = [
      file.entry('forward'),
      file.entry('lookup'),
      file.entry('forward', { PER: 8 }),
      file.entry('forward', { PERIOD: 8 }),
      file.entry('forward', { PER: 8, PERIOD: 4 }),
      file.entry('forward', { PER: 4, PERIOD: 8 }),
      file.entry('forward', {}, { WG: 8 }),
      file.entry('forward', {}, { WG: 4 }),
      file.entry('forward', { PER: 8 }, { WG: 4 }),
      file.entry('forward', {}, { PER: 8 }),
    ]
    expect(new Set(kernels).size).toBe(kernels.length)
    expect(file.entry('forward', { PERIOD: 8 }).code).toContain('const PERIOD: u32 = 8u;')
  })

  it('keeps its kernels as they were made, whatever becomes of the numbers given', () => {
    const constants = { WG: 16 }
    const kernel = file.entry('forward', {}, constants)
    constants.WG = 128
    expect(kernel.constants).toEqual({ WG: 16 })
    expect(file.entry('forward', {}, { WG: 16 })).toBe(kernel)
  })

  it('is another file for the same text under another name', () => {
    expect(new KernelFile('other', code).entry('lookup').name).toBe('other.lookup')
  })
})

describe('emit', () => {
  let gpu: Gpu
  beforeAll(async () => {
    gpu = await testGpu()
  })

  const forward = file.entry('forward', { PER: 3 }, { WG: 8 })
  const lookup = file.entry('lookup')
  const params = { size: 3, value: 0.5 }

  it('runs the kernel with its tuned numbers and constants', async () => {
    const [x, out] = [tensor([1, 2, 3, 4]), tensor([0, 0, 0, 0])]
    gpu.emit(forward, { params, x: x.storage, out: out.storage }, 1)
    expect([...(await out.data())]).toEqual([7.5, 10.5, 13.5, 0])
  })

  it('binds buffers to uniform arrays', async () => {
    const [table, out] = [tensor([1, 2, 3, 4, 5, 6, 7, 8]), tensor([0])]
    gpu.emit(lookup, { table: table.storage, out: out.storage }, 1)
    expect(await out.item()).toBe(8)
  })

  it('with no workgroups records nothing', () => {
    const { dispatches } = gpu
    const x = tensor([1])
    gpu.emit(forward, { params, x: x.storage, out: x.storage }, 0)
    expect(gpu.dispatches).toBe(dispatches)
  })

  it('refuses what does not fit the bindings, and records nothing', () => {
    const [x, out] = [tensor([1]).storage, tensor([0]).storage]
    const cases: [Parameters<Gpu['emit']>[1], string][] = [
      [{ params, x, output: out }, 'sample.forward has no binding output; it has params, x, out'],
      [{ params, x, out, table: x }, 'sample.forward has no binding table; it has params, x, out'],
      [{ params, x }, 'sample.forward: binding out is missing'],
      [{ x, out }, 'sample.forward: binding params is missing'],
      [{ params: x, x, out }, 'sample.forward: params takes numbers, not a buffer'],
      [{ params, x, out: { size: 1 } }, 'sample.forward: out takes a buffer, not numbers'],
      [{ params: { size: 1 }, x, out }, 'sample.forward: params has no value for value'],
      [{ params, x, out, bias: null }, 'sample.forward has no binding bias; it has params, x, out'],
      [{ params: null, x, out }, 'sample.forward: params takes numbers, not null'],
    ]
    const { dispatches } = gpu
    for (const [values, message] of cases) expect(messageOf(() => gpu.emit(forward, values, 1))).toBe(message)
    for (const groups of [-1, 0.5, Number.NaN]) {
      expect(messageOf(() => gpu.emit(forward, { params, x, out }, groups))).toBe(
        `sample.forward: ${groups} is not a number of workgroups`,
      )
    }
    expect(gpu.dispatches).toBe(dispatches)
  })

  it('refuses a buffer that is too small for a uniform array', () => {
    const large = new KernelFile('large', code.replace('vec4f, 2', 'vec4f, 17')).entry('lookup')
    const [table, out] = [tensor([1]).storage, tensor([0]).storage]
    expect(messageOf(() => gpu.emit(large, { table, out }, 1))).toBe(
      'large.lookup: table needs 272 bytes, the buffer has 256',
    )
  })
})

describe('a null binding', () => {
  let gpu: Gpu
  beforeAll(async () => {
    gpu = await testGpu()
  })

  // Adds up those inputs, and writes those outputs, that it is told to.
  const sum = new KernelFile(
    'sum',
    `struct Params { inputs: u32, outputs: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> first: array<f32>;
@group(0) @binding(4) var<storage, read_write> second: array<f32>;
@group(0) @binding(5) var<uniform> table: array<vec4f, 4096>;
@compute @workgroup_size(1)
fn main() {
  var sum = 0.0;
  if ((params.inputs & 1u) > 0u) { sum += a[0]; }
  if ((params.inputs & 2u) > 0u) { sum += b[0]; }
  if ((params.inputs & 4u) > 0u) { sum += table[4095].w; }
  if ((params.outputs & 1u) > 0u) { first[0] = sum; }
  if ((params.outputs & 2u) > 0u) { second[0] = sum; }
}
@compute @workgroup_size(1) fn both() { first[0] = 1.0; second[0] = 2.0; _ = a[0]; }
`,
  )
  const main = sum.entry('main')

  it('stands for a buffer that is not looked at: read, written, a uniform array, several in one dispatch', async () => {
    const [a, b, first, second] = [tensor([1]), tensor([2]), tensor([0]), tensor([0])]
    const none = { a: null, b: null, first: null, second: null, table: null }
    gpu.emit(main, { ...none, params: { inputs: 0, outputs: 0 } }, 1)
    gpu.emit(main, { ...none, params: { inputs: 1, outputs: 1 }, a: a.storage, first: first.storage }, 1)
    gpu.emit(main, { ...none, params: { inputs: 2, outputs: 2 }, b: b.storage, second: second.storage }, 1)
    expect([await first.item(), await second.item()]).toEqual([1, 2])
  })

  it('is memory that nobody else has, where a kernel looks all the same', async () => {
    const [a, b, first] = [tensor([1]), tensor([2]), tensor([0])]
    const given = { a: a.storage, b: b.storage, first: first.storage, table: null }
    gpu.emit(main, { ...given, params: { inputs: 3, outputs: 2 }, second: null }, 1)
    gpu.emit(main, { ...given, params: { inputs: 3, outputs: 3 }, second: null }, 1)
    expect([await a.item(), await b.item(), await first.item()]).toEqual([1, 2, 3])
  })

  it('may be written twice in a dispatch: neither is the other, nor what is read', async () => {
    const { buffer } = tensor([1]).storage
    const bound: GPUBufferBinding[] = []
    const { createBindGroup } = gpu.device
    gpu.device.createBindGroup = (descriptor) => {
      for (const { resource } of descriptor.entries) bound.push(resource as GPUBufferBinding)
      return createBindGroup.call(gpu.device, descriptor)
    }
    try {
      gpu.emit(sum.entry('both'), { a: null, first: null, second: null }, 1)
    } finally {
      delete (gpu.device as { createBindGroup?: unknown }).createBindGroup // the one of its class again
    }
    expect(new Set([buffer, ...bound.map((range) => range.buffer)]).size).toBe(4)
    await gpu.read(tensor([1]).storage) // throws what the device reports
  })

  it('is the same memory in every dispatch, and no part of the memory that is counted', () => {
    const none = { a: null, b: null, first: null, second: null, table: null }
    const emit = () => gpu.emit(main, { ...none, params: { inputs: 0, outputs: 0 } }, 1)
    emit()
    const before = gpu.memory()
    let buffers = 0
    const { createBuffer } = gpu.device
    gpu.device.createBuffer = (descriptor) => {
      buffers++
      return createBuffer.call(gpu.device, descriptor)
    }
    try {
      for (let i = 0; i < 3; i++) emit()
    } finally {
      delete (gpu.device as { createBuffer?: unknown }).createBuffer // the one of its class again
    }
    expect(buffers).toBe(0)
    expect(gpu.memory()).toEqual(before)
  })

  it('is captured, and is the same in both recordings of a function', async () => {
    const [a, first] = [tensor([3]), tensor([0])]
    const none = { b: null, second: null, table: null }
    const plan = capture(() => {
      gpu.emit(main, { ...none, params: { inputs: 1, outputs: 1 }, a: a.storage, first: first.storage }, 1)
    })
    plan.run(2)
    expect(await first.item()).toBe(3)
    plan.dispose()
    gpu.emit(main, { ...none, params: { inputs: 1, outputs: 1 }, a: first.storage, first: a.storage }, 1)
    expect(await a.item()).toBe(3)
  })

  it('and a tensor are not the same in two recordings', () => {
    const [a, first] = [tensor([3]), tensor([0])]
    let times = 0
    const message = messageOf(() =>
      capture(() => {
        const second = times++ === 0 ? null : first.storage
        const values = { b: null, table: null, params: { inputs: 1, outputs: 0 }, a: a.storage, first: null, second }
        gpu.emit(main, values, 1)
      }),
    )
    expect(message).toContain('dispatch 0 (sum.main) used a different tensor')
  })

  it('is refused where a uniform array is larger than any may be', () => {
    const large = new KernelFile('large', code.replace('vec4f, 2', 'vec4f, 4097')).entry('lookup')
    expect(messageOf(() => gpu.emit(large, { table: null, out: null }, 1))).toBe(
      'large.lookup: table needs 65552 bytes, a null binding has 65536',
    )
  })
})
