// jax-js as a contestant: the training step.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { defaultDevice, init, jit, lax, nn, numpy as np, valueAndGrad } from '@jax-js/jax'
import type { Contestant, Problem, Trainer } from './contestant.ts'
import { arrayOf, kernel, maxPool, send } from './jaxjs_kernels.ts'
import { oneHot } from './kernels.ts'

export async function open(): Promise<Contestant> {
  if (!(await init('webgpu')).includes('webgpu')) throw new Error('jax-js could not start its WebGPU backend')
  defaultDevice('webgpu')
  // Its package.json is not among its exports.
  const folder = dirname(createRequire(import.meta.url).resolve('@jax-js/jax'))
  const { version } = JSON.parse(readFileSync(join(folder, '../package.json'), 'utf8')) as { version: string }
  return {
    title: `jax-js ${version} (jit)`,
    version,
    note: 'has its batch on the device as floats, labels one-hot; the whole step, update included, is one jit',
    trainer: async (problem) => trainer(problem),
    kernel: async (item) => kernel(item),
    close: async () => undefined,
  }
}

type Weights = Record<string, np.Array>

/** Every function of jax-js consumes its arguments; `ref` keeps one. */
function forward(x: np.Array, w: Weights): np.Array {
  const N = x.shape[0]!
  const conv = (input: np.Array, i: number, padding: number) => {
    const around: [number, number] = [padding, padding]
    const y = lax.convGeneralDilated(input, w[`${i}.weight`]!, [1, 1], [around, around])
    const biased = y.add(w[`${i}.bias`]!.reshape([1, -1, 1, 1]))
    return maxPool(nn.relu(biased))
  }
  const linear = (a: np.Array, i: number) => np.matmul(a, w[`${i}.weight`]!.transpose()).add(w[`${i}.bias`]!)
  const flat = conv(conv(x, 0, 2), 3, 0).reshape([N, -1])
  return linear(nn.relu(linear(nn.relu(linear(flat, 7)), 9)), 11)
}

function trainer({ batchSize, images, labels, lr, weights }: Problem): Trainer {
  const x = arrayOf({ data: images, shape: [batchSize, 1, 28, 28] })
  const target = arrayOf(oneHot(labels, 10))
  const lossOf = (w: Weights, x: np.Array, target: np.Array) =>
    nn
      .logSoftmax(forward(x, w), 1)
      .mul(target)
      .sum()
      .mul(-1 / batchSize)
  const update = jit((w: Weights, x: np.Array, target: np.Array) => {
    const kept = Object.fromEntries(Object.entries(w).map(([name, value]) => [name, value.ref]))
    const [loss, gradients] = valueAndGrad(lossOf)(w, x, target) as [np.Array, Weights]
    const next: Weights = {}
    for (const [name, gradient] of Object.entries(gradients)) next[name] = kept[name]!.sub(gradient.mul(lr))
    return { loss, next }
  })
  let w: Weights = Object.fromEntries([...weights].map(([name, values]) => [name, arrayOf(values)]))
  return {
    async run(n, rest) {
      let last: np.Array | null = null
      for (let i = 0; i < n; i++) {
        last?.dispose()
        const { loss, next } = update(w, x.ref, target.ref)
        w = next
        last = loss
        await send([loss])
      }
      const reading = last!.data()
      await rest()
      const [value] = await reading
      return value!
    },
    dispose() {
      for (const array of [x, target, ...Object.values(w)]) array.dispose()
      update.dispose()
    },
  }
}
