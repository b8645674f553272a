// Makes more words like those that it is given: an MLP over the last characters, after karpathy/makemore.
import {
  Batches,
  type BatchesOptions,
  capture,
  cat,
  crossEntropy,
  nn,
  noGrad,
  optim,
  pad,
  permutation,
  rand,
  scope,
  type Tensor,
  tensor,
} from 'dawngrad'

export interface Words {
  readonly chars: readonly string[]
  /** Characters of the longest word, and one more. */
  readonly blockSize: number
  readonly train: WordBatches
  readonly test: WordBatches
}

export type WordBatches = Batches<{
  x: { data: Int32Array; shape: number[] }
  y: { data: Int32Array; shape: number[] }
}>

/** Words in batches of x and y [N, blockSize]: a tenth of them, at most 1000, are for the test. */
export function datasets(words: readonly string[], options: BatchesOptions = { batchSize: 32, dropLast: true }): Words {
  const chars = [...new Set(words.join(''))].sort()
  const blockSize = Math.max(...words.map((word) => word.length)) + 1
  const order = [...permutation(3407, 0, words.length)].map((i) => words[i]!)
  const tests = Math.min(1000, Math.floor(words.length / 10))
  const batches = (some: readonly string[]) => new Batches(encode(some, chars, blockSize), options)
  return { chars, blockSize, train: batches(order.slice(tests)), test: batches(order.slice(0, tests)) }
}

/** x: 0 and the characters' numbers, from 1. y: what comes next, 0 at the end, and −1 after it, which the loss leaves out. */
function encode(words: readonly string[], chars: readonly string[], blockSize: number) {
  const shape = [words.length, blockSize]
  const x = new Int32Array(words.length * blockSize)
  const y = new Int32Array(words.length * blockSize).fill(-1)
  for (const [row, word] of words.entries()) {
    const numbers = [...word].map((char) => chars.indexOf(char) + 1)
    x.set(numbers, row * blockSize + 1)
    y.set([...numbers, 0], row * blockSize)
  }
  return { x: { data: x, shape }, y: { data: y, shape } }
}

/** What follows each character by those up to it, at most blockSize: [N, T] → [N, T, vocabSize]. */
export class MLP extends nn.Module {
  readonly wte: nn.Embedding
  readonly mlp: nn.Sequential
  readonly blockSize: number
  readonly vocabSize: number

  constructor({
    vocabSize,
    blockSize,
    nEmbd = 64,
    nEmbd2 = 64,
  }: { vocabSize: number; blockSize: number; nEmbd?: number; nEmbd2?: number }) {
    super()
    this.blockSize = blockSize
    this.vocabSize = vocabSize
    this.wte = new nn.Embedding(vocabSize + 1, nEmbd) // one more for what comes before the word
    this.mlp = new nn.Sequential(
      new nn.Linear(blockSize * nEmbd, nEmbd2),
      new nn.Tanh(),
      new nn.Linear(nEmbd2, vocabSize),
    )
  }

  override forward(idx: Tensor): Tensor {
    const embeddings: Tensor[] = []
    for (let k = 0; k < this.blockSize; k++) {
      embeddings.push(this.wte.forward(idx))
      idx = pad(idx, [1, -1], { value: this.vocabSize })
    }
    return this.mlp.forward(cat(embeddings, -1))
  }
}

/** The mean loss over the characters. */
export function lossOf(net: nn.Module, x: Tensor, y: Tensor): Tensor {
  const logits = net.forward(x)
  return crossEntropy(logits.reshape([-1, logits.shape[2]!]), y.reshape([-1]), { ignoreIndex: -1 })
}

/** Returns the loss of every step. */
export async function train(
  net: nn.Module,
  batches: WordBatches,
  { steps = 1000, lr = 5e-4, weightDecay = 0.01 } = {},
): Promise<number[]> {
  const optimizer = new optim.AdamW(net.parameters(), { lr, weightDecay, betas: [0.9, 0.99], eps: 1e-8 })
  const plan = capture(() => {
    const { x, y } = batches.next()
    const loss = lossOf(net, x, y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses: number[] = []
  for (let step = 0; step < steps; step++) {
    plan.run()
    losses.push(await plan.result.item())
  }
  plan.dispose()
  return losses
}

/** The mean of the batches' losses. */
export async function evaluate(net: nn.Module, batches: WordBatches): Promise<number> {
  net.eval()
  let sum = 0
  for (const { x, y } of batches) sum += await scope(() => noGrad(() => lossOf(net, x, y))).item()
  net.train()
  return sum / batches.length
}

/** New words, each character drawn by its probability: the largest of logits and Gumbel's noise. */
export async function generate(
  net: nn.Module,
  { chars, blockSize }: Words,
  { num = 10, temperature = 1 } = {},
): Promise<string[]> {
  let idx = tensor(new Int32Array(num), [num, 1])
  for (let step = 0; step < blockSize; step++) {
    idx = scope(() =>
      noGrad(() => {
        const logits = net.forward(idx).select(1, step).div(temperature)
        const noise = rand(logits.shape).log().neg().log().neg()
        return cat([idx, logits.add(noise).argmax(1).unsqueeze(1)], 1)
      }),
    )
  }
  const drawn = Array.from(await idx.data())
  const width = blockSize + 1
  return Array.from({ length: num }, (_, row) => {
    const word = drawn.slice(row * width + 1, (row + 1) * width)
    const end = word.indexOf(0)
    return (end < 0 ? word : word.slice(0, end)).map((number) => chars[number - 1]).join('')
  })
}
