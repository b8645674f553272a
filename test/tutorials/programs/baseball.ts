// Kinds of baseball pitches by speed and acceleration, after tensorflow/tfjs-examples, baseball-node.
import { type Batches, type BatchField, crossEntropy, nn, noGrad, optim, scope, softmax, tensor } from 'dawngrad'

/** Eight columns [rows, 8], and the number of the kind. */
export type Pitches = Batches<{ x: BatchField; y: BatchField }>

export const KINDS = [
  ...['Fastball (2-seam)', 'Fastball (4-seam)', 'Fastball (sinker)', 'Fastball (cutter)'],
  ...['Slider', 'Changeup', 'Curveball'],
]

/** The least and largest value of each column, except for the last, which is whether the pitcher is left-handed. */
const RANGES: Record<string, readonly [number, number]> = {
  vx0: [-18.885, 18.065],
  vy0: [-152.463, -86.374],
  vz0: [-15.5146078412997, 9.974],
  ax: [-48.0287647107959, 30.592],
  ay: [9.397, 49.18],
  az: [-49.339, 2.95522851438373],
  start_speed: [59, 104.4],
}

/** A row of the table as the network takes it. */
export function normalize(row: Record<string, number>): number[] {
  const scaled = Object.entries(RANGES).map(([name, [min, max]]) => (row[name]! - min) / (max - min))
  return [...scaled, row.left_handed_pitcher!]
}

/** Keras' first values: Glorot's, and biases of 0. */
export function network(): nn.Sequential {
  const layer = (from: number, to: number) => [new nn.Linear(from, to), new nn.ReLU()]
  const net = new nn.Sequential(
    ...layer(8, 250),
    ...layer(250, 175),
    ...layer(175, 150),
    new nn.Linear(150, KINDS.length),
  )
  for (const p of net.parameters()) (p.shape.length > 1 ? nn.init.xavierUniform : nn.init.zeros)(p)
  return net
}

/** Adam, as tf.train.adam has it. Returns the loss of every step. */
export async function train(net: nn.Sequential, pitches: Pitches, { epochs = 20 } = {}): Promise<number[]> {
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.001, eps: 1e-7 })
  const losses = []
  for (let step = 0; step < epochs * pitches.length; step++) {
    const loss = scope(() => {
      const { x, y } = pitches.next()
      const loss = crossEntropy(net.forward(x), y)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    losses.push(await loss.item())
  }
  return losses
}

/** For each kind the mean probability that its pitches are given. */
export async function evaluate(net: nn.Sequential, rows: number[][], kinds: readonly number[]) {
  const probabilities = await probabilitiesOf(net, rows)
  return KINDS.map((name, kind) => {
    const own = probabilities.filter((_, i) => kinds[i] === kind).map((row) => row[kind]!)
    return { name, mean: own.reduce((a, b) => a + b, 0) / own.length }
  })
}

/** The kind of one pitch. */
export async function predictSample(net: nn.Sequential, row: number[]): Promise<string> {
  const [found] = await probabilitiesOf(net, [row])
  return KINDS[found!.indexOf(Math.max(...found!))]!
}

async function probabilitiesOf(net: nn.Sequential, rows: number[][]): Promise<number[][]> {
  const values = await noGrad(() => softmax(net.forward(tensor(rows)))).data()
  return rows.map((_, i) => Array.from(values.subarray(KINDS.length * i, KINDS.length * (i + 1))))
}
