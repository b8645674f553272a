// The checks of what optimizers, averages and clipping are given.
import type { Storage } from '../gpu/pool.ts'
import { requireOptions, requireShare, shown } from '../tensor/options.ts'
import { formatShape, sameShape } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import type { OptimizerState, ParamGroup, Rule } from './optimizer.ts'

/** The entries with a value: an option given as undefined takes its default. Lists are copied: nobody shares them. */
export function defined<T extends object>(options: T): T {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, Array.isArray(value) ? [...value] : value])) as T
}

/** Throws TypeError or RangeError for options of a group that are not what every optimizer needs them to be. */
export function checkOptions(
  name: string,
  group: object,
  { flags = [], amounts = [], shares = [] }: Partial<Record<'flags' | 'amounts' | 'shares', readonly string[]>>,
): void {
  const given = group as Readonly<Record<string, unknown>>
  for (const key of flags) {
    if (typeof given[key] !== 'boolean')
      throw new TypeError(`${name}: ${key} must be true or false, not ${shown(given[key])}`)
  }
  for (const key of amounts) checkAmount(name, key, given[key])
  for (const key of shares) requireShare(name, key, given[key])
}

/** Throws RangeError for anything except two numbers that an average may keep of what it holds. */
export function checkBetas(name: string, betas: unknown): void {
  const isBeta = (beta: unknown) => typeof beta === 'number' && beta >= 0 && beta < 1
  if (Array.isArray(betas) && betas.length === 2 && betas.every(isBeta)) return
  throw new RangeError(`${name}: betas must be two numbers, each 0 or more and below 1, not ${shown(betas)}`)
}

/** Throws RangeError for Nesterov's momentum where there is no momentum, or a dampened one. */
export function checkNesterov(
  name: string,
  {
    nesterov,
    momentum,
    dampening,
  }: { readonly nesterov: boolean; readonly momentum: number; readonly dampening: number },
): void {
  if (!nesterov || (momentum > 0 && dampening === 0)) return
  throw new RangeError(`${name}: nesterov needs a momentum above 0 and a dampening of 0`)
}

/** Throws RangeError unless a value is a number from 0 to `most`, the largest finite one unless given. */
export function checkAmount(name: string, key: string, value: unknown, most: number = Number.MAX_VALUE): void {
  if (typeof value === 'number' && value >= 0 && value <= most) return
  throw new RangeError(`${name}: ${key} must be a number, 0 or more, not ${shown(value)}`)
}

/** Throws for anything except a list of tensors of one device, none of them released; `name` says who needs them. */
export function checkTensors(tensors: readonly Tensor[], name: string): void {
  if (!Array.isArray(tensors)) {
    throw new TypeError(`${name}: the parameters must be an array of tensors, such as net.parameters()`)
  }
  for (const [i, p] of (tensors as readonly Tensor[]).entries()) {
    if (!(p instanceof Tensor)) throw new TypeError(`${name}: parameter ${i} is not a tensor`)
    if (p.gpu !== tensors[0]!.gpu) throw new Error(`${name}: its parameters live on two devices`)
    p.checkUsable(name)
  }
}

/** As `checkTensors`; an optimizer must also be able to update each of them. */
export function checkParameters(parameters: readonly Tensor[], name: string): void {
  checkTensors(parameters, name)
  if (parameters.length === 0) throw new TypeError(`${name}: the list of parameters is empty`)
  const seen = new Set<Tensor | Storage>()
  for (const p of parameters) {
    if (p.dtype !== 'float32') throw new TypeError(`${name}: ${p.label} is ${p.dtype}; parameters are float32`)
    if (p.node) throw new TypeError(`${name}: ${p.label} is not a parameter: it was computed by an operation`)
    if (seen.has(p)) throw new TypeError(`${name}: ${p.label} is listed twice`)
    // Their gradients would lie in the same place, and two updates would write it at once.
    if (seen.has(p.storage)) throw new TypeError(`${name}: ${p.label} shares its memory with one listed before it`)
    seen.add(p).add(p.storage)
  }
}

/** Throws an Error where every parameter of an optimizer is frozen. */
export function checkNotFrozen(operation: string, groups: readonly ParamGroup[]): void {
  if (groups.some(({ params }) => params.some((p) => p.requiresGrad))) return
  throw new Error(
    `${operation}: all parameters of the optimizer are frozen (requiresGrad is false), so nothing would be trained; set ` +
      'requiresGrad to true for those that are to be trained',
  )
}

/** Throws an Error where no parameter of an optimizer has a gradient: an update would change nothing. */
export function checkGradients(operation: string, groups: readonly ParamGroup[]): void {
  if (groups.some(({ params }) => params.some((p) => p.grad))) return
  checkNotFrozen(operation, groups)
  throw new Error(
    `${operation}: no parameter of the optimizer has a gradient, so nothing would be trained; call backward() of a loss that is ` +
      'computed from at least one of them',
  )
}

/** Throws unless `value` can be copied to where `what` of a parameter is. */
export function checkValue(name: string, what: string, value: unknown, p: Tensor): void {
  if (!(value instanceof Tensor)) throw new TypeError(`${name}: ${what} is not a tensor`)
  if (value.dtype !== 'float32' || !sameShape(value.shape, p.shape)) {
    const type = value.dtype === 'float32' ? '' : `${value.dtype} `
    throw new Error(`${name}: ${what} is ${type}${formatShape(value.shape)}, its parameter ${p.label}`)
  }
  value.checkUsable(name)
}

/** Throws for a state that an optimizer of this rule and these groups can't take over. */
export function checkState<G extends ParamGroup>(rule: Rule<G>, given: OptimizerState<G>, groups: readonly G[]): void {
  const { name, defaults, states, countsSteps } = rule
  const parameters = groups.flatMap(({ params }) => params)
  const isState = Array.isArray(given?.paramGroups) && typeof given.state === 'object' && given.state !== null
  if (!isState) throw new TypeError(`${name}: a state is { step, paramGroups, state }, as stateDict() gives it`)
  const { step, skipped = [], paramGroups, state } = given
  for (const count of [step, ...skipped]) {
    if (Number.isSafeInteger(count) && count >= 0 && count <= step) continue
    throw new RangeError(`${name}: steps must be whole numbers, 0 or more, not ${shown(count)}`)
  }
  for (const options of paramGroups) requireOptions(`${name} state`, options, Object.keys(defaults))
  const lists = Object.entries(state)
  const other = lists.find(([, list]) => !Array.isArray(list) || list.length !== parameters.length)
  if (paramGroups.length !== groups.length || other) {
    const size = other ? other[1]?.length : parameters.length
    throw new Error(
      `${name}: the state has ${paramGroups.length} groups and ${size} parameters, ` +
        `this optimizer ${groups.length} and ${parameters.length}`,
    )
  }
  for (const [key, list] of lists) {
    if (!states.includes(key)) {
      const right = states.length === 0 ? 'no state' : states.join(', ')
      throw new Error(`${name}: the state has ${key}, this optimizer has ${right}`)
    }
    for (const [i, p] of parameters.entries()) if (list[i]) checkValue(name, `${key} ${i}`, list[i], p)
  }
  // Every step of a parameter gives it state; one that has had none counts them as skipped.
  const counted = parameters.some((_, i) => step > (skipped[i] ?? 0))
  if (countsSteps && counted && !lists.some(([, list]) => list.some((value) => value))) {
    throw new Error(
      `${name}: the state counts steps, but has no ${states.join(', ')} of any parameter; give all that stateDict() gave, or step 0`,
    )
  }
  paramGroups.forEach((options, i) => void rule.check({ ...groups[i]!, ...options }))
}
