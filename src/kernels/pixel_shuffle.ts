// pixelShuffle: channels become pixels, composed of reshapes and a permutation.
import { requireTogether } from '../tensor/autograd.ts'
import { shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { ShapeError } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { permute } from './copy.ts'
import { requireRank, requireTensors, requireType } from './support.ts'

/**
 * An image r times as high and as wide out of one with r² times the channels: [N, C·r², H, W] → [N, C, H·r, W·r]. Pixel (y·r + i,
 * x·r + j) of channel c is pixel (y, x) of channel c·r² + i·r + j. PyTorch's pixel_shuffle.
 *
 * Throws ShapeError for an input of other than four dimensions, and for an r whose square does not divide the channels.
 */
export function pixelShuffle(x: Tensor, r: number): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'pixelShuffle(x, r)')
  requireTensors('pixelShuffle', { input: x })
  requireTogether('pixelShuffle', [x])
  requireType('pixelShuffle', 'input', x)
  requireRank('pixelShuffle', 'input', x.shape, 4, 'N C H W')
  const [N, channels, H, W] = x.shape as [number, number, number, number]
  if (!Number.isSafeInteger(r) || r < 1 || channels % (r * r) !== 0) {
    const sentence = `r must be a whole number whose square divides the ${channels} channels, not ${shown(r)}`
    throw new ShapeError('pixelShuffle', sentence, [['input', x.shape, 'N C H W']])
  }
  const C = channels / (r * r)
  return scope(() => permute(x.reshape([N, C, r, r, H, W]), [0, 1, 4, 2, 5, 3]).reshape([N, C, H * r, W * r]))
}
