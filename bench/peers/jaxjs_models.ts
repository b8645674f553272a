// jax-js as a contestant: the training steps.
import { jit, lax, nn, numpy as np, valueAndGrad } from '@jax-js/jax'
import type { Trainer } from './contestant.ts'
import { arrayOf, maxPool, send } from './jaxjs_kernels.ts'
import { oneHot } from './kernels.ts'
import type { Problem, ProblemName, Update } from './problems.ts'

type Weights = Record<string, np.Array>

/** Logits. Every function of jax-js consumes its arguments; `ref` keeps one. */
type Forward = (x: np.Array, w: Weights) => np.Array

const linear = (x: np.Array, w: Weights, weight: string, bias: string) =>
  np.matmul(x, w[weight]!.transpose()).add(w[bias]!)

/** A layer by its name. */
const layer = (x: np.Array, w: Weights, name: string | number) => linear(x, w, `${name}.weight`, `${name}.bias`)

const lenet: Forward = (x, w) => {
  const N = x.shape[0]!
  const conv = (input: np.Array, i: number, padding: number) => {
    const around: [number, number] = [padding, padding]
    const y = lax.convGeneralDilated(input, w[`${i}.weight`]!, [1, 1], [around, around])
    const biased = y.add(w[`${i}.bias`]!.reshape([1, -1, 1, 1]))
    return maxPool(nn.relu(biased))
  }
  const flat = conv(conv(x, 0, 2), 3, 0).reshape([N, -1])
  return layer(nn.relu(layer(nn.relu(layer(flat, w, 7)), w, 9)), w, 11)
}

const mlp: Forward = (x, w) => layer(nn.relu(layer(nn.relu(layer(x, w, 0)), w, 2)), w, 4)

/** One step of an LSTM. Compiled for itself: in one `jit` of many steps c would be worked out again and again from its beginning. */
const cell = jit((ofInput: np.Array, h: np.Array, c: np.Array, weight: np.Array, bias: np.Array) => {
  const gates = ofInput.add(np.matmul(h, weight.transpose())).add(bias)
  const [i, f, g, o] = np.split(gates, 4, 1) as [np.Array, np.Array, np.Array, np.Array]
  const next = nn
    .sigmoid(f)
    .mul(c)
    .add(nn.sigmoid(i).mul(np.tanh(g)))
  return { h: nn.sigmoid(o).mul(np.tanh(next.ref)), c: next }
})

/** There is no `lax.scan`: the steps are written out. */
const lstm: Forward = (x, w) => {
  const [steps, N, features] = x.shape as [number, number, number]
  // The products with the inputs at once, as dawngrad has them.
  const ofInput = linear(x.reshape([steps * N, features]), w, 'lstm.weight_ih_l0', 'lstm.bias_ih_l0')
  const [weight, bias] = [w['lstm.weight_hh_l0']!, w['lstm.bias_hh_l0']!]
  const H = bias.shape[0]! / 4
  let [h, c] = [np.zeros([N, H]), np.zeros([N, H])]
  for (const part of np.unstack(ofInput.reshape([steps, N, -1]), 0)) {
    const next = cell(part, h, c, weight.ref, bias.ref)
    h = next.h
    c = next.c
  }
  for (const array of [c, weight, bias]) array.dispose()
  return layer(h, w, 'fc')
}

/** Networks that are too much for one `jit` with all the rest of the step. */
const IN_PARTS: readonly ProblemName[] = ['lstm']

/**
 * A `jit` of ResNet's step, or of GPT's, was not compiled after two minutes on a busy machine of two cores, and nothing can
 * interrupt it: these are left out.
 */
const MODELS: Readonly<Partial<Record<ProblemName, Forward>>> = { lenet, mlp, lstm }

/** Weights and what the update keeps of the steps before; `powers` are those of the betas, scalars. */
type State = Record<'weights' | 'first' | 'second' | 'powers', Weights>

function firstState({ weights, update }: Problem): State {
  const zeros = (isKept: boolean): Weights =>
    isKept ? Object.fromEntries([...weights].map(([name, { shape }]) => [name, np.zeros([...shape])])) : {}
  const isAdam = update.rule === 'adamw'
  return {
    weights: Object.fromEntries([...weights].map(([name, values]) => [name, arrayOf(values)])),
    first: zeros(isAdam || update.momentum !== 0),
    second: zeros(isAdam),
    powers: isAdam ? { first: np.array(1), second: np.array(1) } : {},
  }
}

/** The state after an update by these gradients; consumes both. */
function updated({ weights, first, second, powers }: State, gradients: Weights, update: Update): State {
  const next: State = { weights: {}, first: {}, second: {}, powers: {} }
  if (update.rule === 'sgd') {
    for (const [name, gradient] of Object.entries(gradients)) {
      const direction = update.momentum === 0 ? gradient : first[name]!.mul(update.momentum).add(gradient)
      if (update.momentum !== 0) next.first[name] = direction.ref
      next.weights[name] = weights[name]!.sub(direction.mul(update.lr))
    }
    return next
  }
  const { lr, eps, weightDecay, betas } = update
  next.powers = { first: powers.first!.mul(betas[0]), second: powers.second!.mul(betas[1]) }
  const corrections = [next.powers.first!, next.powers.second!].map((power) => np.array(1).sub(power.ref))
  for (const [name, gradient] of Object.entries(gradients)) {
    const m = first[name]!.mul(betas[0]).add(gradient.ref.mul(1 - betas[0]))
    const v = second[name]!.mul(betas[1]).add(np.square(gradient).mul(1 - betas[1]))
    next.first[name] = m.ref
    next.second[name] = v.ref
    const root = np.sqrt(v.div(corrections[1]!.ref)).add(eps)
    const step = m.div(corrections[0]!.ref).div(root).mul(lr)
    next.weights[name] = weights[name]!.mul(1 - lr * weightDecay).sub(step)
  }
  for (const correction of corrections) correction.dispose()
  return next
}

export function trainer(problem: Problem): Trainer {
  const { name, input, labels, classes, update } = problem
  const forward = MODELS[name]
  if (!forward) throw new Error('left out, since its jit of this step was not compiled within two minutes')
  const shape = [...input.shape]
  const x =
    input.data instanceof Int32Array
      ? np.array(input.data, { shape, dtype: np.int32 })
      : np.array(input.data, { shape, dtype: np.float32 })
  const target = arrayOf(oneHot(labels, classes))
  const lossOf = (w: Weights, x: np.Array, target: np.Array) =>
    nn
      .logSoftmax(forward(x, w), 1)
      .mul(target)
      .sum()
      .mul(-1 / labels.length)
  const isWhole = !IN_PARTS.includes(name)
  const apply = jit((state: State, gradients: Weights) => updated(state, gradients, update))
  const once = (state: State, x: np.Array, target: np.Array) => {
    const kept = Object.fromEntries(Object.entries(state.weights).map(([key, value]) => [key, value.ref]))
    const [loss, gradients] = valueAndGrad(lossOf)(state.weights, x, target) as [np.Array, Weights]
    return { loss, next: apply({ ...state, weights: kept }, gradients) as State }
  }
  const whole = jit(once)
  const step = isWhole ? whole : once
  let state = firstState(problem)
  return {
    async run(n, rest) {
      let last: np.Array | null = null
      for (let i = 0; i < n; i++) {
        last?.dispose()
        const { loss, next } = step(state, x.ref, target.ref)
        state = next as State
        last = loss
        // The update is part of the same program, or else must be asked for.
        await send(isWhole ? [loss] : [loss, ...Object.values(state.weights).slice(0, 1)])
      }
      const reading = last!.data()
      await rest()
      const [value] = await reading
      return value!
    },
    dispose() {
      for (const array of [x, target, ...Object.values(state).flatMap((part) => Object.values(part))]) array.dispose()
      for (const compiled of [apply, whole]) compiled.dispose()
    },
  }
}
