// A rectangle or triangle found among circles and lines by a new head on MobileNet, after tensorflow/tfjs-examples,
// simple-object-detection.
import { Batches, clamp, mseLoss, nn, noGrad, optim, pad, scope, type Tensor, tensor } from 'dawngrad'

type Point = readonly [x: number, y: number]

/** Draws examples: bytes [3, size, size], and [1 for a rectangle, left, right, top, bottom] of the shape. */
export class ObjectDetectionImageSynthesizer {
  readonly size: number
  readonly random: () => number
  #image = new Uint8Array()

  constructor(size = 224, random: () => number = Math.random) {
    this.size = size
    this.random = random
  }

  generateExample(circles = 10, lines = 10, triangleProbability = 0.5): { image: Uint8Array; target: number[] } {
    this.#image = new Uint8Array(3 * this.size ** 2)
    for (let i = 0; i < circles / 2; i++) this.#circle()
    for (let i = 0; i < lines / 2; i++) this.#line()
    const isRectangle = this.random() > triangleProbability
    const color = this.#color()
    const corners = isRectangle ? this.#rectangle() : this.#triangle()
    this.#paint(color, (x, y) => isInside(corners, x, y))
    for (let i = circles / 2; i < circles; i++) this.#circle()
    for (let i = lines / 2; i < lines; i++) this.#line()
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)]
    const box = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
    return { image: this.#image, target: [Number(isRectangle), ...box] }
  }

  /** In parts of 224, the size of the original. */
  #between(low: number, high: number): number {
    return ((low + (high - low) * this.random()) * this.size) / 224
  }

  #color(): number[] {
    return [0, 1, 2].map(() => Math.round(this.random() * 255))
  }

  #paint(color: number[], covers: (x: number, y: number) => boolean): void {
    const { size } = this
    for (let i = 0; i < size ** 2; i++) {
      if (covers((i % size) + 0.5, Math.floor(i / size) + 0.5)) {
        for (const [channel, value] of color.entries()) this.#image[channel * size ** 2 + i] = value
      }
    }
  }

  #circle(): void {
    const [x, y, radius] = [this.#between(0, 224), this.#between(0, 224), this.#between(5, 20)]
    this.#paint(this.#color(), (px, py) => (px - x) ** 2 + (py - y) ** 2 <= radius ** 2)
  }

  /** One pixel wide. */
  #line(): void {
    const [x, y, toX, toY] = [
      this.#between(0, 224),
      this.#between(0, 224),
      this.#between(0, 224),
      this.#between(0, 224),
    ]
    const [dx, dy] = [toX - x, toY - y]
    this.#paint(this.#color(), (px, py) => {
      const along = Math.min(1, Math.max(0, ((px - x) * dx + (py - y) * dy) / (dx * dx + dy * dy)))
      return (px - x - along * dx) ** 2 + (py - y - along * dy) ** 2 <= 0.25
    })
  }

  #rectangle(): Point[] {
    const [w, h] = [this.#between(40, 100), this.#between(40, 100)]
    const [x, y] = [(this.size - w) * this.random(), (this.size - h) * this.random()]
    return [
      [x, y],
      [x + w, y],
      [x + w, y + h],
      [x, y + h],
    ]
  }

  #triangle(): Point[] {
    const side = this.#between(50, 100)
    const [x, y] = [(this.size - side) * this.random() + side / 2, (this.size - side) * this.random() + side / 2]
    const angle = ((Math.PI * 2) / 3) * this.random() + Math.PI / 2
    const radius = side / 2 / Math.cos(Math.PI / 6)
    return [0, 1, 2].map((k): Point => {
      const turned = angle + (k * Math.PI * 2) / 3
      return [x + Math.cos(turned) * radius, y + Math.sin(turned) * radius]
    })
  }
}

/** Whether a point is on the same side of all edges. */
function isInside(corners: readonly Point[], px: number, py: number): boolean {
  const sides = corners.map(([x, y], i) => {
    const [toX, toY] = corners[(i + 1) % corners.length]!
    return (toX - x) * (py - y) - (toY - y) * (px - x)
  })
  return sides.every((side) => side >= 0) || sides.every((side) => side <= 0)
}

const norm = (channels: number) => new nn.BatchNorm2d(channels, { eps: 1e-3, momentum: 0.01 })

/** Keras pads at the right and at the bottom before a stride of 2. */
const conv = (x: Tensor, layer: nn.Conv2d, bn: nn.BatchNorm2d, stride: number) =>
  clamp(bn.forward(layer.forward(stride === 2 ? pad(x, [0, 1, 0, 1]) : x)), { min: 0, max: 6 })

class Block extends nn.Module {
  readonly stride: number
  readonly depthwise: nn.Conv2d
  readonly depthwiseNorm: nn.BatchNorm2d
  readonly pointwise: nn.Conv2d
  readonly pointwiseNorm: nn.BatchNorm2d

  constructor(from: number, to: number, stride: number) {
    super()
    this.stride = stride
    this.depthwise = new nn.Conv2d(from, from, 3, { stride, padding: 2 - stride, groups: from, bias: false })
    this.depthwiseNorm = norm(from)
    this.pointwise = new nn.Conv2d(from, to, 1, { bias: false })
    this.pointwiseNorm = norm(to)
  }

  override forward(x: Tensor): Tensor {
    return conv(conv(x, this.depthwise, this.depthwiseNorm, this.stride), this.pointwise, this.pointwiseNorm, 1)
  }
}

type BlockSizes = readonly (readonly [channels: number, stride: number])[]

const BLOCKS: BlockSizes = [
  ...([
    [64, 1],
    [128, 2],
    [128, 1],
    [256, 2],
    [256, 1],
    [512, 2],
  ] as const),
  ...Array.from({ length: 5 }, () => [512, 1] as const),
]

/** MobileNet v1 up to conv_pw_11; load its state. */
export class MobileNet extends nn.Module {
  readonly conv: nn.Conv2d
  readonly norm: nn.BatchNorm2d
  readonly blocks: nn.ModuleList<Block>

  constructor({ alpha = 0.25, blocks = BLOCKS } = {}) {
    super()
    const channels = [32, ...blocks.map(([to]) => to)].map((count) => count * alpha)
    this.conv = new nn.Conv2d(3, channels[0]!, 3, { stride: 2, bias: false })
    this.norm = norm(channels[0]!)
    this.blocks = new nn.ModuleList(blocks.map(([, stride], i) => new Block(channels[i]!, channels[i + 1]!, stride)))
  }

  override forward(x: Tensor): Tensor {
    let y = conv(x, this.conv, this.norm, 2)
    for (const block of this.blocks) y = block.forward(y)
    return y
  }
}

export class Detector extends nn.Module {
  readonly base: MobileNet
  readonly head: nn.Sequential

  constructor(base: MobileNet, features = 14 * 14 * 128) {
    super()
    this.base = base
    this.head = new nn.Sequential(new nn.Flatten(), new nn.Linear(features, 200), new nn.ReLU(), new nn.Linear(200, 5))
    for (const p of this.head.parameters()) (p.shape.length > 1 ? nn.init.xavierUniform : nn.init.zeros)(p)
    for (const p of base.parameters()) p.requiresGrad = false
  }

  override forward(images: Tensor): Tensor {
    return this.head.forward(this.base.forward(images))
  }

  /** Lets the 1 × 1 convolutions of the last blocks learn. */
  unfreeze(blocks = 3): void {
    for (const { pointwise, pointwiseNorm } of [...this.base.blocks].slice(-blocks)) {
      for (const p of [...pointwise.parameters(), ...pointwiseNorm.parameters()]) p.requiresGrad = true
    }
  }
}

/** The kind counts as much as places do. */
function customLoss(output: Tensor, target: Tensor, size: number): Tensor {
  return mseLoss(output, target.mul(tensor([size, 1, 1, 1, 1])))
}

export type Example = ReturnType<ObjectDetectionImageSynthesizer['generateExample']>

/** RMSprop on what may learn. Returns the loss of every step, and that of the examples held out after every epoch. */
export async function fitPhase(
  net: Detector,
  examples: readonly Example[],
  { lr = 5e-3, epochs = 100, batchSize = 128, shuffle = true } = {},
) {
  const size = Math.sqrt(examples[0]!.image.length / 3)
  const split = Math.floor(examples.length * 0.85)
  const part = (rows: readonly Example[]) => {
    const pixels = new Uint8Array(rows.length * 3 * size ** 2)
    for (const [i, { image }] of rows.entries()) pixels.set(image, i * image.length)
    const images = { data: pixels, shape: [rows.length, 3, size, size], scale: 1 }
    const targets = { data: Float32Array.from(rows.flatMap(({ target }) => target)), shape: [rows.length, 5] }
    return new Batches({ images, targets }, { batchSize, shuffle })
  }
  const [trained, held] = [part(examples.slice(0, split)), part(examples.slice(split))]
  const parameters = net.parameters().filter((p) => p.requiresGrad)
  const optimizer = new optim.RMSprop(parameters, { lr, alpha: 0.9, eps: 1e-7 })
  const losses = []
  const heldLosses = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < trained.length; i++) {
      const loss = scope(() => {
        const { images, targets } = trained.next()
        const loss = customLoss(net.forward(images), targets, size)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    net.eval()
    let sum = 0
    for (const { images, targets, size: rows } of held) {
      sum += rows * (await noGrad(() => customLoss(net.forward(images), targets, size)).item())
    }
    heldLosses.push(sum / held.size)
    net.train()
  }
  return { losses, heldLosses }
}

/** First the head alone, then the last blocks of the base with it. */
export async function train(
  net: Detector,
  examples: readonly Example[],
  { epochs = 100, batchSize = 128, shuffle = true, tuned = 3 } = {},
) {
  const transfer = await fitPhase(net, examples, { lr: 5e-3, epochs, batchSize, shuffle })
  net.unfreeze(tuned)
  const fineTuning = await fitPhase(net, examples, { lr: 2e-3, epochs, batchSize: batchSize / 2, shuffle })
  return { transfer, fineTuning }
}
