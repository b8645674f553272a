// The reference trains LeNet as PyTorch does.
import { beforeAll, describe, expect, it } from 'vitest'
import { conv2d, conv2dBackward } from '../kernels/conv2d/reference.ts'
import { crossEntropy, crossEntropyBackward } from '../kernels/cross_entropy/reference.ts'
import { linear, linearBackward } from '../kernels/linear/reference.ts'
import { maxPool2d, maxPool2dBackward } from '../kernels/max_pool2d/reference.ts'
import { type SgdOptions, sgdStep } from '../kernels/sgd/reference.ts'
import { relu, reluBackward } from '../kernels/unary/reference.ts'
import { expectClose } from '../support/close.ts'
import { type Ref, ref } from '../support/ref.ts'
import { float32Of, readSafetensors } from '../support/safetensors.ts'

const file = readSafetensors(new URL('../reference/lenet.safetensors', import.meta.url))
const cases = JSON.parse(file.metadata.cases!) as { name: string; options: Record<string, number>; losses: number[] }[]
const PAD = { stride: [1, 1], padding: [2, 2], dilation: [1, 1] } as const
const PLAIN = { stride: [1, 1], padding: [0, 0], dilation: [1, 1] } as const
const POOL = { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] } as const
const NAMES = ['0', '3', '7', '9', '11'].flatMap((layer) => [`${layer}.weight`, `${layer}.bias`])

type Parameters = Map<string, Ref>

function bytes(name: string): { shape: number[]; data: Uint8Array } {
  const tensor = file.tensors.get(name)
  if (tensor?.dtype !== 'U8') throw new Error(`The file has no bytes '${name}'`)
  return tensor
}

// The stored batch was scaled in float32 before the float64 arithmetic began.
const pixels = bytes('images')
const images = ref(
  pixels.shape,
  Float64Array.from(pixels.data, (b) => Math.fround(b / 255)),
)
const labels = bytes('labels').data

const initial: Parameters = new Map(
  NAMES.map((name) => {
    const { shape, data } = float32Of(file, `init.${name}`)
    return [name, ref(shape, data)]
  }),
)

/** LeNet on the stored batch: the loss, the logits, and the values that the gradients need. */
function forward(p: Parameters) {
  const get = (name: string) => p.get(name)!
  const c1 = conv2d(images, get('0.weight'), get('0.bias'), PAD)
  const p1 = maxPool2d(relu(c1), POOL)
  const c2 = conv2d(p1, get('3.weight'), get('3.bias'), PLAIN)
  const p2 = maxPool2d(relu(c2), POOL)
  const flat = ref([256, 400], p2.data)
  const l1 = linear(flat, get('7.weight'), get('7.bias'))
  const r1 = relu(l1)
  const l2 = linear(r1, get('9.weight'), get('9.bias'))
  const r2 = relu(l2)
  const logits = linear(r2, get('11.weight'), get('11.bias'))
  return { c1, p1, c2, p2, flat, l1, r1, l2, r2, logits, loss: crossEntropy(logits, labels, 'mean') }
}

/** The gradients of the loss, by parameter names. */
function backward(p: Parameters, v: ReturnType<typeof forward>): Parameters {
  const get = (name: string) => p.get(name)!
  const g11 = linearBackward(crossEntropyBackward(ref([], [1]), v.logits, labels, 'mean'), v.r2, get('11.weight'))
  const g9 = linearBackward(reluBackward(g11.input, v.l2), v.r1, get('9.weight'))
  const g7 = linearBackward(reluBackward(g9.input, v.l1), v.flat, get('7.weight'))
  const unpooled2 = maxPool2dBackward(ref(v.p2.shape, g7.input.data), v.p2.indices, v.c2.shape)
  const g3 = conv2dBackward(reluBackward(unpooled2, v.c2), v.p1, get('3.weight'), PLAIN)
  const unpooled1 = maxPool2dBackward(g3.input, v.p1.indices, v.c1.shape)
  const g0 = conv2dBackward(reluBackward(unpooled1, v.c1), images, get('0.weight'), PAD)
  const grads: Parameters = new Map()
  for (const [layer, grad] of Object.entries({ 0: g0, 3: g3, 7: g7, 9: g9, 11: g11 })) {
    grads.set(`${layer}.weight`, grad.weight)
    grads.set(`${layer}.bias`, grad.bias)
  }
  return grads
}

/** As stored in float32, after float64 sums whose order may differ by 1e-12 of the largest value. */
function expectRounded(name: string, value: Ref): void {
  const largest = value.data.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  const bound = (i: number) => 2 ** -24 * Math.abs(value.data[i]!) + 1e-12 * largest
  expectClose(float32Of(file, name).data, value, bound, name)
}

describe('the reference trains LeNet as PyTorch does', () => {
  let first: ReturnType<typeof forward>
  let firstGrads: Parameters
  beforeAll(() => {
    first = forward(initial)
    firstGrads = backward(initial, first)
  })

  it('loss, logits and gradients', () => {
    expectRounded('loss', ref([1], first.loss.data))
    expectRounded('logits', first.logits)
    for (const name of NAMES) expectRounded(`grad.${name}`, firstGrads.get(name)!)
  })

  // Two steps, since the second is the first with a momentum buffer, of the two cases that use every option stored.
  it.each(['sgd2', 'sgd3'])('%s: the losses of the first steps', (name) => {
    const { options, losses } = cases.find((c) => c.name === name)!
    const { weight_decay: weightDecay, nesterov, ...rest } = options
    const settings = { ...rest, weightDecay, nesterov: Boolean(nesterov) } as SgdOptions
    let params = initial
    let grads = firstGrads
    const buffers = new Map<string, Ref | null>()
    for (const step of [1, 2]) {
      const updated: Parameters = new Map()
      for (const key of NAMES) {
        const result = sgdStep(params.get(key)!, grads.get(key)!, buffers.get(key) ?? null, settings)
        updated.set(key, result.param)
        buffers.set(key, result.buffer)
      }
      params = updated
      const values = forward(params)
      expect(Math.abs(values.loss.data[0]! - losses[step]!)).toBeLessThan(1e-12)
      if (step === 1) grads = backward(params, values)
    }
  })
})
