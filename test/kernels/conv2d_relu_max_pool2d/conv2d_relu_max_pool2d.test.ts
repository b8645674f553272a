// What only conv2dReluMaxPool2d promises: its winners, its bits, its dispatches.
import { beforeAll, describe, expect, it } from 'vitest'
import { conv2d, conv2dReluMaxPool2d, maxPool2d, relu } from '../../../src/node/index.ts'
import { checkAgainstReference } from '../../operations/run.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { type Gpu, parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { ref } from '../../support/ref.ts'
import { conv2dReluMaxPool2dRow } from './row.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const { NaN: nan, POSITIVE_INFINITY: inf } = Number
/** A kernel of one element that is 1: what it is given is what is pooled. */
const identity = () => parameter([1], [1, 1, 1, 1])

describe('conv2dReluMaxPool2d', () => {
  it('gives the gradient of equal maxima to the first in row-major order, and none where nothing is above 0', async () => {
    const x = parameter([0, 0, 7, 7, 0, 0, 7, 7, -1, -2, 1, 3, -3, -4, 3, 3], [1, 1, 4, 4])
    const w = identity()
    const out = conv2dReluMaxPool2d(x, w)
    expect([...(await values(out))]).toEqual([0, 7, 0, 3])
    out.backward(tensor([1, 2, 4, 8], [1, 1, 2, 2]))
    expect([...(await values(x.grad))]).toEqual([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0])
    expect([...(await values(w.grad))]).toEqual([7 * 2 + 3 * 8])
  })

  it('takes the cells with their bias for equal where float32 does', async () => {
    // Beside the bias of 2^24 the half that the first cell is behind is lost.
    const x = parameter([1, 1.5, 0, 0], [1, 1, 2, 2])
    const bias = parameter([2 ** 24], [1])
    const fused = conv2dReluMaxPool2d(x, identity(), bias)
    fused.backward()
    const gradient = await values(x.grad)
    x.grad = null
    const plain = maxPool2d(relu(conv2d(x, identity(), bias)), { kernelSize: 2 })
    plain.backward()
    expect(await values(plain)).toEqual(await values(fused))
    expect(await values(x.grad)).toEqual(gradient)
  })

  it('lets the last NaN win, through ReLU as well', async () => {
    const x = parameter([nan, 5, nan, -1, -2, nan, -inf, -3], [1, 2, 2, 2])
    const w = parameter([1, 0, 0, 1], [2, 2, 1, 1])
    const out = conv2dReluMaxPool2d(x.reshape([2, 1, 2, 2]), identity())
    expect([...(await values(out))]).toEqual([nan, nan])
    out.backward(tensor([2, 3], [2, 1, 1, 1]))
    expect([...(await values(x.grad))]).toEqual([0, 0, 2, 0, 0, 3, 0, 0])
    w.dispose()
  })

  it('adds nothing for cells that did not win, whatever they hold or would meet', async () => {
    const x = parameter([-inf, 2, 1, 0], [1, 1, 2, 2])
    const w = identity()
    conv2dReluMaxPool2d(x, w).backward(tensor([3], [1, 1, 1, 1]))
    expect([...(await values(w.grad))]).toEqual([6])
    expect([...(await values(x.grad))]).toEqual([0, 3, 0, 0])
    // Nobody won, and what comes back is infinite.
    const off = parameter([-1, -1, -1, -1], [1, 1, 2, 2])
    const bias = parameter([0], [1])
    conv2dReluMaxPool2d(off, w, bias).backward(tensor([inf], [1, 1, 1, 1]))
    expect([...(await values(off.grad)), ...(await values(bias.grad))]).toEqual([0, 0, 0, 0, 0])
  })

  it('overflows to infinity as the reference does', async () => {
    const given = { ...conv2dReluMaxPool2dRow.fixed['one window']!, bias: false }
    const inputs = [ref([1, 1, 2, 2], [3e38, -3e38, 1, 2]), ref([1, 1, 1, 1], [2]), null]
    await checkAgainstReference(conv2dReluMaxPool2dRow, given, { inputs, dy: ref([1, 1, 1, 1], [1]) })
  })

  it('takes two dispatches forward, the first for the weights, and backward one for dx, one for the partial sums and one for their sum', () => {
    const [x, w, b] = [
      parameter(new Float32Array(64), [1, 1, 8, 8]),
      parameter(new Float32Array(9), [1, 1, 3, 3]),
      null,
    ]
    const before = gpu.dispatches
    const out = conv2dReluMaxPool2d(x, w, b)
    expect(gpu.dispatches - before).toBe(2)
    out.backward(tensor(new Float32Array(9), [1, 1, 3, 3]))
    expect(gpu.dispatches - before).toBe(5)
  })

  // A plan for whole batches runs the last, short one with images of zeros that have no gradient.
  it.each([
    ['a kernel compiled in', 6, 14],
    ['any kernel', 1, 8],
  ])('gives the same bits when images of zeros without a gradient follow: %s', async (_, c, side) => {
    const pooled = (side - 4) / 2
    const run = async (n: number) => {
      const padded = (values: Float32Array, size: number) => {
        const all = new Float32Array(n * size)
        all.set(values)
        return all
      }
      const x = tensor(padded(fill(40 * c * side ** 2, 1, 'normal'), c * side ** 2), [n, c, side, side])
      const weight = parameter(fill(8 * c * 25, 2, 'normal'), [8, c, 5, 5])
      const bias = parameter(fill(8, 3, 'normal'), [8])
      const dy = tensor(padded(fill(40 * 8 * pooled ** 2, 4, 'normal'), 8 * pooled ** 2), [n, 8, pooled, pooled])
      conv2dReluMaxPool2d(x, weight, bias).backward(dy)
      return [await bitsOf(weight.grad), await bitsOf(bias.grad)]
    }
    const short = await run(40)
    expect(await run(64)).toEqual(short)
    expect(await run(100)).toEqual(short)
  })

  it('gives an image the same bits in any batch', async () => {
    const weight = tensor(fill(6 * 75, 1, 'normal'), [6, 3, 5, 5])
    const x = fill(3 * 3 * 196, 2, 'normal')
    const all = await bitsOf(conv2dReluMaxPool2d(tensor(x, [3, 3, 14, 14]), weight))
    const last = await bitsOf(conv2dReluMaxPool2d(tensor(x.slice(2 * 588), [1, 3, 14, 14]), weight))
    expect(all.slice(2 * 150)).toEqual(last)
  })
})
