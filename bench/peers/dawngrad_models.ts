// dawngrad as a contestant: the training steps.
import type { ImageDataset } from '../../src/data/fashion_mnist.ts'
import type { Gpu } from '../../src/gpu/gpu.ts'
import { capture, crossEntropy, manualSeed, nn, optim, select, type Tensor } from '../../src/index.ts'
import { tensor } from '../../src/tensor/create.ts'
import { Training } from '../training.ts'
import type { Trainer } from './contestant.ts'
import type { Values } from './kernels.ts'
import { type Description, GPT, type Problem, type ProblemName, type Update } from './problems.ts'

/** The last output of an LSTM decides. */
class Classifier extends nn.Module {
  readonly lstm = new nn.LSTM(64, 128)
  readonly fc = new nn.Linear(128, 10)

  override forward(x: Tensor): Tensor {
    const [out] = this.lstm.forward(x)
    return this.fc.forward(select(out, 0, -1))
  }
}

const NETWORKS: Readonly<Record<ProblemName, () => nn.Module>> = {
  lenet: nn.lenet,
  mlp: () =>
    new nn.Sequential(
      new nn.Linear(784, 512),
      new nn.ReLU(),
      new nn.Linear(512, 512),
      new nn.ReLU(),
      new nn.Linear(512, 10),
    ),
  lstm: () => new Classifier(),
  resnet: () => nn.resnet({ width: 16 }),
  gpt: () => nn.gpt(GPT),
}

/** The same weights at every call. */
function network(name: ProblemName): nn.Module {
  manualSeed(0)
  return NETWORKS[name]()
}

/** The problem that all get: the batch, and the weights with which dawngrad begins. */
export async function problemOf(description: Description, dataset: ImageDataset): Promise<Problem> {
  const net = network(description.name)
  const weights = new Map<string, Values>()
  for (const [name, parameter] of net.namedParameters()) {
    weights.set(name, { shape: parameter.shape, data: (await parameter.data()) as Float32Array<ArrayBuffer> })
  }
  net.dispose()
  return { ...description, ...description.batch(description.batchSize, dataset), weights }
}

function optimizerOf(net: nn.Module, update: Update): optim.SGD | optim.AdamW {
  const { rule, ...options } = update
  return rule === 'sgd' ? new optim.SGD(net.parameters(), options) : new optim.AdamW(net.parameters(), options)
}

/** A step as a captured function. `Gpu.read` sleeps by itself: the rest that the others are given is not needed. */
export function trainer(gpu: Gpu, { name, input, labels, classes, update }: Problem): Trainer {
  const net = network(name)
  const optimizer = optimizerOf(net, update)
  const x = tensor(input.data, [...input.shape], { gpu })
  const target = tensor(labels, [labels.length], { gpu })
  const plan = capture(() => {
    const loss = crossEntropy(net.forward(x).reshape([-1, classes]), target)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  return {
    async run(n) {
      plan.run(n)
      return plan.result.item()
    },
    dispose() {
      plan.dispose()
      optimizer.dispose()
      for (const { grad } of net.parameters()) grad?.dispose()
      net.dispose()
      for (const t of [x, target]) t.dispose()
    },
  }
}

/** LeNet's step with all that training does: it gathers its batch, sums loss and accuracy, and looks for NaN. */
export function lenetTrainer(gpu: Gpu, dataset: ImageDataset, { batchSize }: Problem): Trainer {
  const training = new Training(gpu, dataset, { batchSize })
  return {
    async run(n) {
      training.run(n)
      return training.meanLoss()
    },
    dispose: () => training.dispose(),
  }
}
