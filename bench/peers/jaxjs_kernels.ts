// jax-js as a contestant: the kernels.
import { blockUntilReady, jit, lax, nn, numpy as np, valueAndGrad, vjp } from '@jax-js/jax'
import { type Algebra, type AlgebraCase, functionOf, indicesOf } from './algebra.ts'
import type { Execution } from './contestant.ts'
import { convOutput, input, type KernelCase, labelsOf, oneHot, type Values } from './kernels.ts'

export const arrayOf = ({ shape, data }: Values) => np.array(data, { shape: [...shape], dtype: np.float32 })

/** An operation: its inputs, and the function of them that is compiled as a whole. It consumes its arguments. */
interface Operation {
  readonly held: readonly np.Array[]
  readonly apply: (...inputs: np.Array[]) => np.Array[]
}

/**
 * Sends what these arrays need to the device at once: by itself jax-js would keep it all until a value is read, and the
 * memory with it. Everything must have been compiled before. `done` is fulfilled when the device has computed it.
 */
export async function send(arrays: readonly np.Array[]): Promise<{ done: Promise<unknown> }> {
  const done = blockUntilReady([...arrays])
  done.catch(() => undefined) // whoever waits hears of it
  await new Promise((resolve) => setImmediate(resolve))
  return { done }
}

export const maxPool = (x: np.Array) => lax.reduceWindow(x, (window) => np.max(window), [2, 2], [2, 2])

/** The gradients of `f`'s first arguments, given that of its result, which comes last. What they do not need is left out. */
function gradients(f: (...inputs: np.Array[]) => np.Array): Operation['apply'] {
  return (...inputs) => {
    const dy = inputs.pop()!
    const [y, back] = vjp(f, inputs)
    y.dispose()
    const result = back(dy)
    back.dispose()
    return result as np.Array[]
  }
}

function conv(item: Extract<KernelCase, { sizes: { F: number } }>): Operation {
  const { N, C, H, F, K, P } = item.sizes
  const around: [number, number] = [P, P]
  const apply = (x: np.Array, w: np.Array) => lax.convGeneralDilated(x, w, [1, 1], [around, around])
  const x = arrayOf(input([N, C, H, H], 1))
  const w = arrayOf(input([F, C, K, K], 2))
  if (item.name === 'conv2d forward') {
    const b = arrayOf(input([F, 1, 1], 3))
    return { held: [x, w, b], apply: (x, w, b) => [apply(x!, w!).add(b!)] }
  }
  const dy = arrayOf(input(convOutput(item.sizes), 4))
  // The other argument stands beside: no gradient is asked of it.
  const forInput: Operation['apply'] = (w, x, dy) => gradients((x) => apply(x!, w!.ref))(x!, dy!)
  const forWeight: Operation['apply'] = (x, w, dy) => gradients((w) => apply(x!.ref, w!))(w!, dy!)
  if (item.name === 'conv2d backward input') return { held: [w, x, dy], apply: consuming(forInput) }
  return { held: [x, w, dy], apply: consuming(forWeight) }
}

/** Drops the first argument after use: the inner function takes references of it. */
const consuming =
  (f: Operation['apply']): Operation['apply'] =>
  (first, ...others) => {
    const result = f(first!, ...others)
    first!.dispose()
    return result
  }

/** A mean and a variance of 0 and 1 over these dimensions. */
const standard = (x: np.Array, axis: number | number[]) => nn.standardize(x, axis, { epsilon: 1e-5 })

/** An operation's inputs and indices are those that algebra.ts names. */
const OPERATIONS: Algebra<np.Array> = {
  add: ([a, b]) => a!.add(b!),
  'add rows': ([a, b]) => a!.add(b!),
  mul: ([a, b]) => a!.mul(b!),
  div: ([a, b]) => a!.div(b!),
  maximum: ([a, b]) => np.maximum(a!, b!),
  where: ([a, b]) => np.where(np.greater(a!.ref, b!.ref), a!, b!),
  chain: ([a, b, c]) => np.tanh(a!.mul(b!).add(c!)),
  neg: ([x]) => np.negative(x!),
  exp: ([x]) => np.exp(x!),
  tanh: ([x]) => np.tanh(x!),
  sigmoid: ([x]) => nn.sigmoid(x!),
  gelu: ([x]) => nn.gelu(x!, { approximate: false }),
  sum: ([x]) => np.sum(x!),
  'sum rows': ([x]) => np.sum(x!, 1),
  'sum columns': ([x]) => np.sum(x!, 0),
  'max rows': ([x]) => np.max(x!, 1),
  'var rows': ([x]) => np.var_(x!, 1),
  'argmax rows': ([x]) => np.argmax(x!, 1),
  cumsum: ([x]) => np.cumsum(x!, 1),
  softmax: ([x]) => nn.softmax(x!, 1),
  logSoftmax: ([x]) => nn.logSoftmax(x!, 1),
  logSumExp: ([x]) => nn.logsumexp(x!, 1),
  transpose: ([x]) => np.transpose(x!),
  permute: ([x]) => np.transpose(x!, [0, 2, 1, 3]),
  cat: ([a, b]) => np.concatenate([a!, b!], 1),
  slice: ([x]) => x!.slice([], [512, 1536]),
  pad: ([x]) =>
    np.pad(x!, [
      [0, 0],
      [3, 5],
    ]),
  flip: ([x]) => np.flip(x!, 1),
  indexSelect: ([x], indices) => np.take(x!, indices!, 0),
  gather: ([x], indices) => np.takeAlongAxis(x!, indices!.reshape([-1, 1]), 1),
  layerNorm: ([x, w, b]) => standard(x!, 1).mul(w!).add(b!),
  batchNorm: ([x, w, b]) =>
    standard(x!, [0, 2, 3])
      .mul(w!.reshape([-1, 1, 1]))
      .add(b!.reshape([-1, 1, 1])),
  avgPool2d: ([x]) => lax.reduceWindow(x!, (window) => np.mean(window), [2, 2], [2, 2]),
  mseLoss: ([a, b]) => np.mean(np.square(a!.sub(b!))),
  bceWithLogitsLoss: ([x, t]) =>
    np.mean(
      nn
        .relu(x!.ref)
        .sub(x!.ref.mul(t!))
        .add(np.log1p(np.exp(np.negative(np.abs(x!))))),
    ),
}

function algebra(item: AlgebraCase): Operation {
  const { operation, gradients, shapes } = item
  const inputs = shapes.map((shape, i) => arrayOf(input(shape, i + 1)))
  const found = indicesOf(operation)
  const indices = found ? [np.array(found, { dtype: np.int32 })] : []
  const run = functionOf(OPERATIONS, item)
  const count = inputs.length
  if (!gradients) {
    return { held: [...inputs, ...indices], apply: (...all) => [run(all.slice(0, count), all[count] ?? null)] }
  }
  const y = run(
    inputs.map((array) => array.ref),
    indices[0]?.ref ?? null,
  )
  const dy = arrayOf(input(y.shape, 4))
  y.dispose()
  return {
    held: [...inputs, ...indices, dy],
    apply(...all) {
      const given = all.pop()!
      const [result, back] = vjp((...own: np.Array[]) => run(own, all[count]?.ref ?? null), all.slice(0, count))
      all[count]?.dispose()
      const found = back(given) as np.Array[]
      back.dispose()
      return [result, ...found]
    },
  }
}

function operation(item: KernelCase): Operation {
  if ('operation' in item) return algebra(item)
  switch (item.name) {
    case 'conv2d forward':
    case 'conv2d backward input':
    case 'conv2d backward weight':
      return conv(item)
    case 'max_pool2d forward':
    case 'max_pool2d backward': {
      const [N, C, H] = item.shape
      const x = arrayOf(input([N, C, H, H], 1))
      if (item.name === 'max_pool2d forward') return { held: [x], apply: (x) => [maxPool(x!)] }
      return { held: [x, arrayOf(input([N, C, H / 2, H / 2], 4))], apply: gradients((x) => maxPool(x!)) }
    }
    case 'matmul forward': {
      const held = [1, 2].map((which) => arrayOf(input([item.size, item.size], which)))
      return { held, apply: (a, b) => [np.matmul(a!, b!)] }
    }
    case 'linear forward':
    case 'linear backward': {
      const [N, I, O] = item.sizes
      const held = [arrayOf(input([N, I], 1)), arrayOf(input([O, I], 2)), arrayOf(input([O], 3))]
      const apply = (x: np.Array, w: np.Array, b: np.Array) => np.matmul(x, w.transpose()).add(b)
      if (item.name === 'linear forward') return { held, apply: (x, w, b) => [apply(x!, w!, b!)] }
      return { held: [...held, arrayOf(input([N, O], 4))], apply: gradients((x, w, b) => apply(x!, w!, b!)) }
    }
    case 'relu forward':
    case 'relu backward': {
      const x = arrayOf(input([item.size], 1))
      if (item.name === 'relu forward') return { held: [x], apply: (x) => [nn.relu(x!)] }
      return { held: [x, arrayOf(input([item.size], 4))], apply: gradients((x) => nn.relu(x!)) }
    }
    default: {
      const [N, C] = item.sizes
      const held = [arrayOf(input([N, C], 1)), arrayOf(oneHot(labelsOf(N, C), C))]
      const loss = (x: np.Array, target: np.Array) =>
        nn
          .logSoftmax(x, 1)
          .mul(target)
          .sum()
          .mul(-1 / N)
      if (item.name === 'cross_entropy forward') return { held, apply: (x, target) => [loss(x!, target!)] }
      return { held, apply: (x, target) => valueAndGrad(loss)(x!, target!) as unknown as np.Array[] }
    }
  }
}

export function kernel(item: KernelCase): Execution {
  const { held, apply } = operation(item)
  const compiled = jit(apply)
  const once = () => compiled(...held.map((array) => array.ref)) as np.Array[]
  return {
    async run(n, rest) {
      const sent: Promise<unknown>[] = []
      for (let i = 0; i < n; i++) {
        const results = once()
        sent.push((await send(results)).done)
        for (const array of results) array.dispose()
      }
      await rest()
      await Promise.all(sent)
    },
    results: async () => (await Promise.all(once().map((array) => array.data()))) as Float32Array[],
    dispose() {
      for (const array of held) array.dispose()
      compiled.dispose()
    },
  }
}
