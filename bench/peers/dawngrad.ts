// dawngrad as a contestant.
import type { ImageDataset } from '../../src/data/fashion_mnist.ts'
import type { Gpu } from '../../src/gpu/gpu.ts'
import {
  avgPool2d,
  batchNorm,
  bceWithLogitsLoss,
  cat,
  conv2d,
  crossEntropy,
  flip,
  gather,
  gelu,
  indexSelect,
  layerNorm,
  linear,
  matmul,
  maxPool2d,
  mseLoss,
  noGrad,
  pad,
  permute,
  relu,
  scope,
  slice,
  type Tensor,
  where,
} from '../../src/index.ts'
import { packageVersion } from '../../src/node/version.ts'
import { tensor } from '../../src/tensor/create.ts'
import { openFence } from '../timing.ts'
import { type Algebra, type AlgebraCase, functionOf, indicesOf } from './algebra.ts'
import type { Contestant, Execution } from './contestant.ts'
import { lenetTrainer, trainer } from './dawngrad_models.ts'
import { convOutput, input, type KernelCase, labelsOf } from './kernels.ts'

export async function contestant(gpu: Gpu, dataset: ImageDataset): Promise<Contestant> {
  const version = packageVersion()
  const fence = await openFence(gpu)
  return {
    title: `dawngrad ${version}`,
    version,
    note: "in LeNet's step gathers its batch from the bytes of a data set, adds up loss and accuracy and looks for NaN",
    trainer: async (problem) =>
      problem.name === 'lenet' ? lenetTrainer(gpu, dataset, problem) : trainer(gpu, problem),
    kernel: async (item) => execution(operation(gpu, item), fence.wait),
    close: () => gpu.close(),
  }
}

/** An operation's inputs and indices are those that algebra.ts names. */
const OPERATIONS: Algebra<Tensor> = {
  add: ([a, b]) => a!.add(b!),
  'add rows': ([a, b]) => a!.add(b!),
  mul: ([a, b]) => a!.mul(b!),
  div: ([a, b]) => a!.div(b!),
  maximum: ([a, b]) => a!.maximum(b!),
  where: ([a, b]) => where(a!.gt(b!), a!, b!),
  chain: ([a, b, c]) => a!.mul(b!).add(c!).tanh(),
  neg: ([x]) => x!.neg(),
  exp: ([x]) => x!.exp(),
  tanh: ([x]) => x!.tanh(),
  sigmoid: ([x]) => x!.sigmoid(),
  gelu: ([x]) => gelu(x!),
  sum: ([x]) => x!.sum(),
  'sum rows': ([x]) => x!.sum(1),
  'sum columns': ([x]) => x!.sum(0),
  'max rows': ([x]) => x!.max(1),
  'var rows': ([x]) => x!.var(1, { correction: 0 }),
  'argmax rows': ([x]) => x!.argmax(1),
  cumsum: ([x]) => x!.cumsum(1),
  softmax: ([x]) => x!.softmax(1),
  logSoftmax: ([x]) => x!.logSoftmax(1),
  logSumExp: ([x]) => x!.logSumExp(1),
  transpose: ([x]) => permute(x!, [1, 0]),
  permute: ([x]) => permute(x!, [0, 2, 1, 3]),
  cat: ([a, b]) => cat([a!, b!], 1),
  slice: ([x]) => slice(x!, 1, 512, 1536),
  pad: ([x]) => pad(x!, [3, 5]),
  flip: ([x]) => flip(x!, [1]),
  indexSelect: ([x], indices) => indexSelect(x!, 0, indices!),
  gather: ([x], indices) => gather(x!, 1, indices!),
  layerNorm: ([x, w, b]) => layerNorm(x!, [1024], w!, b!),
  batchNorm: ([x, weight, bias]) => batchNorm(x!, { weight: weight!, bias: bias!, training: true }),
  avgPool2d: ([x]) => avgPool2d(x!, { kernelSize: 2 }),
  mseLoss: ([a, b]) => mseLoss(a!, b!),
  bceWithLogitsLoss: ([x, t]) => bceWithLogitsLoss(x!, t!),
}

interface Operation {
  /** Executes once, inside a scope. */
  apply(): readonly Tensor[]
  readonly held: readonly Tensor[]
}

function operation(gpu: Gpu, item: KernelCase): Operation {
  if ('operation' in item) return algebra(gpu, item)
  const make = (shape: readonly number[], which: number, requiresGrad = false) =>
    tensor(input(shape, which).data, [...shape], { gpu, requiresGrad })
  switch (item.name) {
    case 'conv2d forward':
    case 'conv2d backward input':
    case 'conv2d backward weight': {
      const { N, C, H, F, K, P } = item.sizes
      const x = make([N, C, H, H], 1, item.name === 'conv2d backward input')
      const w = make([F, C, K, K], 2, item.name === 'conv2d backward weight')
      if (item.name === 'conv2d forward') {
        const b = make([F], 3)
        return { held: [x, w, b], apply: () => [noGrad(() => conv2d(x, w, b, { padding: P }))] }
      }
      return backward(conv2d(x, w, null, { padding: P }), make(convOutput(item.sizes), 4), [x, w])
    }
    case 'max_pool2d forward':
    case 'max_pool2d backward': {
      const [N, C, H] = item.shape
      const x = make([N, C, H, H], 1, item.name === 'max_pool2d backward')
      if (item.name === 'max_pool2d forward') return { held: [x], apply: () => [maxPool2d(x, { kernelSize: 2 })] }
      return backward(maxPool2d(x, { kernelSize: 2 }), make([N, C, H / 2, H / 2], 4), [x])
    }
    case 'matmul forward': {
      const [a, b] = [make([item.size, item.size], 1), make([item.size, item.size], 2)]
      return { held: [a, b], apply: () => [matmul(a, b)] }
    }
    case 'linear forward':
    case 'linear backward': {
      const [N, I, O] = item.sizes
      const inputs = [make([N, I], 1, true), make([O, I], 2, true), make([O], 3, true)] as const
      if (item.name === 'linear forward') return { held: inputs, apply: () => [noGrad(() => linear(...inputs))] }
      return backward(linear(...inputs), make([N, O], 4), inputs)
    }
    case 'relu forward':
    case 'relu backward': {
      const x = make([item.size], 1, item.name === 'relu backward')
      if (item.name === 'relu forward') return { held: [x], apply: () => [relu(x)] }
      return backward(relu(x), make([item.size], 4), [x])
    }
    default: {
      const [N, C] = item.sizes
      const x = make([N, C], 1, true)
      const target = tensor(labelsOf(N, C), [N], { gpu })
      if (item.name === 'cross_entropy forward') {
        return { held: [x, target], apply: () => [noGrad(() => crossEntropy(x, target))] }
      }
      const apply = () => {
        const loss = crossEntropy(x, target)
        loss.backward()
        return [loss, ...taken([x])]
      }
      return { held: [x, target], apply }
    }
  }
}

/** Forward, and with `gradients` backward, anew in each execution. */
function algebra(gpu: Gpu, item: AlgebraCase): Operation {
  const { operation, gradients, shapes } = item
  const inputs = shapes.map((shape, i) => {
    return tensor(input(shape, i + 1).data, [...shape], { gpu, requiresGrad: gradients })
  })
  const found = indicesOf(operation)
  const indices = found && tensor(found, operation === 'gather' ? [found.length, 1] : [found.length], { gpu })
  const run = functionOf(OPERATIONS, item)
  if (!gradients) return { held: [...inputs, ...(indices ? [indices] : [])], apply: () => [run(inputs, indices)] }
  const { shape } = noGrad(() => run(inputs, indices))
  const dy = tensor(input(shape, 4).data, [...shape], { gpu })
  const apply = () => {
    const y = run(inputs, indices)
    y.backward(dy)
    return [y, ...taken(inputs)]
  }
  return { held: [...inputs, ...(indices ? [indices] : []), dy], apply }
}

/** The graph is recorded once and retained: an execution is the operation's backward and nothing else. */
function backward(y: Tensor, dy: Tensor, inputs: readonly Tensor[]): Operation {
  const leaves = inputs.filter((t) => t.requiresGrad)
  const apply = () => {
    y.backward(dy, { retainGraph: true })
    return taken(leaves)
  }
  return { held: [y, dy, ...inputs], apply }
}

/** The gradients, which their owners forget. */
function taken(leaves: readonly Tensor[]): Tensor[] {
  return leaves.map((leaf) => {
    const { grad } = leaf
    leaf.grad = null
    return grad!
  })
}

function execution({ apply, held }: Operation, wait: () => Promise<void>): Execution {
  const once = () => {
    const kept = scope(apply)
    for (const t of kept) t.dispose()
  }
  return {
    async run(n) {
      for (let i = 0; i < n; i++) once()
      await wait()
    },
    async results() {
      const kept = scope(apply)
      const values = await Promise.all(kept.map((t) => t.data()))
      for (const t of kept) t.dispose()
      return values as Float32Array[]
    },
    dispose() {
      for (const t of held) t.dispose()
    },
  }
}
