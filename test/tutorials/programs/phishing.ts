// Websites that phish, by what is known of their address and page, after tensorflow/tfjs-examples, website-phishing.
import { type Batches, type BatchField, bceLoss, nn, noGrad, optim, scope, tensor } from 'dawngrad'

/** Features [rows, features], and 1 for sites that phish, else 0, [rows, 1]. */
export type Sites = Batches<{ x: BatchField; y: BatchField }>

export type Statistics = { means: number[]; deviations: number[] }

/** Mean and deviation of every column. */
export function statisticsOf(rows: number[][]): Statistics {
  const columns = rows[0]!.map((_, i) => rows.map((row) => row[i]!))
  const sum = (values: number[]) => values.reduce((a, b) => a + b)
  const means = columns.map((column) => sum(column) / column.length)
  const squares = columns.map((column, i) => sum(column.map((v) => (v - means[i]!) ** 2)))
  return { means, deviations: squares.map((square) => Math.sqrt(square / (rows.length - 1))) }
}

/** Data are normalized by the statistics of what is trained on. */
export function normalize(rows: number[][], { means, deviations }: Statistics): number[][] {
  return rows.map((row) => row.map((v, i) => (v - means[i]!) / deviations[i]!))
}

/** Sigmoids to the end. Keras' first values: Glorot's, and biases of 0. */
export function network(features: number, width = 100): nn.Sequential {
  const hidden = [new nn.Linear(features, width), new nn.Sigmoid(), new nn.Linear(width, width), new nn.Sigmoid()]
  const net = new nn.Sequential(...hidden, new nn.Linear(width, 1), new nn.Sigmoid())
  for (const p of net.parameters()) (p.shape.length > 1 ? nn.init.xavierUniform : nn.init.zeros)(p)
  return net
}

/** Keras' 'adam'. Returns the loss of every step; `onEpoch` may look at the network before every epoch. */
export async function train(
  net: nn.Sequential,
  sites: Sites,
  { epochs = 400, onEpoch }: { epochs?: number; onEpoch?: (epoch: number) => Promise<void> } = {},
): Promise<number[]> {
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.001, eps: 1e-7 })
  const losses = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    await onEpoch?.(epoch)
    for (let i = 0; i < sites.length; i++) {
      const loss = scope(() => {
        const { x, y } = sites.next()
        const loss = bceLoss(net.forward(x), y)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
  }
  return losses
}

/** What a threshold makes of probabilities. */
function counts(probabilities: ArrayLike<number>, truth: readonly number[], threshold: number) {
  const count = (y: number, above: boolean) =>
    truth.filter((found, i) => found === y && probabilities[i]! > threshold === above).length
  const [tp, fp, tn, fn] = [count(1, true), count(0, true), count(0, false), count(1, false)]
  return { accuracy: (tp + tn) / truth.length, precision: tp / (tp + fp), recall: tp / (tp + fn), fpr: fp / (fp + tn) }
}

/** Recall over the rate of false positives. */
export function roc(probabilities: ArrayLike<number>, truth: readonly number[]) {
  const thresholds = [...Array.from({ length: 18 }, (_, i) => i / 20), 0.9, 0.92, 0.94, 0.96, 0.98, 1]
  const points = thresholds.map((threshold) => counts(probabilities, truth, threshold))
  const areas = points.map(({ recall, fpr }, i) => {
    const last = points[i - 1]
    return last ? ((recall + last.recall) * (last.fpr - fpr)) / 2 : 0
  })
  return { points, area: areas.reduce((a, b) => a + b) }
}

/** Of sites that were not trained on. */
export async function evaluate(net: nn.Sequential, rows: number[][], truth: readonly number[]) {
  const probabilities = noGrad(() => net.forward(tensor(rows)))
  const loss = await bceLoss(probabilities, tensor([...truth], [truth.length, 1])).item()
  const found = await probabilities.data()
  return { loss, ...counts(found, truth, 0.5), area: roc(found, truth).area }
}
