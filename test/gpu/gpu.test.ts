import { beforeAll, describe, expect, it } from 'vitest'
import { empty, KernelFile, open } from '../../src/node/index.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { Gpu, tensor, testGpu } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

describe('emit', () => {
  const count = new KernelFile(
    'count',
    `struct Params { size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<atomic<u32>>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = group.y * groups.x + group.x;
  if (i < params.size) { atomicAdd(&out[i], 1u); }
}`,
  ).entry('main')

  it.each([1, 65_535, 65_536, 70_001, 131_071])(
    'runs %i workgroups, each element once and none past the end',
    async (n) => {
      const out = tensor(new Int32Array(n + 1000))
      gpu.emit(count, { params: { size: n }, out: out.storage }, n)
      const seen = await out.data()
      expect(seen.findIndex((v, i) => v !== (i < n ? 1 : 0))).toBe(-1)
      out.dispose()
    },
  )

  it('hands every dispatch its own numbers, more of them than the cache of numbers holds', async () => {
    const store = new KernelFile(
      'store',
      `struct Params { at: u32, value: i32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@compute @workgroup_size(1) fn main() { out[params.at] = params.value; }`,
    ).entry('main')
    const n = 64 * 256 + 100
    const own = await open() // without the poison, which sends every dispatch by itself
    setDefaultGpu(gpu)
    try {
      const out = tensor(new Int32Array(n), [n], { gpu: own })
      // One more, of numbers that come again: the cache is full in the midst of what is sent at once.
      own.emit(store, { params: { at: 0, value: 0 }, out: out.storage }, 1)
      for (let i = 0; i < n; i++) own.emit(store, { params: { at: i, value: -i }, out: out.storage }, 1)
      const seen = await out.data()
      expect(seen.findIndex((v, i) => v !== 0 - i)).toBe(-1)
    } finally {
      await own.close()
    }
  })
})

describe('read', () => {
  it('gives exactly the bytes asked for, also when their count is odd', async () => {
    const bytes = Uint8Array.from({ length: 11 }, (_, i) => i + 1)
    const { storage } = tensor(bytes)
    for (let n = 0; n <= 11; n++) expect(new Uint8Array(await gpu.read(storage, n))).toEqual(bytes.slice(0, n))
    expect((await gpu.read(storage)).byteLength).toBe(11)
  })

  it('shows nothing of larger reads before, and takes several at once', async () => {
    const large = tensor(Float32Array.from({ length: 3000 }, (_, i) => i))
    const small = [tensor([1, 2, 3]), tensor(new Uint8Array([9])), tensor(5)]
    const [first, ...rest] = await Promise.all([large, ...small].map((t) => t.data()))
    expect(first![2999]).toBe(2999)
    expect(rest).toEqual([new Float32Array([1, 2, 3]), new Uint8Array([9]), new Float32Array([5])])
    expect(await small[0]!.data()).toEqual(new Float32Array([1, 2, 3]))
  })

  it('gives a copy of its own each time', async () => {
    const x = tensor([1, 2])
    const first = await x.data()
    first.fill(9)
    expect([...(await x.data())]).toEqual([1, 2])
  })
})

describe('write', () => {
  it('keeps what lies beyond the last whole word it touches', async () => {
    const x = tensor(new Uint8Array(12).fill(7))
    gpu.write(x.storage, new Uint8Array([1, 2, 3, 4, 5]))
    expect([...(await x.data())].slice(0, 5)).toEqual([1, 2, 3, 4, 5])
    expect([...(await x.data())].slice(8)).toEqual([7, 7, 7, 7])
    gpu.write(x.storage, new Uint8Array(0))
    expect([...(await x.data())].slice(0, 5)).toEqual([1, 2, 3, 4, 5])
  })

  it('takes views that start anywhere in their buffer', async () => {
    const bytes = Uint8Array.from({ length: 20 }, (_, i) => i)
    for (const [from, to] of [
      [1, 4],
      [3, 10],
      [5, 6],
    ] as const) {
      expect(await tensor(bytes.subarray(from, to)).data()).toEqual(bytes.slice(from, to))
      const x = tensor(new Uint8Array(to - from))
      gpu.write(x.storage, bytes.subarray(from, to)) // not copied before, as `tensor` does
      expect(await x.data()).toEqual(bytes.slice(from, to))
    }
  })
})

describe('memory', () => {
  it('counts tensors and the bytes of their buckets, and views not twice', () => {
    const before = gpu.memory()
    const x = empty(gpu, [1025]) // 4,100 bytes, in a bucket of 5,120
    const view = x.reshape([1, 1025])
    const during = gpu.memory()
    expect([during.tensors - before.tensors, during.bytes - before.bytes]).toEqual([2, 5120])
    x.dispose()
    expect(gpu.memory().bytes).toBe(during.bytes)
    view.dispose()
    const after = gpu.memory()
    expect([after.tensors, after.bytes]).toEqual([before.tensors, before.bytes])
    expect(after.peakBytes).toBeGreaterThanOrEqual(during.bytes)
  })
})

describe('info', () => {
  it('names the adapter', () => {
    expect(gpu.info.name).not.toBe('')
    expect(['cpu', 'gpu']).toContain(gpu.info.adapterClass)
  })

  const limits = { maxStorageBufferBindingSize: 1, maxBufferSize: 1 }
  const facts = { vendor: '', architecture: '', device: '', description: '', isFallbackAdapter: false }
  const refusing = (info: object) =>
    ({
      limits,
      info: { ...facts, ...info },
      requestDevice: () => Promise.reject(new Error('no')),
    }) as unknown as GPUAdapter

  it.each([
    [{ vendor: 'nvidia', device: 'RTX', description: 'driver 1' }, 'RTX, driver 1'],
    [
      { vendor: 'mesa', architecture: 'software', device: 'llvmpipe-19', description: 'llvmpipe: Mesa' },
      'llvmpipe: Mesa',
    ],
    [{ vendor: 'nvidia', architecture: 'ampere' }, 'nvidia ampere'],
    [{}, 'unnamed adapter'],
  ])('is in the error when adapter %j refuses a device', async (info, name) => {
    await expect(Gpu.fromAdapter(refusing(info))).rejects.toMatchObject({
      name: 'GpuError',
      kind: 'unavailable',
      message: `the adapter ${name} gave no device: Error: no`,
    })
  })
})
