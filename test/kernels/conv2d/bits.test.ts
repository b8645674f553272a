// The same bits from different variants of conv2d.
import { beforeAll, expect, it } from 'vitest'
import { conv2d } from '../../../src/node/index.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, tensor, testGpu } from '../../support/gpu.ts'

beforeAll(testGpu)

it('gives the weight gradient the same bits when columns without a gradient follow, which another variant computes', async () => {
  const [n, oh, narrow, wide] = [40, 4, 8, 180] // below and above what is worth a variant of its own
  const run = async (ow: number) => {
    // The values of the narrow images, then zeros.
    const widened = (channels: number, h: number, extra: number, seed: number) => {
      const values = fill(n * channels * h * (narrow + extra), seed, 'normal')
      const row = (i: number) => Math.floor(i / (ow + extra))
      const column = (i: number) => i % (ow + extra)
      const shape = [n, channels, h, ow + extra]
      const data = Float32Array.from({ length: n * channels * h * (ow + extra) }, (_, i) =>
        column(i) < narrow + extra ? values[row(i) * (narrow + extra) + column(i)]! : 0,
      )
      return tensor(data, shape)
    }
    const weight = parameter(fill(8 * 2 * 9, 1, 'normal'), [8, 2, 3, 3])
    const bias = parameter(fill(8, 2, 'normal'), [8])
    conv2d(widened(2, oh + 2, 2, 3), weight, bias).backward(widened(8, oh, 0, 4))
    return [await bitsOf(weight.grad), await bitsOf(bias.grad)]
  }
  expect(await run(wide)).toEqual(await run(narrow))
})

it('gives the same bits in several dispatches, each with weights that a uniform buffer holds, as in one', async () => {
  const gpu = await testGpu()
  const [n, c, f, h] = [2, 64, 80, 27] // enough work, and weights of 184 KB
  const values = fill(n * c * h * h, 1, 'normal')
  values[5000] = Number.POSITIVE_INFINITY
  const gradient = fill(n * f * h * h, 2, 'normal')
  gradient[7 * h * h] = Number.NaN // in a corner, where taps meet the padding
  const run = async (as: 'cpu' | 'gpu') => {
    const { adapterClass } = gpu.info
    Object.assign(gpu.info, { adapterClass: as })
    try {
      const x = parameter(values, [n, c, h, h])
      const weight = tensor(fill(f * c * 9, 3, 'normal'), [f, c, 3, 3])
      const y = conv2d(x, weight, tensor(fill(f, 4, 'normal'), [f]), { padding: [1, 2], dilation: [1, 2] })
      y.backward(tensor(gradient, [n, f, h, h]))
      return [await bitsOf(y), await bitsOf(x.grad)]
    } finally {
      Object.assign(gpu.info, { adapterClass })
    }
  }
  const [sliced, whole] = [await run('cpu'), await run('gpu')]
  expect(sliced.map((bits, i) => bits.findIndex((b, j) => b !== whole[i]![j]))).toEqual([-1, -1])
})
