// Sums learnt as sequences of characters by recurrent layers, after tensorflow/tfjs-examples, addition-rnn.
import { Batches, type BatchField, crossEntropy, nn, noGrad, oneHot, optim, scope, type Tensor } from 'dawngrad'

const CHARACTERS = '0123456789+ '

/** The places of characters in the table, [rows, length]. */
export function encode(strings: readonly string[]): BatchField {
  const codes = strings.flatMap((string) => Array.from(string, (char) => CHARACTERS.indexOf(char)))
  return { data: Int32Array.from(codes), shape: [strings.length, strings[0]!.length] }
}

export function decode(codes: Iterable<number>): string {
  return Array.from(codes, (code) => CHARACTERS[code]!).join('')
}

/** Different sums, such as ['12+7 ', '19 ']: both sides are filled up with spaces. */
export function generateData(digits: number, examples: number, random = Math.random): [string, string][] {
  const number = () => Number(Array.from({ length: digits }, () => Math.floor(random() * 10)).join(''))
  const seen = new Map<string, [string, string]>()
  while (seen.size < examples) {
    const [a, b] = [number(), number()]
    const key = `${Math.min(a, b)}+${Math.max(a, b)}`
    if (!seen.has(key)) seen.set(key, [`${a}+${b}`.padEnd(2 * digits + 1), `${a + b}`.padEnd(digits + 1)])
  }
  return [...seen.values()]
}

const LAYERS = { SimpleRNN: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM }

/** Reads a question, and writes the answer from what the last step gave. The layers are PyTorch's: their gates are plain sigmoids. */
export class Adder extends nn.Module {
  readonly encoder: nn.RNN | nn.GRU | nn.LSTM
  readonly decoder: nn.RNN | nn.GRU | nn.LSTM
  readonly dense: nn.Linear
  readonly digits: number

  constructor(digits = 2, type: keyof typeof LAYERS = 'SimpleRNN', hiddenSize = 128) {
    super()
    this.digits = digits
    this.encoder = new LAYERS[type](CHARACTERS.length, hiddenSize, { batchFirst: true })
    this.decoder = new LAYERS[type](hiddenSize, hiddenSize, { batchFirst: true })
    this.dense = new nn.Linear(hiddenSize, CHARACTERS.length)
    for (const p of this.parameters()) (p.shape.length > 1 ? nn.init.xavierNormal : nn.init.zeros)(p)
  }

  /** Codes [N, 2 digits + 1] → logits [N, digits + 1, characters]. */
  override forward(questions: Tensor): Tensor {
    const [read] = this.encoder.forward(oneHot(questions, CHARACTERS.length))
    const [rows, , hidden] = read.shape as [number, number, number]
    const repeated = read
      .select(1, -1)
      .unsqueeze(1)
      .expand([rows, this.digits + 1, hidden])
    return this.dense.forward(this.decoder.forward(repeated)[0])
  }
}

export class Demo {
  readonly data: Batches<{ questions: BatchField; answers: BatchField }>
  readonly tests: Batches<{ questions: BatchField; answers: BatchField }>

  constructor(pairs: readonly [string, string][], { batchSize = 128, shuffle = true } = {}) {
    const batches = (part: typeof pairs) => {
      const [questions, answers] = [encode(part.map(([q]) => q)), encode(part.map(([, a]) => a))]
      return new Batches({ questions, answers }, { batchSize, shuffle })
    }
    const split = Math.floor(pairs.length * 0.9)
    this.data = batches(pairs.slice(0, split))
    this.tests = batches(pairs.slice(split))
  }

  /** Keras' 'adam'. Returns the loss of every step, and that of the tests after every iteration. */
  async train(net: Adder, { iterations = 100 } = {}) {
    const optimizer = new optim.Adam(net.parameters(), { lr: 0.001, eps: 1e-7 })
    const losses = []
    const testLosses = []
    for (let i = 0; i < iterations; i++) {
      for (let k = 0; k < this.data.length; k++) {
        const loss = scope(() => {
          const { questions, answers } = this.data.next()
          const loss = crossEntropy(net.forward(questions).transpose(1, 2), answers)
          optimizer.zeroGrad()
          loss.backward()
          optimizer.step()
          return loss
        })
        losses.push(await loss.item())
      }
      let sum = 0
      for (const { questions, answers, size } of this.tests) {
        const loss = noGrad(() => crossEntropy(net.forward(questions).transpose(1, 2), answers))
        sum += (await loss.item()) * size
      }
      testLosses.push(sum / this.tests.size)
    }
    return { losses, testLosses }
  }

  /** What the network answers to the tests, such as ['12+7', '19', true]. */
  async answers(net: Adder): Promise<[question: string, answer: string, right: boolean][]> {
    const found: [string, string, boolean][] = []
    for (const { questions, answers } of this.tests) {
      const named = await noGrad(() => net.forward(questions).argmax(2)).data()
      const [asked, right] = [await questions.data(), await answers.data()]
      for (let i = 0; i < questions.shape[0]!; i++) {
        const row = (of: typeof named) =>
          decode(of.subarray((i * of.length) / questions.shape[0]!).subarray(0, of.length / questions.shape[0]!))
        found.push([row(asked).trim(), row(named).trim(), row(named) === row(right)])
      }
    }
    return found
  }
}
