// Papers sorted into subjects by what they say and cite: a graph convolutional network, after gcn of pytorch/examples.
import { capture, logSoftmax, nllLoss, nn, noGrad, optim, scope, type Tensor, tensor, where } from 'dawngrad'

/** Numbers of nodes, and the classes of these. */
export interface Part {
  readonly index: Tensor
  readonly labels: Tensor
}

/** Features [n, features], what tells which nodes are neighbours, [n, n], and the parts to train on and to look at. */
export interface Graph {
  readonly features: Tensor
  readonly adjacency: Tensor
  readonly train: Part
  readonly held: Part
}

class GraphConv extends nn.Module {
  readonly kernel: Tensor
  readonly bias: Tensor | null

  constructor(inputs: number, outputs: number, useBias: boolean) {
    super()
    this.kernel = tensor(new Float32Array(inputs * outputs), [inputs, outputs], { requiresGrad: true })
    nn.init.xavierNormal(this.kernel)
    this.bias = useBias ? tensor(new Float32Array(outputs), [outputs], { requiresGrad: true }) : null
  }

  override forward(x: Tensor, adjacency = x): Tensor {
    const output = adjacency.matmul(x.matmul(this.kernel))
    return this.bias ? output.add(this.bias) : output
  }
}

export class GCN extends nn.Module {
  readonly gc1: GraphConv
  readonly gc2: GraphConv
  readonly dropout: nn.Dropout

  constructor(inputs: number, classes: number, { hidden = 16, useBias = false, dropoutP = 0.5 } = {}) {
    super()
    this.gc1 = new GraphConv(inputs, hidden, useBias)
    this.gc2 = new GraphConv(hidden, classes, useBias)
    this.dropout = new nn.Dropout(dropoutP)
  }

  /** The logarithms of the probabilities of each node's classes. */
  override forward(x: Tensor, adjacency = x): Tensor {
    const hidden = this.dropout.forward(this.gc1.forward(x, adjacency).relu())
    return logSoftmax(this.gc2.forward(hidden, adjacency), 1)
  }
}

/** A + 1 from directed edges, [n, n]; normalised also D^(−1/2) (A + 1) D^(−1/2), D being the sums of its rows. */
export function adjacencyOf(
  edges: readonly (readonly [from: number, to: number])[],
  n: number,
  { normalized = true } = {},
): Tensor {
  const a = new Float32Array(n * n)
  for (let i = 0; i < n; i++) a[i * n + i]! += 1
  for (const [from, to] of edges) a[from * n + to]! += 1
  if (!normalized) return tensor(a, [n, n])
  const root = Array.from(
    { length: n },
    (_, i) => a.subarray(i * n, (i + 1) * n).reduce((sum, v) => sum + v, 0) ** -0.5,
  )
  return tensor(
    a.map((v, at) => v * root[Math.floor(at / n)]! * root[at % n]!),
    [n, n],
  )
}

/** Trains on all nodes at once. Returns, for every epoch, what the parts give after it. */
export async function train(net: OnGraph, graph: Graph, { epochs = 200, lr = 0.01, weightDecay = 5e-4 } = {}) {
  const optimizer = new optim.Adam(net.parameters(), { lr, weightDecay })
  const step = capture(() => {
    optimizer.zeroGrad()
    lossOf(net, graph, graph.train).loss.backward()
    optimizer.step()
  })
  const history = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    step.run()
    history.push({ train: await test(net, graph, graph.train), held: await test(net, graph, graph.held) })
  }
  return history
}

/** A network that is given the features and which nodes are neighbours. */
export interface OnGraph extends nn.Module {
  forward(x: Tensor, adjacency?: Tensor): Tensor
}

function lossOf(net: OnGraph, { features, adjacency }: Graph, { index, labels }: Part) {
  const output = net.forward(features, adjacency).indexSelect(0, index)
  return { loss: nllLoss(output, labels), output }
}

/** Loss and accuracy of a part of the nodes. */
export async function test(net: OnGraph, graph: Graph, part: Part) {
  net.eval()
  const [loss, accuracy] = scope(() =>
    noGrad(() => {
      const { loss, output } = lossOf(net, graph, part)
      return [loss, where(output.argmax(1).eq(part.labels), 1, 0).mean()] as const
    }),
  )
  net.train()
  return { loss: await loss.item(), accuracy: await accuracy.item() }
}
