// The reference of interpolate by hand.
import { expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { backward, forward } from './reference.ts'

const row = (...values: number[]) => ref([1, 1, 1, values.length], values)

it('takes the nearest cell, or lies between two', () => {
  const twice = { size: [1, 6], scale: null } as const
  expect([...forward('nearest', row(1, 2, 5), twice).data]).toEqual([1, 1, 2, 2, 5, 5])
  expect([...forward('bilinear', row(1, 2, 5), twice).data]).toEqual([1, 1.25, 1.75, 2.75, 4.25, 5])
  const fewer = { size: [1, 2], scale: null } as const
  expect([...forward('nearest', row(1, 2, 5), fewer).data]).toEqual([1, 2])
  expect([...forward('bilinear', row(1, 2, 5), fewer).data]).toEqual([1.25, 4.25])
})

it('gives each cell what its outputs got, by the same weights', () => {
  const twice = { size: [1, 4], scale: null } as const
  expect([...backward('nearest', row(1, 10, 100, 1000), [1, 1, 1, 2], twice).data]).toEqual([11, 1100])
  expect([...backward('bilinear', row(1, 10, 100, 1000), [1, 1, 1, 2], twice).data]).toEqual([33.5, 1077.5])
})
