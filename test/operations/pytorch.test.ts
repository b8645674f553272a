// PyTorch's values for the operations of the table: the reference gives them, and so does the device.
import { beforeAll, describe, expect, it } from 'vitest'
import { expectClose, SMALLEST_NORMAL, UNIT_ROUNDOFF } from '../support/close.ts'
import { testGpu } from '../support/gpu.ts'
import { type Pair, type Ref, ref } from '../support/ref.ts'
import { float32Of, int32Of, readSafetensors } from '../support/safetensors.ts'
import { runOn } from './run.ts'
import { table } from './table.ts'

interface OpCase {
  /** The operation's name in snake_case. */
  readonly kind: string
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
  readonly inputs: readonly string[]
}

/** The files of test/reference that hold operations: one of the first ones, then one a family. */
const files = ['ops', 'copy', 'take', 'reduce', 'norms', 'avg_pool2d', 'losses', 'attention', 'conv'].map((name) => {
  return readSafetensors(new URL(`../reference/${name}.safetensors`, import.meta.url))
})
const cases = files.flatMap((file) => JSON.parse(file.metadata.cases!) as OpCase[])
/** Names are of one file alone. */
const ops = { metadata: {}, tensors: new Map(files.flatMap(({ tensors }) => [...tensors])) }
const rows = new Map(table.map((row) => [row.kind ?? row.name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), row]))

function stored(name: string): Ref {
  const { shape, data } = float32Of(ops, name)
  return ref(shape, data)
}

/** A case as its row has it, with what PyTorch was given and the names of what it answered: the output's, then the gradients'. */
function caseOf({ kind, name, args, inputs }: OpCase) {
  const row = rows.get(kind)
  if (row?.pytorch === undefined) throw new Error(`${kind} has values of PyTorch and no row that takes them`)
  const given = row.pytorch({
    args,
    pair: (option) => {
      const value = args[option] as number | Pair
      return typeof value === 'number' ? [value, value] : value
    },
    shape: (input) => stored(`${name}.${input}`).shape,
    integers: (input) => int32Of(ops, `${name}.${input}`).data,
  })
  const differentiable = inputs.filter((input) => input !== 'target')
  const values = row.roles.map((_, i) => (i < differentiable.length ? stored(`${name}.${differentiable[i]}`) : null))
  const answers = [`${name}.out`, ...differentiable.map((input) => `${name}.grad_${input}`)]
  return { row, given, inputs: values, dy: stored(`${name}.grad_out`), answers }
}

const named = cases.map((c) => [c.name, c] as const)

describe('the reference gives PyTorch’s values', () => {
  it.each(named)('%s', (_, c) => {
    const { row, given, inputs, dy, answers } = caseOf(c)
    const results = [row.forward(inputs, given), ...row.backward(dy, inputs, given)]
    answers.forEach((name, i) => {
      const result = results[i]!
      const { shape, data } = float32Of(ops, name)
      expect(result.shape, name).toEqual(shape)
      // Float64 on both sides: only the rounding to float32 at the end and the order of float64 additions may differ.
      const bound = result.data.map((v, j) => 2 ** -24 * Math.abs(v) + 1e-13 * result.magnitude[j]! + 2 ** -149)
      expectClose(data, result, bound, name)
    })
  })
})

describe('our operations give PyTorch’s values', () => {
  beforeAll(testGpu)

  it.each(named)('%s', async (_, c) => {
    const { row, given, inputs, dy, answers } = caseOf(c)
    const bounds = [row.forward(inputs, given), ...row.backward(dy, inputs, given)].map((result) => result?.bound)
    const ran = await runOn(row, given, inputs, dy)
    const results = [ran.out, ...ran.gradients]
    answers.forEach((name, i) => {
      const { data } = float32Of(ops, name)
      // PyTorch's value is rounded to float32 once; ours may be as far from the unrounded one as the reference says.
      const allowed = bounds[i]!.map((b, j) => b + UNIT_ROUNDOFF * Math.abs(data[j]!) + SMALLEST_NORMAL)
      expectClose(results[i]!, Float64Array.from(data), allowed, name)
    })
  })
})

it('every value of PyTorch’s is compared', () => {
  const compared = cases.flatMap((c) => caseOf(c).answers)
  const answers = [...ops.tensors.keys()].filter((name) => /\.(out|grad_(?!out$)\w+)$/.test(name))
  expect(compared.sort()).toEqual(answers.sort())
})
