// nanoGPT on the characters of a text: GPT-2's network with tied weights, AdamW in two groups, warm-up and a cosine, after
// karpathy/nanoGPT, with the options of its run on Shakespeare.
import {
  Batches,
  capture,
  cat,
  crossEntropy,
  linear,
  nn,
  noGrad,
  optim,
  rand,
  scaledDotProductAttention,
  scope,
  type Tensor,
  tensor,
} from 'dawngrad'

export interface GPTConfig {
  readonly vocabSize: number
  readonly blockSize?: number
  readonly nLayer?: number
  readonly nHead?: number
  readonly nEmbd?: number
  readonly dropout?: number
  /** Whether linear layers and layer norms have one; false is a bit better and faster. */
  readonly bias?: boolean
}

const SHAKESPEARE = { blockSize: 256, nLayer: 6, nHead: 6, nEmbd: 384, dropout: 0.2, bias: false }

type Whole = Required<GPTConfig>

/** Attention of every place to those before it and to itself: [N, T, nEmbd] → [N, T, nEmbd]. */
class CausalSelfAttention extends nn.Module {
  readonly c_attn: nn.Linear
  readonly c_proj: nn.Linear
  readonly resid_dropout: nn.Dropout
  readonly config: Whole

  constructor(config: Whole) {
    super()
    const { nEmbd, bias, dropout } = config
    this.c_attn = new nn.Linear(nEmbd, 3 * nEmbd, { bias })
    this.c_proj = new nn.Linear(nEmbd, nEmbd, { bias })
    this.resid_dropout = new nn.Dropout(dropout)
    this.config = config
  }

  override forward(x: Tensor): Tensor {
    const [N, T, C] = x.shape as [number, number, number]
    const { nHead, dropout } = this.config
    const heads = (part: Tensor) => part.reshape([N, T, nHead, C / nHead]).transpose(1, 2)
    const [q, k, v] = this.c_attn.forward(x).split(C, 2).map(heads)
    const y = scaledDotProductAttention(q!, k!, v!, { isCausal: true, dropoutP: this.training ? dropout : 0 })
    return this.resid_dropout.forward(this.c_proj.forward(y.transpose(1, 2).reshape([N, T, C])))
  }
}

class MLP extends nn.Module {
  readonly c_fc: nn.Linear
  readonly gelu = new nn.GELU()
  readonly c_proj: nn.Linear
  readonly dropout: nn.Dropout

  constructor({ nEmbd, bias, dropout }: Whole) {
    super()
    this.c_fc = new nn.Linear(nEmbd, 4 * nEmbd, { bias })
    this.c_proj = new nn.Linear(4 * nEmbd, nEmbd, { bias })
    this.dropout = new nn.Dropout(dropout)
  }

  override forward(x: Tensor): Tensor {
    return this.dropout.forward(this.c_proj.forward(this.gelu.forward(this.c_fc.forward(x))))
  }
}

class Block extends nn.Module {
  readonly ln_1: nn.LayerNorm
  readonly attn: CausalSelfAttention
  readonly ln_2: nn.LayerNorm
  readonly mlp: MLP

  constructor(config: Whole) {
    super()
    this.ln_1 = new nn.LayerNorm(config.nEmbd, { bias: config.bias })
    this.attn = new CausalSelfAttention(config)
    this.ln_2 = new nn.LayerNorm(config.nEmbd, { bias: config.bias })
    this.mlp = new MLP(config)
  }

  override forward(x: Tensor): Tensor {
    x = x.add(this.attn.forward(this.ln_1.forward(x)))
    return x.add(this.mlp.forward(this.ln_2.forward(x)))
  }
}

/** What follows each token: [N, T] → [N, T, vocabSize]. */
export class GPT extends nn.Module {
  readonly transformer: { wte: nn.Embedding; wpe: nn.Embedding; drop: nn.Dropout; h: nn.ModuleList; ln_f: nn.LayerNorm }
  readonly config: Whole

  constructor(options: GPTConfig) {
    super()
    const config = { ...SHAKESPEARE, ...options }
    const { vocabSize, blockSize, nLayer, nEmbd, dropout, bias } = config
    this.config = config
    this.transformer = {
      wte: new nn.Embedding(vocabSize, nEmbd),
      wpe: new nn.Embedding(blockSize, nEmbd),
      drop: new nn.Dropout(dropout),
      h: new nn.ModuleList(Array.from({ length: nLayer }, () => new Block(config))),
      ln_f: new nn.LayerNorm(nEmbd, { bias }),
    }
    for (const [name, p] of this.namedParameters()) {
      if (name.endsWith('c_proj.weight')) nn.init.normal(p, 0, 0.02 / Math.sqrt(2 * nLayer))
      else if (p.shape.length > 1) nn.init.normal(p, 0, 0.02)
      else if (name.endsWith('bias')) nn.init.zeros(p)
    }
  }

  override forward(idx: Tensor): Tensor {
    const { wte, wpe, drop, h, ln_f } = this.transformer
    let x = drop.forward(wte.forward(idx).add(wpe.weight.slice(0, 0, idx.shape[1])))
    for (const block of h) x = block.forward(x)
    return linear(ln_f.forward(x), wte.weight) // the head's weight is that of the embedding
  }
}

/** AdamW that decays matrices and embeddings, and neither biases nor the weights of norms. */
export function configureOptimizer(
  net: nn.Module,
  { weightDecay = 0.1, lr = 1e-3, betas = [0.9, 0.99] as const } = {},
): optim.AdamW {
  const [decay, noDecay] = [true, false].map((wanted) => net.parameters().filter((p) => p.shape.length > 1 === wanted))
  const groups = [
    { params: decay!, weightDecay },
    { params: noDecay!, weightDecay: 0 },
  ]
  return new optim.AdamW(groups, { lr, betas })
}

export interface Text {
  readonly chars: readonly string[]
  readonly train: Uint8Array
  readonly val: Uint8Array
}

/** The numbers of a text's characters, of which there are at most 256; the last tenth is for the validation. */
export function encode(text: string): Text {
  const chars = [...new Set(text)].sort()
  const numbers = new Map(chars.map((char, i) => [char, i]))
  const data = Uint8Array.from(text, (char) => numbers.get(char)!)
  const n = Math.floor(0.9 * data.length)
  return { chars, train: data.slice(0, n), val: data.slice(n) }
}

/** This many batches of x and y [batchSize, blockSize] that begin anywhere in the text; y is one character further on. */
function getBatches(data: Uint8Array, count: number, { batchSize, blockSize, random }: Loop) {
  const shape = [count * batchSize, blockSize]
  const x = new Uint8Array(shape[0]! * blockSize)
  const y = new Uint8Array(x.length)
  for (let at = 0; at < x.length; at += blockSize) {
    const start = Math.floor(random() * (data.length - blockSize))
    x.set(data.subarray(start, start + blockSize), at)
    y.set(data.subarray(start + 1, start + 1 + blockSize), at)
  }
  return new Batches({ x: { data: x, shape }, y: { data: y, shape } }, { batchSize, shuffle: false })
}

function lossOf(net: GPT, x: Tensor, y: Tensor): Tensor {
  return crossEntropy(net.forward(x).reshape([-1, net.config.vocabSize]), y.reshape([-1]))
}

const LOOP = {
  batchSize: 64,
  blockSize: 256,
  maxIters: 5000,
  warmupIters: 100,
  lr: 1e-3,
  minLr: 1e-4,
  gradClip: 1,
  evalInterval: 250,
  evalIters: 200,
  random: Math.random,
}
type Loop = typeof LOOP

/** The rate rises in a line and falls along a cosine. */
export function getLr(it: number, { lr, minLr, warmupIters, maxIters }: Loop): number {
  if (it < warmupIters) return (lr * (it + 1)) / (warmupIters + 1)
  const ratio = (it - warmupIters) / (maxIters - warmupIters)
  return minLr + 0.5 * (1 + Math.cos(Math.PI * ratio)) * (lr - minLr)
}

async function estimateLoss(net: GPT, data: Uint8Array, loop: Loop): Promise<number> {
  net.eval()
  const batches = getBatches(data, loop.evalIters, loop)
  let sum = 0
  for (const { x, y } of batches) sum += await scope(() => noGrad(() => lossOf(net, x, y))).item()
  batches.dispose()
  net.train()
  return sum / loop.evalIters
}

/** Returns the losses before the first update and after every evalInterval, [of the last batch, train, validation]. */
export async function train(net: GPT, text: Text, options: Partial<Loop> = {}): Promise<number[][]> {
  const loop = { ...LOOP, blockSize: net.config.blockSize, ...options }
  const optimizer = configureOptimizer(net, loop)
  const found: number[][] = []
  for (let it = 0; it < loop.maxIters; it += loop.evalInterval) {
    const steps = Math.min(loop.evalInterval, loop.maxIters - it)
    const batches = getBatches(text.train, steps, loop)
    const plan = capture(() => {
      const { x, y } = batches.next()
      const loss = lossOf(net, x, y)
      optimizer.zeroGrad()
      loss.backward()
      optim.clipGradNorm(net.parameters(), loop.gradClip)
      optimizer.step()
      return loss
    })
    plan.run(steps, { lr: Array.from({ length: steps }, (_, i) => getLr(it + i, loop)) })
    const last = await plan.result.item()
    plan.dispose()
    batches.dispose()
    found.push([last, await estimateLoss(net, text.train, loop), await estimateLoss(net, text.val, loop)])
  }
  return found
}

/** The text goes on: each character is drawn by its probability, the largest of logits and Gumbel's noise. */
export async function generate(
  net: GPT,
  { chars }: Text,
  start: string,
  { count = 500, temperature = 0.8 } = {},
): Promise<string> {
  net.eval()
  const { blockSize } = net.config
  let idx = tensor(
    Int32Array.from(start, (char) => chars.indexOf(char)),
    [1, start.length],
  )
  for (let i = 0; i < count; i++) {
    idx = scope(() =>
      noGrad(() => {
        const logits = net.forward(idx.slice(1, -blockSize)).select(1, -1).div(temperature)
        const noise = rand(logits.shape).log().neg().log().neg()
        return cat([idx, logits.add(noise).argmax(1).unsqueeze(1)], 1)
      }),
    )
  }
  net.train()
  return Array.from(await idx.data(), (number) => chars[number]).join('')
}
