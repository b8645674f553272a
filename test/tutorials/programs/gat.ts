// Papers sorted into subjects by attention to what they cite: a graph attention network, after gat of pytorch/examples.
// Its loop is that of gcn.ts, at a rate of 0.005.
import { dropout, elu, logSoftmax, nn, type Tensor, tensor, where } from 'dawngrad'
import { type Graph, train } from './gcn.ts'

interface Options {
  readonly heads: number
  readonly concat: boolean
  readonly dropoutP: number
  readonly slope: number
}

class GraphAttentionLayer extends nn.Module {
  readonly W: Tensor
  readonly a: Tensor
  readonly hidden: number
  readonly options: Options

  constructor(inputs: number, outputs: number, options: Options) {
    super()
    const { heads, concat } = options
    this.options = options
    this.hidden = concat ? outputs / heads : outputs
    const parameter = (...shape: number[]) =>
      tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape, { requiresGrad: true })
    this.W = nn.init.xavierNormal(parameter(inputs, this.hidden * heads))
    this.a = nn.init.xavierNormal(parameter(heads, 2 * this.hidden, 1))
  }

  override forward(h: Tensor, adjacency = h): Tensor {
    const { heads, concat, dropoutP, slope } = this.options
    const { hidden, training } = this
    const n = h.shape[0]!
    const dropped = dropout(h.matmul(this.W), { p: dropoutP, training })
    const transformed = dropped.reshape([n, heads, hidden]).permute([1, 0, 2])
    // [heads, n, 1] and [heads, 1, n]: what each node adds to the scores of its pairs.
    const source = transformed.matmul(this.a.slice(1, 0, hidden))
    const target = transformed.matmul(this.a.slice(1, hidden, 2 * hidden))
    const scores = source.add(target.transpose(1, 2)).leakyRelu(slope)
    const attention = where(adjacency.gt(0), scores, -9e16).softmax(-1)
    const output = dropout(attention, { p: dropoutP, training }).matmul(transformed)
    return concat ? output.permute([1, 0, 2]).reshape([n, heads * hidden]) : output.mean(0)
  }
}

export class GAT extends nn.Module {
  readonly gat1: GraphAttentionLayer
  readonly gat2: GraphAttentionLayer

  constructor(
    inputs: number,
    classes: number,
    { hidden = 64, heads = 8, concat = false, dropoutP = 0.6, slope = 0.2 } = {},
  ) {
    super()
    this.gat1 = new GraphAttentionLayer(inputs, hidden, { heads, concat, dropoutP, slope })
    this.gat2 = new GraphAttentionLayer(hidden, classes, { heads: 1, concat: false, dropoutP, slope })
  }

  /** The logarithms of the probabilities of each node's classes. */
  override forward(x: Tensor, adjacency = x): Tensor {
    return logSoftmax(this.gat2.forward(elu(this.gat1.forward(x, adjacency)), adjacency), 1)
  }
}

export const run = (net: GAT, graph: Graph, { epochs = 300 } = {}) => train(net, graph, { epochs, lr: 0.005 })
