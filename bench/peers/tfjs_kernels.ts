// TensorFlow.js as a contestant: the kernels.
import * as tf from '@tensorflow/tfjs'
import { type Algebra, type AlgebraCase, type AlgebraName, functionOf, indicesOf } from './algebra.ts'
import type { Execution } from './contestant.ts'
import { convOutput, input, type KernelCase, labelsOf, oneHot, type Values } from './kernels.ts'

/** An operation: its inputs, what an execution computes, and how PyTorch would lay the results out. */
interface Operation {
  readonly held: readonly tf.Tensor[]
  apply(): tf.Tensor | readonly tf.Tensor[]
  toPyTorch?(results: readonly tf.Tensor[]): tf.Tensor[]
}

/** Operations on images: this library has their channels last. */
const IMAGES: readonly string[] = ['batchNorm', 'avgPool2d'] satisfies readonly AlgebraName[]

const NHWC = [0, 2, 3, 1]
const NCHW = [0, 3, 1, 2]
const OIHW_TO_HWIO = [2, 3, 1, 0]
const HWIO_TO_OIHW = [3, 2, 0, 1]

function make({ shape, data }: Values, order?: number[]): tf.Tensor {
  return tf.tidy(() => {
    // The sum with zero brings it to the device.
    const given = tf.add(tf.tensor(data, [...shape]), 0)
    return order ? tf.transpose(given, order) : given
  })
}

/** A kernel that TensorFlow.js's own gradients run, without the forward pass that tf.grad would repeat. */
const runKernel = (name: string, inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>) =>
  tf.engine().runKernel(name, inputs, attrs as never) as tf.Tensor

function conv(item: Extract<KernelCase, { sizes: { F: number } }>): Operation {
  const { N, C, H, F, K, P } = item.sizes
  const x = make(input([N, C, H, H], 1), NHWC) as tf.Tensor4D
  const filter = make(input([F, C, K, K], 2), OIHW_TO_HWIO) as tf.Tensor4D
  const to = (order: number[]) => (results: readonly tf.Tensor[]) => results.map((t) => tf.transpose(t, order))
  const attrs = { strides: [1, 1], pad: P, dataFormat: 'NHWC', dimRoundingMode: undefined }
  if (item.name === 'conv2d forward') {
    const bias = make(input([F], 3))
    const apply = () => tf.fused.conv2d({ x, filter, bias, strides: 1, pad: P })
    return { held: [x, filter, bias], apply, toPyTorch: to(NCHW) }
  }
  const dy = make(input(convOutput(item.sizes), 4), NHWC)
  const held = [x, filter, dy]
  if (item.name === 'conv2d backward input') {
    const apply = () => runKernel('Conv2DBackpropInput', { dy, filter }, { ...attrs, inputShape: x.shape })
    return { held, apply, toPyTorch: to(NCHW) }
  }
  const apply = () => runKernel('Conv2DBackpropFilter', { x, dy }, { ...attrs, filterShape: filter.shape })
  return { held, apply, toPyTorch: to(HWIO_TO_OIHW) }
}

function pool(item: Extract<KernelCase, { shape: unknown }>): Operation {
  const [N, C, H] = item.shape
  const x = make(input([N, C, H, H], 1), NHWC) as tf.Tensor4D
  const toPyTorch = (results: readonly tf.Tensor[]) => results.map((t) => tf.transpose(t, NCHW))
  if (item.name === 'max_pool2d forward') return { held: [x], apply: () => tf.maxPool(x, 2, 2, 'valid'), toPyTorch }
  const output = tf.maxPool(x, 2, 2, 'valid')
  const dy = make(input([N, C, H / 2, H / 2], 4), NHWC)
  const attrs = { filterSize: [2, 2], strides: [2, 2], pad: 'valid' }
  return { held: [x, output, dy], apply: () => runKernel('MaxPoolGrad', { dy, input: x, output }, attrs), toPyTorch }
}

function linear(item: Extract<KernelCase, { name: 'linear forward' | 'linear backward' }>): Operation {
  const [N, I, O] = item.sizes
  const x = make(input([N, I], 1)) as tf.Tensor2D
  const w = make(input([O, I], 2), [1, 0]) as tf.Tensor2D
  if (item.name === 'linear forward') {
    const bias = make(input([O], 3))
    return { held: [x, w, bias], apply: () => tf.fused.matMul({ a: x, b: w, bias }) }
  }
  const dy = make(input([N, O], 4)) as tf.Tensor2D
  return {
    held: [x, w, dy],
    apply: () => [tf.matMul(dy, w, false, true), tf.matMul(x, dy, true, false), tf.sum(dy, 0)],
    toPyTorch: ([dx, dw, db]) => [dx!, tf.transpose(dw!), db!],
  }
}

function crossEntropy(item: Extract<KernelCase, { name: `cross_entropy ${string}` }>): Operation {
  const [N, C] = item.sizes
  const x = make(input([N, C], 1))
  const target = make(oneHot(labelsOf(N, C), C))
  const loss = (logits: tf.Tensor) => tf.losses.softmaxCrossEntropy(target, logits) as tf.Scalar
  if (item.name === 'cross_entropy forward') return { held: [x, target], apply: () => loss(x) }
  const both = tf.valueAndGrad(loss)
  const apply = () => {
    const { value, grad } = both(x)
    return [value, grad]
  }
  return { held: [x, target], apply }
}

/** Over these dimensions a mean of 0 and a variance of 1. */
function standard(x: tf.Tensor, axis: number | number[]): tf.Tensor {
  const { mean, variance } = tf.moments(x, axis, true)
  return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)))
}

/** An operation's inputs and indices are those that algebra.ts names; images have their channels last. */
const OPERATIONS: Algebra<tf.Tensor> = {
  add: ([a, b]) => tf.add(a!, b!),
  'add rows': ([a, b]) => tf.add(a!, b!),
  mul: ([a, b]) => tf.mul(a!, b!),
  div: ([a, b]) => tf.div(a!, b!),
  maximum: ([a, b]) => tf.maximum(a!, b!),
  where: ([a, b]) => tf.where(tf.greater(a!, b!), a!, b!),
  chain: ([a, b, c]) => tf.tanh(tf.add(tf.mul(a!, b!), c!)),
  neg: ([x]) => tf.neg(x!),
  exp: ([x]) => tf.exp(x!),
  tanh: ([x]) => tf.tanh(x!),
  sigmoid: ([x]) => tf.sigmoid(x!),
  gelu: ([x]) => tf.mul(tf.mul(x!, 0.5), tf.add(tf.erf(tf.mul(x!, Math.SQRT1_2)), 1)),
  sum: ([x]) => tf.sum(x!),
  'sum rows': ([x]) => tf.sum(x!, 1),
  'sum columns': ([x]) => tf.sum(x!, 0),
  'max rows': ([x]) => tf.max(x!, 1),
  'var rows': ([x]) => tf.moments(x!, 1).variance,
  'argmax rows': ([x]) => tf.argMax(x!, 1),
  cumsum: ([x]) => tf.cumsum(x!, 1),
  softmax: ([x]) => tf.softmax(x!, 1),
  logSoftmax: ([x]) => tf.logSoftmax(x!, 1),
  logSumExp: ([x]) => tf.logSumExp(x!, 1),
  transpose: ([x]) => tf.transpose(x!),
  permute: ([x]) => tf.transpose(x!, [0, 2, 1, 3]),
  cat: ([a, b]) => tf.concat([a!, b!], 1),
  slice: ([x]) => tf.slice(x!, [0, 512], [-1, 1024]),
  pad: ([x]) =>
    tf.pad(x!, [
      [0, 0],
      [3, 5],
    ]),
  flip: ([x]) => tf.reverse(x!, 1),
  indexSelect: ([x], indices) => tf.gather(x!, indices!, 0),
  gather: ([x], indices) => tf.gather(x!, tf.reshape(indices!, [-1, 1]), 1, 1),
  layerNorm: ([x, w, b]) => tf.add(tf.mul(standard(x!, 1), w!), b!),
  batchNorm: ([x, w, b]) => tf.add(tf.mul(standard(x!, [0, 1, 2]), w!), b!),
  avgPool2d: ([x]) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid'),
  mseLoss: ([a, b]) => tf.mean(tf.squaredDifference(a!, b!)),
  bceWithLogitsLoss: ([x, t]) =>
    tf.mean(tf.add(tf.sub(tf.relu(x!), tf.mul(x!, t!)), tf.log1p(tf.exp(tf.neg(tf.abs(x!)))))),
}

function algebra(item: AlgebraCase): Operation {
  const { operation, gradients, shapes } = item
  const inputs = shapes.map((shape, i) =>
    make(input(shape, i + 1), shape.length === 4 && IMAGES.includes(operation) ? NHWC : undefined),
  )
  const found = indicesOf(operation)
  const indices = found && tf.tensor1d(found, 'int32')
  const run = functionOf(OPERATIONS, item)
  const toPyTorch = (results: readonly tf.Tensor[]) =>
    results.map((t) => (t.rank === 4 && IMAGES.includes(operation) ? tf.transpose(t, NCHW) : t))
  const held = [...inputs, ...(indices ? [indices] : [])]
  if (!gradients) return { held, apply: () => run(inputs, indices), toPyTorch }
  const { shape } = tf.tidy(() => toPyTorch([run(inputs, indices)])[0]!)
  const dy = make(input(shape, 4), shape.length === 4 && IMAGES.includes(operation) ? NHWC : undefined)
  const both = tf.valueAndGrads((...own: tf.Tensor[]) => run(own, indices))
  const apply = () => {
    const { value, grads } = both(inputs, dy)
    return [value, ...grads]
  }
  return { held: [...held, dy], apply, toPyTorch }
}

function operation(item: KernelCase): Operation {
  if ('operation' in item) return algebra(item)
  switch (item.name) {
    case 'conv2d forward':
    case 'conv2d backward input':
    case 'conv2d backward weight':
      return conv(item)
    case 'max_pool2d forward':
    case 'max_pool2d backward':
      return pool(item)
    case 'matmul forward': {
      const [a, b] = [1, 2].map((which) => make(input([item.size, item.size], which)) as tf.Tensor2D) as [
        tf.Tensor2D,
        tf.Tensor2D,
      ]
      return { held: [a, b], apply: () => tf.matMul(a, b) }
    }
    case 'linear forward':
    case 'linear backward':
      return linear(item)
    case 'relu forward':
    case 'relu backward': {
      const x = make(input([item.size], 1))
      if (item.name === 'relu forward') return { held: [x], apply: () => tf.relu(x) }
      const dy = make(input([item.size], 4))
      // What its gradient of relu computes.
      return { held: [x, dy], apply: () => tf.mul(dy, tf.cast(tf.step(x), 'float32')) }
    }
    default:
      return crossEntropy(item)
  }
}

export function kernel(item: KernelCase): Execution {
  const { held, apply, toPyTorch = (results) => [...results] } = operation(item)
  const once = () => [tf.tidy(() => apply() as tf.Tensor | tf.Tensor[])].flat()
  return {
    async run(n, rest) {
      let last: tf.Tensor[] = []
      for (let i = 0; i < n; i++) {
        tf.dispose(last)
        last = once()
      }
      // A slice of its own: a whole result would have to be copied, and one that was read before is kept on the host.
      const small = tf.tidy(() => tf.slice(tf.reshape(last[0]!, [-1]), [0], [1]))
      const reading = small.data()
      await rest()
      await reading
      tf.dispose([...last, small])
    },
    async results() {
      const results = tf.tidy(() => toPyTorch([apply() as tf.Tensor | tf.Tensor[]].flat()))
      const values = await Promise.all(results.map((t) => t.data()))
      tf.dispose(results)
      return values as Float32Array[]
    },
    dispose: () => tf.dispose([...held]),
  }
}
