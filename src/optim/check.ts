// What optimizers, averages and clipping demand of what they are given.
import type { Storage } from '../gpu/pool.ts'
import { Tensor } from '../tensor/tensor.ts'

/** The entries that have a value: an option given as undefined has its default. */
export function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

/** Throws TypeError or RangeError for options of a group that are not what every optimizer needs them to be. */
export function checkOptions(
  name: string,
  group: object,
  { flags = [], amounts = [] }: { readonly flags?: readonly string[]; readonly amounts?: readonly string[] },
): void {
  const given = group as Readonly<Record<string, unknown>>
  for (const key of flags) {
    if (typeof given[key] !== 'boolean')
      throw new TypeError(`${name}: ${key} must be true or false, not ${String(given[key])}`)
  }
  for (const key of amounts) {
    const value = given[key]
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      throw new RangeError(`${name}: ${key} must be a number, 0 or more, not ${String(value)}`)
    }
  }
}

/** Throws for what is no list of tensors of one device; `name` is what wants them. */
export function checkTensors(tensors: readonly Tensor[], name: string): void {
  if (!Array.isArray(tensors)) {
    throw new TypeError(`${name}: the parameters must be an array of tensors, such as net.parameters()`)
  }
  for (const [i, p] of (tensors as readonly Tensor[]).entries()) {
    if (!(p instanceof Tensor)) throw new TypeError(`${name}: parameter ${i} is not a tensor`)
    if (p.gpu !== tensors[0]!.gpu) throw new Error(`${name}: its parameters live on two devices`)
  }
}

/** As `checkTensors`, and each must be one that an optimiser could update. */
export function checkParameters(parameters: readonly Tensor[], name: string): void {
  checkTensors(parameters, name)
  if (parameters.length === 0) throw new TypeError(`${name}: the list of parameters is empty`)
  const seen = new Set<Tensor | Storage>()
  for (const p of parameters) {
    if (p.dtype !== 'float32') throw new TypeError(`${name}: ${p.label} is ${p.dtype}; parameters are float32`)
    if (p.node) throw new TypeError(`${name}: ${p.label} is not a parameter: it was computed by an operation`)
    if (seen.has(p)) throw new TypeError(`${name}: ${p.label} is listed twice`)
    // Their gradients would lie in one place, and two updates would write it at once.
    if (seen.has(p.storage)) throw new TypeError(`${name}: ${p.label} shares its memory with one listed before it`)
    seen.add(p).add(p.storage)
  }
}
