// Three kinds of iris told apart by four lengths, after tensorflow/tfjs-examples, iris.
import { type Batches, type BatchField, crossEntropy, nn, noGrad, optim, scope, type Tensor, tensor } from 'dawngrad'

export const CLASSES = ['Iris-setosa', 'Iris-versicolor', 'Iris-virginica']

/** Flowers and their kinds: x [batch, 4], y [batch]. */
export type Flowers = Batches<{ x: BatchField; y: BatchField }>

/** Four lengths, ten hidden units, a logit for each kind. Keras' first values: Glorot's, and biases of 0. */
export function network(): nn.Sequential {
  const net = new nn.Sequential(new nn.Linear(4, 10), new nn.Sigmoid(), new nn.Linear(10, 3))
  for (const p of net.parameters()) (p.shape.length > 1 ? nn.init.xavierUniform : nn.init.zeros)(p)
  return net
}

/** Adam, as tf.train.adam has it. Returns the loss of every step. */
export async function train(net: nn.Sequential, flowers: Flowers, { epochs = 40, lr = 0.01 } = {}): Promise<number[]> {
  const optimizer = new optim.Adam(net.parameters(), { lr, eps: 1e-7 })
  const losses = []
  for (let step = 0; step < epochs * flowers.length; step++) {
    const loss = scope(() => {
      const { x, y } = flowers.next()
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

/** The name of each flower of x [flowers, 4]. */
export async function predict(net: nn.Sequential, x: Tensor): Promise<string[]> {
  const kinds = noGrad(() => net.forward(x).argmax(1))
  return Array.from(await kinds.data(), (kind) => CLASSES[kind]!)
}

/** How often a flower of a kind (row) is taken for another (column). */
export async function confusionMatrix(net: nn.Sequential, rows: number[][], kinds: number[]): Promise<number[][]> {
  const names = await predict(net, tensor(rows))
  return CLASSES.map((_, i) =>
    CLASSES.map((name) => names.filter((found, k) => kinds[k] === i && found === name).length),
  )
}
