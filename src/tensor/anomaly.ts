import type { Gpu } from '../gpu/gpu.ts'
import { formatShape } from './shape.ts'
import type { Tensor } from './tensor.ts'

export type Direction = 'forward' | 'backward' | 'update'

/** What the computation is at: set around layers, around the backward of each operation. */
export interface Place {
  readonly direction: Direction
  /** Such as 'layer 3 (Conv2d)'; null outside of modules. */
  readonly layer: string | null
}

/** What is said of a tensor that is checked. */
export interface Checked extends Place {
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

/** Looks at tensors as they are computed; what it finds is thrown by `verify`. */
export interface Detector {
  /** Has a float32 tensor looked at; one that was, and has not changed since, only if `again`. */
  check(x: Tensor, checked: Checked, again?: boolean): void
  /** Throws AnomalyError if anything recorded so far on the device was not finite. Waits for the device. */
  verify(gpu: Gpu): Promise<void>
}

let current: Detector | null = null
let place: Place = { direction: 'forward', layer: null }

/** The detector in force; null, which costs nothing, unless anomalies are looked for. */
export function detector(): Detector | null {
  return current
}

export function setDetector(given: Detector | null): void {
  current = given
}

/** The layer of each parameter, noted when the layer runs while anomalies are looked for. */
export const layerOf = new WeakMap<Tensor, string>()

/** Where the computation is. */
export function currentPlace(): Place {
  return place
}

/** Runs `fn` as a part of a place. */
export function at<T>(there: Place, fn: () => T): T {
  const before = place
  place = there
  try {
    return fn()
  } finally {
    place = before
  }
}

/** Has what an operation computed looked at; before it, those of its inputs that nothing has looked at. */
export function checkOperation(operation: string, inputs: readonly (Tensor | null)[], out: Tensor): void {
  if (!current) return
  for (const [i, x] of inputs.entries()) {
    if (x) current.check(x, { operation, ...place, part: `its input ${i}, ${x.label},` })
  }
  current.check(out, { operation, ...place, part: `its result ${formatShape(out.shape)}` })
}

/** Has the gradients looked at that the backward of an operation computed. */
export function checkGradients(operation: string, gradients: readonly (Tensor | null)[]): void {
  if (!current) return
  for (const [i, dx] of gradients.entries()) {
    if (dx)
      current.check(dx, { operation, ...place, part: `the gradient of its input ${i}, ${formatShape(dx.shape)},` })
  }
}
