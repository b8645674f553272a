// Which tensors of a module are its state: parameters, buffers, and the names that a state dict gives them.
import { Tensor } from '../tensor/tensor.ts'

/** Tensors that have been parameters: one that is frozen by `requiresGrad = false` stays one. */
const parameters = new WeakSet<Tensor>()

/** Buffers, each with its name in a state dict; null for the name of the property. */
const buffers = new WeakMap<Tensor, string | null>()

/** Marks a tensor as a parameter. */
export function markParameter(tensor: Tensor): Tensor {
  parameters.add(tensor)
  return tensor
}

/** Whether a property of a module is one of its parameters. */
export function isParameter(value: unknown): value is Tensor {
  if (!(value instanceof Tensor)) return false
  if (value.requiresGrad) parameters.add(value)
  return parameters.has(value)
}

/** Whether a property of a module is one of its buffers. */
export function isBuffer(value: unknown): value is Tensor {
  return value instanceof Tensor && buffers.has(value) && !isParameter(value)
}

/**
 * Marks a tensor as a buffer: state that no optimizer trains, such as running statistics. A module that has it as a property
 * saves and loads it with its parameters. `name` is its name in a state dict, if it is not the property's. Returns the tensor,
 * which from now on outlives every scope. Throws TypeError for a tensor that requires a gradient: that is a parameter.
 *
 *     this.runningMean = nn.buffer(tensor([0, 0]), 'running_mean')
 */
export function buffer(tensor: Tensor, name?: string): Tensor {
  if (!(tensor instanceof Tensor)) throw new TypeError('nn.buffer: a tensor is needed')
  const isTrained: boolean = isParameter(tensor)
  if (isTrained) {
    throw new TypeError(`nn.buffer: ${tensor.label} is a parameter: a buffer never requires a gradient`)
  }
  if (name !== undefined && (typeof name !== 'string' || name === '' || name.includes('.'))) {
    throw new TypeError(`nn.buffer: the name must be a text without dots, such as 'running_mean', not ${String(name)}`)
  }
  buffers.set(tensor.keep(), name ?? null)
  return tensor
}

/** The properties of a module, in the order in which they were set; of those that are arrays, the elements: 'layers.0', …. */
export function partsOf(module: object): [name: string, value: unknown][] {
  const parts: [name: string, value: unknown][] = []
  const add = (name: string, value: unknown) => {
    if (Array.isArray(value)) for (const [i, element] of value.entries()) add(`${name}.${i}`, element)
    else parts.push([name, value])
  }
  for (const [name, value] of Object.entries(module)) add(name, value)
  return parts
}

/** The tensors among the parts that are of one kind, with their names in a state dict. */
export function tensorsOf(module: object, isOne: typeof isParameter): [name: string, tensor: Tensor][] {
  return partsOf(module).flatMap(([name, value]) => {
    if (!isOne(value)) return []
    const own = buffers.get(value) ?? null
    return [[own === null ? name : name.slice(0, name.lastIndexOf('.') + 1) + own, value]]
  })
}
