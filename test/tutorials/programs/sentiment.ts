// Whether a review of a film is good or bad, by the words in it, after tensorflow/tfjs-examples, sentiment.
import { Batches, type BatchField, bceLoss, cat, nn, noGrad, optim, scope, type Tensor } from 'dawngrad'

export const PAD_INDEX = 0
/** In place of words that are too rare. */
export const OOV_INDEX = 2
/** Begins every review. */
const START_INDEX = 1

/** Reviews as lists of words, from one list of all their words. */
export function readReviews(words: Iterable<number>, numWords: number): number[][] {
  const reviews: number[][] = []
  for (const word of words) {
    if (word === START_INDEX) reviews.push([])
    else reviews.at(-1)!.push(word >= numWords ? OOV_INDEX : word)
  }
  return reviews
}

/** The last words of every review, with padding before them: [rows, maxLen]. */
export function padSequences(reviews: readonly number[][], maxLen: number): BatchField {
  const rows = reviews.map((words) => [
    ...Array(Math.max(0, maxLen - words.length)).fill(PAD_INDEX),
    ...words.slice(-maxLen),
  ])
  return { data: Int32Array.from(rows.flat()), shape: [reviews.length, maxLen] }
}

/** 1 for every word that a review has: [rows, numWords]. */
export function multihot(reviews: readonly number[][], numWords: number): BatchField {
  const data = new Float32Array(reviews.length * numWords)
  for (const [i, words] of reviews.entries()) {
    for (const word of words) if (word !== OOV_INDEX) data[i * numWords + word] = 1
  }
  return { data, shape: [reviews.length, numWords] }
}

/** Convolutions over five words, the largest of each, and a hidden layer: [N, L, E] → [N, 250]. */
class Cnn extends nn.Module {
  readonly dropout: nn.Dropout
  readonly conv: nn.Conv1d
  readonly dense = new nn.Linear(250, 250)

  constructor(embeddingSize: number, p: number) {
    super()
    this.dropout = new nn.Dropout(p)
    this.conv = new nn.Conv1d(embeddingSize, 250, 5)
  }

  override forward(x: Tensor): Tensor {
    const found = this.conv.forward(this.dropout.forward(x).transpose(1, 2)).relu()
    return this.dense.forward(found.max(2)).relu()
  }
}

/** What a recurrent layer holds at the end, forwards and backwards side by side: [N, L, E] → [N, 32] or [N, 64]. */
class LastState extends nn.Module {
  readonly rnn: nn.RNN | nn.LSTM

  constructor(rnn: nn.RNN | nn.LSTM) {
    super()
    this.rnn = rnn
  }

  override forward(x: Tensor): Tensor {
    const [, state] = this.rnn.forward(x)
    const h = Array.isArray(state) ? state[0] : (state as Tensor)
    return cat(
      Array.from({ length: h.shape[0]! }, (_, i) => h.select(0, i)),
      1,
    )
  }
}

export type ModelType = 'multihot' | 'flatten' | 'cnn' | 'simpleRNN' | 'lstm' | 'bidirectionalLSTM'

/** The probability that a review is good. Recurrent layers are PyTorch's. */
export function buildModel(
  type: ModelType,
  { maxLen = 100, numWords = 10000, embeddingSize = 128, dropout = 0.5, units = 32 } = {},
): nn.Sequential {
  const { Embedding, Flatten, Linear, LSTM, ReLU, RNN, Sigmoid } = nn
  const bodies: Record<ModelType, () => [nn.Module[], features: number]> = {
    multihot: () => [[new Linear(numWords, 16), new ReLU(), new Linear(16, 16), new ReLU()], 16],
    flatten: () => [[new Flatten()], maxLen * embeddingSize],
    cnn: () => [[new Cnn(embeddingSize, dropout)], 250],
    simpleRNN: () => [[new LastState(new RNN(embeddingSize, units, { batchFirst: true }))], units],
    lstm: () => [[new LastState(new LSTM(embeddingSize, units, { batchFirst: true }))], units],
    bidirectionalLSTM: () => {
      const rnn = new LSTM(embeddingSize, units, { batchFirst: true, bidirectional: true })
      return [[new LastState(rnn)], 2 * units]
    },
  }
  const embedding = type === 'multihot' ? [] : [new Embedding(numWords, embeddingSize)]
  const [body, features] = bodies[type]()
  const net = new nn.Sequential(...embedding, ...body, new Linear(features, 1), new Sigmoid())
  for (const [name, p] of net.namedParameters()) {
    if (p.shape.length === 1) nn.init.zeros(p)
    else if (embedding.length > 0 && name === '0.weight') nn.init.uniform(p, -0.05, 0.05)
    else (name.includes('weight_hh') ? nn.init.orthogonal : nn.init.xavierUniform)(p)
  }
  return net
}

export type Reviews = Batches<{ x: BatchField; y: BatchField }>

/** Rows of features with their targets [rows, 1], 1 for good reviews. */
export function reviewBatches(x: BatchField, y: ArrayLike<number>, { batchSize = 128, shuffle = true } = {}): Reviews {
  return new Batches({ x, y: { data: Float32Array.from(y), shape: [y.length, 1] } }, { batchSize, shuffle })
}

/** Keras' 'adam'. Returns the loss of every step, and loss and accuracy of the reviews held out after every epoch. */
export async function train(net: nn.Sequential, reviews: Reviews, held: Reviews, { epochs = 10 } = {}) {
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.001, eps: 1e-7 })
  const losses = []
  const validation = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < reviews.length; i++) {
      const loss = scope(() => {
        const { x, y } = reviews.next()
        const loss = bceLoss(net.forward(x), y)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    validation.push(await evaluate(net, held))
  }
  return { losses, validation }
}

export async function evaluate(net: nn.Sequential, reviews: Reviews): Promise<{ loss: number; accuracy: number }> {
  net.eval()
  let [loss, wrong] = [0, 0]
  for (const { x, y, size } of reviews) {
    const good = noGrad(() => net.forward(x))
    loss += ((await bceLoss(good, y).item()) * size) / reviews.size
    const [named, truth] = [await good.data(), await y.data()]
    wrong += named.filter((p, i) => p > 0.5 !== (truth[i] === 1)).length
  }
  net.train()
  return { loss, accuracy: 1 - wrong / reviews.size }
}
