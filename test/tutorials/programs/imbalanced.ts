// Rare frauds in a table, by weights of the classes, after Keras's "Imbalanced classification: credit card fraud detection".
import {
  Batches,
  type BatchesOptions,
  bceLoss,
  type FitResult,
  fit,
  nn,
  noGrad,
  optim,
  scope,
  type Tensor,
} from 'dawngrad'

export interface Table {
  readonly features: Float32Array
  /** 0 or 1 for each row. */
  readonly targets: Float32Array
  readonly columns: number
}

/** Reads lines of numbers; the last is the class. The first line has the columns' names. */
export function parse(csv: string): Table {
  const lines = csv.trim().split('\n').slice(1)
  const rows = lines.map((line) => line.split(',').map((value) => Number(value.replaceAll('"', ''))))
  const features = Float32Array.from(rows.flatMap((row) => row.slice(0, -1)))
  const targets = Float32Array.from(rows, (row) => row.at(-1)!)
  return { features, targets, columns: features.length / rows.length }
}

export type Rows = Batches<{ x: { data: Float32Array; shape: number[] }; y: Float32Array }>

/** The last fifth is for the validation; every column is shifted and scaled by mean and deviation of the rest. */
export function split({ features, targets, columns }: Table, options: BatchesOptions = { batchSize: 2048 }) {
  const count = targets.length - Math.floor(targets.length * 0.2)
  const scaled = Float32Array.from(features)
  for (let column = 0; column < columns; column++) {
    const values = Array.from({ length: count }, (_, row) => features[row * columns + column]!)
    const mean = values.reduce((sum, v) => sum + v, 0) / count
    const std = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / count)
    for (let i = column; i < scaled.length; i += columns) scaled[i] = (features[i]! - mean) / std
  }
  const rows = (first: number, end: number): Rows => {
    const x = { data: scaled.slice(first * columns, end * columns), shape: [end - first, columns] }
    return new Batches({ x, y: targets.slice(first, end) }, options)
  }
  return { train: rows(0, count), val: rows(count, targets.length), counts: countsOf(targets.subarray(0, count)) }
}

/** How many rows are of either class. */
function countsOf(targets: Float32Array): [number, number] {
  const ones = targets.filter((target) => target === 1).length
  return [targets.length - ones, ones]
}

/** Rows [N, columns] → the probability of class 1, [N]. */
export class Classifier extends nn.Module {
  readonly layers: nn.Sequential

  constructor({ columns = 30, units = 256, dropout = 0.3 } = {}) {
    super()
    const dense = (inFeatures: number) => [new nn.Linear(inFeatures, units), new nn.ReLU()]
    const drop = () => new nn.Dropout(dropout)
    const last = [new nn.Linear(units, 1), new nn.Sigmoid()]
    this.layers = new nn.Sequential(...dense(columns), ...dense(units), drop(), ...dense(units), drop(), ...last)
  }

  override forward(x: Tensor): Tensor {
    return this.layers.forward(x).squeeze(1)
  }
}

/** Rows of each kind: found and missed frauds, false alarms and the rest. */
export async function evaluate(net: nn.Module, batches: Rows) {
  net.eval()
  const counts = { tp: 0, fn: 0, fp: 0, tn: 0 }
  for (const { x, y } of batches) {
    const found = await scope(() => noGrad(() => net.forward(x))).data()
    for (const [i, target] of (await y.data()).entries()) {
      const alarm = found[i]! > 0.5
      counts[target === 1 ? (alarm ? 'tp' : 'fn') : alarm ? 'fp' : 'tn']++
    }
  }
  net.train()
  const { tp, fn, fp } = counts
  return { ...counts, precision: tp / (tp + fp), recall: tp / (tp + fn) }
}

/** Each row counts by the reciprocal of its class's number of rows. */
export function train(
  net: nn.Module,
  data: Rows,
  counts: readonly [number, number],
  { epochs = 30 } = {},
): Promise<FitResult> {
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-2, eps: 1e-7 })
  const [weight0, weight1] = counts.map((count) => 1 / count) as [number, number]
  const loss = (output: Tensor, { y }: { y: Tensor }) =>
    bceLoss(output, y, { weight: y.mul(weight1 - weight0).add(weight0) })
  return fit(net, { data, loss, optimizer, epochs })
}
