// TensorFlow.js as a contestant: the training steps.
import * as tf from '@tensorflow/tfjs'
import type { Trainer } from './contestant.ts'
import { GPT, type Problem, type ProblemName, RESNET_BLOCKS, type Update } from './problems.ts'

type Variables = ReadonlyMap<string, tf.Variable>

interface Model {
  /** Logits. Images have their channels last, filters are [KH, KW, C, F] and matrices [in, out]. */
  forward(x: tf.Tensor, v: Variables): tf.Tensor
  /** Brings a weight from PyTorch's layout into this library's, if it is not as above; null if it is. */
  convert?(name: string, given: tf.Tensor): tf.Tensor | null
}

/** x · W + b, of matrices. */
const linear = (x: tf.Tensor, v: Variables, weight: string, bias: string) =>
  tf.fused.matMul({ a: x as tf.Tensor2D, b: v.get(weight) as unknown as tf.Tensor2D, bias: v.get(bias)! })

/** A layer by its name. */
const layer = (x: tf.Tensor, v: Variables, name: string | number) => linear(x, v, `${name}.weight`, `${name}.bias`)

const lenet: Model = {
  forward(x, v) {
    const conv = (input: tf.Tensor, i: number, pad: number) => {
      const [filter, bias] = [v.get(`${i}.weight`) as unknown as tf.Tensor4D, v.get(`${i}.bias`)!]
      const y = tf.fused.conv2d({ x: input as tf.Tensor4D, filter, strides: 1, pad, bias })
      return tf.maxPool(tf.relu(y), 2, 2, 'valid')
    }
    const features = conv(conv(x, 0, 2), 3, 0)
    const flat = tf.reshape(features, [features.shape[0]!, -1])
    return layer(tf.relu(layer(tf.relu(layer(flat, v, 7)), v, 9)), v, 11)
  },
  convert(name, given) {
    if (name !== '7.weight') return null
    // What this matrix multiplies was flattened from [C, H, W] there and is flattened from [H, W, C] here.
    const [out, C, H, W] = [given.shape[0]!, 16, 5, 5]
    return tf.reshape(tf.transpose(tf.reshape(given, [out, C, H, W]), [2, 3, 1, 0]), [H * W * C, out])
  },
}

const mlp: Model = {
  forward: (x, v) => layer(tf.relu(layer(tf.relu(layer(x, v, 0)), v, 2)), v, 4),
}

const lstm: Model = {
  forward(x, v) {
    const [steps, N, features] = x.shape as [number, number, number]
    // The products with the inputs at once, as dawngrad has them.
    const ofInput = linear(tf.reshape(x, [steps * N, features]), v, 'lstm.weight_ih_l0', 'lstm.bias_ih_l0')
    let h: tf.Tensor | null = null
    let c: tf.Tensor | null = null
    for (const part of tf.unstack(tf.reshape(ofInput, [steps, N, -1]))) {
      const before: tf.Tensor = h ?? tf.zeros([N, part.shape[1]! / 4])
      const gates = tf.add(part, linear(before, v, 'lstm.weight_hh_l0', 'lstm.bias_hh_l0'))
      const [i, f, g, o] = tf.split(gates, 4, 1) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
      const added = tf.mul(tf.sigmoid(i), tf.tanh(g))
      c = c ? tf.add(tf.mul(tf.sigmoid(f), c), added) : added
      h = tf.mul(tf.sigmoid(o), tf.tanh(c))
    }
    return layer(h!, v, 'fc')
  },
}

/** Over these dimensions a mean of 0 and a variance of 1, then a weight and a bias by the layer's name. */
function normed(x: tf.Tensor, v: Variables, axis: number | number[], name: string): tf.Tensor {
  const { mean, variance } = tf.moments(x, axis, true)
  const standard = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)))
  return tf.add(tf.mul(standard, v.get(`${name}.weight`)!), v.get(`${name}.bias`)!)
}

const resnet: Model = {
  forward(x, v) {
    const unit = (input: tf.Tensor, conv: string, norm: string, stride: number, pad: number) => {
      const filter = v.get(`${conv}.weight`) as unknown as tf.Tensor4D
      return normed(tf.conv2d(input as tf.Tensor4D, filter, stride, pad), v, [0, 1, 2], norm)
    }
    let y: tf.Tensor = tf.relu(unit(x, 'conv1', 'bn1', 1, 1))
    for (const [stage, block] of RESNET_BLOCKS) {
      const name = `layer${stage}.${block}`
      const stride = stage > 1 && block === 0 ? 2 : 1
      const hidden = tf.relu(unit(y, `${name}.conv1`, `${name}.bn1`, stride, 1))
      const around = stride === 1 ? y : unit(y, `${name}.downsample.0`, `${name}.downsample.1`, stride, 0)
      y = tf.relu(tf.add(unit(hidden, `${name}.conv2`, `${name}.bn2`, 1, 1), around))
    }
    return layer(tf.mean(y, [1, 2]), v, 'fc')
  },
}

const gelu = (x: tf.Tensor) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1))

const gpt: Model = {
  forward(x, v) {
    const [N, T] = x.shape as [number, number]
    const { layers, heads, width } = GPT
    const mask = tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([T, T]), -1, 0)), -1e9)
    const tokens = v.get('tokens.weight')!
    let y: tf.Tensor = tf.add(tf.gather(tokens, tf.cast(x, 'int32')), v.get('positions.weight')!)
    y = tf.reshape(y, [N * T, width])
    for (let i = 0; i < layers; i++) {
      const name = `blocks.${i}`
      const attention = `${name}.self_attn`
      const before = normed(y, v, 1, `${name}.norm1`)
      const all = linear(before, v, `${attention}.in_proj_weight`, `${attention}.in_proj_bias`)
      const parts = tf.transpose(tf.reshape(all, [N, T, 3, heads, -1]), [2, 0, 3, 1, 4])
      const [q, k, value] = tf.unstack(parts) as [tf.Tensor, tf.Tensor, tf.Tensor]
      const scores = tf.mul(tf.matMul(q, k, false, true), Math.sqrt(heads / width))
      const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)), value)
      const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [N * T, width])
      y = tf.add(y, layer(joined, v, `${attention}.out_proj`))
      const hidden = gelu(layer(normed(y, v, 1, `${name}.norm2`), v, `${name}.linear1`))
      y = tf.add(y, layer(hidden, v, `${name}.linear2`))
    }
    const last = normed(y, v, 1, 'norm') as tf.Tensor2D
    return tf.matMul(last, tokens as unknown as tf.Tensor2D, false, true)
  },
  // Tables stay as they are.
  convert: (name, given) => (name === 'tokens.weight' || name === 'positions.weight' ? given : null),
}

const MODELS: Readonly<Record<ProblemName, Model>> = { lenet, mlp, lstm, resnet, gpt }

function variables({ weights }: Problem, { convert }: Model): Map<string, tf.Variable> {
  const result = new Map<string, tf.Variable>()
  for (const [name, { data, shape }] of weights) {
    const value = tf.tidy(() => {
      const given = tf.tensor(data, [...shape])
      const converted = convert?.(name, given)
      if (converted) return converted
      if (given.rank === 4) return tf.transpose(given, [2, 3, 1, 0])
      return given.rank === 2 ? tf.transpose(given) : given
    })
    result.set(name, tf.variable(value))
    value.dispose()
  }
  return result
}

interface Updater {
  /** Updates all variables and returns the loss from before. */
  step(loss: () => tf.Scalar): tf.Scalar
  dispose(): void
}

function updater(v: Variables, update: Update): Updater {
  if (update.rule === 'sgd') {
    const { lr, momentum } = update
    const optimizer = momentum === 0 ? tf.train.sgd(lr) : tf.train.momentum(lr, momentum)
    return { step: (loss) => optimizer.minimize(loss, true)!, dispose: () => optimizer.dispose() }
  }
  const { lr, betas, eps, weightDecay } = update
  const optimizer = tf.train.adam(lr, ...betas, eps)
  return {
    // The library has no AdamW: the weights shrink first, then follows its Adam.
    step(loss) {
      const { value, grads } = tf.variableGrads(loss)
      tf.tidy(() => {
        for (const variable of v.values()) variable.assign(tf.mul(variable, 1 - lr * weightDecay))
      })
      optimizer.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor })))
      tf.dispose(grads)
      return value
    },
    dispose: () => optimizer.dispose(),
  }
}

export function trainer(problem: Problem): Trainer {
  const { name, input, labels, classes } = problem
  const model = MODELS[name]
  const v = variables(problem, model)
  const x = tf.tidy(() => {
    const given = tf.tensor(input.data, [...input.shape], input.data instanceof Int32Array ? 'int32' : 'float32')
    return given.rank === 4 ? tf.transpose(given, [0, 2, 3, 1]) : given
  })
  const target = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 'float32'))
  const loss = () => tf.losses.softmaxCrossEntropy(target, model.forward(x, v)) as tf.Scalar
  const { step, dispose } = updater(v, problem.update)
  return {
    async run(n, rest) {
      let last: tf.Scalar | null = null
      for (let i = 0; i < n; i++) {
        last?.dispose()
        last = step(loss)
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
      dispose()
    },
  }
}
