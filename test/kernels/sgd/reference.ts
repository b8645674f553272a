// A step of SGD in float64, with the error that float32 may make.
import { type Ref, type Result, ref, requireShape, withBound } from '../../support/ref.ts'

export interface SgdOptions {
  lr: number
  momentum?: number
  dampening?: number
  weightDecay?: number
  nesterov?: boolean
  maximize?: boolean
}

/**
 * One step of torch.optim.SGD on one parameter. `buffer` is the momentum of the step before, null at the first, where
 * it becomes the gradient itself, undampened. Nothing given is written to; the new buffer is null without momentum.
 *
 * Roundings: a hyperparameter that float32 cannot hold counts one, its product another, each addition one more.
 */
export function sgdStep(
  param: Ref,
  grad: Ref,
  buffer: Ref | null,
  options: SgdOptions,
): { param: Result; buffer: Result | null } {
  const { lr, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false, maximize = false } = options
  requireShape('sgdStep: grad', grad.shape, param.shape)
  if (buffer !== null) requireShape('sgdStep: buffer', buffer.shape, param.shape)
  const next = ref(param.shape)
  const nextMagnitude = new Float64Array(next.data.length)
  const moved = ref(param.shape)
  const movedMagnitude = new Float64Array(next.data.length)
  const undampened = 1 - dampening
  for (let i = 0; i < next.data.length; i++) {
    const p = param.data[i]!
    let g = (maximize ? -grad.data[i]! : grad.data[i]!) + weightDecay * p
    let size = Math.abs(grad.data[i]!) + Math.abs(weightDecay * p)
    if (momentum !== 0) {
      const old = buffer === null ? null : buffer.data[i]!
      moved.data[i] = old === null ? g : momentum * old + undampened * g
      movedMagnitude[i] = old === null ? size : Math.abs(momentum * old) + Math.abs(undampened) * size
      g = nesterov ? g + momentum * moved.data[i]! : moved.data[i]!
      size = nesterov ? size + Math.abs(momentum) * movedMagnitude[i]! : movedMagnitude[i]!
    }
    next.data[i] = p - lr * g
    nextMagnitude[i] = Math.abs(p) + Math.abs(lr) * size
  }
  let roundings = weightDecay === 0 ? 0 : 3
  let bufferRoundings = 0
  if (momentum !== 0) {
    bufferRoundings = roundings + (buffer === null ? 0 : 3)
    roundings = bufferRoundings + (nesterov ? 3 : 0)
  }
  return {
    param: withBound(next, nextMagnitude, roundings + 3),
    buffer: momentum === 0 ? null : withBound(moved, movedMagnitude, bufferRoundings),
  }
}
