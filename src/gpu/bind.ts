// Finds what every binding of a kernel refers to, by name.
import { GpuError, tooLarge } from './errors.ts'
import type { Kernel } from './kernel.ts'
import { type ParamsCache, packParams, type StepNumbers } from './params.ts'
import { Storage } from './pool.ts'
import type { Binding } from './reflect.ts'
import type { Spare } from './spare.ts'

/**
 * What a binding is given: memory, the numbers of a uniform struct, or null for a buffer that the kernel does not look at
 * in this dispatch, such as a bias that is not there. A null binding holds no particular values.
 */
export type BindingValue = Storage | Readonly<Record<string, number>> | null
export type BindingValues = Readonly<Record<string, BindingValue>>

/** What a dispatch is bound to, in the order of the kernel's bindings. */
export interface Bound {
  readonly entries: GPUBindGroupEntry[]
  readonly storages: readonly Storage[]
  /** The buffers that they lie in now: a storage may move. */
  readonly buffers: readonly GPUBuffer[]
  /** Those of them that the kernel may write. */
  readonly written: readonly Storage[]
  /** The numbers of its uniform structs, as bits. */
  readonly words: string
  /** Whether it has the number of the step, and so a dynamic offset. */
  readonly perStep: boolean
}

/** Throws for a value whose name is not a binding of the kernel. */
export function checkNames({ name: kernel, bindings }: Kernel, values: BindingValues): void {
  const names = bindings.filter((b) => !b.perStep).map((b) => b.name)
  for (const name of Object.keys(values)) {
    if (!names.includes(name)) throw new Error(`${kernel} has no binding ${name}; it has ${names.join(', ')}`)
  }
}

/** Finds what every binding of a kernel refers to. Throws for values that do not fit, and for memory bound twice. */
export function bind(
  kernel: Kernel,
  values: BindingValues,
  { params, steps, spare, largest }: { params: ParamsCache; steps: StepNumbers; spare: Spare; largest: number },
): Bound {
  const storages: Storage[] = []
  const written: Storage[] = []
  let words = ''
  let nullsWritten = 0
  const entries = kernel.bindings.map((declared): GPUBindGroupEntry => {
    const { binding, name, minBytes } = declared
    if (declared.perStep) return { binding, resource: { buffer: steps.buffer, size: minBytes } }
    const value = values[name]
    if (value === undefined) throw new Error(`${kernel.name}: binding ${name} is missing`)
    if (declared.members) {
      if (value === null) throw new Error(`${kernel.name}: ${name} takes numbers, not null`)
      if (value instanceof Storage) throw new Error(`${kernel.name}: ${name} takes numbers, not a buffer`)
      const packed = packParams(kernel.name, declared, value) as Uint32Array<ArrayBuffer>
      words += `${packed.join()} `
      return { binding, resource: { ...params.slot(packed), size: minBytes } }
    }
    const orSpare = value ?? (declared.type === 'storage' ? spare.written(nullsWritten++) : spare.read)
    const storage = storageOf(kernel, declared, orSpare, value === null ? 'a null binding' : 'the buffer')
    const resource = rangeOf(declared, storage)
    const bytes = resource.size ?? resource.buffer.size
    if (bytes > largest) throw tooLarge(`${kernel.name}: ${name}`, bytes, largest, 'Split the tensor')
    storages.push(storage)
    if (declared.type === 'storage') written.push(storage)
    return { binding, resource }
  })
  refuseAliases(kernel, values)
  const buffers = storages.map((s) => s.buffer)
  return { entries, storages, buffers, written, words, perStep: kernel.bindings.some((b) => b.perStep) }
}

function storageOf(kernel: Kernel, { name, minBytes }: Binding, value: BindingValue, what: string): Storage {
  if (!(value instanceof Storage)) throw new Error(`${kernel.name}: ${name} takes a buffer, not numbers`)
  if (value.capacity < minBytes) {
    throw new Error(`${kernel.name}: ${name} needs ${minBytes} bytes, ${what} has ${value.capacity}`)
  }
  return value
}

function rangeOf({ type, minBytes }: Binding, { buffer, offset, capacity }: Storage): GPUBufferBinding {
  if (type === 'uniform') return { buffer, offset, size: minBytes }
  return capacity === buffer.size ? { buffer } : { buffer, offset, size: capacity }
}

/**
 * WebGPU would drop the whole batch of commands: of a buffer that is written, another part may be bound only if it is
 * written too.
 */
function refuseAliases(kernel: Kernel, values: BindingValues): void {
  for (const { name, type } of kernel.bindings) {
    const written = values[name]
    if (type !== 'storage' || !(written instanceof Storage)) continue
    for (const other of kernel.bindings) {
      const value = values[other.name]
      if (other.name === name || !(value instanceof Storage) || value.buffer !== written.buffer) continue
      if (other.type === 'storage' && apart(written, value)) continue
      throw new GpuError('validation', `${kernel.name}: ${name} is written and shares its memory with ${other.name}`)
    }
  }
}

function apart(a: Storage, b: Storage): boolean {
  return a.offset + a.capacity <= b.offset || b.offset + b.capacity <= a.offset
}
