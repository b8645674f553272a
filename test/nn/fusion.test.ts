import { beforeAll, describe, expect, it } from 'vitest'
import { detectAnomaly, manualSeed, nn } from '../../src/node/index.ts'
import { conv2dReluMaxPool2dRow as row } from '../kernels/conv2d_relu_max_pool2d/row.ts'
import { fill } from '../support/arbitraries.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose } from '../support/close.ts'
import { type Gpu, messageOf, type Tensor, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

/** The kernels that are dispatched, by their files' names. */
function kernelsOf(run: () => unknown): string[] {
  const names: string[] = []
  const emit = gpu.emit
  gpu.emit = (kernel, bindings, groups) => {
    names.push(kernel.name.replace('forward_pairs', 'forward')) // how pooling does it is not Sequential's concern
    emit.call(gpu, kernel, bindings, groups)
  }
  try {
    run()
  } finally {
    gpu.emit = emit
  }
  return names
}

const images = () => tensor(new Float32Array(2 * 64).fill(0.5), [2, 1, 8, 8])
const FUSED = ['conv2d_relu_max_pool2d.pack', 'conv2d_relu_max_pool2d.forward']
const PLAIN = ['conv2d.pack_forward', 'conv2d.forward', 'relu.forward', 'max_pool2d.forward']

class OwnConv extends nn.Conv2d {}
class OwnReLU extends nn.ReLU {}
class OwnPool extends nn.MaxPool2d {}

describe('Sequential', () => {
  it.each<[string, () => nn.Module[]]>([
    ['neighbours that match', () => [new nn.Conv2d(1, 2, 3, { padding: 1 }), new nn.ReLU(), new nn.MaxPool2d(2)]],
    [
      'a window and a stride of two numbers',
      () => [new nn.Conv2d(1, 2, 3), new nn.ReLU(), new nn.MaxPool2d([2, 2], { stride: [2, 2] })],
    ],
    ['no bias', () => [new nn.Conv2d(1, 2, 3, { bias: false }), new nn.ReLU(), new nn.MaxPool2d(2)]],
  ])('computes by one operation %s', (_, modules) => {
    const net = new nn.Sequential(...modules())
    expect(kernelsOf(() => net.forward(images()))).toEqual(FUSED)
    const options = { fuse: true }
    expect(kernelsOf(() => new nn.Sequential(...modules(), options).forward(images()))).toEqual(FUSED)
  })

  const conv = () => new nn.Conv2d(1, 2, 3, { padding: 1 })
  it.each<[string, () => nn.Module[]]>([
    ['a window of 3', () => [conv(), new nn.ReLU(), new nn.MaxPool2d(3, { stride: 2 })]],
    ['windows that overlap', () => [conv(), new nn.ReLU(), new nn.MaxPool2d(2, { stride: 1 })]],
    ['windows apart', () => [conv(), new nn.ReLU(), new nn.MaxPool2d(2, { stride: [2, 3] })]],
    ['a padded window', () => [conv(), new nn.ReLU(), new nn.MaxPool2d(2, { padding: [0, 1] })]],
    ['a convolution in steps', () => [new nn.Conv2d(1, 2, 3, { stride: [2, 1] }), new nn.ReLU(), new nn.MaxPool2d(2)]],
    ['a dilated one', () => [new nn.Conv2d(1, 2, 3, { dilation: [1, 2] }), new nn.ReLU(), new nn.MaxPool2d(2)]],
    ["a user's own convolution", () => [new OwnConv(1, 2, 3), new nn.ReLU(), new nn.MaxPool2d(2)]],
    ["a user's own ReLU", () => [conv(), new OwnReLU(), new nn.MaxPool2d(2)]],
    ["a user's own pooling", () => [conv(), new nn.ReLU(), new OwnPool(2)]],
    [
      'a layer with a forward of its own',
      () => {
        const layer = new nn.ReLU()
        layer.forward = (x) => nn.ReLU.prototype.forward.call(layer, x)
        return [conv(), layer, new nn.MaxPool2d(2)]
      },
    ],
  ])('runs layer by layer where there is %s', (_, modules) => {
    expect(kernelsOf(() => new nn.Sequential(...modules()).forward(images()))).toEqual(PLAIN)
  })

  it('runs layer by layer where a convolution has groups', () => {
    const grouped = new nn.Conv2d(2, 2, 3, { groups: 2 })
    const x = tensor(new Float32Array(2 * 64).fill(0.5), [1, 2, 8, 8])
    const net = new nn.Sequential(grouped, new nn.ReLU(), new nn.MaxPool2d(2))
    expect(kernelsOf(() => net.forward(x))).toEqual(PLAIN)
  })

  it('runs layer by layer where something stands between or is missing', () => {
    const between = new nn.Sequential(conv(), new nn.MaxPool2d(2), new nn.ReLU())
    expect(kernelsOf(() => between.forward(images())).sort()).toEqual([...PLAIN].sort())
    expect(kernelsOf(() => new nn.Sequential(conv(), new nn.ReLU()).forward(images()))).toEqual(PLAIN.slice(0, 3))
  })

  it('runs every layer by itself with { fuse: false }', () => {
    const net = new nn.Sequential(conv(), new nn.ReLU(), new nn.MaxPool2d(2), { fuse: false })
    expect(kernelsOf(() => net.forward(images()))).toEqual(PLAIN)
  })

  it('computes Linear and ReLU by one operation, and not a Linear of one’s own', () => {
    class OwnLinear extends nn.Linear {}
    const x = tensor(new Float32Array(8).fill(1), [2, 4])
    const fused = new nn.Sequential(new nn.Linear(4, 3), new nn.ReLU(), new nn.Linear(3, 2))
    expect(kernelsOf(() => fused.forward(x))).toEqual(['linear.forward_direct', 'linear.forward_direct'])
    const own = new nn.Sequential(new OwnLinear(4, 3), new nn.ReLU())
    expect(kernelsOf(() => own.forward(x))).toEqual(['linear.forward_direct', 'relu.forward'])
  })

  const GRADIENT_KERNELS = ['linear.backward_direct', 'linear.backward_direct', 'linear.backward_direct']

  it('takes a dispatch a layer forward and one backward for the linear layers of LeNet', () => {
    const net = new nn.Sequential(
      ...[new nn.Linear(400, 120), new nn.ReLU(), new nn.Linear(120, 84), new nn.ReLU(), new nn.Linear(84, 10)],
    )
    const x = tensor(new Float32Array(256 * 400).fill(1), [256, 400], { requiresGrad: true })
    const dy = tensor(new Float32Array(2560).fill(1), [256, 10])
    let out: Tensor
    expect(
      kernelsOf(() => {
        out = net.forward(x)
      }),
    ).toEqual(GRADIENT_KERNELS.map(() => 'linear.forward_direct'))
    const names = kernelsOf(() => out.backward(dy))
    // On a GPU the partial sums of each are added up.
    expect(names.filter((name) => name !== 'linear.reduce')).toEqual(GRADIENT_KERNELS)
  })

  /** What the layers give for x and dy, one after the other, with and without fusion: bits of all results. */
  const bitsOfBoth = async (layers: () => nn.Module[], features: number, rows: Float32Array, dy?: Float32Array) => {
    const results = []
    for (const fuse of [true, false]) {
      manualSeed(7)
      const net = new nn.Sequential(...layers(), { fuse })
      const x = tensor(rows, [rows.length / features, features], { requiresGrad: true })
      const out = net.forward(x)
      out.backward(tensor(dy ?? fill(out.size, 9, 'normal'), out.shape))
      results.push(await Promise.all([out, x.grad, ...net.parameters().map((t) => t.grad)].map(bitsOf)))
    }
    return results
  }

  // Of widths that are multiples of 4 backward takes the operands as they lie; others it packs.
  it.each<[string, number[], boolean]>([
    ['two layers', [12, 20, 7], false],
    ['two layers and a ReLU after them', [12, 20, 7], true],
    ['one layer and ReLU', [5, 6], true],
    ['three layers, of half a block each', [4, 12, 36, 10], false],
    ['layers that are packed', [7, 21, 9, 5], false],
    ['a packed one between others', [8, 16, 13, 24, 3], true],
  ])('has the bits of each layer by itself: %s', async (_, widths, last) => {
    const layers = () =>
      widths.slice(1).flatMap((O, i) => {
        const layer = new nn.Linear(widths[i]!, O)
        return i + 2 < widths.length || last ? [layer, new nn.ReLU()] : [layer]
      })
    const [fused, plain] = await bitsOfBoth(layers, widths[0]!, fill(70 * widths[0]!, 8, 'normal'))
    expect(fused).toEqual(plain)
  })

  it('has the bits of each layer by itself where a layer is used twice, and where a ReLU is missing', async () => {
    const twice = () => {
      const layer = new nn.Linear(8, 8)
      return [layer, new nn.ReLU(), layer, new nn.ReLU(), new nn.Linear(8, 12), new nn.Linear(12, 8), new nn.ReLU()]
    }
    const [fused, plain] = await bitsOfBoth(twice, 8, fill(40 * 8, 8, 'normal'))
    expect(fused).toEqual(plain)
  })

  it('has the bits of each layer by itself where another module stands in the place of a ReLU', async () => {
    const apart = () => [new nn.Linear(8, 12), new nn.Flatten(), new nn.Linear(12, 4), new nn.ReLU()]
    const [fused, plain] = await bitsOfBoth(apart, 8, fill(40 * 8, 8, 'normal'))
    expect(fused).toEqual(plain)
  })

  // The second layer's input is exactly 0, or NaN, or its gradient infinite: ReLU passes what is not <= 0.
  it.each([8, 7])('lets through what ReLU lets through: %i features', async (width) => {
    const layers = () => {
      const modules = [new nn.Linear(1, width, { bias: false }), new nn.ReLU(), new nn.Linear(width, 2)]
      gpu.write(
        modules[0]!.parameters()[0]!.storage,
        Float32Array.from({ length: width }, (_, i) => (i % 3) - 1),
      )
      return modules
    }
    const rows = Float32Array.of(1, 0, -2, Number.NaN)
    const dy = Float32Array.of(1, 2, 1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 1, 1, 1)
    const [fused, plain] = await bitsOfBoth(layers, 1, rows, dy)
    expect(fused).toEqual(plain)
  })

  it('has the same names and parameters, fused or not', () => {
    const layers = [conv(), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten(), new nn.Linear(32, 2)]
    const [net, plain] = [new nn.Sequential(...layers), new nn.Sequential(...layers, { fuse: false })]
    expect([...net.stateDict().keys()]).toEqual(['0.weight', '0.bias', '4.weight', '4.bias'])
    expect(plain.stateDict()).toEqual(net.stateDict())
    expect(net.namedChildren().map(([name]) => name)).toEqual(['0', '1', '2', '3', '4'])
  })

  it.each([true, false])('computes outputs and gradients within the bound of the reference, fuse: %s', async (fuse) => {
    const given = { ...row.fixed['its second']!, n: 3 }
    const [x, w, b] = row.inputs(given, 'normal')
    const dy = row.forward([x!, w!, b!], given)
    const layer = new nn.Conv2d(6, 16, 5)
    const float32 = (r: { data: Float64Array; shape: number[] }) => tensor(Float32Array.from(r.data), r.shape)
    layer.loadStateDict({ weight: float32(w!), bias: float32(b!) })
    const net = new nn.Sequential(layer, new nn.ReLU(), new nn.MaxPool2d(2), { fuse })
    const input = tensor(Float32Array.from(x!.data), x!.shape, { requiresGrad: true })
    const out = net.forward(input)
    out.backward(float32(dy))
    const expected = row.forward([x!, w!, b!], given)
    expectClose(await values(out), expected, expected.bound, 'out')
    const gradients = row.backward(dy, [x!, w!, b!], given)
    const leaves: readonly Tensor[] = [input, layer.weight, layer.bias!]
    for (const [i, leaf] of leaves.entries()) {
      expectClose(await values(leaf.grad), gradients[i]!, gradients[i]!.bound, row.roles[i]!)
    }
  })

  it('says of which layer an anomaly is', async () => {
    const net = new nn.Sequential(new nn.Sequential(conv(), new nn.ReLU(), new nn.MaxPool2d(2)))
    const [weight] = net.parameters()
    gpu.write(weight!.storage, new Float32Array(weight!.size).fill(1))
    const bad = tensor(new Float32Array(64).fill(3e38), [1, 1, 8, 8], { name: 'images' })
    const thrown = await detectAnomaly(() => net.forward(bad)).catch((error: unknown) => error)
    expect((thrown as Error).message).toBe(
      'conv2dReluMaxPool2d of layer 0.0 (Conv2d), forward: its result [1, 2, 4, 4] is the first tensor with a NaN or infinite value',
    )
  })

  it.each<[string, object, string]>([
    ['an option it does not have', { fused: true }, 'nn.Sequential: unknown option fused; known: fuse'],
    ['a fuse that is no boolean', { fuse: 1 }, 'nn.Sequential: fuse must be true or false, not 1'],
  ])('refuses %s', (_, options, message) => {
    expect(messageOf(() => new nn.Sequential(new nn.ReLU(), options as nn.SequentialOptions))).toBe(message)
  })

  it('takes its options as the last argument only', () => {
    const modules = [{ fuse: false }, new nn.ReLU()] as unknown as nn.Module[]
    expect(messageOf(() => new nn.Sequential(...modules))).toBe('nn.Sequential: argument 0 is not a module')
  })
})
