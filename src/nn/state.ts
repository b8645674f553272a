// Which tensors of a module are its state: parameters, buffers, and the names that a state dict gives them.

import { shown } from '../tensor/options.ts'
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
  // A result that a forward keeps in a property requires a gradient too; once released it has no node either.
  if (value.requiresGrad && value.node === null && !value.released) parameters.add(value)
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
    throw new TypeError(`nn.buffer: the name must be a text without dots, such as 'running_mean', not ${shown(name)}`)
  }
  buffers.set(tensor.keep(), name ?? null)
  return tensor
}

/** What is in an array, a Map, a Set or a plain object, each with its key or its place; null for anything else. */
function elementsOf(value: object): Iterable<readonly [unknown, unknown]> | null {
  if (Array.isArray(value)) return value.entries()
  if (value instanceof Map) return [...value].map(([key, held], i) => [typeof key === 'object' ? i : key, held])
  if (value instanceof Set) return [...value].entries()
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? Object.entries(value) : null
}

/**
 * The objects that a module holds, in the order in which its properties were set. Arrays, Maps, Sets and plain objects stand
 * for what is in them: 'layers.0', 'blocks.head'.
 */
export function partsOf(module: object): [name: string, value: object][] {
  const parts: [name: string, value: object][] = []
  const add = (name: string, value: unknown, around: readonly object[]) => {
    if (typeof value !== 'object' || value === null || around.includes(value)) return
    const elements = elementsOf(value)
    if (elements === null) parts.push([name, value])
    else {
      for (const [key, element] of elements) {
        if (typeof element === 'object') add(`${name}.${String(key)}`, element, [...around, value])
      }
    }
  }
  for (const [name, value] of Object.entries(module)) add(name, value, [])
  return parts
}

/** Everything that a module holds, and what is in its containers and settings with its key: objects, functions, numbers, texts. */
export function contentsOf(module: object): unknown[] {
  const contents: unknown[] = valuesOf(module)
  const seen = new Set<object>()
  for (const value of contents) {
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    for (const element of elementsOf(value) ?? [settingsOf(value, [module]) ?? []]) contents.push(...element)
  }
  return contents
}

/** The values of an object's own fields, those with symbols as names among them; a getter is not called. */
function valuesOf(object: object): unknown[] {
  const fields = Object.getOwnPropertyDescriptors(object) as Readonly<Record<PropertyKey, PropertyDescriptor>>
  return Reflect.ownKeys(fields).flatMap((key) => ('value' in fields[key]! ? [fields[key].value as unknown] : []))
}

/**
 * What an object of a class holds if all of it is values: numbers, texts, functions, and containers and objects of these. One that
 * leads to a tensor, a module or back to itself, such as an optimizer, is not a setting: it counts as the object that it is.
 */
function settingsOf(value: object, around: readonly object[]): unknown[] | null {
  if (value instanceof Tensor) return null // and not all of its device
  if (value instanceof Date) return [value.getTime()]
  if (ArrayBuffer.isView(value)) return [checksum(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))]
  const within = [...around, value]
  const isValue = (one: unknown): boolean => {
    if (typeof one !== 'object' || one === null) return true
    if (one instanceof Date || ArrayBuffer.isView(one)) return true // summed up where it is reached
    return !within.includes(one) && settingsOf(one, within) !== null
  }
  const values = [...(elementsOf(value) ?? [valuesOf(value)])].flat()
  return values.every(isValue) ? values : null
}

/** FNV-1a of bytes, in 32 bits. */
function checksum(bytes: Uint8Array): number {
  let sum = 0x811c9dc5
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193)
  return sum
}

/** The tensors among the parts that are of one kind, with their names in a state dict. */
export function tensorsOf(module: object, isOne: typeof isParameter): [name: string, tensor: Tensor][] {
  return partsOf(module).flatMap(([name, value]) => {
    if (!isOne(value)) return []
    const own = buffers.get(value) ?? null
    return [[own === null ? name : name.slice(0, name.lastIndexOf('.') + 1) + own, value]]
  })
}
