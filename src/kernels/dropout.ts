// dropout: some elements are 0, at random.
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { DRAW_WORDS, draw, randomFile, requireProbability, stepsOf } from './random.ts'
import { groupsForElements, requireTensors, requireType } from './support.ts'

/** Options of {@link dropout}. */
export interface DropoutOptions {
  /** The probability that an element is dropped; 0.5 unless given. */
  readonly p?: number
  /** Whether anything is dropped; true unless given. */
  readonly training?: boolean
}

const forward = randomFile.entry('dropout')
const backward = randomFile.entry('dropout_backward')

/** What the kernels are given beside sizes. */
function settingsOf(p: number) {
  return { below: stepsOf(1 - p), scale: p === 1 ? 0 : 1 / (1 - p) }
}

const op: Op<readonly [Tensor], number> = {
  name: 'dropout',

  shape([x]) {
    requireType('dropout', 'input', x)
    return x.shape
  },

  forward(gpu, [x], p, shape) {
    const out = empty(gpu, shape, 'float32', 'dropout')
    // For backward, which draws the same again: the rows that forward reads may hold a later draw by then.
    const noted = empty(gpu, [DRAW_WORDS], 'int32', "dropout's draw")
    draw(gpu, (settings, which) => {
      const params = { size: x.size, which, ...settingsOf(p) }
      const bindings = { params, settings, x: x.storage, out: out.storage, noted: noted.storage }
      gpu.emit(forward, bindings, groupsForElements(x.size))
    })
    return { out, saved: [noted] }
  },

  backward(gpu, dy, [noted], p, _, grad) {
    const dx = grad(0)
    const params = { size: dy.size, which: 0, ...settingsOf(p) }
    const bindings = { params, noticed: noted!.storage, dy: dy.storage, dx: dx.storage }
    gpu.emit(backward, bindings, groupsForElements(dy.size))
    return [dx]
  },
}

/**
 * Each element is dropped with probability p, which counts in steps of 2⁻³¹, and multiplied by 1 / (1 − p) if it is not; the
 * gradient likewise. Any shape, float32. Without `training`, and at p = 0, it is the input: the same tensor. As in PyTorch what
 * is dropped is the input times 0: NaN and infinities give NaN. At p = 1 all is dropped. Which elements are dropped is a draw
 * like those of `rand`. Throws RangeError unless p is from 0 to 1.
 */
export function dropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'dropout(x, options)')
  requireOptions('dropout', options, ['p', 'training'])
  requireFlags('dropout', options, ['training'])
  const { p = 0.5, training = true } = options
  requireTensors('dropout', { input: x })
  requireProbability('dropout', p)
  if (training && p > 0) return apply(op, [x], p)
  requireType('dropout', 'input', x)
  x.checkUsable('dropout')
  return x
}
