// The first training steps of an LSTM and of a variational autoencoder, held to PyTorch's float64 losses.
import { beforeAll, expect, it } from 'vitest'
import { bceLoss, crossEntropy, nn, optim, scope, type Tensor, tensor } from '../../src/node/index.ts'
import { boundBesidePytorch } from '../support/close.ts'
import { testGpu } from '../support/gpu.ts'
import { float32Of, int32Of, readSafetensors } from '../support/safetensors.ts'

const file = readSafetensors(new URL('../reference/first_steps.safetensors', import.meta.url))

interface StepsCase {
  readonly name: 'lstm' | 'vae'
  readonly options: { readonly lr: number }
  readonly losses: readonly number[]
  /** The largest distance of PyTorch's float32 losses. */
  readonly float32_deviation: number
}

beforeAll(async () => {
  await testGpu()
})

const given = (name: string) => {
  const { data, shape } = float32Of(file, name)
  return tensor(data, shape)
}

class Reader extends nn.Module {
  readonly lstm = new nn.LSTM(3, 8, { numLayers: 2, batchFirst: true })
  readonly head = new nn.Linear(8, 4)

  override forward(x: Tensor): Tensor {
    const [, [h]] = this.lstm.forward(x)
    return this.head.forward(h.select(0, -1))
  }
}

class Autoencoder extends nn.Module<Record<'restored' | 'mean' | 'logVariance', Tensor>> {
  readonly encoder = new nn.Linear(12, 8)
  readonly mean = new nn.Linear(8, 3)
  readonly log_variance = new nn.Linear(8, 3)
  readonly decoder = new nn.Sequential(new nn.Linear(3, 8), new nn.ReLU(), new nn.Linear(8, 12), new nn.Sigmoid())

  override forward(x: Tensor, noise = x) {
    const hidden = this.encoder.forward(x).relu()
    const [mean, logVariance] = [this.mean.forward(hidden), this.log_variance.forward(hidden)]
    const z = mean.add(noise.mul(logVariance.mul(0.5).exp()))
    return { restored: this.decoder.forward(z), mean, logVariance }
  }
}

/** The network and its loss in a step. */
function networkOf(name: StepsCase['name']): [nn.Module<unknown>, (step: number) => Tensor] {
  const x = given(`${name}.x`)
  if (name === 'lstm') {
    const [net, labels] = [new Reader(), tensor(int32Of(file, 'lstm.labels').data)]
    return [net, () => crossEntropy(net.forward(x), labels)]
  }
  const [net, noise] = [new Autoencoder(), given('vae.noise')]
  const loss = (step: number) => {
    const { restored, mean, logVariance } = net.forward(x, noise.select(0, step))
    const divergence = logVariance.add(1).sub(mean.square()).sub(logVariance.exp()).sum().mul(-0.5)
    return bceLoss(restored, x, { reduction: 'sum' }).add(divergence)
  }
  return [net, loss]
}

const cases = JSON.parse(file.metadata.cases!) as StepsCase[]

it.each(cases.map((one) => [one.name, one] as const))('%s', async (name, { options, losses, float32_deviation }) => {
  const [net, lossOf] = networkOf(name)
  net.loadStateDict(
    Object.fromEntries([...net.namedParameters().keys()].map((key) => [key, given(`${name}.init.${key}`)])),
  )
  const optimizer = new optim.Adam(net.parameters(), options)
  for (const [step, expected] of losses.entries()) {
    const loss = scope(() => {
      const loss = lossOf(step)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    const bound = boundBesidePytorch(float32_deviation, expected)
    expect(Math.abs((await loss.item()) - expected), `step ${step}`).toBeLessThanOrEqual(bound)
  }
})
