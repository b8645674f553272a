// Optimizers of PyTorch and of papers in twelve steps, and how an optimizer of ours is led through the same.
import { expect } from 'vitest'
import { linear, type optim, type Tensor } from '../../src/node/index.ts'
import { expectClose } from '../support/close.ts'
import { fill } from '../support/fill.ts'
import { parameter, tensor, values } from '../support/gpu.ts'
import { type Approx, exactly } from '../support/running_error.ts'
import { float32Of, readSafetensors } from '../support/safetensors.ts'

const file = readSafetensors(new URL('../reference/optimizers.safetensors', import.meta.url))
const STEPS = 12
const SIZES = { a: [37], b: [5, 7], c: [6, 4] }

type Name = keyof typeof SIZES
type Options = Record<string, unknown>

/** As test/reference/README.md describes it. */
export interface TorchCase {
  readonly name: string
  readonly optimizer: string
  readonly options: Options
  readonly groups: readonly (Options & { params: Name[] })[]
  readonly without_grad: Readonly<Record<Name, readonly number[]>>
  readonly lr_per_step?: readonly number[]
  readonly state: readonly string[]
}

/** The cases of one optimizer, by name. */
export function torchCases(optimizer: string): [string, TorchCase][] {
  const all = JSON.parse(file.metadata.cases!) as TorchCase[]
  return all.filter((each) => each.optimizer === optimizer).map((each) => [each.name, each])
}

const camelCase = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
const inCamelCase = (options: Options) =>
  Object.fromEntries(Object.entries(options).map(([name, value]) => [camelCase(name), value]))

function float64Of(name: string): Float64Array {
  const found = file.tensors.get(name)
  if (found?.dtype !== 'F64') throw new Error(`The file has no float64 tensor '${name}'`)
  return found.data
}

function gradientOf(name: Name, step: number): Float32Array {
  const { data } = float32Of(file, `grad.${name}`)
  const size = data.length / STEPS
  return data.slice(step * size, (step + 1) * size)
}

/** One element of a parameter, and its states by PyTorch's names; both with the error that float32 may have made. */
export interface Element {
  p: Approx
  state: Record<string, Approx>
}

/**
 * Updates an element as the optimizer defines it; `options` are the group's, with the `rates` of all steps so far; t counts the
 * parameter's steps from 1.
 */
export type ElementRule = (element: Element, gradient: Approx, options: Options, t: number) => void

/** Updates a whole parameter, for what looks at all of its elements. */
export type TensorRule = (
  elements: readonly Element[],
  gradients: readonly Approx[],
  options: Options,
  t: number,
  shape: readonly number[],
) => void

/** The rule of each element as one of the parameter. */
export function elementwise(rule: ElementRule): TensorRule {
  return (elements, gradients, options, t) => {
    for (const [i, element] of elements.entries()) rule(element, gradients[i]!, options, t)
  }
}

/** The parts of PyTorch's values that differ from ours by more than this, relative to the largest, show a wrong formula. */
const FLOAT64 = 1e-11

/**
 * Leads an optimizer through a case and holds it to PyTorch's float64 values: parameters after every step and the final
 * states. The bound of each element is the error that float32 may have made until then: `rule` is the update with such
 * errors, in float64, and is itself held to PyTorch's values.
 */
export async function expectTorch(
  torch: TorchCase,
  make: (groups: { params: Tensor[] }[], options: Options) => optim.Optimizer,
  rule: TensorRule,
  defaults: Options,
): Promise<void> {
  const names = torch.groups.flatMap(({ params }) => params)
  const initial = (name: Name) => float32Of(file, `init.${name}`).data
  const parameters = new Map(names.map((name) => [name, parameter(initial(name), SIZES[name])]))
  const groups = torch.groups.map(({ params, ...options }) => ({
    ...inCamelCase(options),
    params: params.map((name) => parameters.get(name)!),
  }))
  const optimizer = make(groups, inCamelCase(torch.options))
  const elements = new Map(
    names.map((name) => [name, [...initial(name)].map((p): Element => ({ p: exactly(p), state: {} }))]),
  )
  const steps = new Map(names.map((name) => [name, 0]))
  for (let step = 0; step < STEPS; step++) {
    optimizer.zeroGrad()
    for (const group of optimizer.paramGroups) group.lr = torch.lr_per_step?.[step] ?? group.lr
    for (const name of names) {
      if (torch.without_grad[name].includes(step)) continue
      parameters.get(name)!.backward(tensor(gradientOf(name, step), SIZES[name]))
    }
    optimizer.step()
    for (const { params, ...own } of torch.groups) {
      const options = { ...defaults, ...inCamelCase(torch.options), ...inCamelCase(own) }
      if (torch.lr_per_step) options.lr = torch.lr_per_step[step]
      options.rates = torch.lr_per_step?.slice(0, step + 1) ?? new Array(step + 1).fill(options.lr)
      for (const name of params) {
        if (!torch.without_grad[name].includes(step)) {
          const t = steps.get(name)! + 1
          steps.set(name, t)
          const gradient = gradientOf(name, step)
          rule(elements.get(name)!, [...gradient].map(exactly), options, t, SIZES[name])
        }
        const found = elements.get(name)!.map(({ p }) => p)
        const all = float64Of(`${torch.name}.float64.${name}`)
        const expected = all.subarray(step * found.length, (step + 1) * found.length)
        await expectWithin(parameters.get(name)!, expected, found, `${name} after step ${step}`)
      }
    }
  }
  const { state } = optimizer.stateDict()
  optimizer.eval()
  for (const key of torch.state) {
    for (const [i, name] of names.entries()) {
      const reference = `${torch.name}.float64.${key}.${name}`
      // What is kept for evaluation stands in the parameter's place then.
      const own = key === 'x' ? parameters.get(name)! : state[camelCase(key)]![i]!
      if (!file.tensors.has(reference)) {
        expect(own, `${key} of ${name}`).toBeNull()
        continue
      }
      const found = elements.get(name)!.map((element) => element.state[key]!)
      await expectWithin(own, float64Of(reference), found, `${key} of ${name}`)
    }
  }
  optimizer.dispose()
}

/**
 * Two steps of random gradients over parameters of many sizes, which one dispatch updates, each element within the error
 * that float32 may make.
 */
export async function expectSteps(
  make: (parameters: Tensor[]) => { paramGroups: { lr: number }[] } & Pick<optim.Optimizer, 'zeroGrad' | 'step'>,
  rule: TensorRule,
): Promise<void> {
  const sizes = [0, 1, 63, 1024, 1025, 2500]
  const start = sizes.map((size) => fill(size, 1, 'normal'))
  const elements = start.map((data) => [...data].map((p): Element => ({ p: exactly(p), state: {} })))
  const parameters = start.map((data) => parameter(data, [data.length, 1]))
  const optimizer = make(parameters)
  const one = tensor([[1]])
  for (const t of [1, 2]) {
    const gradients = sizes.map((size, i) => fill(size, 10 * i + t, 'normal'))
    optimizer.zeroGrad()
    // An operation leaves gradients side by side, where one dispatch finds them.
    for (const [i, p] of parameters.entries()) linear(p, one).backward(tensor(gradients[i]!, p.shape))
    optimizer.step()
    for (const [i, p] of parameters.entries()) {
      const [group] = optimizer.paramGroups
      const options = { ...group, rates: new Array(t).fill(group!.lr) }
      rule(elements[i]!, [...gradients[i]!].map(exactly), options, t, p.shape)
      const expected = Float64Array.from(elements[i]!, (element) => element.p.value)
      expectClose(await values(p), expected, (k) => elements[i]![k]!.p.error, `${sizes[i]} elements, step ${t}`)
    }
  }
}

async function expectWithin(t: Tensor, torch: Float64Array, found: readonly Approx[], what: string): Promise<void> {
  const largest = Math.max(...torch.map(Math.abs))
  for (const [i, { value }] of found.entries()) {
    expect(Math.abs(value - torch[i]!), `${what}, element ${i}: the formula in float64`).toBeLessThanOrEqual(
      FLOAT64 * largest,
    )
  }
  expectClose(await values(t), torch, (i) => found[i]!.error + FLOAT64 * largest, what)
}
