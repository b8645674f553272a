// Sentences translated by a Transformer with encoder and decoder, after pytorch/examples, language_translation.
import {
  Batches,
  crossEntropy,
  earlyStopping,
  type FitResult,
  fit,
  nn,
  noGrad,
  optim,
  type Tensor,
  tensor,
} from 'dawngrad'
import { PositionalEncoding } from './word_language_transformer.ts'

const SPECIALS = ['<unk>', '<pad>', '<bos>', '<eos>'] as const
const [UNK, PAD, BOS, EOS] = [0, 1, 2, 3] as const

export type Pair = readonly [source: string, target: string]

const wordsOf = (sentence: string) => sentence.split(/\s+/).filter(Boolean)

/** The words of a language by their numbers. */
export class Vocab {
  readonly words: readonly string[]
  readonly #numbers: ReadonlyMap<string, number>

  constructor(sentences: readonly string[]) {
    this.words = [...new Set([...SPECIALS, ...sentences.flatMap(wordsOf)])]
    this.#numbers = new Map(this.words.map((word, i) => [word, i]))
  }

  encode(sentence: string): number[] {
    return [BOS, ...wordsOf(sentence).map((word) => this.#numbers.get(word) ?? UNK), EOS]
  }

  decode(numbers: readonly number[]): string {
    return numbers
      .filter((number) => number !== BOS && number !== EOS)
      .map((number) => this.words[number])
      .join(' ')
  }
}

export interface Vocabs {
  readonly source: Vocab
  readonly target: Vocab
}

export const vocabsOf = (pairs: readonly Pair[]): Vocabs => ({
  source: new Vocab(pairs.map(([source]) => source)),
  target: new Vocab(pairs.map(([, target]) => target)),
})

/** Pairs as src [N, S] and tgt [N, T], filled up with <pad>. */
export function batchesOf(pairs: readonly Pair[], { source, target }: Vocabs, batchSize = 128) {
  const padded = (rows: number[][]) => {
    const length = Math.max(...rows.map((row) => row.length))
    const data = rows.flatMap((row) => [...row, ...new Array<number>(length - row.length).fill(PAD)])
    return { data: Int32Array.from(data), shape: [rows.length, length] }
  }
  const fields = {
    src: padded(pairs.map(([sentence]) => source.encode(sentence))),
    tgt: padded(pairs.map(([, sentence]) => target.encode(sentence))),
  }
  return new Batches(fields, { batchSize, shuffle: false })
}
type Pairs = ReturnType<typeof batchesOf>

const CONFIG = {
  encLayers: 5,
  decLayers: 5,
  embedSize: 512,
  attnHeads: 8,
  dimFeedforward: 512,
  dropout: 0.1,
  maxLen: 5000,
}
type Config = typeof CONFIG

/** Attention to the words so far, then to what the encoder made of the source, then an MLP: as in nn.TransformerDecoderLayer. */
class DecoderLayer extends nn.Module {
  readonly self_attn: nn.MultiheadAttention
  readonly multihead_attn: nn.MultiheadAttention
  readonly linear1: nn.Linear
  readonly linear2: nn.Linear
  readonly norm1: nn.LayerNorm
  readonly norm2: nn.LayerNorm
  readonly norm3: nn.LayerNorm
  readonly dropout: nn.Dropout

  constructor({ embedSize, attnHeads, dimFeedforward, dropout }: Config) {
    super()
    this.self_attn = new nn.MultiheadAttention(embedSize, attnHeads, { dropout })
    this.multihead_attn = new nn.MultiheadAttention(embedSize, attnHeads, { dropout })
    this.linear1 = new nn.Linear(embedSize, dimFeedforward)
    this.linear2 = new nn.Linear(dimFeedforward, embedSize)
    this.norm1 = new nn.LayerNorm(embedSize)
    this.norm2 = new nn.LayerNorm(embedSize)
    this.norm3 = new nn.LayerNorm(embedSize)
    this.dropout = new nn.Dropout(dropout)
  }

  /** x [T, N, E], memory [S, N, E], and where [N, T] and [N, S] are padding → [T, N, E]. */
  override forward(x: Tensor, memory: Tensor = x, padding?: Tensor, memoryPadding?: Tensor): Tensor {
    const ofWords = { isCausal: true, keyPaddingMask: padding ?? null }
    const ofMemory = { keyPaddingMask: memoryPadding ?? null }
    const drop = (y: Tensor) => this.dropout.forward(y)
    x = this.norm1.forward(x.add(drop(this.self_attn.forward(x, x, x, ofWords))))
    x = this.norm2.forward(x.add(drop(this.multihead_attn.forward(x, memory, memory, ofMemory))))
    return this.norm3.forward(x.add(drop(this.linear2.forward(drop(this.linear1.forward(x).relu())))))
  }
}

/** The logits of each next word: src [N, S] and tgt [N, T] → [T, N, words]. */
export class Translator extends nn.Module {
  readonly src_embedding: nn.Embedding
  readonly tgt_embedding: nn.Embedding
  readonly pos_enc: PositionalEncoding
  readonly transformer: {
    encoder: { layers: nn.ModuleList<nn.TransformerEncoderLayer>; norm: nn.LayerNorm }
    decoder: { layers: nn.ModuleList<DecoderLayer>; norm: nn.LayerNorm }
  }
  readonly ff: nn.Linear

  constructor({ source, target }: Vocabs, options: Partial<Config> = {}) {
    super()
    const config = { ...CONFIG, ...options }
    const { encLayers, decLayers, embedSize, attnHeads, dimFeedforward, dropout, maxLen } = config
    const layers = <L extends nn.Module>(length: number, layer: () => L) => ({
      layers: new nn.ModuleList(Array.from({ length }, layer)),
      norm: new nn.LayerNorm(embedSize),
    })
    this.src_embedding = new nn.Embedding(source.words.length, embedSize)
    this.tgt_embedding = new nn.Embedding(target.words.length, embedSize)
    this.pos_enc = new PositionalEncoding(embedSize, { dropout, maxLen })
    this.transformer = {
      encoder: layers(
        encLayers,
        () => new nn.TransformerEncoderLayer(embedSize, attnHeads, { dimFeedforward, dropout }),
      ),
      decoder: layers(decLayers, () => new DecoderLayer(config)),
    }
    this.ff = new nn.Linear(embedSize, target.words.length)
    for (const p of this.parameters()) if (p.shape.length > 1) nn.init.xavierUniform(p)
  }

  override forward(src: Tensor, tgt: Tensor = src): Tensor {
    return this.decode(tgt, this.encode(src), src.eq(PAD))
  }

  /** src [N, S] → [S, N, E]. */
  encode(src: Tensor): Tensor {
    const { layers, norm } = this.transformer.encoder
    let x = this.pos_enc.forward(this.src_embedding.forward(src.transpose(0, 1)))
    const masks = { srcKeyPaddingMask: src.eq(PAD) }
    for (const layer of layers) x = layer.forward(x, masks)
    return norm.forward(x)
  }

  /** tgt [N, T], what encode made, and where [N, S] that is padding → logits [T, N, words]. */
  decode(tgt: Tensor, memory: Tensor, memoryPadding: Tensor): Tensor {
    const { layers, norm } = this.transformer.decoder
    let x = this.pos_enc.forward(this.tgt_embedding.forward(tgt.transpose(0, 1)))
    const padding = tgt.eq(PAD)
    for (const layer of layers) x = layer.forward(x, memory, padding, memoryPadding)
    return this.ff.forward(norm.forward(x))
  }
}

/** The decoder is given the right words up to each place. Ends with the parameters whose test loss was the lowest. */
export function train(
  net: Translator,
  data: { train: Pairs; test: Pairs },
  { lr = 1e-4, epochs = 30 } = {},
): Promise<FitResult> {
  return fit(net, {
    data,
    forward: (net, { src, tgt }) => net.forward(src, tgt.slice(1, 0, -1)),
    loss: (logits, { tgt }) => crossEntropy(logits.permute([1, 2, 0]), tgt.slice(1, 1), { ignoreIndex: PAD }),
    optimizer: new optim.Adam(net.parameters(), { lr, betas: [0.9, 0.98], eps: 1e-9 }),
    epochs,
    callbacks: [earlyStopping({ metric: 'testLoss', patience: epochs })],
  })
}

/** The translation of a sentence: at each place the word that is most probable, up to <eos>. */
export async function translate(net: Translator, { source, target }: Vocabs, sentence: string): Promise<string> {
  net.eval()
  const numbers = source.encode(sentence)
  const src = tensor(Int32Array.from(numbers), [1, numbers.length])
  const memory = noGrad(() => net.encode(src))
  const found: number[] = [BOS]
  while (found.length < numbers.length + 5 && found.at(-1) !== EOS) {
    const tgt = tensor(Int32Array.from(found), [1, found.length])
    const logits = noGrad(() => net.decode(tgt, memory, src.eq(PAD)).select(0, -1))
    found.push(await logits.argmax(1).item())
  }
  net.train()
  return target.decode(found)
}
