// What only copies promise: bits, integers, ranges of labels, sums in blocks, captured steps.
import { beforeAll, describe, expect, it } from 'vitest'
import { copyOf } from '../../../src/kernels/copy.ts'
import {
  capture,
  cat,
  crossEntropy,
  expand,
  flip,
  pad,
  permute,
  scope,
  slice,
  split,
  type Tensor,
  tril,
} from '../../../src/node/index.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

const NAN_BITS = 0x7fc01234

describe('copies', () => {
  it('keep the bits of NaN, of -0 and of the smallest numbers', async () => {
    const bits = Uint32Array.of(NAN_BITS, 0x80000000, 1, 0x7f800000, 0xff812345, 0x3f800000)
    const x = tensor(new Float32Array(bits.buffer), [2, 3])
    const back = scope(() => permute(permute(x, [1, 0]), [1, 0]))
    expect([...(await bitsOf(back))]).toEqual([...bits])
    expect([...(await bitsOf(flip(x, [0, 1])))]).toEqual([...bits].reverse())
    expect([...(await bitsOf(cat([x, x])))]).toEqual([...bits, ...bits])
    // What a triangle leaves out is 0, whatever stood there.
    expect([...(await bitsOf(tril(x, -1)))]).toEqual([0, 0, 0, bits[3], 0, 0])
  })

  it('move integers, and remember what labels can be', async () => {
    const x = tensor(Int32Array.of(1, 2, 3, 4, 5, -6), [2, 3])
    const moved = scope(() => pad(flip(slice(x, 1, 1), [0]), [1, 0], { value: -7 }))
    expect(moved.dtype).toBe('int32')
    expect([...(await moved.data())]).toEqual([-7, 5, -6, -7, 2, 3])
    expect([...(await pad(x, [1, 0], { mode: 'reflect' }).data())]).toEqual([2, 1, 2, 3, 5, 4, 5, -6])
    const labels = tensor(Int32Array.of(0, 1, 2, 5))
    const logits = tensor(new Float32Array(12), [4, 3])
    const wrong = 'crossEntropy: label 5 is not a class; logits have 3 classes, 0 to 2'
    expect(() => crossEntropy(logits, flip(labels, [0]))).toThrow(wrong)
    expect(() => crossEntropy(tensor(new Float32Array(24), [8, 3]), cat([labels, labels]))).toThrow(wrong)
  })

  it('of a part of labels say nothing of those that are left out', async () => {
    const labels = tensor(Int32Array.of(0, 1, 2, 5))
    const loss = crossEntropy(tensor(new Float32Array(9), [3, 3]), slice(labels, 0, 0, 3))
    expect(await loss.item()).toBeCloseTo(Math.log(3), 6)
  })

  it('move bytes, whole or in part, and leave the bytes beside them alone', async () => {
    const x = tensor(
      Uint8Array.from({ length: 15 }, (_, i) => 10 + i),
      [3, 5],
    )
    const read = async (t: Tensor) => {
      const words = await t.gpu.read(t.storage, 4 * Math.ceil(t.size / 4))
      // Behind the last byte its word holds zeros, as in a tensor that came from the host.
      expect([...new Uint8Array(words).subarray(t.size)].every((byte) => byte === 0)).toBe(true)
      return [...new Uint8Array(words).subarray(0, t.size)]
    }
    expect(await read(permute(x, [1, 0]))).toEqual([10, 15, 20, 11, 16, 21, 12, 17, 22, 13, 18, 23, 14, 19, 24])
    expect(await read(flip(x, [0, 1]))).toEqual(Array.from({ length: 15 }, (_, i) => 24 - i))
    expect(await read(slice(x, 1, 1, 4, 2))).toEqual([11, 13, 16, 18, 21, 23])
    expect(await read(expand(slice(x, 1, 2, 3), [3, 3]))).toEqual([12, 12, 12, 17, 17, 17, 22, 22, 22])
    expect(await read(cat([x, slice(x, 1, 0, 2), x], 1))).toEqual(
      [0, 5, 10].flatMap((row) => [10, 11, 12, 13, 14, 10, 11, 10, 11, 12, 13, 14].map((byte) => row + byte)),
    )
    expect(await read(pad(slice(x, 0, 1, 2), [2, -1, 1, 0], { value: 255 }))).toEqual([
      ...[255, 255, 255, 255, 255, 255],
      ...[255, 255, 15, 16, 17, 18],
    ])
    expect(await read(slice(x, 0, 3))).toEqual([])
  })

  it('of a padding of labels know nothing of their range', async () => {
    const labels = pad(tensor(Int32Array.of(0, 1)), [0, 1], { value: 9 })
    const loss = crossEntropy(tensor(new Float32Array(6), [3, 2]), labels)
    expect(await loss.item()).toBeNaN()
  })

  it('take NaN and infinities as the constant of a padding', async () => {
    const x = tensor([1, 2])
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    expect([...(await values(pad(x, [1, 0], { value: nan })))]).toEqual([nan, 1, 2])
    expect([...(await values(pad(x, [0, 1], { value: -inf })))]).toEqual([1, 2, -inf])
  })

  it('give slice the whole dimension unless told, and split its gradients back', async () => {
    const x = parameter(fill(24, 1, 'normal'), [2, 12])
    expect(slice(x, -1).shape).toEqual([2, 12])
    expect(slice(x, 1, -5).shape).toEqual([2, 5])
    const parts = split(x, [4, 8], 1)
    expect(parts.map(({ shape }) => shape)).toEqual([[2, 4], [2, 8]]) // biome-ignore format: a list
    parts[0]!.backward(tensor(new Float32Array(8).fill(1), [2, 4]))
    expect([...(await values(x.grad))]).toEqual([...Array(2)].flatMap(() => [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
  })

  it('add the gradients of an edge 32 at a time', async () => {
    const x = parameter([3], [1])
    const dy = fill(100, 5, 'normal')
    pad(x, [40, 59], { mode: 'replicate' }).backward(tensor(dy))
    let sum = 0
    for (let block = 0; block < 100; block += 32) {
      let part = 0
      for (const g of dy.slice(block, block + 32)) part = Math.fround(part + g)
      sum = Math.fround(sum + part)
    }
    expect([...(await values(x.grad))]).toEqual([sum])
  })

  it('have the same bits captured and eager', async () => {
    const x = parameter(fill(60, 1, 'normal'), [3, 4, 5])
    const dy = tensor(fill(3 * 2 * 7 * 8, 2, 'normal'), [6, 7, 8])
    const step = () => {
      x.grad = null
      const moved = scope(() => {
        const row = slice(permute(x, [0, 2, 1]), 1, 1, 5, 3)
        return expand(pad(cat([row, flip(row, [2])], 2), [0, 0, 3, 2], { mode: 'constant' }), [3, 7, 8])
      })
      const out = scope(() => cat([moved, moved]))
      out.backward(dy)
      return out
    }
    const eager = [await bitsOf(scope(step)), await bitsOf(x.grad)]
    const plan = capture(step)
    plan.run(2)
    expect([await bitsOf(plan.result), await bitsOf(x.grad)]).toEqual(eager)
    plan.dispose()
  })
})

it('copyOf has separate memory and the same bits', async () => {
  for (const size of [0, 1, 1024, 1025]) {
    const x = tensor(fill(size, 1, 'normal'), [size])
    const copy = copyOf(x)
    expect(copy.storage).not.toBe(x.storage)
    expect(copy.shape).toEqual(x.shape)
    expect(await values(copy)).toEqual(await values(x))
  }
})
