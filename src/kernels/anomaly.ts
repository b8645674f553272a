import { GpuError } from '../gpu/errors.ts'
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { AnomalyError, type Checked, type Detector, detector, setDetector } from '../tensor/anomaly.ts'
import { tensor } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { newWatch, noteNotFinite } from './finite.ts'

const NOTHING = -1

/** On one device: the watch on the GPU, whose least code is the first tensor, and what each code stands for. */
interface Watched {
  readonly watch: Tensor
  readonly checked: Map<number, Checked>
  next: number
}

/** Every tensor gets the next number for its code; the clock of the watches stands still. */
class AnomalyDetector implements Detector {
  readonly #devices = new Map<Gpu, Watched>()
  /** Memory that was looked at, and its version then. */
  readonly #seen = new WeakMap<Storage, number>()

  check(x: Tensor, checked: Checked, again = false): void {
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

let active: AnomalyDetector | null = null

/**
 * Switches the search for anomalies on or off, as torch.autograd.set_detect_anomaly does. While it is on, the result of
 * every operation, every gradient and every update by an optimiser is looked at on the GPU. The first that holds NaN or
 * an infinity, in the order of recording, is named by an AnomalyError that the next reading of values (`data`, `item`, or
 * `read` of a Meter) throws; after it the search goes on anew. Switching off forgets what no reading has brought up.
 *
 * It costs a dispatch a tensor: for finding a fault, not for every run. Off, it costs nothing.
 */
export function setDetectAnomaly(mode: boolean): void {
  if (typeof mode !== 'boolean') {
    throw new TypeError(
      `setDetectAnomaly: mode must be true or false, not ${String(mode)}; detectAnomaly takes a function`,
    )
  }
  if (mode === (active !== null)) return
  active?.dispose()
  active = mode ? new AnomalyDetector() : null
  setDetector(active)
}

/** Whether anomalies are looked for. */
export function isAnomalyEnabled(): boolean {
  return detector() !== null
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
  if (typeof fn !== 'function') {
    throw new TypeError(`detectAnomaly: a function is needed, not ${String(fn)}; setDetectAnomaly takes true or false`)
  }
  const before = isAnomalyEnabled()
  setDetectAnomaly(true)
  try {
    const result = await fn()
    await active?.verifyAll()
    return result
  } finally {
    setDetectAnomaly(before)
  }
}
