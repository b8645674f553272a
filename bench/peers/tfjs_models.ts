// TensorFlow.js as a contestant: the training steps.
import * as tf from '@tensorflow/tfjs'
import type { Trainer } from './contestant.ts'
import type { Problem, ProblemName, Update } from './problems.ts'

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

const MODELS: Readonly<Record<ProblemName, Model>> = { lenet, mlp, lstm }

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
