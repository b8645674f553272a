import process from 'node:process'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Dispatch, encodeSteps } from '../../src/gpu/recorder.ts'
import { KernelFile } from '../../src/node/index.ts'
import { type Gpu, tensor, testGpu } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const double = new KernelFile(
  'double',
  `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() { out[0] = 2.0 * x[0]; }`,
).entry('main')
const increment = new KernelFile(
  'increment',
  `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() { out[0] += 1.0; }`,
).entry('main')

describe('commands run in the order of the calls:', () => {
  it('a write after a dispatch that reads the buffer', async () => {
    const [x, first, second] = [tensor([1]), tensor([0]), tensor([0])]
    gpu.emit(double, { x: x.storage, out: first.storage }, 1)
    gpu.write(x.storage, new Float32Array([10]))
    gpu.emit(double, { x: x.storage, out: second.storage }, 1)
    expect([await first.item(), await second.item()]).toEqual([2, 20])
  })

  it('a write after a dispatch that writes the buffer', async () => {
    const [x, out] = [tensor([1]), tensor([0])]
    gpu.emit(double, { x: x.storage, out: out.storage }, 1)
    gpu.write(out.storage, new Float32Array([7]))
    expect(await out.item()).toBe(7)
  })

  it('a write after a copy from the buffer, and after one to it', async () => {
    const [from, to, other] = [tensor([1]), tensor([2]), tensor([3])]
    gpu.copy(from.storage, to.storage, 4)
    gpu.write(from.storage, new Float32Array([10]))
    gpu.copy(from.storage, other.storage, 4)
    gpu.write(other.storage, new Float32Array([20]))
    expect([await from.item(), await to.item(), await other.item()]).toEqual([10, 1, 20])
  })

  it('a copy between dispatches', async () => {
    const [out, snapshot] = [tensor([0]), tensor([0])]
    gpu.emit(increment, { out: out.storage }, 1)
    gpu.copy(out.storage, snapshot.storage, 4)
    gpu.emit(increment, { out: out.storage }, 1)
    expect([await out.item(), await snapshot.item()]).toEqual([2, 1])
  })

  it('a read started before later commands', async () => {
    const out = tensor([0])
    gpu.emit(increment, { out: out.storage }, 1)
    const first = out.item()
    gpu.emit(increment, { out: out.storage }, 1)
    const second = out.item()
    gpu.write(out.storage, new Float32Array([50]))
    expect(await Promise.all([out.item(), second, first])).toEqual([50, 2, 1])
  })

  it('hundreds of dispatches, more than one submission holds, each once', async () => {
    for (const count of [63, 64, 65, 300]) {
      const out = tensor([0])
      const { dispatches } = gpu
      for (let i = 0; i < count; i++) gpu.emit(increment, { out: out.storage }, 1)
      expect(gpu.dispatches - dispatches).toBe(count)
      expect(await out.item()).toBe(count)
      out.dispose()
    }
  })

  it('and flush twice sends nothing twice', async () => {
    const out = tensor([0])
    gpu.emit(increment, { out: out.storage }, 1)
    gpu.flush()
    gpu.flush()
    expect(await out.item()).toBe(1)
  })
})

describe('the steps of a plan', () => {
  const dispatches: Dispatch[] = [true, false, true].map((perStep, i) => {
    const [pipeline, bindGroup] = [{ pipeline: i }, { group: i }] as unknown as [GPUComputePipeline, GPUBindGroup]
    return { pipeline, bindGroup, grid: [i + 1, 10 * i + 1], perStep }
  })

  it('are encoded in order, each with its own number', () => {
    const calls: unknown[] = []
    encodeSteps(
      passOf((name, args) => calls.push([name, args.map((arg) => (Array.isArray(arg) ? [...arg] : arg))])),
      dispatches,
      2,
    )
    const step = (offset: number) => [
      ['setPipeline', [{ pipeline: 0 }]],
      ['setBindGroup', [0, { group: 0 }, [offset]]],
      ['dispatchWorkgroups', [1, 1]],
      ['setPipeline', [{ pipeline: 1 }]],
      ['setBindGroup', [0, { group: 1 }]],
      ['dispatchWorkgroups', [2, 11]],
      ['setPipeline', [{ pipeline: 2 }]],
      ['setBindGroup', [0, { group: 2 }, [offset]]],
      ['dispatchWorkgroups', [3, 21]],
    ]
    expect(calls).toEqual([...step(0), ...step(256)])
  })

  it('make no object: neither a list for the offset nor what a loop needs', () => {
    const offsets = new Set<unknown>()
    encodeSteps(
      passOf((_, args) => args.length === 3 && offsets.add(args[2])),
      dispatches,
      3,
    )
    expect(offsets.size).toBe(1)
    const nothing = () => undefined
    const pass = { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing }
    const taken = (steps: number) => {
      const before = process.memoryUsage().heapUsed
      encodeSteps(pass as unknown as GPUComputePassEncoder, dispatches, steps)
      return process.memoryUsage().heapUsed - before
    }
    taken(1)
    // The looks at the heap take a little themselves; an object in each of 300 dispatches would be 5 KB at least.
    expect(taken(100) - taken(1)).toBeLessThan(3000)
  })
})

/** A pass that tells of its calls. */
function passOf(tell: (name: string, args: unknown[]) => void): GPUComputePassEncoder {
  const method =
    (_: object, name: string) =>
    (...args: unknown[]) =>
      tell(name, args)
  return new Proxy({}, { get: method }) as GPUComputePassEncoder
}
