// A language model of words by a Transformer, after pytorch/examples, word_language_model. Text and loop are those of
// word_language_model.ts.
import { nn, type Tensor, tensor } from 'dawngrad'

export { batchify, Corpus, evaluate, train } from './word_language_model.ts'

/** Adds sines and cosines of the places, more slowly from feature to feature: [L, N, dModel] → the same. */
export class PositionalEncoding extends nn.Module {
  readonly dropout: nn.Dropout
  readonly pe: Tensor

  constructor(dModel: number, { dropout = 0.1, maxLen = 5000 } = {}) {
    super()
    this.dropout = new nn.Dropout(dropout)
    const values = Float32Array.from({ length: maxLen * dModel }, (_, k) => {
      const [place, i] = [Math.floor(k / dModel), k % dModel]
      const angle = place * Math.exp((-Math.log(10000) * (i - (i % 2))) / dModel)
      return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
    })
    this.pe = nn.buffer(tensor(values, [maxLen, 1, dModel]))
  }

  override forward(x: Tensor): Tensor {
    return this.dropout.forward(x.add(this.pe.slice(0, 0, x.shape[0])))
  }
}

const CONFIG = { emsize: 200, nhead: 2, nhid: 200, nlayers: 2, dropout: 0.2, layerDropout: 0.1, maxLen: 5000 }

/** Words [L, N] → logits [L, N, ntoken]; a word sees those before it in its chunk. */
export class TransformerModel extends nn.Module<[logits: Tensor]> {
  readonly pos_encoder: PositionalEncoding
  readonly input_emb: nn.Embedding
  readonly encoder: { layers: nn.ModuleList<nn.TransformerEncoderLayer>; norm: nn.LayerNorm }
  readonly decoder: nn.Linear
  readonly emsize: number

  constructor(ntoken: number, options: Partial<typeof CONFIG> = {}) {
    super()
    const { emsize, nhead, nhid, nlayers, dropout, layerDropout, maxLen } = { ...CONFIG, ...options }
    const layer = () => new nn.TransformerEncoderLayer(emsize, nhead, { dimFeedforward: nhid, dropout: layerDropout })
    this.emsize = emsize
    this.pos_encoder = new PositionalEncoding(emsize, { dropout, maxLen })
    this.input_emb = new nn.Embedding(ntoken, emsize)
    this.encoder = {
      layers: new nn.ModuleList(Array.from({ length: nlayers }, layer)),
      norm: new nn.LayerNorm(emsize),
    }
    this.decoder = new nn.Linear(emsize, ntoken)
    for (const [name, p] of this.namedParameters()) {
      if (name.startsWith('encoder')) {
        if (p.shape.length > 1) nn.init.xavierUniform(p)
      } else if (name.endsWith('weight')) nn.init.uniform(p, -0.1, 0.1)
      else nn.init.zeros(p)
    }
  }

  override forward(words: Tensor): [logits: Tensor] {
    let x = this.pos_encoder.forward(this.input_emb.forward(words).mul(Math.sqrt(this.emsize)))
    for (const layer of this.encoder.layers) x = layer.forward(x, { isCausal: true })
    return [this.decoder.forward(this.encoder.norm.forward(x))]
  }
}
