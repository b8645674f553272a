// What must hold of every row of the table, for every case: the ordinary suite tries a fixed number of random cases of
// each, the soak ever new ones.
import fc from 'fast-check'
import { noGrad, tensor } from '../../src/node/index.ts'
import { dot, spread } from '../support/check.ts'
import { values } from '../support/gpu.ts'
import { type Ref, ref, sizeOf } from '../support/ref.ts'
import type { Again, Refs, Row, Seeded } from './row.ts'
import { checkAgainstReference, checkNotFinite, drawn, type Place, runOn, sameBits } from './run.ts'

async function checkRepeats(row: Row, given: Seeded): Promise<void> {
  const { inputs, dy } = drawn(row, given, 'normal')
  const [first, second] = [await runOn(row, given, inputs, dy), await runOn(row, given, inputs, dy)]
  if (!sameBits(first.out, second.out)) throw new Error(`${row.name}: the output of a second run has other bits`)
  first.gradients.forEach((g, i) => {
    if (!sameBits(g, second.gradients[i]!)) throw new Error(`${row.name}: ${row.roles[i]}'s gradient has other bits`)
  })
}

/** Whichever gradients are asked for, those and no others come, with the bits they have when all are. */
async function checkSubsets(row: Row, given: Seeded): Promise<void> {
  const { inputs, dy } = drawn(row, given, 'normal')
  const all = await runOn(row, given, inputs, dy)
  for (let set = 0; set < 2 ** row.roles.length - 1; set++) {
    const needs = row.roles.map((_, i) => (set & (1 << i)) !== 0)
    const some = await runOn(row, given, inputs, dy, { needs })
    if (!sameBits(some.out, all.out))
      throw new Error(`${row.name}: the output depends on which gradients are asked for`)
    some.gradients.forEach((g, i) => {
      if (g && !sameBits(g, all.gradients[i]!)) {
        throw new Error(`${row.name}: ${row.roles[i]}'s gradient depends on which others are asked for`)
      }
    })
  }
}

/** Under noGrad no tape is built, and the values are the same. */
async function checkUntaped(row: Row, given: Seeded): Promise<void> {
  const { inputs, dy } = drawn(row, given, 'normal')
  const taped = await runOn(row, given, inputs, dy)
  const tensors = inputs.map((r) => r && tensor(Float32Array.from(r.data), r.shape, { requiresGrad: true }))
  const out = noGrad(() => row.run(tensors, given))
  try {
    if (out.requiresGrad || out.node) throw new Error(`${row.name}: built a tape under noGrad`)
    if (!sameBits(await values(out), taped.out)) throw new Error(`${row.name}: noGrad changed the values`)
  } finally {
    for (const t of [...tensors, out]) t?.dispose()
  }
}

/**
 * Euler: where f is homogeneous of degree 1 in a group of inputs, ⟨f, dy⟩ = Σ ⟨input, its gradient⟩ over the group. Of a
 * convolution that says that backward is its adjoint. Exactly so on small integers, else within the errors' bounds.
 */
async function checkAdjoint(row: Row, given: Seeded, kind: 'normal' | 'smallInts'): Promise<void> {
  const { inputs, dy } = drawn(row, given, kind)
  const ran = await runOn(row, given, inputs, dy)
  const left = dot(ran.out, dy.data)
  const expected = row.backward(dy, inputs, given)
  for (const group of row.homogeneous) {
    let right = 0
    let slack = spread(dy.data, row.forward(inputs, given).bound)
    for (const i of group) {
      const input = inputs[i]
      if (!input) continue
      right += dot(input.data, ran.gradients[i]!)
      slack += spread(input.data, expected[i]!.bound)
    }
    // The two sums are themselves rounded in float64, in different orders.
    const rounding = 2 ** -52 * dy.data.length * spread(dy.data, ran.out.map(Math.abs))
    const allowed = kind === 'smallInts' ? 0 : slack + rounding
    if (!(Math.abs(left - right) <= allowed)) {
      const names = group.map((i) => row.roles[i]).join(' and ')
      throw new Error(`${row.name}: ⟨out, dy⟩ is ${left}, by ${names} ${right}, bound ${allowed}`)
    }
  }
}

/** f(2x + 3y) = 2·f(x) + 3·f(y) in each group of inputs, exactly so on small integers. */
async function checkLinear(row: Row, given: Seeded): Promise<void> {
  const { inputs: x, dy } = drawn(row, given, 'smallInts')
  const y = row.inputs({ ...given, seed: given.seed + 7 }, 'smallInts')
  const out = async (inputs: Refs) => (await runOn(row, given, inputs, dy, { needs: inputs.map(() => false) })).out
  for (const group of row.homogeneous) {
    const mix = (of: (x: Ref, y: Ref) => Ref) => x.map((r, i) => (r && group.includes(i) ? of(r, y[i]!) : r))
    const sum = await out(
      mix((a, b) =>
        ref(
          a.shape,
          a.data.map((v, i) => 2 * v + 3 * b.data[i]!),
        ),
      ),
    )
    const [ofX, ofY] = [await out(x), await out(mix((_, b) => b))]
    const wrong = sum.findIndex((v, i) => v !== 2 * ofX[i]! + 3 * ofY[i]!)
    if (wrong >= 0) throw new Error(`${row.name}: not linear at output ${wrong}: ${sum[wrong]}`)
  }
}

/** One thing that must hold of a row's cases. */
export interface Property<Drawn = unknown> {
  readonly name: string
  /** Cases tried, relative to the row's own number. */
  readonly share: number
  /** What is drawn for a row; null where the row does not claim this. */
  draw(row: Row): fc.Arbitrary<Drawn> | null
  check(row: Row, drawn: Drawn): Promise<void>
}

const cases = (row: Row) => row.cases.map((given) => ({ given }))
const places = fc.array(
  fc.record<Place>({
    which: fc.nat(3),
    at: fc.constantFrom(0, 0.3, 0.5, 0.8, 1),
    value: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  }),
  { minLength: 1, maxLength: 2 },
)

const property = <Drawn>(given: Property<Drawn>): Property => given as Property

/** The laws of a row as properties. */
function lawsOf(row: Row): Property[] {
  return Object.entries(row.laws).map(([name, law]) =>
    property<{ given: Seeded }>({
      name,
      share: 0.25,
      draw: cases,
      check: async (_, { given }) => {
        const { inputs } = drawn(row, given, 'normal')
        const shape = row.forward(inputs, given).shape
        const ones = ref(shape, new Float64Array(sizeOf(shape)).fill(1))
        const again: Again = (other) => runOn(row, given, other, ones)
        await law.check(await again(inputs), given, inputs, again)
      },
    }),
  )
}

const everyRow: readonly Property[] = [
  property<{ given: Seeded; kind: 'normal' | 'ties' | 'smallInts' }>({
    name: 'equals the reference',
    share: 1,
    draw: (row) => fc.record({ given: row.cases, kind: fc.constantFrom('normal', 'ties', 'smallInts') }),
    check: (row, { given, kind }) => checkAgainstReference(row, given, drawn(row, given, kind)),
  }),
  property<{ given: Seeded }>({
    name: 'is exact on small integers',
    share: 0.5,
    draw: (row) => (row.exact ? cases(row) : null),
    check: (row, { given }) => checkAgainstReference(row, given, drawn(row, given, 'smallInts'), 'exact'),
  }),
  property<{ given: Seeded; places: Place[] }>({
    name: 'passes NaN and infinities to what they belong to',
    share: 0.5,
    draw: (row) => fc.record({ given: row.cases, places }),
    check: (row, { given, places }) => checkNotFinite(row, given, places),
  }),
  property<{ given: Seeded }>({
    name: 'gives the same bits twice',
    share: 0.2,
    draw: cases,
    check: (row, { given }) => checkRepeats(row, given),
  }),
  property<{ given: Seeded }>({
    name: 'gives the gradients asked for, with the same bits',
    share: 0.1,
    draw: cases,
    check: (row, { given }) => checkSubsets(row, given),
  }),
  property<{ given: Seeded }>({
    name: 'builds no tape under noGrad',
    share: 0.1,
    draw: cases,
    check: (row, { given }) => checkUntaped(row, given),
  }),
  property<{ given: Seeded; kind: 'normal' | 'smallInts' }>({
    name: 'has a backward that is adjoint to forward',
    share: 0.25,
    draw: (row) =>
      row.homogeneous.length > 0 ? fc.record({ given: row.cases, kind: fc.constantFrom('normal', 'smallInts') }) : null,
    check: (row, { given, kind }) => checkAdjoint(row, given, kind),
  }),
  property<{ given: Seeded }>({
    name: 'is linear',
    share: 0.15,
    draw: (row) => (row.linear ? cases(row) : null),
    check: (row, { given }) => checkLinear(row, given),
  }),
]

/** The properties that a row claims. */
export function propertiesOf(row: Row): Property[] {
  return [...everyRow, ...lawsOf(row)].filter((p) => p.draw(row) !== null)
}

/** Tries a property on random cases; the result says what failed, on which smallest case, and how to come back to it. */
export function tryCases(row: Row, p: Property, parameters: fc.Parameters<[unknown]>) {
  return fc.check(
    fc.asyncProperty(p.draw(row)!, (drawn) => p.check(row, drawn)),
    parameters,
  )
}
