// Embedding: a table of rows that are trained, one for each index.
import { type EmbeddingOptions, embedding } from '../kernels/take.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { drawnParameter } from './init.ts'
import { requireCount } from './layers.ts'
import { Module } from './module.ts'

/**
 * embedding of indices of any shape: [...] → [..., embeddingDim]. State: weight [numEmbeddings, embeddingDim], standard normal at
 * first, and 0 in the row `paddingIdx`, which is not trained.
 */
export class Embedding extends Module {
  readonly weight: Tensor
  readonly paddingIdx: number | null

  /** Throws RangeError for a paddingIdx that is not a row; negative ones count from the end. */
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.Embedding(numEmbeddings, embeddingDim, options)')
    super()
    requireOptions('nn.Embedding', options, ['paddingIdx'])
    requireCount('nn.Embedding', 'numEmbeddings', numEmbeddings)
    requireCount('nn.Embedding', 'embeddingDim', embeddingDim)
    const { paddingIdx } = options
    if (
      paddingIdx !== undefined &&
      !(Number.isInteger(paddingIdx) && paddingIdx >= -numEmbeddings && paddingIdx < numEmbeddings)
    ) {
      const range = `${-numEmbeddings} to ${numEmbeddings - 1}`
      throw new RangeError(`nn.Embedding: paddingIdx must be a row of the weight, ${range}, not ${shown(paddingIdx)}`)
    }
    this.paddingIdx = paddingIdx === undefined ? null : paddingIdx < 0 ? paddingIdx + numEmbeddings : paddingIdx
    this.weight = drawnParameter('weight', [numEmbeddings, embeddingDim], (stream, i) => {
      const drawn = stream.normal()
      return Math.floor(i / embeddingDim) === this.paddingIdx ? 0 : drawn
    })
  }

  override forward(index: Tensor): Tensor {
    return embedding(this.weight, index, this.paddingIdx === null ? {} : { paddingIdx: this.paddingIdx })
  }
}
