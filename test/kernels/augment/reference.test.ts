// The reference of augmentation by hand.
import { expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { augment, drawsOf } from './reference.ts'

const AT = { seed: 1, epoch: 0 }
const image = ref([1, 1, 2, 3], [1, 2, 3, 4, 5, 6])

it('mirrors each row, and leaves out places without an image', () => {
  const mirrored = augment(image, [0], { augment: { flip: 1 } }, AT)
  expect([...mirrored.data]).toEqual([3, 2, 1, 6, 5, 4])
  expect([...mirrored.bound]).toEqual([0, 0, 0, 0, 0, 0])
  expect([...augment(image, [null], { augment: { flip: 1 }, normalize: { mean: 1, std: 1 } }, AT).data]).toEqual(
    new Array(6).fill(0),
  )
})

it('moves the image by its draws, with zeros or its mirror image around it', () => {
  const wide = ref(
    [1, 1, 4, 4],
    Array.from({ length: 16 }, (_, i) => i + 1),
  )
  const changes = { augment: { crop: { padding: 3 } } }
  const row = Array.from({ length: 100 }, (_, i) => i).find((i) => {
    return String(drawsOf(changes, [4, 4], AT, i).crop) === '1,-2'
  })!
  expect([...augment(wide, [row], changes, AT).data]).toEqual([0, 0, 5, 6, 0, 0, 9, 10, 0, 0, 13, 14, 0, 0, 0, 0])
  const reflect = { augment: { ...changes.augment, paddingMode: 'reflect' } } as const
  expect([...augment(wide, [row], reflect, AT).data].slice(0, 4)).toEqual([7, 6, 5, 6])
  expect([...augment(wide, [row], reflect, AT).data].slice(12)).toEqual([11, 10, 9, 10])
})

it('enlarges about the middle', () => {
  const line = ref([1, 1, 1, 3], [0, 2, 4])
  const { data, bound } = augment(line, [0], { augment: { zoom: [2, 2] } }, AT)
  expect([...data]).toEqual([1, 2, 3])
  expect(bound[0]! > 0 && bound[0]! < 1e-5).toBe(true)
})

it('brings colours together about the mean brightness, and normalizes', () => {
  const colours = ref([1, 3, 1, 1], [0.2, 0.4, 0.6])
  const changes = { augment: { contrast: 1 }, normalize: { mean: [0, 0, 0.1], std: [1, 2, 1] } }
  const k = drawsOf(changes, [1, 1], AT, 5).contrast.value
  const mean = 0.2989 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
  const [r, g, b] = augment(colours, [5], changes, AT).data as unknown as [number, number, number]
  expect(r).toBeCloseTo(k * 0.2 + (1 - k) * mean, 12)
  expect(g).toBeCloseTo((k * 0.4 + (1 - k) * mean) / 2, 12)
  expect(b).toBeCloseTo(k * 0.6 + (1 - k) * mean - 0.1, 12)
})
