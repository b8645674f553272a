// Parameters side by side in one buffer, their gradients and the optimizer's state at the same places in others.
import type { Gpu } from '../gpu/gpu.ts'
import { alignedSize, type Storage } from '../gpu/pool.ts'
import { grouped } from '../kernels/rows.ts'
import { empty } from '../tensor/create.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'

/** Bytes of a state written at once. */
const CHUNK = 1 << 20

/** Parameters that one dispatch updates. */
export class FlatParameters {
  readonly parameters: readonly Tensor[]
  /** All of the parameters' buffer; as a tensor, so that the memory comes back with this object. */
  readonly #whole: Tensor
  readonly #gradients: Tensor
  readonly #homes: ReadonlyMap<Tensor, Storage>
  /** By name: the state of all parameters, and those that have it, each with its view if that was asked for. */
  readonly #states = new Map<string, { readonly all: Tensor; readonly of: Map<Tensor, Tensor | null> }>()
  readonly #initial: number

  /** `whole` is what the parameters lie in; `initial` are the bits of every element of a state before the first step. */
  constructor(whole: Storage, parameters: readonly Tensor[], initial: number) {
    const { gpu } = parameters[0]!
    this.parameters = parameters
    this.#initial = initial
    this.#whole = new Tensor(gpu, whole.retain(), [whole.byteLength / 4], 'float32').keep()
    this.#gradients = empty(gpu, this.#whole.shape, 'float32', 'gradients', gpu.pool.largestInParts).keep()
    const home = (p: Tensor) => this.#gradients.storage.part(p.storage.offset, 4 * p.size)
    this.#homes = new Map(parameters.map((p) => [p, home(p)]))
    for (const [p, storage] of this.#homes) p.gradientHome = storage
  }

  get storage(): Storage {
    return this.#whole.storage
  }

  get gradients(): Storage {
    return this.#gradients.storage
  }

  /** The state of this name of all parameters; made when it is first asked for. */
  state(name: string): Storage {
    return this.#state(name).all.storage
  }

  /** Notes that a parameter has this state from now on. */
  giveState(name: string, p: Tensor): void {
    const { of } = this.#state(name)
    if (!of.has(p)) of.set(p, null)
  }

  /** The state of one parameter, in its shape; null for one that was given none. */
  stateOf(name: string, p: Tensor): Tensor | null {
    const { all, of } = this.#states.get(name) ?? {}
    if (!all || !of?.has(p)) return null
    const known = of.get(p)
    if (known) return known
    const view = new Tensor(p.gpu, all.storage.part(p.storage.offset, 4 * p.size), p.shape, 'float32').keep()
    view.name = `${p.name}.${name}`
    of.set(p, view)
    return view
  }

  /** Makes a parameter's state what it was before the first step. */
  clearState(name: string, p: Tensor): void {
    const { all, of } = this.#state(name)
    fill(all.storage, p, this.#initial)
    of.get(p)?.release(`the state that was loaded has no ${name} for it`)
    of.delete(p)
  }

  dispose(): void {
    for (const [p, home] of this.#homes) {
      if (p.gradientHome === home) p.gradientHome = null
      home.release()
    }
    for (const { all, of } of this.#states.values()) for (const tensor of [all, ...of.values()]) tensor?.dispose()
    this.#states.clear()
    this.#whole.dispose()
    this.#gradients.dispose()
  }

  #state(name: string) {
    const found = this.#states.get(name)
    if (found) return found
    const { gpu, shape } = this.#whole
    // Made once, whoever asks: in a function that is captured it is not part of the step.
    const all = gpu.during(null, () => {
      const made = empty(gpu, shape, 'float32', name, gpu.pool.largestInParts).keep()
      for (const p of this.parameters) fill(made.storage, p, this.#initial)
      return made
    })
    const made = { all, of: new Map<Tensor, Tensor | null>() }
    this.#states.set(name, made)
    return made
  }
}

/** Writes the same bits to all elements that a parameter has in a state. */
function fill(state: Storage, { gpu, storage, size }: Tensor, bits: number): void {
  const bytes = 4 * size
  const words = new Uint32Array(Math.min(bytes, CHUNK) / 4).fill(bits)
  for (let at = 0; at < bytes; at += CHUNK) {
    gpu.write(state, words.subarray(0, Math.min(bytes - at, CHUNK) / 4), storage.offset + at)
  }
}

/**
 * A kept float32 tensor of each given one's shape, side by side, each where a binding may begin: one dispatch covers those of
 * a buffer. A buffer's memory comes back with the last of its tensors. They hold whatever was there before.
 */
export function sideBySide(gpu: Gpu, like: readonly Tensor[], what: string): Tensor[] {
  const layouts: { bytes: number; shapes: Shape[] }[] = []
  for (const { size, shape } of like) {
    const bytes = alignedSize(4 * size)
    const last = layouts.at(-1)
    if (last && last.bytes + bytes <= gpu.pool.largest) {
      last.bytes += bytes
      last.shapes.push(shape)
    } else layouts.push({ bytes, shapes: [shape] })
  }
  return layouts.flatMap(({ bytes, shapes }) => {
    const whole = empty(gpu, [bytes / 4], 'float32', what, gpu.pool.largestInParts)
    let offset = 0
    const parts = shapes.map((shape) => {
      const part = whole.storage.part(offset, 4 * sizeOf(shape))
      offset += alignedSize(part.byteLength)
      return new Tensor(gpu, part, shape, 'float32').keep()
    })
    whole.dispose()
    return parts
  })
}

/**
 * Brings parameters side by side. Those that lie beside others already stay: an optimizer or a plan may count on it. The rest
 * is moved into one buffer, unless it does not fit one binding.
 */
export function flatten(parameters: readonly Tensor[], initial: number): FlatParameters[] {
  const { gpu } = parameters[0]!
  const moving = parameters.filter(({ storage }) => storage.whole === storage)
  for (const [i, place] of sideBySide(gpu, moving, 'parameters').entries()) {
    const { storage, size } = moving[i]!
    gpu.copy(storage, place.storage, 4 * size)
    storage.moveTo(place.storage.whole, place.storage.offset)
    place.dispose()
  }
  const together = grouped(parameters, ({ storage }) => storage.whole)
  return [...together].map(([whole, members]) => new FlatParameters(whole, members, initial))
}
