// Whether two digits are the same, by one residual network for both, after siamese_network of pytorch/examples.
import { Batches, bceLoss, cat, gt, nn, noGrad, optim, sched, scope, type Tensor, where } from 'dawngrad'

export class SiameseNetwork extends nn.Module {
  readonly resnet: nn.ResNet
  readonly fc: nn.Sequential

  constructor({ width = 64, blocks = [2, 2, 2, 2] } = {}) {
    super()
    this.resnet = nn.resnet({ inChannels: 1, width, blocks, stem: 'imagenet' })
    this.resnet.fc = new nn.Identity()
    const features = width * 2 ** (blocks.length - 1)
    this.fc = new nn.Sequential(new nn.Linear(features * 2, 256), new nn.ReLU(), new nn.Linear(256, 1))
    this.fc.apply((layer) => {
      if (!(layer instanceof nn.Linear)) return
      nn.init.xavierUniform(layer.weight)
      nn.init.constant(layer.bias!, 0.01)
    })
  }

  /** The probability that the digits of two images [N, 1, H, W] are the same, [N]. */
  override forward(first: Tensor, second = first): Tensor {
    const features = cat([this.resnet.forward(first), this.resnet.forward(second)], 1)
    return this.fc.forward(features).sigmoid().squeeze(1)
  }
}

/** As many pairs as there are images, by number: in turn of the same digit and of different ones, with 1 or 0 as the target. */
export function pairs(labels: ArrayLike<number>, { batchSize = 64, random = Math.random, seed = 0 } = {}) {
  const grouped = Array.from({ length: 10 }, (): number[] => [])
  for (let i = 0; i < labels.length; i++) grouped[labels[i]!]!.push(i)
  const classes = grouped.filter((group) => group.length > 1)
  const below = (n: number) => Math.floor(random() * n)
  /** One of a list, but not this one. */
  const other = <T>(list: readonly T[], not: T) => list[(list.indexOf(not) + 1 + below(list.length - 1)) % list.length]!
  const all = Array.from(labels, (_, i) => {
    const group = classes[below(classes.length)]!
    const first = group[below(group.length)]!
    const target = 1 - (i % 2)
    const different = () => {
      const own = other(classes, group)
      return own[below(own.length)]!
    }
    return { first, second: target === 1 ? other(group, first) : different(), target }
  })
  const first = Int32Array.from(all, (pair) => pair.first)
  const second = Int32Array.from(all, (pair) => pair.second)
  const target = Float32Array.from(all, (pair) => pair.target)
  return new Batches({ first, second, target }, { batchSize, seed })
}

type Pairs = ReturnType<typeof pairs>

/** Trains on new pairs in every epoch. Returns all losses, and what the test gave after each epoch. */
export async function train(
  net: SiameseNetwork,
  images: Tensor,
  draw: (epoch: number) => Pairs,
  held: { readonly images: Tensor; readonly pairs: Pairs },
  { epochs = 14, lr = 1, gamma = 0.7 } = {},
) {
  const optimizer = new optim.Adadelta(net.parameters(), { lr })
  const scheduler = new sched.Scheduler(optimizer, sched.stepLR({ lr, stepSize: 1, gamma }))
  const losses = []
  const tests = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    const data = draw(epoch)
    for (let i = 0; i < data.length; i++) {
      const loss = scope(() => {
        const { first, second, target } = data.next()
        const loss = bceLoss(net.forward(images.indexSelect(0, first), images.indexSelect(0, second)), target)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    tests.push(await test(net, held.images, held.pairs))
    scheduler.step()
  }
  return { losses, tests }
}

/** The mean loss of pairs, and the part of them that are told right. */
export async function test(net: SiameseNetwork, images: Tensor, pairs: Pairs) {
  net.eval()
  let [loss, correct] = [0, 0]
  for (let i = 0; i < pairs.length; i++) {
    const [sum, hits] = scope(() => {
      const { first, second, target } = pairs.next()
      const output = noGrad(() => net.forward(images.indexSelect(0, first), images.indexSelect(0, second)))
      const right = where(gt(output, 0.5), 1, 0).eq(target)
      return [bceLoss(output, target, { reduction: 'sum' }), where(right, 1, 0).sum()] as const
    })
    loss += await sum.item()
    correct += await hits.item()
  }
  net.train()
  return { loss: loss / pairs.epochSize, accuracy: correct / pairs.epochSize }
}
