// Parameters side by side in one buffer, their gradients and the optimizer's state at the same places in others.
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { Tensor } from '../tensor/tensor.ts'
import { type Layout, layoutsOf } from './layout.ts'

/** Bytes written at once when a state is cleared. */
const CHUNK = 1 << 20

/** Parameters that one dispatch updates. */
export class FlatParameters {
  readonly parameters: readonly Tensor[]
  /** All of the parameters' buffer; as a tensor, so that the memory comes back with this object. */
  readonly #whole: Tensor
  readonly #gradients: Tensor
  readonly #homes: ReadonlyMap<Tensor, Storage>
  /** By name: the state of all parameters, and the views of those that were asked for. */
  readonly #states = new Map<string, { readonly all: Tensor; readonly of: Map<Tensor, Tensor> }>()

  /** Takes over `whole`, which the parameters lie in. */
  constructor(whole: Tensor, parameters: readonly Tensor[]) {
    this.parameters = parameters
    this.#whole = whole.keep()
    this.#gradients = empty(whole.gpu, whole.shape, 'float32', 'gradients').keep()
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

  /** The state of this name of all parameters; made, with these bits in every element, when it is first asked for. */
  state(name: string, initial: number): Storage {
    return this.#state(name, initial).all.storage
  }

  /** The state of one parameter, in its shape. */
  stateOf(name: string, initial: number, p: Tensor): Tensor {
    const { all, of } = this.#state(name, initial)
    let view = of.get(p)
    if (!view) {
      view = new Tensor(p.gpu, all.storage.part(p.storage.offset, 4 * p.size), p.shape, 'float32').keep()
      view.name = `${p.name}.${name}`
      of.set(p, view)
    }
    return view
  }

  /** Makes a parameter's state what it was before the first step. */
  clearState(name: string, initial: number, p: Tensor): void {
    const { all, of } = this.#state(name, initial)
    clear(all.storage, p, initial)
    of.get(p)?.release(`the state that was loaded has no ${name} for it`)
    of.delete(p)
  }

  dispose(): void {
    for (const [p, home] of this.#homes) {
      if (p.gradientHome === home) p.gradientHome = null
      home.release()
    }
    for (const { all, of } of this.#states.values()) for (const tensor of [all, ...of.values()]) tensor.dispose()
    this.#states.clear()
    this.#whole.dispose()
    this.#gradients.dispose()
  }

  #state(name: string, initial: number) {
    const found = this.#states.get(name)
    if (found) return found
    const { gpu, shape } = this.#whole
    // Made once, whoever asks: in a function that is captured it is not part of the step.
    const all = gpu.during(null, () => {
      const made = empty(gpu, shape, 'float32', name).keep()
      for (const p of this.parameters) clear(made.storage, p, initial)
      return made
    })
    const made = { all, of: new Map<Tensor, Tensor>() }
    this.#states.set(name, made)
    return made
  }
}

/** Moves the parameters into one buffer, each to a place where a binding may begin. */
function gather(gpu: Gpu, { bytes, members }: Layout): Tensor {
  const whole = empty(gpu, [bytes / 4], 'float32', 'parameters').keep()
  for (const { tensor, offset } of members) {
    const { storage, size } = tensor
    gpu.copy(storage, { buffer: whole.storage.buffer, offset }, 4 * size)
    storage.moveTo(whole.storage, offset)
  }
  return whole
}

function clear(state: Storage, { gpu, storage, size }: Tensor, initial: number): void {
  const bytes = 4 * size
  const words = new Uint32Array(Math.min(bytes, CHUNK) / 4).fill(initial)
  for (let at = 0; at < bytes; at += CHUNK) {
    gpu.write(state, words.subarray(0, Math.min(bytes - at, CHUNK) / 4), storage.offset + at)
  }
}

/**
 * Brings parameters side by side. Those that lie beside others already stay: an optimizer or a plan may count on it. The rest
 * is moved into one buffer, unless it does not fit one binding.
 */
export function flatten(parameters: readonly Tensor[]): FlatParameters[] {
  const { gpu } = parameters[0]!
  const staying = new Map<Storage, Tensor[]>()
  const moving: Tensor[] = []
  for (const p of parameters) {
    const { whole } = p.storage
    if (whole === p.storage) moving.push(p)
    else staying.set(whole, [...(staying.get(whole) ?? []), p])
  }
  const held = [...staying].map(([whole, members]) => {
    return new FlatParameters(new Tensor(gpu, whole.retain(), [whole.byteLength / 4], 'float32'), members)
  })
  if (moving.length === 0) return held
  const moved = layoutsOf(moving).map(
    (layout) =>
      new FlatParameters(
        gather(gpu, layout),
        layout.members.map(({ tensor }) => tensor),
      ),
  )
  return [...held, ...moved]
}
