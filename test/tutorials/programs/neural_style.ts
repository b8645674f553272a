// Pictures in the style of another one, by a network that learns to please a second one. After fast_neural_style of pytorch/examples.
import {
  type Batches,
  type BatchField,
  capture,
  interpolate,
  mseLoss,
  nn,
  noGrad,
  optim,
  pad,
  relu,
  scope,
  type Tensor,
  tensor,
} from 'dawngrad'

/** Pictures of [rows, 3, H, W] with values from 0 to 255. */
export type Pictures = Batches<{ images: BatchField }>

/** A convolution whose border is the picture reflected; `upsample` enlarges the picture first. */
class ConvLayer extends nn.Module {
  readonly conv2d: nn.Conv2d
  readonly padding: readonly [number, number, number, number]
  readonly upsample: number

  constructor(from: number, to: number, kernelSize: number, { stride = 1, upsample = 1 } = {}) {
    super()
    this.conv2d = new nn.Conv2d(from, to, kernelSize, { stride })
    const side = Math.floor(kernelSize / 2)
    this.padding = [side, side, side, side]
    this.upsample = upsample
  }

  override forward(x: Tensor): Tensor {
    const large = this.upsample === 1 ? x : interpolate(x, { scale: this.upsample })
    return this.conv2d.forward(pad(large, this.padding, { mode: 'reflect' }))
  }
}

class ResidualBlock extends nn.Module {
  readonly conv1: ConvLayer
  readonly in1: nn.InstanceNorm2d
  readonly conv2: ConvLayer
  readonly in2: nn.InstanceNorm2d

  constructor(channels: number) {
    super()
    this.conv1 = new ConvLayer(channels, channels, 3)
    this.in1 = new nn.InstanceNorm2d(channels, { affine: true })
    this.conv2 = new ConvLayer(channels, channels, 3)
    this.in2 = new nn.InstanceNorm2d(channels, { affine: true })
  }

  override forward(x: Tensor): Tensor {
    const y = relu(this.in1.forward(this.conv1.forward(x)))
    return this.in2.forward(this.conv2.forward(y)).add(x)
  }
}

/** Pictures to pictures of the same size, whose height and width are multiples of 4. */
export function transformerNet(width = 32): nn.Sequential {
  const block = (from: number, to: number, kernelSize: number, options?: { stride?: number; upsample?: number }) => [
    new ConvLayer(from, to, kernelSize, options),
    new nn.InstanceNorm2d(to, { affine: true }),
    new nn.ReLU(),
  ]
  return new nn.Sequential(
    ...block(3, width, 9),
    ...block(width, width * 2, 3, { stride: 2 }),
    ...block(width * 2, width * 4, 3, { stride: 2 }),
    ...Array.from({ length: 5 }, () => new ResidualBlock(width * 4)),
    ...block(width * 4, width * 2, 3, { upsample: 2 }),
    ...block(width * 2, width, 3, { upsample: 2 }),
    new ConvLayer(width, 3, 9),
  )
}

/** What VGG-16 sees in pictures, after the last relu of each of its first four stages. Names are torchvision's: load its weights. */
export class Vgg16 extends nn.Module<Tensor[]> {
  readonly features: nn.ModuleList<nn.Module>
  readonly mean = tensor([0.485, 0.456, 0.406], [3, 1, 1])
  readonly std = tensor([0.229, 0.224, 0.225], [3, 1, 1])

  constructor(width = 64) {
    super()
    let channels = 3
    const stages = [2, 2, 3, 3].map((convolutions, stage) => {
      const layers = Array.from({ length: convolutions }, () => {
        const from = channels
        channels = width * 2 ** stage
        return [new nn.Conv2d(from, channels, 3, { padding: 1 }), new nn.ReLU()]
      }).flat()
      return stage === 0 ? layers : [new nn.MaxPool2d(2), ...layers]
    })
    this.features = new nn.ModuleList(stages.flat())
  }

  override forward(images: Tensor): Tensor[] {
    let x = images.div(255).sub(this.mean).div(this.std)
    const seen = []
    for (const [i, layer] of [...this.features].entries()) {
      x = layer.forward(x)
      if ([3, 8, 15, 22].includes(i)) seen.push(x)
    }
    return seen
  }
}

/** How channels go together, [N, C, C]. */
export function gramMatrix(y: Tensor): Tensor {
  const [n, c, h, w] = y.shape as [number, number, number, number]
  const features = y.reshape([n, c, h * w])
  return features.matmul(features, { transposeB: true }).div(c * h * w)
}

/** Trains the network on pictures; `style` is [1, 3, H, W]. Returns the losses by content and by style of all steps. */
export async function train(
  transformer: nn.Module,
  vgg: Vgg16,
  style: Tensor,
  data: Pictures,
  { epochs = 2, lr = 1e-3, contentWeight = 1e5, styleWeight = 1e10 } = {},
) {
  for (const p of vgg.parameters()) p.requiresGrad = false
  const optimizer = new optim.Adam(transformer.parameters(), { lr })
  const grams = scope(() => vgg.forward(style).map((y) => gramMatrix(y).expand([data.batchSize, -1, -1])))
  const step = capture(() => {
    const x = data.next().images
    const ofY = vgg.forward(transformer.forward(x))
    const content = mseLoss(ofY[1]!, vgg.forward(x)[1]!).mul(contentWeight)
    const styles = ofY.map((y, i) => mseLoss(gramMatrix(y), grams[i]!))
    const ofStyle = styles.reduce((sum, loss) => sum.add(loss)).mul(styleWeight)
    optimizer.zeroGrad()
    content.add(ofStyle).backward()
    optimizer.step()
    return [content, ofStyle] as const
  })
  const history = []
  for (let i = 0; i < epochs * data.length; i++) {
    step.run()
    history.push({ content: await step.result[0].item(), style: await step.result[1].item() })
  }
  return history
}

/** A picture in the style, with values from 0 to 255. */
export const stylize = (transformer: nn.Module, image: Tensor) =>
  scope(() => noGrad(() => transformer.forward(image).clamp({ min: 0, max: 255 })))
