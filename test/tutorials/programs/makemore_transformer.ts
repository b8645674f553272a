// makemore's Transformer, as GPT-2: causal attention and an MLP in every block, after karpathy/makemore.
// Words, loop and sampling are those of makemore_mlp.ts.
import { nn, scaledDotProductAttention, type Tensor } from 'dawngrad'

export { datasets, evaluate, generate, train } from './makemore_mlp.ts'

export interface ModelConfig {
  readonly vocabSize: number
  readonly blockSize: number
  readonly nLayer?: number
  readonly nEmbd?: number
  readonly nHead?: number
}

/** Attention of every place to those before it and to itself: [N, T, nEmbd] → [N, T, nEmbd]. */
class CausalSelfAttention extends nn.Module {
  readonly c_attn: nn.Linear
  readonly c_proj: nn.Linear
  readonly nHead: number

  constructor(nEmbd: number, nHead: number) {
    super()
    this.c_attn = new nn.Linear(nEmbd, 3 * nEmbd)
    this.c_proj = new nn.Linear(nEmbd, nEmbd)
    this.nHead = nHead
  }

  override forward(x: Tensor): Tensor {
    const [N, T, C] = x.shape as [number, number, number]
    const heads = (part: Tensor) => part.reshape([N, T, this.nHead, C / this.nHead]).transpose(1, 2)
    const [q, k, v] = this.c_attn.forward(x).split(C, 2).map(heads)
    const y = scaledDotProductAttention(q!, k!, v!, { isCausal: true })
    return this.c_proj.forward(y.transpose(1, 2).reshape([N, T, C]))
  }
}

class Block extends nn.Module {
  readonly ln_1: nn.LayerNorm
  readonly attn: CausalSelfAttention
  readonly ln_2: nn.LayerNorm
  readonly mlp: { c_fc: nn.Linear; c_proj: nn.Linear; act: nn.GELU }

  constructor(nEmbd: number, nHead: number) {
    super()
    this.ln_1 = new nn.LayerNorm(nEmbd)
    this.attn = new CausalSelfAttention(nEmbd, nHead)
    this.ln_2 = new nn.LayerNorm(nEmbd)
    this.mlp = {
      c_fc: new nn.Linear(nEmbd, 4 * nEmbd),
      c_proj: new nn.Linear(4 * nEmbd, nEmbd),
      act: new nn.GELU({ approximate: 'tanh' }),
    }
  }

  override forward(x: Tensor): Tensor {
    const { c_fc, c_proj, act } = this.mlp
    x = x.add(this.attn.forward(this.ln_1.forward(x)))
    return x.add(c_proj.forward(act.forward(c_fc.forward(this.ln_2.forward(x)))))
  }
}

/** What follows each character: [N, T] → [N, T, vocabSize]. */
export class Transformer extends nn.Module {
  readonly transformer: { wte: nn.Embedding; wpe: nn.Embedding; h: nn.ModuleList; ln_f: nn.LayerNorm }
  readonly lm_head: nn.Linear

  constructor({ vocabSize, blockSize, nLayer = 4, nEmbd = 64, nHead = 4 }: ModelConfig) {
    super()
    this.transformer = {
      wte: new nn.Embedding(vocabSize, nEmbd),
      wpe: new nn.Embedding(blockSize, nEmbd),
      h: new nn.ModuleList(Array.from({ length: nLayer }, () => new Block(nEmbd, nHead))),
      ln_f: new nn.LayerNorm(nEmbd),
    }
    this.lm_head = new nn.Linear(nEmbd, vocabSize, { bias: false })
  }

  override forward(idx: Tensor): Tensor {
    const { wte, wpe, h, ln_f } = this.transformer
    let x = wte.forward(idx).add(wpe.weight.slice(0, 0, idx.shape[1]))
    for (const block of h) x = block.forward(x)
    return this.lm_head.forward(ln_f.forward(x))
  }
}
