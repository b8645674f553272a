// What only interpolate promises: tables for many sizes, cells of weight 0, captured steps, batches that are filled up.
import { beforeAll, expect, it } from 'vitest'
import { currentOn } from '../../../src/capture/current.ts'
import { avgPool2d, capture, interpolate, type Tensor } from '../../../src/node/index.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { type Gpu, parameter, tensor, testGpu, values } from '../../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

it('gives the same in every round over so many sizes that their tables are released meanwhile', async () => {
  const x = tensor(fill(12, 1, 'normal'), [1, 1, 3, 4])
  const round = () => {
    const outs = Array.from({ length: 70 }, (_, i) => interpolate(x, { size: [i + 1, 2], mode: 'bilinear' }))
    return Promise.all(outs.map(bitsOf))
  }
  const first = await round()
  expect(await round()).toEqual(first)
  expect(await round()).toEqual(first)
})

it('leaves out a cell of weight 0, whatever it holds', async () => {
  const x = tensor([1, 2, Number.NaN, 4, 5, Number.POSITIVE_INFINITY], [1, 1, 1, 6])
  expect([...(await values(interpolate(x, { size: [1, 2], mode: 'bilinear' })))]).toEqual([2, 5])
})

it('a captured step has the bits of an eager one, also when its tables have been released since', async () => {
  const x = parameter(fill(2 * 3 * 5 * 4, 1, 'normal'), [2, 3, 5, 4])
  const dy = tensor(fill(2 * 3 * 7 * 6, 2, 'normal'), [2, 3, 7, 6])
  const step = () => {
    x.grad = null
    const outs = (['nearest', 'bilinear'] as const).map((mode) => interpolate(x, { size: [7, 6], mode }))
    for (const out of outs) out.backward(dy)
    return [...outs.map((out) => out.detach()), x.grad!]
  }
  const eager = await Promise.all(step().map(bitsOf))
  const plan = capture(step)
  for (let size = 1; size <= 140; size++) interpolate(x, { size: [size, 6], mode: 'bilinear' }).dispose()
  plan.run(2)
  expect(await Promise.all(plan.result.map(bitsOf))).toEqual(eager)
  plan.dispose()
})

it('looks at each image by itself, as average pooling does', () => {
  const x = tensor(fill(4 * 3 * 4 * 4, 1, 'normal'), [4, 3, 4, 4])
  const across = (run: () => Tensor) => {
    let found: string | null = ''
    capture(() => {
      const recording = currentOn(gpu)!
      recording.rows.set(x.storage, 4)
      run()
      found = recording.acrossBatch
    }).dispose()
    return found
  }
  expect(across(() => interpolate(x, { scale: 2 }))).toBe(null)
  expect(across(() => avgPool2d(x, { kernelSize: 2, padding: 1, countIncludePad: false }))).toBe(null)
})
