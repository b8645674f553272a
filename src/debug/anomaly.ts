// The search for the first tensor with a NaN or an infinity.
import { GpuError } from '../gpu/errors.ts'
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { newWatch, noteNotFinite } from '../kernels/finite.ts'
import type { Inputs, Op, TapeNode } from '../tensor/autograd.ts'
import { tensor } from '../tensor/create.ts'
import { type Observer, startObserving } from '../tensor/observe.ts'
import { shown, tooMany } from '../tensor/options.ts'
import { formatShape } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'

export type Direction = 'forward' | 'backward' | 'update'

/** What the computation is at. */
interface Place {
  readonly direction: Direction
  /** Such as 'layer 3 (Conv2d)'; null outside of modules. */
  readonly layer: string | null
}

/** What is said of a tensor that is checked. */
interface Checked extends Place {
  readonly operation: string
  /** Its part in the operation, such as 'its result [256, 10]'. */
  readonly part: string
}

/** NaN or infinite values in a tensor, found while anomalies were looked for. It names the first such tensor. */
export class AnomalyError extends Error {
  override readonly name = 'AnomalyError'
  /** The operation's name, such as 'conv2d'; 'SGD' for an update. */
  readonly operation: string
  readonly direction: Direction
  /** Such as 'layer 3 (Conv2d)'; null outside of modules. */
  readonly layer: string | null

  /** @internal */
  constructor({ operation, direction, layer, part }: Checked) {
    const of = layer === null ? '' : ` of ${layer}`
    super(`${operation}${of}, ${direction}: ${part} is the first tensor with a NaN or infinite value`)
    this.operation = operation
    this.direction = direction
    this.layer = layer
  }
}

const NOTHING = -1

/** On one device: the watch on the GPU, whose least code is the first tensor, and what each code stands for. */
interface Watched {
  readonly watch: Tensor
  readonly checked: Map<number, Checked>
  next: number
}

/** Every tensor gets the next number for its code; the clock of the watches stands still. */
class AnomalyDetector implements Observer {
  readonly refusesCapture = 'anomaly detection checks one operation at a time; turn it off here'
  readonly #devices = new Map<Gpu, Watched>()
  /** Memory that was looked at, and its version then. */
  readonly #seen = new WeakMap<Storage, number>()
  /** The layer that applied each operation on the tape, and that of each parameter. */
  readonly #layers = new WeakMap<TapeNode | Tensor, string | null>()
  #place: Place = { direction: 'forward', layer: null }
  /** The place that backward was called from, while it runs. */
  #before: Place | null = null

  operation(op: Op, inputs: Inputs, _: unknown, out: Tensor): void {
    if (out.node) this.#layers.set(out.node, this.#place.layer)
    const at = { operation: op.name, ...this.#place }
    for (const [i, x] of inputs.entries()) if (x) this.#check(x, { ...at, part: `its input ${i}, ${x.label},` })
    this.#check(out, { ...at, part: `its result ${formatShape(out.shape)}` })
  }

  start(gradient: Tensor): void {
    const at = { operation: 'backward', direction: 'backward', layer: null } as const
    this.#check(gradient, { ...at, part: 'the starting gradient' })
  }

  backward(node: TapeNode | null): void {
    if (node === null) {
      this.#place = this.#before ?? this.#place
      this.#before = null
      return
    }
    this.#before ??= this.#place
    this.#place = { direction: 'backward', layer: this.#layers.get(node) ?? null }
  }

  gradients({ op }: TapeNode, gradients: Inputs): void {
    for (const [i, dx] of gradients.entries()) {
      const part = (x: Tensor) => `the gradient of its input ${i}, ${formatShape(x.shape)},`
      if (dx) this.#check(dx, { operation: op.name, ...this.#place, part: part(dx) })
    }
  }

  update(written: Tensor, operation: string, what: string, of: Tensor | null): void {
    const layer = (of && this.#layers.get(of)) ?? null
    const part = of === null ? what : `${what} ${of.label}`
    this.#check(written, { operation, direction: 'update', layer, part }, of !== null)
  }

  module(module: object, layer: string): () => void {
    for (const value of Object.values(module)) if (value instanceof Tensor) this.#layers.set(value, layer)
    const before = this.#place
    this.#place = { ...before, layer }
    return () => {
      this.#place = before
    }
  }

  read(gpu: Gpu): Promise<void> {
    return this.verify(gpu)
  }

  /** Has a float32 tensor looked at; one that was, and has not changed since, only if `again`. */
  #check(x: Tensor, checked: Checked, again = false): void {
    const { storage, gpu } = x
    if (x.dtype !== 'float32' || (!again && this.#seen.get(storage) === storage.version)) return
    this.#seen.set(storage, storage.version)
    let device = this.#devices.get(gpu)
    if (!device) {
      device = { watch: tensor(newWatch(), [5], { gpu, name: 'anomalies' }).keep(), checked: new Map(), next: 0 }
      this.#devices.set(gpu, device)
    }
    const code = device.next++
    device.checked.set(code, checked)
    noteNotFinite(device.watch, x, code)
  }

  /** Throws AnomalyError if anything recorded so far on the device was not finite. Waits for the device. */
  async verify(gpu: Gpu): Promise<void> {
    const device = this.#devices.get(gpu)
    if (!device || device.checked.size === 0) return
    const { watch, checked, next } = device
    const words = new Int32Array(await gpu.read(watch.storage))
    const code = words[4]!
    // What lies before is known to be finite, or is not the first.
    for (const number of checked.keys()) {
      if (number >= (code === NOTHING ? next : code)) break
      checked.delete(number)
    }
    if (code === NOTHING) return
    if (!watch.released) gpu.write(watch.storage, newWatch())
    throw new AnomalyError(checked.get(code)!)
  }

  /** `verify` for every device that is still open. */
  async verifyAll(): Promise<void> {
    for (const gpu of this.#devices.keys()) {
      await this.verify(gpu).catch((error: unknown) => {
        if (!(error instanceof GpuError && error.kind === 'closed')) throw error
      })
    }
  }

  dispose(): void {
    for (const { watch } of this.#devices.values()) watch.dispose()
  }
}

let active: { readonly detector: AnomalyDetector; readonly stop: () => void } | null = null

/**
 * Switches the search for anomalies on or off, as torch.autograd.set_detect_anomaly does. While it is on, the result of
 * every operation, every gradient and every update by an optimizer is checked on the GPU. The first that holds NaN or
 * an infinity, in the order of recording, is named by an AnomalyError that the next reading of values (`data`, `item`, or
 * `read` of a Meter) throws; then the search starts again. Switching off forgets what no reading has brought up.
 *
 * It costs a dispatch a tensor: for finding a fault, not for every run. Off, it costs nothing.
 */
export function setDetectAnomaly(mode: boolean): void {
  if (arguments.length > 1) throw tooMany(arguments, 'setDetectAnomaly(mode)')
  if (typeof mode !== 'boolean') {
    throw new TypeError(
      `setDetectAnomaly: mode must be true or false, not ${shown(mode)}; detectAnomaly takes a function`,
    )
  }
  if (mode === (active !== null)) return
  active?.stop()
  active?.detector.dispose()
  active = null
  if (!mode) return
  const detector = new AnomalyDetector()
  active = { detector, stop: startObserving(detector) }
}

/** Whether anomalies are looked for. */
export function isAnomalyEnabled(): boolean {
  return active !== null
}

/**
 * Runs `fn`, which may be asynchronous, with the search for anomalies on, waits for the GPU, and returns what `fn`
 * returned. Throws AnomalyError for the first operation whose result, or gradient, holds NaN or an infinity:
 *
 *     const loss = await detectAnomaly(() => scope(trainingStep))
 *
 * Where `fn` reads values, the error comes from there. Other code that runs while `fn` waits is looked at too.
 */
export async function detectAnomaly<T>(fn: () => T | Promise<T>): Promise<T> {
  if (arguments.length > 1) throw tooMany(arguments, 'detectAnomaly(fn)')
  if (typeof fn !== 'function') {
    throw new TypeError(`detectAnomaly: fn must be a function, not ${shown(fn)}; setDetectAnomaly takes true or false`)
  }
  const before = isAnomalyEnabled()
  setDetectAnomaly(true)
  try {
    const result = await fn()
    await active?.detector.verifyAll()
    return result
  } finally {
    setDetectAnomaly(before)
  }
}
