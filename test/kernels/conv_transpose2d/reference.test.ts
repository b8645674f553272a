// The reference of convTranspose2d: that it is the transpose of the convolution's, and by hand.
import { expect, it } from 'vitest'
import { randomRef } from '../../operations/row.ts'
import { ref } from '../../support/ref.ts'
import { conv2dBackward } from '../conv2d/reference.ts'
import { forward } from './reference.ts'

const unit = { stride: [1, 1], padding: [0, 0], outputPadding: [0, 0], dilation: [1, 1], groups: 1 } as const

it('adds a kernel for every cell, at its place', () => {
  const y = forward(ref([1, 1, 1, 2], [2, 3]), ref([1, 1, 1, 2], [10, 1]), ref([1], [100]), {
    ...unit,
    stride: [1, 3],
    outputPadding: [0, 1],
  })
  expect([y.shape, [...y.data]]).toEqual([
    [1, 1, 1, 6],
    [120, 102, 100, 130, 103, 100],
  ])
})

it('is the gradient of the input of the convolution', () => {
  const options = { ...unit, stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2 } as const
  const [x, w] = [randomRef([2, 4, 3, 4], 1, 'normal'), randomRef([4, 3, 3, 2], 2, 'normal')]
  const y = forward(x, w, null, options)
  const { input } = conv2dBackward(x, ref(y.shape), w, options)
  expect(Math.max(...y.data.map((v, i) => Math.abs(v - input.data[i]!)))).toBeLessThan(1e-12)
})
