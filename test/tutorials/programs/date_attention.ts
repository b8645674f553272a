// Dates in many formats turned into ISO's by LSTMs with attention, after tensorflow/tfjs-examples, date-conversion-attention.
import {
  Batches,
  type BatchField,
  cat,
  crossEntropy,
  gather,
  matmul,
  nn,
  noGrad,
  optim,
  permutation,
  scope,
  type Tensor,
  tensor,
} from 'dawngrad'

type Day = readonly [year: number, month: number, day: number]

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']

export const INPUT_LENGTH = 12
export const OUTPUT_LENGTH = 10
/** Place 0 is padding. */
export const INPUT_VOCAB = `\n0123456789/-., ${[...new Set(MONTHS.join(''))].join('')}`
/** Place 1 begins an output. */
export const OUTPUT_VOCAB = '\n\t0123456789-'
const START_CODE = 1

const two = (n: number) => `${n}`.padStart(2, '0')
const month = (m: number) => MONTHS[m - 1]!
const year = (y: number) => `${y}`.slice(2)

export const iso = ([y, m, d]: Day): string => `${y}-${two(m)}-${two(d)}`

export const INPUT_FORMATS: readonly ((day: Day) => string)[] = [
  ([y, m, d]) => `${two(d)}${month(m)}${y}`,
  ([y, m, d]) => `${two(m)}${two(d)}${year(y)}`,
  ([y, m, d]) => `${two(m)}/${two(d)}/${year(y)}`,
  ([y, m, d]) => `${two(m)}/${two(d)}/${y}`,
  ([y, m, d]) => `${m}/${d}/${y}`,
  ([y, m, d]) => `${two(d)}-${two(m)}-${y}`,
  ([y, m, d]) => `${d}-${m}-${y}`,
  ([y, m, d]) => `${month(m)} ${two(d)} ${year(y)}`,
  ([y, m, d]) => `${m}/${d}/${year(y)}`,
  ([y, m, d]) => `${month(m)} ${two(d)} ${y}`,
  ([y, m, d]) => `${month(m)} ${two(d)}, ${year(y)}`,
  ([y, m, d]) => `${month(m)} ${two(d)}, ${y}`,
  ([y, m, d]) => `${two(d)}.${two(m)}.${y}`,
  ([y, m, d]) => `${d}.${m}.${y}`,
  ([y, m, d]) => `${y}.${two(m)}.${two(d)}`,
  ([y, m, d]) => `${y}.${m}.${d}`,
  ([y, m, d]) => `${y}${two(m)}${two(d)}`,
  ([y, m, d]) => `${y}-${m}-${d}`,
  ([y, m, d]) => `${d} ${month(m)} ${y}`,
  iso,
]

/** Codes of characters, with padding behind them. */
export function encode(strings: readonly string[], vocabulary: string, length: number): BatchField {
  const codes = strings.flatMap((string) => Array.from(string.padEnd(length, '\n'), (char) => vocabulary.indexOf(char)))
  return { data: Int32Array.from(codes), shape: [strings.length, length] }
}

/** Where an encoder that skips padding has its last output at each step. */
export function placesOf(strings: readonly string[]): BatchField {
  const places = strings.flatMap((string) =>
    Array.from({ length: INPUT_LENGTH }, (_, t) => Math.min(t, string.length - 1)),
  )
  return { data: Int32Array.from(places), shape: [strings.length, INPUT_LENGTH] }
}

/** All days of 1950 to 2049, in a random order. */
export function allDays(seed = 0): Day[] {
  const count = (Date.UTC(2050, 0, 1) - Date.UTC(1950, 0, 1)) / 86400000
  return Array.from(permutation(seed, 0, count), (i) => {
    const date = new Date(Date.UTC(1950, 0, 1 + i))
    return [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
  })
}

export type Dates = Batches<Record<'input' | 'places' | 'decoded' | 'output', BatchField>>

/** Every day in every format, with the output that is wanted, and the same one step later, which the decoder is given. */
export function dateBatches(
  days: readonly Day[],
  { batchSize = 128, shuffle = true, formats = INPUT_FORMATS } = {},
): Dates {
  const strings = formats.flatMap((format) => days.map(format))
  const wanted = formats.flatMap(() => days.map(iso))
  const fields = {
    input: encode(strings, INPUT_VOCAB, INPUT_LENGTH),
    places: placesOf(strings),
    decoded: encode(
      wanted.map((date) => `\t${date.slice(0, -1)}`),
      OUTPUT_VOCAB,
      OUTPUT_LENGTH,
    ),
    output: encode(wanted, OUTPUT_VOCAB, OUTPUT_LENGTH),
  }
  return new Batches(fields, { batchSize, shuffle })
}

/** Encoder, decoder, and the attention of every step of the decoder to the steps of the encoder. The LSTMs are PyTorch's. */
export class Model extends nn.Module<[logits: Tensor, attention: Tensor]> {
  readonly embedIn: nn.Embedding
  readonly embedOut: nn.Embedding
  readonly encoder: nn.LSTM
  readonly decoder: nn.LSTM
  readonly combine: nn.Linear
  readonly dense: nn.Linear

  constructor({ embeddingDims = 64, lstmUnits = 64 } = {}) {
    super()
    this.embedIn = new nn.Embedding(INPUT_VOCAB.length, embeddingDims)
    this.embedOut = new nn.Embedding(OUTPUT_VOCAB.length, embeddingDims)
    this.encoder = new nn.LSTM(embeddingDims, lstmUnits, { batchFirst: true })
    this.decoder = new nn.LSTM(embeddingDims, lstmUnits, { batchFirst: true })
    this.combine = new nn.Linear(2 * lstmUnits, lstmUnits)
    this.dense = new nn.Linear(lstmUnits, OUTPUT_VOCAB.length)
    for (const [name, p] of this.namedParameters()) {
      if (p.shape.length === 1) nn.init.zeros(p)
      else if (name.startsWith('embed')) nn.init.uniform(p, -0.05, 0.05)
      else (name.includes('weight_hh') ? nn.init.orthogonal : nn.init.xavierUniform)(p)
    }
  }

  /** Codes [N, 12], places [N, 12] and codes [N, 10] → logits [N, 10, outputs] and attention [N, 10, 12]. */
  override forward(input: Tensor, ...more: Tensor[]): [logits: Tensor, attention: Tensor] {
    const [places, decoded] = more as [Tensor, Tensor]
    const [steps] = this.encoder.forward(this.embedIn.forward(input))
    const encoded = gather(steps, 1, places.unsqueeze(2).expand(steps.shape))
    const last = encoded.select(1, -1).unsqueeze(0)
    const [decodedSteps] = this.decoder.forward(this.embedOut.forward(decoded), [last, last])
    const attention = matmul(decodedSteps, encoded, { transposeB: true }).softmax()
    const combined = cat([matmul(attention, encoded), decodedSteps], 2)
    return [this.dense.forward(this.combine.forward(combined).tanh()), attention]
  }
}

const lossOf = (net: Model, { input, places, decoded, output }: ReturnType<Dates['next']>) =>
  crossEntropy(net.forward(input, places, decoded)[0].transpose(1, 2), output)

/** Keras' 'adam'. Returns the loss of every step, and that of the dates held out after every epoch. */
export async function train(net: Model, dates: Dates, held: Dates, { epochs = 2 } = {}) {
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.001, eps: 1e-7 })
  const losses = []
  const heldLosses = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < dates.length; i++) {
      const loss = scope(() => {
        const loss = lossOf(net, dates.next())
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    let sum = 0
    for (const batch of held) sum += (await noGrad(() => lossOf(net, batch)).item()) * batch.size
    heldLosses.push(sum / held.size)
  }
  return { losses, heldLosses }
}

/** The date of a text, character by character, and what each attended to [10, 12]. */
export async function convert(net: Model, text: string): Promise<{ date: string; attention: Tensor }> {
  const codes = [START_CODE]
  const on = ({ data, shape }: Extract<BatchField, { data: unknown }>) => tensor(data, shape)
  const [input, places] = [encode([text], INPUT_VOCAB, INPUT_LENGTH), placesOf([text])] as Extract<
    BatchField,
    { data: unknown }
  >[]
  for (;;) {
    const decoded = tensor(
      Int32Array.from({ length: OUTPUT_LENGTH }, (_, i) => codes[i] ?? 0),
      [1, OUTPUT_LENGTH],
    )
    const [logits, attention] = noGrad(() => net.forward(on(input!), on(places!), decoded))
    codes.push((await logits.argmax(2).data())[codes.length - 1]!)
    if (codes.length > OUTPUT_LENGTH)
      return {
        date: codes
          .slice(1)
          .map((code) => OUTPUT_VOCAB[code])
          .join(''),
        attention,
      }
  }
}
