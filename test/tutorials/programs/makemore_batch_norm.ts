// Makes more words: a deep MLP with batch norm over the last characters, after part 3 of karpathy's lectures on makemore.
import {
  Batches,
  type BatchesOptions,
  capture,
  crossEntropy,
  nn,
  noGrad,
  optim,
  permutation,
  rand,
  scope,
  type Tensor,
  tensor,
} from 'dawngrad'

type Rows = Batches<{ x: { data: Int32Array; shape: number[] }; y: Int32Array }>

/** The characters with '.', which begins and ends a word, first; and 80, 10 and 10 percent of the words in batches. */
export function buildDatasets(words: readonly string[], blockSize = 3, options: BatchesOptions = { dropLast: true }) {
  const chars = ['.', ...[...new Set(words.join(''))].sort()]
  const order = [...permutation(42, 0, words.length)].map((i) => words[i]!)
  const [n1, n2] = [Math.floor(0.8 * words.length), Math.floor(0.9 * words.length)]
  const build = (some: readonly string[]) => new Batches(examples(some, chars, blockSize), options)
  return { chars, train: build(order.slice(0, n1)), dev: build(order.slice(n1, n2)), test: build(order.slice(n2)) }
}

/** For each character of the words the blockSize before it, x [N, blockSize], and its number, y [N]. */
function examples(words: readonly string[], chars: readonly string[], blockSize: number) {
  const x: number[] = []
  const y: number[] = []
  for (const word of words) {
    let context = new Array<number>(blockSize).fill(0)
    for (const char of `${word}.`) {
      const ix = chars.indexOf(char)
      x.push(...context)
      y.push(ix)
      context = [...context.slice(1), ix]
    }
  }
  return { x: { data: Int32Array.from(x), shape: [y.length, blockSize] }, y: Int32Array.from(y) }
}

/** Contexts [N, blockSize] → logits of the next character [N, vocabSize]. */
export function network({ vocabSize = 27, blockSize = 3, nEmbd = 10, nHidden = 100, depth = 5 } = {}): nn.Sequential {
  const layer = (inFeatures: number, outFeatures: number) => {
    const linear = new nn.Linear(inFeatures, outFeatures, { bias: false })
    nn.init.kaimingNormal(linear.weight, { nonlinearity: 'linear' })
    return [linear, new nn.BatchNorm1d(outFeatures)]
  }
  const hidden = Array.from({ length: depth }, (_, i) => [
    ...layer(i === 0 ? blockSize * nEmbd : nHidden, nHidden),
    new nn.Tanh(),
  ])
  const last = layer(nHidden, vocabSize)
  nn.init.constant((last[1] as nn.BatchNorm1d).weight!, 0.1) // less confident at first
  return new nn.Sequential(new nn.Embedding(vocabSize, nEmbd), new nn.Flatten(), ...hidden.flat(), ...last)
}

/** Gradient descent at 0.1, and at 0.01 in the last quarter. Returns the loss of every step. */
export async function train(net: nn.Module, batches: Rows, { steps = 200_000 } = {}): Promise<number[]> {
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  const plan = capture(() => {
    const { x, y } = batches.next()
    const loss = crossEntropy(net.forward(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses: number[] = []
  for (let step = 0; step < steps; step++) {
    plan.run(1, { lr: step < 0.75 * steps ? 0.1 : 0.01 })
    losses.push(await plan.result.item())
  }
  plan.dispose()
  return losses
}

/** The mean loss over a split, by the running statistics. */
export async function splitLoss(net: nn.Module, batches: Rows): Promise<number> {
  net.eval()
  let sum = 0
  for (const { x, y, size } of batches) {
    sum += size * (await scope(() => noGrad(() => crossEntropy(net.forward(x), y))).item())
  }
  net.train()
  return sum / batches.epochSize
}

/** A new word, each character drawn by its probability: the largest of logits and Gumbel's noise. */
export async function sample(net: nn.Module, chars: readonly string[], blockSize = 3): Promise<string> {
  net.eval()
  const word: number[] = []
  do {
    const context = [...new Array<number>(blockSize).fill(0), ...word].slice(-blockSize)
    const next: Tensor = scope(() =>
      noGrad(() => {
        const logits = net.forward(tensor(Int32Array.from(context), [1, blockSize]))
        return logits.sub(rand(logits.shape).log().neg().log()).argmax(1)
      }),
    )
    word.push(await next.item())
  } while (word.at(-1) !== 0)
  net.train()
  return word
    .slice(0, -1)
    .map((ix) => chars[ix])
    .join('')
}
