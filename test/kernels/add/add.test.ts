// What only add promises: both gradients of one tensor, channels, blocks of rows.
import { beforeAll, describe, expect, it } from 'vitest'
import { add } from '../../../src/node/index.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf, tensorOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { ref } from '../../support/ref.ts'

beforeAll(testGpu)

function make(shape: number[], seed: number) {
  return ref(shape, fill(ref(shape).data.length, seed, 'normal'))
}

describe('add', () => {
  it('gives a tensor added to itself both gradients', async () => {
    const a = parameter([1, 2, 3], [3])
    const out = add(a, a)
    out.backward(tensor([1, 10, 100]))
    expect([...(await values(out))]).toEqual([2, 4, 6])
    expect([...(await values(a.grad))]).toEqual([2, 20, 200])
  })

  it('passes NaN and infinities, in the gradient to their channel alone', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    const a = parameter([nan, 1, inf, 1, inf, 1], [2, 3])
    const b = parameter([1, inf, -inf], [3])
    const out = add(a, b)
    out.backward(tensor([1, nan, inf, 2, 1, inf], [2, 3]))
    expect([...(await values(out))]).toEqual([nan, inf, nan, 2, inf, -inf])
    expect([...(await values(b.grad))]).toEqual([3, nan, inf])
    expect([...(await values(a.grad))]).toEqual([1, nan, inf, 2, 1, inf])
  })

  it('gives db the same bits when rows with a zero gradient follow', async () => {
    const run = async (rows: number) => {
      const b = parameter(fill(7, 1, 'normal'), [7])
      const dy = make([rows, 7, 3], 2)
      dy.data.fill(0, 40 * 21)
      add(tensorOf(ref([rows, 7, 3])), b).backward(tensorOf(dy))
      return bitsOf(b.grad)
    }
    const alone = await run(40)
    for (const rows of [41, 64, 100]) expect(await run(rows)).toEqual(alone)
  })

  it('adds db of 32 rows first, then the blocks of rows in order', async () => {
    const dy = make([64, 7, 3], 2)
    const run = async (from: number, to: number) => {
      const b = parameter(fill(7, 1, 'normal'), [7])
      const shape = [to - from, 7, 3]
      add(tensorOf(ref(shape)), b).backward(tensorOf(ref(shape, dy.data.slice(from * 21, to * 21))))
      return [...(await values(b.grad))]
    }
    const [first, second] = [await run(0, 32), await run(32, 64)]
    expect(await run(0, 64)).toEqual(first.map((v, i) => Math.fround(v + second[i]!)))
  })
})
