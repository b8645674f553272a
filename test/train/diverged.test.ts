// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../src/kernels/fill.ts'
import {
  apply,
  ImageBatches,
  nn,
  type Op,
  optim,
  scope,
  setDetectAnomaly,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { DivergedError, evaluate, type FitOptions, fit, Meter } from '../../src/train/index.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const CLASSES = 3
/** 121 updates of two images and one of one: more than the loop runs ahead. */
const COUNT = 243
const STEPS = 122

function batches(): ImageBatches {
  const images = Uint8Array.from({ length: COUNT * 784 }, (_, i) => (i * 37) % 256)
  const labels = Uint8Array.from({ length: COUNT }, (_, i) => 1 + (i % 2)) // never 0: see `apart`
  const classes = Array<string>(CLASSES).fill('')
  return new ImageBatches(
    { images, labels, count: COUNT, channels: 1, height: 28, width: 28, classes },
    { batchSize: 2 },
  )
}

/** Hands its input on; at one call of forward or backward it gives something else. */
interface Fault {
  readonly at: number
  readonly what: 'forward' | 'backward' | 'none'
  readonly value: (like: Tensor) => Tensor
}

class Faulty extends nn.Module {
  readonly hidden = new nn.Linear(784, 5)
  readonly last = new nn.Linear(5, CLASSES)
  readonly #fault: Fault
  #calls = 0

  constructor(fault: Fault) {
    super()
    this.#fault = fault
  }

  override forward(x: Tensor): Tensor {
    const call = ++this.#calls
    const { at, what, value } = this.#fault
    const same = (t: Tensor) => t.detach()
    const op: Op<readonly [Tensor], null> = {
      name: 'fault',
      shape: ([t]) => t.shape,
      forward: (_, [t]) => ({ out: what === 'forward' && call === at ? value(t) : same(t), saved: [] }),
      backward: (_, dy) => [what === 'backward' && call === at ? value(dy) : same(dy)],
    }
    return apply(op, [this.last.forward(this.hidden.forward(x.flatten()))], null)
  }
}

const NOTHING: Fault = { at: 0, what: 'none', value: (t) => t }

async function diverges(fault: Fault, options: Partial<FitOptions> = {}, lrAt = (_: number) => 0.01) {
  const net = new Faulty(fault)
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.01 })
  const [train, test] = [batches(), batches()]
  const seen: number[] = []
  try {
    await fit(net, {
      data: { train, test },
      optimizer,
      epochs: 1,
      seed: 1,
      schedule: lrAt,
      schedulePer: 'step',
      capture: fault === NOTHING, // a fault comes at one call of forward
      callbacks: [
        {
          onProgress: ({ step }) => {
            seen.push(step)
          },
        },
      ],
      ...options,
    })
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error
    return { error, seen }
  } finally {
    optimizer.dispose()
    net.dispose()
    for (const set of [train, test]) set.dispose()
  }
  return expect.fail('nothing was thrown')
}

const cure =
  "a smaller --lr, or a warm-up such as --schedule 'warmup(constant, steps=5)', keeps it finite; " +
  'in code, detectAnomaly names the operation'
const nan = (t: Tensor) => full(gpu, t.shape, Number.NaN)
const infinite = (t: Tensor) => full(gpu, t.shape, Number.NEGATIVE_INFINITY)
/** Finite logits whose loss is infinite for every label but 0, with a finite gradient. */
const apart = (t: Tensor) =>
  tensor(
    Float32Array.from({ length: t.size }, (_, i) => (i % CLASSES === 0 ? 3e38 : -3e38)),
    t.shape,
  )
/** In the gradient of the logits, the bias of the last layer is the first parameter to see it. */
const LAST = 'gradient of last.bias'

describe('a run stops with the step at which numbers ceased to be finite, however far it ran ahead:', () => {
  it.each([
    ['logits', 'forward', nan, [1, 37, 121, 122]],
    ['logits', 'forward', infinite, [2]],
    ['loss', 'forward', apart, [70]],
    [LAST, 'backward', nan, [1, 37]],
    [LAST, 'backward', infinite, [122]],
  ] as const)('the %s, %s', async (name, what, value, places) => {
    for (const at of places) {
      const { error } = await diverges({ at, what, value })
      expect(error).toMatchObject({ what: name, epoch: 0, step: at, lr: 0.01 })
      expect(error.message).toBe(
        `the ${name} became NaN or infinite at step ${at} (epoch 1, learning rate 0.01): ${cure}`,
      )
    }
  })

  it('a parameter that overflows in its update; the rate is that of the step', async () => {
    const { error } = await diverges(NOTHING, {}, (t) => (t === 40 ? 1e300 : 0.25))
    expect(error).toMatchObject({ what: 'parameter hidden.weight', epoch: 0, step: 41, lr: 1e300 })
  })

  it('in a later epoch', async () => {
    const at = STEPS + 62 + 1 // and the evaluation's forwards, one for each batch, come between
    const { error } = await diverges({ at: at + STEPS, what: 'forward', value: nan }, { epochs: 3 })
    expect(error).toMatchObject({ what: 'logits', epoch: 1, step: at })
    expect(error.message).toContain(`at step ${at} (epoch 2, `)
  })

  it('and runs no more than 64 steps ahead', async () => {
    const { error, seen } = await diverges({ at: 3, what: 'backward', value: nan })
    expect(error.step).toBe(3)
    expect(seen.at(-1)).toBeLessThanOrEqual(3 + 64)
  })
})

it('with anomalies looked for, the operation is named instead', async () => {
  setDetectAnomaly(true)
  const found = diverges({ at: 5, what: 'backward', value: nan })
  await expect(found.finally(() => setDetectAnomaly(false))).rejects.toMatchObject({
    name: 'AnomalyError',
    operation: 'fault',
    direction: 'backward',
    layer: 'Faulty',
  })
})

describe('an evaluation', () => {
  it('after an epoch names the batch', async () => {
    const { error } = await diverges({ at: STEPS + 17, what: 'forward', value: nan })
    expect(error).toMatchObject({ what: 'logits', epoch: 0, step: null, lr: null })
    expect(error.message).toBe(
      `the logits became NaN or infinite in batch 17 of ${STEPS} of the evaluation after epoch 1: ` +
        'the parameters, or the images, hold values too large for the network',
    )
  })

  it('by itself does too', async () => {
    const set = batches()
    const found = evaluate(new Faulty({ at: STEPS, what: 'forward', value: apart }), set)
    await expect(found).rejects.toMatchObject({ name: 'DivergedError', what: 'loss', epoch: null })
    await expect(found).rejects.toThrow(
      `the loss became NaN or infinite in batch ${STEPS} of ${STEPS} of the evaluation: `,
    )
    expect((await evaluate(new Faulty(NOTHING), set)).count).toBe(COUNT)
  })
})

it('a gradient is named before the parameter it spoils, the last layer before the first', async () => {
  const meter = new Meter(gpu)
  const net = new Faulty({ at: 1, what: 'backward', value: nan })
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  scope(() => {
    const labels = tensor(Int32Array.of(0))
    const logits = net.forward(tensor(new Float32Array(784).fill(0.5), [1, 1, 28, 28]))
    const loss = meter.loss(logits, labels)
    loss.backward()
    optimizer.step(meter.watch)
  })
  // Four parameters: code 2 is the gradient of the last.
  expect((await meter.read()).notFinite).toEqual({ upTo: 1, code: 2 })
  meter.reset()
  expect((await meter.read()).notFinite).toBe(null)
})
