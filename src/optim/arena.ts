import type { Gpu } from '../gpu/gpu.ts'
import type { PackedCopy } from '../gpu/packed_copy.ts'
import { alignedSize, type Storage } from '../gpu/pool.ts'
import { NO_MOMENTUM } from '../kernels/sgd.ts'
import { empty } from '../tensor/create.ts'
import { ParameterPlace } from '../tensor/parameter_place.ts'
import { Tensor } from '../tensor/tensor.ts'
import { type Run, runsOf } from './side_by_side.ts'

/** Most bytes of packed copies. */
const MOST_COPIES = 16 << 20

/** Fewest and most bytes of partial sums at a time. */
const SUMS = { least: 256 << 10, most: 4 << 20 }

/** Bytes written at once where momentum buffers are made. */
const CHUNK = 1 << 20

/**
 * Parameters side by side in one buffer, their gradients in a second and their momentum in a third, at the same places:
 * one dispatch updates them all. Parameters that lie in one buffer already stay where they are.
 */
export class Arena {
  readonly parameters: readonly Tensor[]
  /** All of the parameters' buffer; as a tensor, so that the memory comes back with the arena. */
  readonly #whole: Tensor
  readonly #gradients: Tensor
  #copies: Tensor | null = null
  #noCopies: Tensor | null = null
  #copiesEnd = 0
  #sums: Tensor | null = null
  #sumsEnd = 0
  #sumsHeld = 0
  readonly #places: ReadonlyMap<Tensor, ParameterPlace | null>
  #momentum: Tensor | null = null
  readonly #momentumOf = new Map<Tensor, Tensor>()

  constructor(gpu: Gpu, run: Run) {
    const parameters = run.members.map(({ tensor }) => tensor)
    this.parameters = parameters
    const first = parameters[0]!.storage
    const together = first.whole !== first && parameters.every(({ storage }) => storage.whole === first.whole)
    if (together) this.#whole = new Tensor(gpu, first.whole.retain(), [first.whole.byteLength / 4], 'float32').keep()
    else this.#whole = gather(gpu, run)
    this.#gradients = empty(gpu, this.#whole.shape, 'float32', 'gradients').keep()
    const memory = { copy: (bytes: number) => this.#takeCopy(bytes), sums: (bytes: number) => this.#takeSums(bytes) }
    for (const p of parameters) p.place = new ParameterPlace(this.#gradients, p.storage.offset, memory)
    this.#places = new Map(parameters.map((p) => [p, p.place]))
  }

  get whole(): Storage {
    return this.#whole.storage
  }

  get gradients(): Storage {
    return this.#gradients.storage
  }

  /** What the packed copies of parameters lie in; where there are none, memory that can be bound in its place. */
  get copies(): Storage {
    if (this.#copies) return this.#copies.storage
    const { gpu } = this.#whole
    this.#noCopies ??= gpu.during(null, () => empty(gpu, [1], 'float32', 'no copies').keep())
    return this.#noCopies.storage
  }

  /**
   * The parameter's packed copy, which an update writes as well: one that lies here. One that lies with another optimiser
   * is dropped; where that one still gives the parameter its place, no copy is kept any more.
   */
  copyOf(p: Tensor): PackedCopy | null {
    const { storage } = p
    const { copy } = storage
    if (!copy || copy.storage.whole === this.#copies?.storage) return copy
    storage.copyable = this.#places.get(p) === p.place
    storage.dropCopy()
    return null
  }

  /** Where partial sums of gradients lie; null where there never were any. */
  get sums(): Storage | null {
    return this.#sums?.storage ?? null
  }

  /** The momentum of all parameters, made when it is first asked for. */
  get momentum(): Storage {
    this.#momentum ??= this.#newMomentum()
    return this.#momentum.storage
  }

  /** The momentum buffer of one parameter. */
  momentumOf(p: Tensor): Tensor {
    let buffer = this.#momentumOf.get(p)
    if (!buffer) {
      const { shape, size, gpu } = p
      buffer = new Tensor(gpu, this.momentum.part(p.storage.offset, 4 * size), shape, 'float32').keep()
      buffer.name = `${p.name}.momentum`
      this.#momentumOf.set(p, buffer)
    }
    return buffer
  }

  /** Makes a parameter one that had no step with momentum. */
  forgetMomentum(p: Tensor): void {
    const buffer = this.momentumOf(p)
    clear(buffer.storage, p.gpu, 0, 4 * p.size)
    buffer.release('the state loaded has no momentum for it')
    this.#momentumOf.delete(p)
  }

  dispose(): void {
    for (const { storage } of this.parameters) storage.dropCopy()
    const own = [this.#whole, this.#gradients, this.#copies, this.#noCopies, this.#sums, this.#momentum]
    for (const tensor of [...own, ...this.#momentumOf.values()]) tensor?.dispose()
    this.#copies = null
    this.#noCopies = null
    this.#sums = null
    this.#momentum = null
    this.#momentumOf.clear()
  }

  /** Memory for a copy: all lie in one buffer, several times as large as the parameters; null when it is full. */
  #takeCopy(bytes: number): Storage | null {
    if (this.#whole.released) return null
    const capacity = Math.min(4 * this.#whole.storage.byteLength + (128 << 10), MOST_COPIES)
    if (this.#copiesEnd + bytes > capacity) return null
    this.#copies ??= empty(this.#whole.gpu, [capacity / 4], 'float32', 'packed parameters').keep()
    const part = this.#copies.storage.part(this.#copiesEnd, bytes)
    this.#copiesEnd += alignedSize(bytes)
    return part
  }

  /** Memory for partial sums, beside that of others until all are added up; null when it is full. */
  #takeSums(bytes: number): Storage | null {
    if (this.#whole.released) return null
    if (this.#sumsHeld === 0) this.#sumsEnd = 0
    const { gpu, storage } = this.#whole
    const capacity = Math.min(Math.max(SUMS.least, 16 * storage.byteLength), SUMS.most)
    if (this.#sumsEnd + bytes > capacity) return null
    this.#sums ??= gpu.during(null, () => empty(gpu, [capacity / 4], 'float32', 'partial sums').keep())
    const part = this.#sums.storage.part(this.#sumsEnd, bytes, () => {
      this.#sumsHeld--
    })
    this.#sumsHeld++
    this.#sumsEnd += alignedSize(bytes)
    return part
  }

  #newMomentum(): Tensor {
    const { gpu, shape } = this.#whole
    // Once, whoever asks: in a function that is captured it is no part of the step.
    return gpu.during(null, () => {
      const momentum = empty(gpu, shape, 'float32', 'momentum').keep()
      for (const p of this.parameters) clear(momentum.storage, gpu, p.storage.offset, 4 * p.size)
      return momentum
    })
  }
}

/** Moves the parameters into one buffer, each to a place where a binding may begin. */
function gather(gpu: Gpu, { bytes, members }: Run): Tensor {
  const whole = empty(gpu, [bytes / 4], 'float32', 'parameters').keep()
  for (const { tensor, offset } of members) {
    const { storage, size } = tensor
    gpu.copy(storage, { buffer: whole.storage.buffer, offset }, 4 * size)
    storage.moveTo(whole.storage, offset)
  }
  return whole
}

function clear(momentum: Storage, gpu: Gpu, from: number, bytes: number): void {
  const words = new Uint32Array(Math.min(bytes, CHUNK) / 4).fill(NO_MOMENTUM)
  for (let at = 0; at < bytes; at += CHUNK) {
    gpu.write(momentum, words.subarray(0, Math.min(bytes - at, CHUNK) / 4), from + at)
  }
}

/** The arenas of parameters: one, unless they fit no one binding. */
export function arenasOf(parameters: readonly Tensor[]): Arena[] {
  return runsOf(parameters).map((run) => new Arena(parameters[0]!.gpu, run))
}
