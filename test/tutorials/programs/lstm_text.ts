// A text continued character by character by LSTMs, after tensorflow/tfjs-examples, lstm-text-generation.
import { Batches, crossEntropy, nn, noGrad, oneHot, optim, permutation, scope, type Tensor, tensor } from 'dawngrad'

/** A text as codes of its characters, cut into examples. */
export class TextData {
  readonly text: string
  readonly sampleLen: number
  readonly sampleStep: number
  readonly characters: readonly string[]
  readonly codes: Int32Array

  constructor(text: string, sampleLen = 60, sampleStep = 3) {
    this.text = text
    this.sampleLen = sampleLen
    this.sampleStep = sampleStep
    this.characters = [...new Set(text)]
    this.codes = this.encode(text)
  }

  encode(text: string): Int32Array {
    return Int32Array.from(text, (char) => this.characters.indexOf(char))
  }

  decode(codes: Iterable<number>): string {
    return Array.from(codes, (code) => this.characters[code]!).join('')
  }

  /** Where examples begin. */
  starts(): number[] {
    const count = Math.ceil((this.text.length - this.sampleLen - 1) / this.sampleStep)
    return Array.from({ length: count }, (_, i) => i * this.sampleStep)
  }

  /** So many examples in a random order that the number of the epoch gives: x [examples, sampleLen], and what comes next. */
  epoch(number: number, examples: number): number[] {
    const starts = this.starts()
    const order = permutation(0, number, starts.length)
    return Array.from({ length: examples }, (_, i) => starts[order[i % starts.length]!]!)
  }

  batches(starts: readonly number[], batchSize: number) {
    const x = starts.flatMap((start) => [...this.codes.subarray(start, start + this.sampleLen)])
    const next = starts.map((start) => this.codes[start + this.sampleLen]!)
    const fields = {
      x: { data: Int32Array.from(x), shape: [starts.length, this.sampleLen] },
      next: Int32Array.from(next),
    }
    return new Batches(fields, { batchSize, shuffle: false })
  }
}

/** LSTMs one after another, and a logit for each character. Their gates are PyTorch's: plain sigmoids. */
export class TextModel extends nn.Module {
  readonly lstms: nn.ModuleList<nn.LSTM>
  readonly dense: nn.Linear
  readonly charSetSize: number

  constructor(charSetSize: number, lstmLayerSizes: readonly number[] = [128, 128]) {
    super()
    this.charSetSize = charSetSize
    const lstm = (size: number, i: number) =>
      new nn.LSTM(lstmLayerSizes[i - 1] ?? charSetSize, size, { batchFirst: true })
    this.lstms = new nn.ModuleList(lstmLayerSizes.map(lstm))
    this.dense = new nn.Linear(lstmLayerSizes.at(-1)!, charSetSize)
    for (const [name, p] of this.namedParameters()) {
      if (p.shape.length === 1) nn.init.zeros(p)
      else (name.includes('weight_hh') ? nn.init.orthogonal : nn.init.xavierUniform)(p)
    }
  }

  override forward(codes: Tensor): Tensor {
    let x = oneHot(codes, this.charSetSize)
    for (const lstm of this.lstms) [x] = lstm.forward(x)
    return this.dense.forward(x.select(1, -1))
  }
}

export interface Options {
  readonly epochs?: number
  readonly examplesPerEpoch?: number
  readonly batchSize?: number
  readonly validationSplit?: number
  readonly lr?: number
  /** Where the examples of an epoch begin. */
  readonly starts?: (epoch: number) => readonly number[]
}

/** RMSprop, as tf.train.rmsprop has it. Returns the loss of every step, and that of the part held out after every epoch. */
export async function fitModel(model: TextModel, data: TextData, options: Options = {}) {
  const { epochs = 150, examplesPerEpoch = 10000, batchSize = 128, validationSplit = 0.0625, lr = 0.01 } = options
  const { starts = (epoch) => data.epoch(epoch, examplesPerEpoch) } = options
  const optimizer = new optim.RMSprop(model.parameters(), { lr, alpha: 0.9, eps: 1e-7 })
  const losses = []
  const heldLosses = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    const all = starts(epoch)
    const split = Math.floor(all.length * (1 - validationSplit))
    const batches = data.batches(all.slice(0, split), batchSize)
    for (let i = 0; i < batches.length; i++) {
      const loss = scope(() => {
        const { x, next } = batches.next()
        const loss = crossEntropy(model.forward(x), next)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    const held = data.batches(all.slice(split), batchSize)
    let sum = 0
    for (const { x, next, size } of held)
      sum += size * (await noGrad(() => crossEntropy(model.forward(x), next)).item())
    heldLosses.push(sum / held.size)
    held.dispose()
    batches.dispose()
  }
  return { losses, heldLosses }
}

/** The characters that follow a text of at least `sampleLen` characters. */
export async function generateText(
  model: TextModel,
  data: TextData,
  seed: string,
  { length = 120, temperature = 0.5, random = Math.random } = {},
): Promise<string> {
  const codes = [...data.encode(seed)]
  for (let i = 0; i < length; i++) {
    const x = Int32Array.from(codes.slice(-data.sampleLen))
    const logits = scope(() => noGrad(() => model.forward(tensor(x, [1, data.sampleLen]))))
    codes.push(sample(await logits.data(), temperature, random()))
  }
  return data.decode(codes.slice(seed.length))
}

/** A place drawn by softmax(logits / temperature): the first up to which the probabilities add up to more than `draw`. */
export function sample(logits: ArrayLike<number>, temperature: number, draw: number): number {
  const largest = Math.max(...Array.from(logits))
  const weights = Array.from(logits, (logit) => Math.exp((logit - largest) / Math.max(temperature, 1e-6)))
  const wanted = draw * weights.reduce((a, b) => a + b)
  let sum = 0
  for (const [place, weight] of weights.entries()) {
    sum += weight
    if (sum > wanted) return place
  }
  return weights.length - 1
}
