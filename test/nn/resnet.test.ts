// nn.resnet: torchvision's names, PyTorch's first steps, both modes, captured or not, and its initial values.
import { beforeAll, expect, it } from 'vitest'
import {
  capture,
  crossEntropy,
  detectAnomaly,
  manualSeed,
  nn,
  optim,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose, UNIT_ROUNDOFF } from '../support/close.ts'
import { fill } from '../support/fill.ts'
import { testGpu, values } from '../support/gpu.ts'
import { float32Of, int32Of, readSafetensors } from '../support/safetensors.ts'

beforeAll(testGpu)

const STEPS = 5
const file = readSafetensors(new URL('../reference/resnet.safetensors', import.meta.url))

/** How much further than PyTorch's float32 we may be from float64: our sums have another order, and WGSL's roots are less exact. */
const FURTHER = 16

interface NetworkCase {
  readonly name: string
  readonly options: nn.ResNetOptions
  /** Of the whole state, in PyTorch's order. */
  readonly names: readonly string[]
}

/** Holds float32 values to PyTorch's in float64. */
function expectNear(actual: Float32Array, name: string, key: string): void {
  const [rounded, exact] = ['float32', 'float64'].map((precision) =>
    Float64Array.from(file.tensors.get(`${name}.${precision}.${key}`)!.data as Float64Array),
  ) as [Float64Array, Float64Array]
  const deviation = Math.max(...exact.map((v, i) => Math.abs(v - rounded[i]!)))
  const bound = FURTHER * deviation + 4 * UNIT_ROUNDOFF * Math.max(...exact.map(Math.abs))
  expectClose(actual, exact, () => bound, `${name}: ${key}`)
}

it.each((JSON.parse(file.metadata.cases!) as NetworkCase[]).map((c) => [c.name, c] as const))(
  'takes PyTorch’s first steps, eager and captured: %s',
  async (name, { options, names }) => {
    const stored = (key: string) => float32Of(file, `${name}.${key}`)
    const images = tensor(stored('images').data, stored('images').shape)
    const labels = tensor(int32Of(file, `${name}.labels`).data)
    const made = () => {
      const net = nn.resnet(options)
      const state = net.stateDict()
      expect([...state.keys()]).toEqual(names)
      const given = names
        .filter((key) => !key.endsWith('num_batches_tracked'))
        .map((key) => [key, stored(`init.${key}`)] as const)
      net.loadStateDict(
        new Map([...state, ...given.map(([key, { data, shape }]) => [key, tensor(data, shape)] as const)]),
      )
      const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
      const step = () => {
        const loss = crossEntropy(net.forward(images), labels)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      }
      return { net, step }
    }
    const finished = async (net: nn.Module) => {
      const logits = net.eval().forward(images)
      return { logits, bits: [await bitsOf(logits), ...(await Promise.all([...net.stateDict().values()].map(bitsOf)))] }
    }

    const eager = made()
    const losses = new Float32Array(STEPS)
    for (let i = 0; i < STEPS; i++) losses[i] = await eager.step().item()
    expectNear(losses, name, 'losses')
    const { logits, bits } = await finished(eager.net)
    expectNear(await values(logits), name, 'logits')
    expectNear(await values(eager.net.stateDict().get('bn1.running_var')!), name, 'running_var')

    const captured = made()
    const plan = capture(captured.step)
    const again = new Float32Array(STEPS)
    for (let i = 0; i < STEPS; i++) {
      plan.run()
      again[i] = await plan.result.item()
    }
    plan.dispose()
    expect(again).toEqual(losses)
    expect((await finished(captured.net)).bits).toEqual(bits)
    const evaluation = capture(() => captured.net.forward(images))
    evaluation.run()
    expect(await bitsOf(evaluation.result)).toEqual(bits[0])
    evaluation.dispose()
  },
)

it('gives the features of images where its last layer is the identity', async () => {
  const net = nn.resnet({ inChannels: 1, width: 2, blocks: [1, 1], classes: 3 })
  const [last, images] = [net.fc, tensor(fill(2 * 64, 1, 'normal'), [2, 1, 8, 8])]
  const logits = await net.forward(images).data()
  net.fc = new nn.Identity()
  const features = net.forward(images)
  expect(features.shape).toEqual([2, 4])
  expect(await last.forward(features).data()).toEqual(logits)
  expect([...net.namedParameters().keys()]).not.toContain('fc.weight')
})

it('has the layers of resnet18, and names them in errors', async () => {
  const net = nn.resnet({ width: 2 })
  expect(net.stateDict().size).toBe(122)
  expect([...net.namedModules().keys()].filter((path) => path.endsWith('downsample.0'))).toEqual([
    'layer2.0.downsample.0',
    'layer3.0.downsample.0',
    'layer4.0.downsample.0',
  ])
  expect(net.forward(tensor(new Float32Array(2 * 3 * 8 * 8), [2, 3, 8, 8])).shape).toEqual([2, 10])
  const weight = net.stateDict().get('layer3.1.conv2.weight') as Tensor
  weight.gpu.write(weight.storage, Float32Array.of(Number.NaN))
  await expect(
    detectAnomaly(() => net.eval().forward(tensor(new Float32Array(3 * 64).fill(1), [1, 3, 8, 8]))),
  ).rejects.toThrow('layer3.1.conv2')
})

it('begins with weights of variance 2 / fan out', async () => {
  manualSeed(3)
  const net = nn.resnet({ width: 32, blocks: [1, 1] })
  const weights = await values(net.stateDict().get('layer2.0.conv1.weight')!)
  const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length
  const variance = weights.reduce((sum, w) => sum + (w - mean) ** 2, 0) / weights.length
  // 18,432 draws: the standard errors are 0.7 % of the deviation, and 1 % of the variance.
  expect(Math.abs(mean) / Math.sqrt(2 / 576)).toBeLessThan(0.03)
  expect(Math.abs(variance / (2 / 576) - 1)).toBeLessThan(0.04)
})
