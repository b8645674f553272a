// Running a row's case on the device, and holding what comes to the reference.
import { Tensor, tensor } from '../../src/node/index.ts'
import { defaultGpu } from '../../src/tensor/default.ts'
import { expectClose } from '../support/close.ts'
import { type Gpu, values } from '../support/gpu.ts'
import type { Ref, Result } from '../support/ref.ts'
import { type Kind, type Ran, type Refs, type Row, randomRef, type Seeded, type Tensors } from './row.ts'

/** Runs a case forward and, where any gradient is asked for, backward; everything it made is released again. */
export async function runOn(
  row: Row,
  given: Seeded,
  inputs: Refs,
  dy: Ref,
  options: { needs?: readonly boolean[]; gpu?: Gpu } = {},
): Promise<Ran> {
  const needs = options.needs ?? inputs.map(() => true)
  const gpu = options.gpu ?? defaultGpu()
  const before = gpu.tensors
  const made: Tensor[] = []
  const upload = ({ shape, data }: Ref, requiresGrad: boolean) => {
    const t = tensor(Float32Array.from(data), shape, { requiresGrad, gpu })
    made.push(t)
    return t
  }
  const run = async (): Promise<Ran> => {
    const tensors: Tensors = inputs.map((r, i) => r && upload(r, needs[i]!))
    const out = row.run(tensors, given)
    made.push(out)
    const taped = tensors.some((t) => t?.requiresGrad ?? false)
    if (out.requiresGrad !== taped) throw new Error(`${row.name}: requiresGrad is ${out.requiresGrad}, not ${taped}`)
    if (taped) out.backward(upload(dy, false))
    const gradients = await Promise.all(tensors.map((t) => (t?.grad ? values(t.grad) : null)))
    tensors.forEach((t, i) => {
      const wanted = t !== null && needs[i]!
      if (wanted !== t?.grad instanceof Tensor) {
        throw new Error(`${row.name}: a gradient of ${row.roles[i]} was ${wanted ? '' : 'not '}asked for`)
      }
      if (t?.grad) requireShape(`${row.name}: the gradient of ${row.roles[i]}`, t.grad.shape, t.shape)
    })
    return { shape: out.shape, out: await values(out), gradients }
  }
  const ran = await run().finally(() => {
    for (const t of made) t.dispose()
  })
  // Fewer are no fault: what other tests forgot is collected meanwhile.
  const left = gpu.tensors - before
  if (left > 0) throw new Error(`${row.name} left ${left} tensors behind`)
  return ran
}

function requireShape(what: string, actual: readonly number[], expected: readonly number[]): void {
  if (actual.join() !== expected.join()) throw new Error(`${what} is [${actual}] instead of [${expected}]`)
}

/** How a result is held to the oracle: within its bound, or exactly. */
type Hold = 'bound' | 'exact'

function hold(how: Hold, actual: Float32Array, expected: Result, what: string): void {
  expectClose(actual, expected, how === 'bound' ? expected.bound : () => 0, what)
}

/** Inputs of a kind and a gradient of the output to go with them. */
export function drawn(row: Row, given: Seeded, kind: Kind): { inputs: Refs; dy: Ref } {
  const inputs = row.inputs(given, kind)
  return { inputs, dy: randomRef(row.forward(inputs, given).shape, given.seed + 99, kind) }
}

/** Output and every gradient as the reference has them. */
export async function checkAgainstReference(
  row: Row,
  given: Seeded,
  { inputs, dy }: { inputs: Refs; dy: Ref },
  how: Hold = 'bound',
  gpu?: Gpu,
): Promise<void> {
  const expected = row.forward(inputs, given)
  const gradients = row.backward(dy, inputs, given)
  const ran = await runOn(row, given, inputs, dy, gpu ? { gpu } : {})
  requireShape(`${row.name}: the output`, ran.shape, expected.shape)
  hold(how, ran.out, expected, `${row.name}: out`)
  ran.gradients.forEach((g, i) => {
    if (g) hold(how, g, gradients[i]!, `${row.name}: gradient of ${row.roles[i]}`)
  })
}

/** Values and gradient with a few numbers replaced: `which` counts the inputs, then the gradient; `at` is from 0 to 1. */
export interface Place {
  which: number
  at: number
  value: number
}

/** NaN and infinities reach what they belong to, as in the reference, and nothing else. */
export async function checkNotFinite(row: Row, drawnCase: Seeded, places: readonly Place[]): Promise<void> {
  const given = row.tame?.(drawnCase) ?? drawnCase
  const { inputs, dy } = drawn(row, given, 'normal')
  const all = [...inputs, dy].filter((r) => r !== null && r.data.length > 0) as Ref[]
  for (const { which, at, value } of places) {
    const target = all[which % Math.max(1, all.length)]
    if (target) target.data[Math.floor(at * (target.data.length - 1))] = value
  }
  await checkAgainstReference(row, given, { inputs, dy })
}

export function sameBits(a: Float32Array | null, b: Float32Array | null): boolean {
  if (!a || !b) return a === b
  const bits = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length)
  const [left, right] = [bits(a), bits(b)]
  return left.length === right.length && left.every((word, i) => word === right[i])
}
