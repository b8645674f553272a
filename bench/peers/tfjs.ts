// TensorFlow.js as a contestant: the training step.
import '@tensorflow/tfjs-backend-webgpu'
import * as tf from '@tensorflow/tfjs'
import type { Contestant, Problem, Trainer } from './contestant.ts'
import type { Values } from './kernels.ts'
import { kernel } from './tfjs_kernels.ts'

export async function open(): Promise<Contestant> {
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js could not start its WebGPU backend')
  await tf.ready()
  const version = tf.version_core as string
  return {
    title: `TensorFlow.js ${version}`,
    version,
    note: 'has its batch on the device as floats, labels one-hot, images and weights in its own order, NHWC',
    trainer: async (problem) => trainer(problem),
    kernel: async (item) => kernel(item),
    close: async () => tf.removeBackend('webgpu'),
  }
}

const tensorOf = ({ data, shape }: Values) => tf.tensor(data, [...shape])

/** PyTorch's layouts in TensorFlow's: filters [KH, KW, C, F], and matrices [in, out]. */
function variables({ weights }: Problem): Map<string, tf.Variable> {
  const result = new Map<string, tf.Variable>()
  for (const [name, values] of weights) {
    const value = tf.tidy(() => {
      const given = tensorOf(values)
      if (given.rank === 4) return tf.transpose(given, [2, 3, 1, 0])
      // What the first matrix multiplies was flattened from [C, H, W] there and is flattened from [H, W, C] here.
      if (name === '7.weight') {
        const [out, C, H, W] = [given.shape[0]!, 16, 5, 5]
        return tf.reshape(tf.transpose(tf.reshape(given, [out, C, H, W]), [2, 3, 1, 0]), [H * W * C, out])
      }
      return given.rank === 2 ? tf.transpose(given) : given
    })
    result.set(name, tf.variable(value))
    value.dispose()
  }
  return result
}

function forward(x: tf.Tensor4D, v: Map<string, tf.Variable>): tf.Tensor2D {
  const conv = (input: tf.Tensor4D, i: number, pad: number) => {
    const [filter, bias] = [v.get(`${i}.weight`) as unknown as tf.Tensor4D, v.get(`${i}.bias`)!]
    const y = tf.fused.conv2d({ x: input, filter, strides: 1, pad, bias })
    return tf.maxPool(tf.relu(y), 2, 2, 'valid')
  }
  const linear = (a: tf.Tensor2D, i: number) =>
    tf.fused.matMul({ a, b: v.get(`${i}.weight`) as unknown as tf.Tensor2D, bias: v.get(`${i}.bias`)! }) as tf.Tensor2D
  const features = conv(conv(x, 0, 2), 3, 0)
  const flat = tf.reshape(features, [features.shape[0], -1]) as tf.Tensor2D
  return linear(tf.relu(linear(tf.relu(linear(flat, 7)), 9)), 11)
}

function trainer(problem: Problem): Trainer {
  const { batchSize, images, labels, lr } = problem
  const v = variables(problem)
  // With one channel NCHW and NHWC are the same bytes.
  const x = tf.tensor4d(images, [batchSize, 28, 28, 1])
  const target = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), 10), 'float32'))
  const optimizer = tf.train.sgd(lr)
  const loss = () => tf.losses.softmaxCrossEntropy(target, forward(x, v)) as tf.Scalar
  return {
    async run(n, rest) {
      let last: tf.Scalar | null = null
      for (let i = 0; i < n; i++) {
        last?.dispose()
        last = optimizer.minimize(loss, true)
      }
      const reading = last!.data()
      await rest()
      const [value] = await reading
      last!.dispose()
      return value!
    },
    dispose() {
      for (const variable of v.values()) variable.dispose()
      for (const t of [x, target]) t.dispose()
      optimizer.dispose()
    },
  }
}
