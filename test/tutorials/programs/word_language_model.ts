// A language model of words by LSTMs, whose state goes on from chunk to chunk of a text, after pytorch/examples, word_language_model.
import { Batches, crossEntropy, nn, noGrad, optim, scope, type Tensor, tensor } from 'dawngrad'

/** Texts as numbers of their words; a line ends with <eos>. */
export class Corpus {
  readonly words: readonly string[]
  readonly train: readonly number[]
  readonly valid: readonly number[]
  readonly test: readonly number[]

  constructor(train: string, valid: string, test: string) {
    const numbers = new Map<string, number>()
    const tokenize = (text: string) =>
      text.split('\n').flatMap((line) =>
        [...line.split(/\s+/).filter(Boolean), '<eos>'].map((word) => {
          if (!numbers.has(word)) numbers.set(word, numbers.size)
          return numbers.get(word)!
        }),
      )
    this.train = tokenize(train)
    this.valid = tokenize(valid)
    this.test = tokenize(test)
    this.words = [...numbers.keys()]
  }
}

/** The text in so many columns side by side, as chunks of bptt rows: data, and as target the word after each. */
export function batchify(ids: readonly number[], batchSize: number, bptt = 35) {
  const rows = Math.floor(ids.length / batchSize)
  const shape = [rows - 1, batchSize]
  const from = (start: number) =>
    Int32Array.from({ length: (rows - 1) * batchSize }, (_, i) => {
      const [row, column] = [Math.floor(i / batchSize), i % batchSize]
      return ids[column * rows + row + start]!
    })
  const fields = { data: { data: from(0), shape }, target: { data: from(1), shape } }
  return new Batches(fields, { batchSize: bptt, shuffle: false })
}
type Source = ReturnType<typeof batchify>

/** Words [L, N], and a state unless it is the first chunk → logits [L, N, ntoken], and the state after them. */
export interface LanguageModel extends nn.Module<[logits: Tensor, ...hidden: Tensor[]]> {
  forward(words: Tensor, ...hidden: Tensor[]): [logits: Tensor, ...hidden: Tensor[]]
}

export class RNNModel extends nn.Module<[logits: Tensor, ...hidden: Tensor[]]> {
  readonly drop: nn.Dropout
  readonly encoder: nn.Embedding
  readonly rnn: nn.LSTM
  readonly decoder: nn.Linear

  constructor(ntoken: number, { emsize = 200, nhid = 200, nlayers = 2, dropout = 0.2, tied = false } = {}) {
    super()
    this.drop = new nn.Dropout(dropout)
    this.encoder = new nn.Embedding(ntoken, emsize)
    this.rnn = new nn.LSTM(emsize, nhid, { numLayers: nlayers, dropout })
    this.decoder = new nn.Linear(nhid, ntoken)
    if (tied) Object.assign(this.decoder, { weight: this.encoder.weight }) // needs nhid = emsize
    nn.init.uniform(this.encoder.weight, -0.1, 0.1)
    nn.init.uniform(this.decoder.weight, -0.1, 0.1)
    nn.init.zeros(this.decoder.bias!)
  }

  override forward(input: Tensor, h?: Tensor, c?: Tensor): [logits: Tensor, ...hidden: Tensor[]] {
    const emb = this.drop.forward(this.encoder.forward(input))
    const [output, hidden] = this.rnn.forward(emb, h && c ? [h, c] : null)
    return [this.decoder.forward(this.drop.forward(output)), ...hidden]
  }
}

const lossOf = (logits: Tensor, target: Tensor) =>
  crossEntropy(logits.reshape([target.size, -1]), target.reshape([target.size]))

/** The mean loss of a word. */
export async function evaluate(net: LanguageModel, source: Source): Promise<number> {
  net.eval()
  let hidden: Tensor[] = []
  let sum = 0
  for (const { data, target, size } of source) {
    const [loss, ...after] = scope(() =>
      noGrad(() => {
        const [logits, ...after] = net.forward(data, ...hidden)
        return [lossOf(logits, target), ...after] as const
      }),
    )
    hidden = after
    sum += size * (await loss.item())
  }
  return sum / source.size
}

/** One epoch. Gradients do not go back beyond a chunk. */
async function trainEpoch(net: LanguageModel, source: Source, optimizer: optim.SGD, clip: number): Promise<number[]> {
  net.train()
  let hidden: Tensor[] = []
  const losses: number[] = []
  for (const { data, target } of source) {
    const [loss, ...after] = scope(() => {
      const [logits, ...after] = net.forward(data, ...hidden)
      const loss = lossOf(logits, target)
      optimizer.zeroGrad()
      loss.backward()
      optim.clipGradNorm(net.parameters(), clip)
      optimizer.step()
      return [loss, ...after.map((state) => state.detach())] as const
    })
    hidden = after
    losses.push(await loss.item())
  }
  return losses
}

/**
 * A quarter of the rate after every epoch that is not the best in validation; the best is tested. Returns the losses of the steps
 * and, after every epoch, of the validation.
 */
export async function train(
  net: LanguageModel,
  { train, valid, test }: { train: Source; valid: Source; test: Source },
  { lr = 20, clip = 0.25, epochs = 40 } = {},
) {
  const optimizer = new optim.SGD(net.parameters(), { lr })
  const losses: number[] = []
  const validLosses: number[] = []
  let best: Record<string, Tensor> = {}
  for (let epoch = 0; epoch < epochs; epoch++) {
    losses.push(...(await trainEpoch(net, train, optimizer, clip)))
    const loss = await evaluate(net, valid)
    if (loss < Math.min(...validLosses)) {
      const copies = [...net.stateDict()].map(async ([name, p]) => [name, tensor(await p.data(), p.shape)] as const)
      best = Object.fromEntries(await Promise.all(copies))
    } else optimizer.paramGroups[0]!.lr /= 4
    validLosses.push(loss)
  }
  net.loadStateDict(best)
  return { losses, validLosses, testLoss: await evaluate(net, test) }
}
