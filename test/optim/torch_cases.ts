// PyTorch's optimizers in twelve steps, and how an optimizer of ours is led through the same.
import { expect } from 'vitest'
import type { optim, Tensor } from '../../src/node/index.ts'
import { expectClose } from '../support/close.ts'
import { parameter, tensor, values } from '../support/gpu.ts'
import { type Approx, exactly } from '../support/running_error.ts'
import { float32Of, readSafetensors } from '../support/safetensors.ts'

const file = readSafetensors(new URL('../reference/optimizers.safetensors', import.meta.url))
const STEPS = 12
const SIZES = { a: [37], b: [5, 7] }

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

/** The cases of one of PyTorch's optimizers, by name. */
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

/** Updates an element as the optimizer defines it; `options` are the group's, t counts the parameter's steps from 1. */
export type ElementRule = (element: Element, gradient: Approx, options: Options, t: number) => void

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
  rule: ElementRule,
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
      for (const name of params) {
        if (!torch.without_grad[name].includes(step)) {
          const t = steps.get(name)! + 1
          steps.set(name, t)
          const gradient = gradientOf(name, step)
          for (const [i, element] of elements.get(name)!.entries()) rule(element, exactly(gradient[i]!), options, t)
        }
        const found = elements.get(name)!.map(({ p }) => p)
        const all = float64Of(`${torch.name}.float64.${name}`)
        const expected = all.subarray(step * found.length, (step + 1) * found.length)
        await expectWithin(parameters.get(name)!, expected, found, `${name} after step ${step}`)
      }
    }
  }
  const { state } = optimizer.stateDict()
  for (const key of torch.state) {
    for (const [i, name] of names.entries()) {
      const reference = `${torch.name}.float64.${key}.${name}`
      const own = state[camelCase(key)]![i]!
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

async function expectWithin(t: Tensor, torch: Float64Array, found: readonly Approx[], what: string): Promise<void> {
  const largest = Math.max(...torch.map(Math.abs))
  for (const [i, { value }] of found.entries()) {
    expect(Math.abs(value - torch[i]!), `${what}, element ${i}: the formula in float64`).toBeLessThanOrEqual(
      FLOAT64 * largest,
    )
  }
  expectClose(await values(t), torch, (i) => found[i]!.error + FLOAT64 * largest, what)
}
