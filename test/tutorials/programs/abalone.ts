// The age of abalones from a table of measures, after tensorflow/tfjs-examples, abalone-node.
import { Batches, mseLoss, nn, noGrad, optim, scope, tensor } from 'dawngrad'

/** The sex, which is the first column of the table, as a number. */
const SEXES: Record<string, number> = { F: 0, M: 1, I: 2 }

/** The rows of a text of comma-separated values with a header: features [rows, columns], and the rings, which are the last column. */
export function parse(csv: string): { x: number[][]; rings: number[] } {
  const rows = csv.trim().split('\n').slice(1)
  const x = rows.map((row) => row.split(',').map((value) => SEXES[value] ?? Number(value)))
  return { rings: x.map((row) => row.pop()!), x }
}

/** Two hidden layers of 50 with sigmoids. Keras' first values: Glorot's, and biases of 0. */
export function network(columns: number): nn.Sequential {
  const { Linear, Sigmoid } = nn
  const net = new nn.Sequential(
    new Linear(columns, 50),
    new Sigmoid(),
    new Linear(50, 50),
    new Sigmoid(),
    new Linear(50, 1),
  )
  for (const p of net.parameters()) (p.shape.length > 1 ? nn.init.xavierUniform : nn.init.zeros)(p)
  return net
}

export interface Options {
  readonly epochs?: number
  readonly batchSize?: number
  /** How many rows are trained on; the others validate. */
  readonly trained?: number
  readonly shuffle?: boolean
}

/** Gradient descent. Returns the loss of every step, and that of the other rows after every epoch. */
export async function train(net: nn.Sequential, csv: string, options: Options = {}) {
  const { epochs = 100, batchSize = 500, trained = 3500, shuffle = true } = options
  const { x, rings } = parse(csv)
  const part = (start: number, end: number) => {
    const fields = [x.slice(start, end).flat(), rings.slice(start, end)]
    const [data, y] = fields.map((values) => ({
      data: Float32Array.from(values),
      shape: [end - start, values.length / (end - start)],
    }))
    return new Batches({ x: data!, y: y! }, { batchSize, shuffle })
  }
  const [rows, held] = [part(0, trained), part(trained, x.length)]
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.01 })
  const losses = []
  const heldLosses = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < rows.length; i++) {
      const loss = scope(() => {
        const { x, y } = rows.next()
        const loss = mseLoss(net.forward(x), y)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    let sum = 0
    for (const { x, y } of held) sum += await noGrad(() => mseLoss(net.forward(x), y, { reduction: 'sum' })).item()
    heldLosses.push(sum / held.size)
  }
  return { losses, heldLosses }
}

/** The rings of one abalone. */
export function predict(net: nn.Sequential, features: readonly number[]): Promise<number> {
  return noGrad(() => net.forward(tensor([features]))).item()
}
