// What callbacks keep in a checkpoint comes back as it was, or is refused before anything is trained.
import { expect, it } from 'vitest'
import { checkKept } from '../../src/train/kept_values.ts'

const problem = (values: unknown) => {
  try {
    checkKept({ values } as never, 3)
  } catch (error) {
    return String(error)
      .replace(/^TypeError: fit: callback 3: its stateDict\(\) gives /, '')
      .replace(/, which .*$/, '')
  }
  return null
}

it('values that JSON gives back are taken', () => {
  const shared = { a: 1 }
  const values = [null, true, 0.1, -1e300, 'x\ud800"', [], {}, { a: [{ b: null }], __proto__: null }, [shared, shared]]
  for (const value of values) {
    expect(problem(value)).toBe(null)
    expect(JSON.parse(JSON.stringify(value))).toEqual(value)
  }
  // Absent in the copy, where it is read as undefined again.
  expect(problem({ best: undefined })).toBe(null)
  for (const state of [null, undefined]) expect(() => checkKept(state, 0)).not.toThrow()
})

class Point {
  x = 1
}
const circle: unknown[] = []
circle.push({ circle })

it.each<[unknown, string]>([
  [undefined, 'values: undefined'],
  [Number.NaN, 'values: NaN'],
  [{ best: Number.POSITIVE_INFINITY }, 'values.best: Infinity'],
  [{ a: { 'b c': [1, -Infinity] } }, 'values.a["b c"][1]: -Infinity'],
  [[undefined], 'values[0]: undefined'],
  [new Array(2), 'values[0]: undefined'],
  [{ n: 5n }, 'values.n: 5n'],
  [{ f: () => 1 }, 'values.f: a function'],
  [{ f: Symbol('s') }, 'values.f: Symbol(s)'],
  [new Map([[1, 2]]), 'values: a Map'],
  [{ set: new Set() }, 'values.set: a Set'],
  [{ list: Float32Array.of(1, 2) }, 'values.list: a Float32Array'],
  [new Date(0), 'values: a Date'],
  [{ p: new Point() }, 'values.p: a Point'],
  [circle, 'values[0].circle: an object that holds itself'],
])('others are refused by their place: %o', (values, text) => {
  expect(problem(values)).toBe(text)
})
