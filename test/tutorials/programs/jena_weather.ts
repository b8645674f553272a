// Tomorrow's temperature from ten days of weather, after tensorflow/tfjs-examples, jena-weather.
import { l1Loss, nn, noGrad, optim, scope, type Tensor, tensor } from 'dawngrad'

export class JenaWeatherData {
  readonly columns: readonly string[]
  /** Rows, one after another: every column normalized, then day of the year and time of the day, from 0 to 1. */
  readonly rows: Tensor
  readonly numRows: number
  readonly temperature: number

  /** From the text of the table, whose first column has times such as "17.01.2009 22:10:00". The first year gives the statistics. */
  constructor(csv: string, statisticsRows = 6 * 24 * 365) {
    const [head, ...lines] = csv.trim().split('\n')
    this.columns = head!
      .split(',')
      .slice(1)
      .map((name) => name.replaceAll('"', ''))
    this.temperature = this.columns.indexOf('T (degC)')
    const table = lines.map((line) => line.split(','))
    const normalized = this.columns.map((_, i) => {
      const values = table.map((row) => Number(row[i + 1]))
      const known = values.slice(0, statisticsRows)
      const mean = known.reduce((a, b) => a + b) / known.length
      const deviation = Math.sqrt(known.reduce((sum, v) => sum + (v - mean) ** 2, 0) / known.length)
      return values.map((v) => (v - mean) / deviation)
    })
    const times = table.map((row) => {
      const [day, month, year, hours, minutes] = row[0]!.split(/\D/).map(Number) as [
        number,
        number,
        number,
        number,
        number,
      ]
      const dayOfYear = (Date.UTC(year, month - 1, day, hours, minutes) - Date.UTC(year, 0, 1)) / (366 * 86400000)
      return [dayOfYear, (60 * hours + minutes) / 1440]
    })
    const rows = times.flatMap((time, r) => [...normalized.map((column) => column[r]!), ...time])
    this.numRows = table.length
    this.rows = tensor(Float32Array.from(rows), [this.numRows, this.columns.length + 2])
  }

  /** Features [N, lookBack / step, F] before each of these rows, and the temperatures [N, 1] that come `delay` rows later. */
  batch(at: readonly number[], { lookBack, step, delay, includeDateTime }: Required<Window>): [x: Tensor, y: Tensor] {
    const slices = Math.floor(lookBack / step)
    const before = at.flatMap((row) => Array.from({ length: slices }, (_, i) => row - lookBack + i * step))
    const pick = (rows: readonly number[]) => this.rows.indexSelect(0, tensor(Int32Array.from(rows)))
    const features = this.columns.length + (includeDateTime ? 2 : 0)
    const x = pick(before).slice(1, 0, features).reshape([at.length, slices, features])
    const after = at.map((row) => row - lookBack + (slices - 1) * step + delay)
    return [x, pick(after).slice(1, this.temperature, this.temperature + 1)]
  }
}

/** Rows are ten minutes apart. */
export interface Window {
  readonly lookBack?: number
  readonly step?: number
  readonly delay?: number
  readonly includeDateTime?: boolean
}

const DEFAULTS = { lookBack: 10 * 24 * 6, step: 6, delay: 24 * 6, includeDateTime: false }

/** The error of naming the temperature that was last seen. */
export async function baseline(data: JenaWeatherData, rows: readonly number[], window: Window = {}): Promise<number> {
  const [x, y] = data.batch(rows, { ...DEFAULTS, ...window })
  return l1Loss(x.select(1, -1).slice(1, data.temperature, data.temperature + 1), y).item()
}

export type ModelType = 'linear-regression' | 'mlp' | 'mlp-l2' | 'mlp-dropout' | 'simpleRNN' | 'gru'

/** A body and a linear layer to one number. Recurrent layers are PyTorch's. */
export class Model extends nn.Module {
  readonly body: nn.Module
  readonly rnn: nn.RNN | nn.GRU | null
  readonly dense: nn.Linear
  /** What the squares of the first layer's weights are multiplied with, and added to the loss. */
  readonly l2: number

  constructor(type: ModelType, timeSteps: number, features: number, { units = 32, dropout = 0.25 } = {}) {
    super()
    const recurrent = { simpleRNN: nn.RNN, gru: nn.GRU }[type as string]
    const hidden = [new nn.Flatten(), new nn.Linear(timeSteps * features, units), new nn.ReLU()]
    const more = type === 'mlp-dropout' ? [new nn.Dropout(dropout)] : []
    this.rnn = recurrent ? new recurrent(features, units, { batchFirst: true }) : null
    this.body = recurrent
      ? new nn.Identity()
      : type === 'linear-regression'
        ? new nn.Flatten()
        : new nn.Sequential(...hidden, ...more)
    this.dense = new nn.Linear(type === 'linear-regression' ? timeSteps * features : units, 1)
    this.l2 = type === 'mlp-l2' ? 0.01 : 0
    for (const [name, p] of this.namedParameters()) {
      if (p.shape.length === 1) nn.init.zeros(p)
      else (name.includes('weight_hh') ? nn.init.orthogonal : nn.init.xavierUniform)(p)
    }
  }

  override forward(x: Tensor): Tensor {
    return this.dense.forward(this.rnn ? this.rnn.forward(x)[0].select(1, -1) : this.body.forward(x))
  }

  /** What the regularizer adds to a loss. */
  penalized(loss: Tensor): Tensor {
    return this.l2 === 0 ? loss : loss.add(this.body.parameters()[0]!.square().sum().mul(this.l2))
  }
}

export interface Options extends Window {
  readonly epochs?: number
  readonly batchSize?: number
  readonly batchesPerEpoch?: number
  /** First and last row of what is trained on, and of what validates. */
  readonly trained?: readonly [number, number]
  readonly held?: readonly [number, number]
  /** Epochs without a better validation after which the training ends. */
  readonly patience?: number
  /** Draws numbers from 0 to 1. */
  readonly random?: () => number
}

/** Keras' 'rmsprop' on the mean of absolute errors. Returns the loss of every step, and that of the validation after every epoch. */
export async function trainModel(net: Model, data: JenaWeatherData, options: Options = {}) {
  const { epochs = 20, batchSize = 128, batchesPerEpoch = 500, patience = 2, random = Math.random } = options
  const { trained = [0, 200000], held = [200001, 300000] } = options
  const { lookBack, step, delay, includeDateTime } = { ...DEFAULTS, ...options }
  const window = { lookBack, step, delay, includeDateTime }
  const draw = () => trained[0] + lookBack + Math.floor(random() * (trained[1] - trained[0] - lookBack))
  const optimizer = new optim.RMSprop(net.parameters(), { lr: 0.001, alpha: 0.9, eps: 1e-7 })
  const losses: number[] = []
  const validation: number[] = []
  for (let epoch = 0; epoch < epochs && epoch - validation.indexOf(Math.min(...validation)) <= patience; epoch++) {
    for (let i = 0; i < batchesPerEpoch; i++) {
      const rows = Array.from({ length: batchSize }, draw)
      const loss = scope(() => {
        const [x, y] = data.batch(rows, window)
        const loss = net.penalized(l1Loss(net.forward(x), y))
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    validation.push(await validate(net, data, held, batchSize, window))
  }
  return { losses, validation }
}

async function validate(
  net: Model,
  data: JenaWeatherData,
  [first, last]: readonly [number, number],
  batchSize: number,
  window: Required<Window>,
) {
  net.eval()
  let sum = 0
  for (let start = first + window.lookBack; start < last; start += batchSize) {
    const rows = Array.from({ length: Math.min(batchSize, last - start) }, (_, i) => start + i)
    const error = scope(() => {
      const [x, y] = data.batch(rows, window)
      return noGrad(() => l1Loss(net.forward(x), y, { reduction: 'sum' }))
    })
    sum += await error.item()
  }
  net.train()
  return sum / (last - first - window.lookBack)
}
