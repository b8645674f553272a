import type { Storage } from '../gpu/pool.ts'
import { requireOptions } from '../tensor/options.ts'
import { Tensor } from '../tensor/tensor.ts'
import type { ParamGroup } from './sgd.ts'

export const OPTIONS = ['lr', 'momentum', 'dampening', 'weightDecay', 'nesterov', 'maximize'] as const

/** The entries that have a value: an option given as undefined has its default. */
export function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

export function checkGroup(group: ParamGroup): void {
  requireOptions('optim.SGD', group, ['params', ...OPTIONS])
  for (const name of ['nesterov', 'maximize'] as const) {
    if (typeof group[name] !== 'boolean')
      throw new TypeError(`optim.SGD: ${name} must be true or false, not ${String(group[name])}`)
  }
  for (const name of ['lr', 'momentum', 'weightDecay'] as const) {
    if (typeof group[name] !== 'number' || !Number.isFinite(group[name]) || group[name] < 0) {
      throw new RangeError(`optim.SGD: ${name} must be a number, 0 or more, not ${group[name]}`)
    }
  }
  if (!Number.isFinite(group.dampening)) {
    throw new RangeError(`optim.SGD: dampening must be a number, not ${group.dampening}`)
  }
  if (group.nesterov && (group.momentum === 0 || group.dampening !== 0)) {
    throw new RangeError('optim.SGD: nesterov needs a momentum above 0 and a dampening of 0')
  }
}

/** Throws for what is no list of tensors of one device; `name` is what wants them. */
export function checkTensors(tensors: readonly Tensor[], name: string): void {
  if (!Array.isArray(tensors)) {
    throw new TypeError(`${name}: the parameters must be an array of tensors, such as net.parameters()`)
  }
  for (const [i, p] of (tensors as readonly Tensor[]).entries()) {
    if (!(p instanceof Tensor)) throw new TypeError(`${name}: parameter ${i} is no tensor`)
    if (p.gpu !== tensors[0]!.gpu) throw new Error(`${name}: its parameters live on two devices`)
  }
}

/** As `checkTensors`, and each must be one that an optimiser could update. */
export function checkParameters(parameters: readonly Tensor[], name = 'optim.SGD'): void {
  checkTensors(parameters, name)
  if (parameters.length === 0) throw new TypeError(`${name}: the list of parameters is empty`)
  const seen = new Set<Tensor | Storage>()
  for (const p of parameters) {
    if (p.dtype !== 'float32') throw new TypeError(`${name}: ${p.label} is ${p.dtype}; parameters are float32`)
    if (p.node) throw new TypeError(`${name}: ${p.label} is no parameter: it was computed by an operation`)
    if (seen.has(p)) throw new TypeError(`${name}: ${p.label} is listed twice`)
    // Their gradients would lie in one place, and two updates would write it at once.
    if (seen.has(p.storage)) throw new TypeError(`${name}: ${p.label} shares its memory with one listed before it`)
    seen.add(p).add(p.storage)
  }
}
