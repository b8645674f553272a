// Limits for gradients.
import { clampInPlace, normOf, scaleToNorm } from '../kernels/clip.ts'
import { copyOf } from '../kernels/copy.ts'
import { full } from '../kernels/fill.ts'
import { defaultGpu } from '../tensor/default.ts'
import { observing } from '../tensor/observe.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkAmount, checkTensors } from './check.ts'

/** Options of {@link clipGradNorm}. */
export interface ClipGradNormOptions {
  /** 2, the default: the root of the sum of squares. Infinity: the largest absolute value. */
  readonly normType?: 2 | typeof Infinity
  /** true: waits for the norm, and throws where it is NaN or infinite, before any gradient is changed. */
  readonly errorIfNonfinite?: boolean
}

/**
 * Multiplies the gradients of `params` in place by min(maxNorm / (norm + 1e-6), 1), where norm is taken over all elements
 * of all gradients as if they were one vector: torch.nn.utils.clip_grad_norm_. Returns the norm before, a tensor of one
 * element; nothing waits for the GPU, and it can be captured. `maxNorm` is 0 or more; with Infinity only the norm is taken.
 * Parameters without a gradient are skipped; if none has one, the norm is 0.
 *
 * As in PyTorch a NaN in any gradient makes all of them NaN; a norm that is infinite, which in float32 it is from about
 * 1.8e19 on, makes finite elements 0 and infinite ones NaN. With `errorIfNonfinite` a promise of the norm is returned
 * instead, which rejects with an Error where the norm is not finite; gradients are changed when it resolves.
 *
 * Throws TypeError or RangeError for arguments that do not fit; nothing has been changed then.
 */
export function clipGradNorm(
  params: readonly Tensor[],
  maxNorm: number,
  options: ClipGradNormOptions & { readonly errorIfNonfinite: true },
): Promise<Tensor>
export function clipGradNorm(
  params: readonly Tensor[],
  maxNorm: number,
  options?: ClipGradNormOptions & { readonly errorIfNonfinite?: false },
): Tensor
export function clipGradNorm(
  params: readonly Tensor[],
  maxNorm: number,
  options: ClipGradNormOptions = {},
): Tensor | Promise<Tensor> {
  if (arguments.length > 3) throw tooMany(arguments, 'optim.clipGradNorm(params, maxNorm, options)')
  requireOptions('optim.clipGradNorm', options, ['normType', 'errorIfNonfinite'])
  requireFlags('optim.clipGradNorm', options, ['errorIfNonfinite'])
  const { normType = 2, errorIfNonfinite = false } = options
  if (normType !== 2 && normType !== Infinity) {
    throw new RangeError(`optim.clipGradNorm: normType must be 2 or Infinity, not ${shown(normType)}`)
  }
  checkAmount('optim.clipGradNorm', 'maxNorm', maxNorm, Infinity)
  checkParams('optim.clipGradNorm', params)
  const norm = gradientNorm(params, normType)
  if (!errorIfNonfinite) {
    scaleGradients(params, norm, maxNorm, false)
    return norm
  }
  norm.keep()
  return norm.item().then((value) => {
    if (!Number.isFinite(value)) {
      norm.dispose()
      throw new Error(`optim.clipGradNorm: the norm of the gradients is ${value}; no gradient was changed`)
    }
    scaleGradients(params, norm, maxNorm, false)
    return norm
  })
}

/**
 * Moves every element of the gradients of `params` in place into -value … value: torch.nn.utils.clip_grad_value_. A NaN
 * stays. `value` is 0 or more. Nothing waits for the GPU, and it can be captured.
 *
 * Throws TypeError or RangeError for arguments that do not fit; nothing has been changed then.
 */
export function clipGradValue(params: readonly Tensor[], value: number): void {
  if (arguments.length > 2) throw tooMany(arguments, 'optim.clipGradValue(params, value)')
  checkAmount('optim.clipGradValue', 'value', value, Infinity)
  checkParams('optim.clipGradValue', params)
  clampGradients(params, value, false)
}

/** What a training step does with its gradients before the update. */
export interface Clipping {
  readonly clipGradNorm?: number | undefined
  readonly clipGradValue?: number | undefined
}

/** Throws RangeError for invalid limits. */
export function checkClipping(operation: string, { clipGradNorm, clipGradValue }: Clipping): void {
  for (const [name, limit] of Object.entries({ clipGradNorm, clipGradValue })) {
    if (limit !== undefined) checkAmount(operation, name, limit, Infinity)
  }
}

/**
 * For an update that looks for numbers that are not finite: clips by norm, then by value, and leaves such numbers for it to
 * find where they are.
 */
export function clipForUpdate(params: readonly Tensor[], { clipGradNorm, clipGradValue }: Clipping): void {
  if (clipGradNorm !== undefined) {
    const norm = gradientNorm(params, 2)
    scaleGradients(params, norm, clipGradNorm, true)
    norm.dispose()
  }
  if (clipGradValue !== undefined) clampGradients(params, clipGradValue, true)
}

function checkParams(operation: string, params: readonly Tensor[]): void {
  checkTensors(params, operation)
  for (const p of params) p.grad?.checkUsable(operation)
}

/** Those that have a gradient, each once. */
function withGradient(params: readonly Tensor[]): Tensor[] {
  return [...new Set(params)].filter((p) => p.grad !== null)
}

function gradientNorm(params: readonly Tensor[], normType: 2 | typeof Infinity): Tensor {
  const [first, ...others] = withGradient(params).map((p) => p.grad!)
  if (!first) return full(params[0]?.gpu ?? defaultGpu(), [], 0)
  const norm = normOf([first, ...others], normType)
  for (const observer of observing()) observer.update?.(norm, 'clipGradNorm', 'the norm of the gradients', null)
  return norm
}

function scaleGradients(params: readonly Tensor[], norm: Tensor, maxNorm: number, keep: boolean): void {
  if (maxNorm === Infinity) return
  scaleToNorm(ownGradients(params), { norm, maxNorm: float32(maxNorm), keep })
}

function clampGradients(params: readonly Tensor[], value: number, keep: boolean): void {
  if (value === Infinity) return
  clampInPlace(ownGradients(params), { limit: float32(value), keep })
}

/** The largest number for what float32 cannot hold: it would be an infinity, which shaders may assume absent. */
function float32(limit: number): number {
  return Math.min(limit, 3.4028234663852886e38)
}

/** The gradients, each once and in memory that nobody else has: two parameters, or whoever called backward, may hold it. */
function ownGradients(params: readonly Tensor[]): Tensor[] {
  const own = withGradient(params).map((p) => {
    const gradient = p.grad!
    const own = p.gradientHome === gradient.storage ? 2 : 1 // the optimizer holds the place that it keeps
    if (gradient.storage.holders <= own) return gradient
    const copy = copyOf(gradient)
    copy.name = gradient.name
    p.grad = copy
    gradient.release('its gradient was clipped in separate memory')
    return copy
  })
  return [...new Set(own)]
}
