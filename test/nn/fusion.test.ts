import { beforeAll, describe, expect, it } from 'vitest'
import { detectAnomaly, nn } from '../../src/node/index.ts'
import { conv2dReluMaxPool2dRow as row } from '../operations/conv2d_relu_max_pool2d.ts'
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
    names.push(kernel.name)
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
    expect(messageOf(() => new nn.Sequential(...modules))).toBe('nn.Sequential: argument 0 is no module')
  })
})
