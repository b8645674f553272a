import { beforeAll, describe, expect, it } from 'vitest'
import { fashionMnistSearch, findFashionMnist } from '../../src/node/fashion_mnist.ts'
import {
  crossEntropy,
  ImageBatches,
  loadFashionMnist,
  nn,
  optim,
  scope,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { testGpu, values } from '../support/gpu.ts'
import { float32Of, readSafetensors, type StoredFile } from '../support/safetensors.ts'

const directory = new URL('../reference/', import.meta.url)
const lenet = readSafetensors(new URL('lenet.safetensors', directory))
const epoch = readSafetensors(new URL('epoch.safetensors', directory))

interface SgdCase {
  name: string
  options: { lr: number; momentum?: number; nesterov?: boolean; weight_decay?: number; dampening?: number }
  steps: number
  losses: number[]
}

const hasData = await findFashionMnist(fashionMnistSearch()).then(
  () => true,
  () => false,
)

beforeAll(testGpu)

function initialNet(file: StoredFile): nn.Sequential {
  const net = nn.lenet()
  scope(() => {
    const state = [...net.namedParameters().keys()].map((name) => {
      const { shape, data } = float32Of(file, `init.${name}`)
      return [name, tensor(data, shape)] as const
    })
    net.loadStateDict(new Map(state))
  })
  return net
}

/** The stored batch; PyTorch scaled it as float32(byte) / 255. */
function batch() {
  const images = Float32Array.from(lenet.tensors.get('images')!.data as Uint8Array, (byte) => byte / 255)
  const labels = lenet.tensors.get('labels')!.data as Uint8Array
  return { images: tensor(images, [256, 1, 28, 28]), labels: tensor(labels) }
}

/** |a - b| over the whole tensor relative to |b|: sums of thousands of terms, where single elements may cancel. */
function distance(actual: Float32Array, expected: ArrayLike<number>): number {
  let difference = 0
  let norm = 0
  actual.forEach((v, i) => {
    difference += (v - expected[i]!) ** 2
    norm += expected[i]! ** 2
  })
  return Math.sqrt(difference / norm)
}

describe('LeNet against PyTorch, on a real batch of 256', () => {
  it('has its logits, loss and every gradient', async () => {
    const net = initialNet(lenet)
    const { images, labels } = batch()
    const logits = net.forward(images)
    const loss = crossEntropy(logits, labels)
    loss.backward()
    // float32 with sums of up to 50,000 terms in another order: 1e-5 is some 30 times what is seen, and a thousandth of
    // what one wrong tap or a missing row would do.
    expect(distance(await values(logits), float32Of(lenet, 'logits').data)).toBeLessThan(1e-5)
    expect(Math.abs((await loss.item()) - float32Of(lenet, 'loss').data[0]!)).toBeLessThan(1e-6)
    for (const [name, parameter] of net.namedParameters()) {
      const gradient = float32Of(lenet, `grad.${name}`).data
      expect(distance(await values(parameter.grad), gradient), name).toBeLessThan(1e-5)
    }
  })

  const cases = JSON.parse(lenet.metadata.cases!) as SgdCase[]
  it.each(cases)('follows ten steps of SGD: $name', async ({ name, options, steps, losses }) => {
    const net = initialNet(lenet)
    const { lr, momentum = 0, nesterov = false, weight_decay = 0, dampening = 0 } = options
    const optimizer = new optim.SGD(net.parameters(), { lr, momentum, nesterov, weightDecay: weight_decay, dampening })
    const { images, labels } = batch()
    for (let step = 0; step < steps; step++) {
      const loss = scope(() => {
        const loss = crossEntropy(net.forward(images), labels)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      expect(Math.abs((await loss.item()) - losses[step]!), `loss of step ${step}`).toBeLessThan(1e-5)
    }
    for (const [parameterName, parameter] of net.namedParameters()) {
      const expected = float32Of(lenet, `${name}.${parameterName}`).data
      expect(distance(await values(parameter), expected), parameterName).toBeLessThan(1e-5)
    }
  })
})

describe.skipIf(!hasData)('an epoch of Fashion-MNIST against PyTorch', () => {
  const expected = float32Of(epoch, 'losses').data

  /** The losses of the first `steps` steps, in PyTorch's order of the images. */
  async function losses(steps: number): Promise<number[]> {
    const { train } = await loadFashionMnist()
    const batches = new ImageBatches(train)
    batches.setOrder(Uint32Array.from(epoch.tensors.get('permutation')!.data as Int32Array))
    const net = initialNet(epoch)
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const found: Tensor[] = []
    for (let i = 0; i < steps; i++) {
      const loss = scope(() => {
        const { images, labels } = batches.batch(i)
        const loss = crossEntropy(net.forward(images), labels)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      found.push(loss)
    }
    const values: number[] = []
    for (const loss of found) {
      values.push(await loss.item())
      loss.dispose()
    }
    batches.dispose()
    return values
  }

  // SwiftShader takes over a second for a step, and minutes for the whole epoch: there the first losses have to do.
  let slow = false
  let found: number[] = []
  beforeAll(async () => {
    slow = (await testGpu()).info.adapterSource === 'swiftshader'
    found = await losses(slow ? 20 : 235) // a step takes SwiftShader two seconds
  }, 180_000)

  // Rounding grows as the plateau at 2.3 is left: float32 and float64 agree to 4e-7 over 50 steps and then part. Those
  // 50 pin the order of the data, scaling, initial values, forward, backward and update; later only the level is held.
  it('has the first 50 losses within 1e-4, 20 on SwiftShader', () => {
    found.slice(0, 50).forEach((loss, i) => {
      expect(Math.abs(loss - expected[i]!), `loss of step ${i}`).toBeLessThan(1e-4)
    })
  })

  it('ends at its level', ({ skip }) => {
    skip(slow, 'SwiftShader takes minutes for an epoch')
    const level = (all: ArrayLike<number>) => {
      const last = Array.from(all).slice(-35)
      return last.reduce((sum, loss) => sum + loss, 0) / last.length
    }
    expect(Math.abs(level(found) / level(expected) - 1)).toBeLessThan(0.2)
  })
})
