// Every operation on a device whose limits are the lowest that the specification allows, whatever the adapter can do.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { add, conv2d, GpuError, linear, matmul } from '../../src/node/index.ts'
import { fill } from '../support/arbitraries.ts'
import { type Gpu, openMinimal, type Tensor, tensor, testGpu } from '../support/gpu.ts'
import { lentTo } from './memory.ts'
import { checkAgainstReference, drawn } from './run.ts'
import { table } from './table.ts'

/** WebGPU's default limits, section 3.6.2 of the specification. */
const MINIMUM = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16_384,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxUniformBufferBindingSize: 65_536,
  maxBufferSize: 256 * 2 ** 20,
  maxComputeWorkgroupsPerDimension: 65_535,
}

let gpu: Gpu
beforeAll(async () => {
  await testGpu()
  gpu = await openMinimal()
})
afterAll(() => gpu.close())

describe('with the lowest limits', () => {
  it('the device has them', () => {
    const names = Object.keys(MINIMUM) as (keyof typeof MINIMUM)[]
    expect(Object.fromEntries(names.map((name) => [name, gpu.device.limits[name]]))).toEqual(MINIMUM)
  })

  // Of conv2d a case that has its weights in a uniform buffer of the largest size allowed.
  const cases = table.map((row) => [row.name, row, row.fixed['its second'] ?? Object.values(row.fixed)[1]!] as const)
  it.each(cases)('%s equals the reference', async (_, row, given) => {
    await checkAgainstReference(row, given, drawn(row, given, 'normal'), 'bound', gpu)
  })

  it('more workgroups than one dimension takes are folded into a second', async () => {
    // 64 channels a workgroup of backward.
    const channels = 64 * 65_535 + 100
    const b = tensor(new Float32Array(channels), [channels], { requiresGrad: true, gpu })
    const a = tensor(new Float32Array(channels), [1, channels], { gpu })
    const dy = tensor(fill(channels, 1, 'smallInts'), [1, channels], { gpu })
    const out = add(a, b)
    out.backward(dy)
    const [expected, gradient] = [await dy.data(), await b.grad!.data()]
    expect(gradient.findIndex((v, i) => v !== expected[i])).toBe(-1)
    for (const t of [a, b, dy, out]) t.dispose()
  })

  const of = (...shape: number[]) => tensor(new Float32Array(shape.reduce((x, y) => x * y)), shape, { gpu })
  it.each<[string, () => Tensor[], (...inputs: Tensor[]) => Tensor, string]>([
    [
      'matmul',
      () => [of(8192, 1), of(1, 4097)],
      (a, b) => matmul(a, b),
      'matmul [8192, 4097] needs 134,250,496 bytes; this adapter allows at most 134,217,728 in one buffer. Take a smaller batch, or split the tensor',
    ],
    [
      'linear',
      () => [of(8192, 1), of(4097, 1)],
      (x, w) => linear(x, w),
      'linear [8192, 4097] needs 134,250,496 bytes; this adapter allows at most 134,217,728 in one buffer. Take a smaller batch, or split the tensor',
    ],
    [
      'conv2d',
      () => [of(1, 1, 64, 128), of(4097, 1, 1, 1)],
      (x, w) => conv2d(x, w),
      'conv2d [1, 4097, 64, 128] needs 134,250,496 bytes; this adapter allows at most 134,217,728 in one buffer. Take a smaller batch, or split the tensor',
    ],
  ])('%s says what does not fit one binding, and asks for nothing', (_, make, run, message) => {
    const inputs = make()
    let thrown: unknown = null
    const lent = lentTo(gpu, () => {
      try {
        run(...inputs)
      } catch (error) {
        thrown = error
      }
    })
    expect(thrown).toBeInstanceOf(GpuError)
    expect((thrown as GpuError).kind).toBe('out-of-memory')
    expect((thrown as GpuError).message).toBe(message)
    expect(lent).toEqual([])
    for (const t of inputs) t.dispose()
  })
})
