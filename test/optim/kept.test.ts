// What an optimiser does beside updating: it keeps packed copies of weights, and adds up partial sums left to it.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { Kernel } from '../../src/gpu/kernel.ts'
import { codeOf } from '../../src/kernels/finite.ts'
import {
  capture,
  conv2dReluMaxPool2d,
  crossEntropy,
  linear,
  noGrad,
  optim,
  scope,
  warmUp,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, parameter, type Tensor, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

type Options = Partial<optim.SGDOptions>

/** Two convolutions and a classifier; `plainly`: nothing is kept, nothing put off. */
function training(plainly: boolean, options: Options = {}, images = 3) {
  const weight = (shape: number[], seed: number) =>
    parameter(
      fill(
        shape.reduce((a, b) => a * b, 1),
        seed,
        'normal',
      ),
      shape,
    )
  const [w1, b1, w2, b2] = [weight([6, 1, 3, 3], 1), weight([6], 2), weight([5, 6, 3, 3], 3), weight([5], 4)]
  const w3 = weight([4, 20], 5)
  const parameters = [w1, b1, w2, b2, w3]
  if (plainly) for (const { storage } of parameters) storage.copyable = false
  const x = tensor(fill(images * 144, 6, 'normal'), [images, 1, 12, 12])
  const labels = tensor(Int32Array.from({ length: images }, (_, i) => i % 4))
  const forward = () => {
    const h = conv2dReluMaxPool2d(conv2dReluMaxPool2d(x, w1, b1, { padding: 1 }), w2, b2)
    return crossEntropy(linear(h.flatten(), w3), labels)
  }
  const optimizer = new optim.SGD(parameters, { lr: 0.05, ...options })
  const step = () => {
    const loss = forward()
    optimizer.zeroGrad()
    loss.backward()
    if (plainly) gpu.memory() // what was put off is done
    optimizer.step()
  }
  const state = async () => {
    const { momentum } = optimizer.stateDict()
    const gradients = parameters.map(({ grad }) => grad).filter((g) => g !== null)
    return await Promise.all([...parameters, ...gradients, ...momentum.filter((m) => m !== null)].map(bitsOf))
  }
  const loss = async () => {
    const bits = noGrad(() => scope(() => forward()))
    return await bitsOf(bits)
  }
  return { parameters, w1, w2, forward, optimizer, step, state, loss }
}

const pair = (options: Options = {}) => [training(false, options), training(true, options)] as const

function eagerly(step: () => void, steps: number): void {
  for (let i = 0; i < steps; i++) scope(step)
}

/** Dispatches of one call. */
function count(fn: () => void): number {
  gpu.flush()
  const before = gpu.dispatches
  scope(fn)
  gpu.flush()
  return gpu.dispatches - before
}

const DOUBLE = new Kernel(
  'double',
  `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn double(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < 54u) { x[id.x] *= 2.0; }
}
`,
  'double',
)
const double = ({ storage }: Tensor) => gpu.emit(DOUBLE, { x: storage }, 1)

describe('packed copies and sums left to the optimiser', () => {
  it.each<[string, Options]>([
    ['plain', {}],
    ['momentum', { momentum: 0.9, weightDecay: 0.01 }],
    ["Nesterov's, maximising", { momentum: 0.9, nesterov: true, maximize: true }],
  ])('change no bit of a training: %s', async (_, options) => {
    const [kept, plain] = pair(options)
    for (const { step } of [kept, plain]) eagerly(step, 4)
    expect(await kept.state()).toEqual(await plain.state())
    expect(await kept.loss()).toEqual(await plain.loss())
    const plan = capture(kept.step)
    plan.run(3)
    eagerly(kept.step, 1)
    plan.run(2)
    eagerly(plain.step, 6)
    expect(await kept.state()).toEqual(await plain.state())
    expect(await kept.loss()).toEqual(await plain.loss())
    plan.dispose()
  })

  it('save two dispatches a convolution', () => {
    const [kept, plain] = pair()
    eagerly(kept.step, 1)
    eagerly(plain.step, 1)
    expect(count(plain.step) - count(kept.step)).toBe(4)
  })

  it('hold for any shape', async () => {
    const size = fc.integer({ min: 1, max: 9 })
    const shapes = fc.record({
      F: size,
      C: size,
      KH: fc.integer({ min: 1, max: 6 }),
      KW: fc.integer({ min: 1, max: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 8, max: 12 }), fc.boolean(), async ({ F, C, KH, KW }, width, dx) => {
        const run = async (plainly: boolean) => {
          const w = parameter(fill(F * C * KH * KW, 1, 'normal'), [F, C, KH, KW])
          const x = tensor(fill(2 * C * 8 * width, 2, 'normal'), [2, C, 8, width], { requiresGrad: dx })
          w.storage.copyable = !plainly
          const sgd = new optim.SGD([w], { lr: 0.1 })
          const step = () => {
            const out = conv2dReluMaxPool2d(x, w)
            sgd.zeroGrad()
            x.grad = null
            out.backward(tensor(fill(out.size, 3, 'normal'), out.shape))
            sgd.step()
          }
          // The last one computes with what the one before has written.
          eagerly(step, 2)
          expect(w.storage.copy === null).toBe(plainly)
          const bits = await Promise.all([w, w.grad!, ...(x.grad ? [x.grad] : [])].map(bitsOf))
          sgd.dispose()
          return bits
        }
        expect(await run(false)).toEqual(await run(true))
      }),
      {
        numRuns: 25,
        seed: 5,
        examples: [
          [{ F: 9, C: 9, KH: 5, KW: 5 }, 10, false], // more than one workgroup of the update
          [{ F: 9, C: 9, KH: 5, KW: 5 }, 10, true],
        ],
      },
    )
  })

  it('hold for a weight used at two sizes, which are read in different orders', async () => {
    const run = async (plainly: boolean) => {
      const w = parameter(fill(2400, 1, 'normal'), [16, 6, 5, 5])
      w.storage.copyable = !plainly
      const sgd = new optim.SGD([w], { lr: 0.01 })
      const xs = [8, 14].map((size) => parameter(fill(6 * size * size, size, 'normal'), [1, 6, size, size]))
      for (const x of [...xs, ...xs, ...xs]) {
        scope(() => {
          const out = conv2dReluMaxPool2d(x, w)
          sgd.zeroGrad()
          out.backward(tensor(fill(out.size, 3, 'normal'), out.shape))
          sgd.step()
        })
      }
      return await Promise.all([w, ...xs.map((x) => x.grad)].map(bitsOf)) // of an input, added up over the steps
    }
    expect(await run(false)).toEqual(await run(true))
  })

  it('follow parameters that were loaded, between steps and between the runs of plans', async () => {
    const [kept, plain] = pair()
    const source = tensor(fill(54, 9, 'normal'), [6, 1, 3, 3])
    const load = ({ w1 }: typeof kept) => {
      gpu.copy(source.storage, w1.storage, 4 * source.size)
      w1.storage.version++
    }
    const plan = capture(kept.step)
    const evaluation = capture(() => noGrad(kept.forward))
    for (const round of [1, 2]) {
      load(kept)
      load(plain)
      if (round === 1) plan.run(2)
      else eagerly(kept.step, 2)
      eagerly(plain.step, 2)
      expect(await kept.state()).toEqual(await plain.state())
      load(kept)
      load(plain)
      evaluation.run()
      expect(await bitsOf(evaluation.result)).toEqual(await plain.loss())
    }
    for (const p of [plan, evaluation]) p.dispose()
  })

  it("give way to another kernel's writes, before and within a plan", async () => {
    const [kept, plain] = pair()
    for (const one of [kept, plain]) {
      eagerly(one.step, 2)
      double(one.w1)
      eagerly(one.step, 2)
    }
    expect(await kept.state()).toEqual(await plain.state())
    const [captured, eager] = pair()
    const both = ({ step, w1 }: typeof kept) => {
      step()
      double(w1)
    }
    eagerly(() => both(eager), 5)
    eagerly(captured.step, 0)
    const plan = capture(() => both(captured))
    plan.run(5)
    expect(await captured.state()).toEqual(await eager.state())
    // A plan made before still reads the copy: it is packed anew before a run.
    const [early, late] = pair()
    const old = capture(early.step)
    old.run(2)
    double(early.w1)
    old.run(2)
    eagerly(late.step, 2)
    double(late.w1)
    eagerly(late.step, 2)
    expect(await early.state()).toEqual(await late.state())
    for (const p of [plan, old]) p.dispose()
  })

  it('hold where two optimisers update the same parameters in turn, and when the first is disposed', async () => {
    const [kept, plain] = pair()
    const states = []
    for (const { step, parameters, optimizer, forward, state } of [kept, plain]) {
      eagerly(step, 2)
      const second = new optim.SGD(parameters, { lr: 0.01 })
      const other = () => {
        const loss = forward()
        second.zeroGrad()
        loss.backward()
        second.step()
      }
      for (let i = 0; i < 3; i++) {
        scope(other)
        scope(step)
      }
      const plans = [capture(step), capture(other)]
      for (const plan of [...plans, ...plans]) plan.run(2)
      states.push(await state())
      for (const plan of plans) plan.dispose()
      optimizer.dispose()
      scope(other)
      states.push(await Promise.all(parameters.map(bitsOf)))
    }
    expect(states.slice(0, 2)).toEqual(states.slice(2))
  })

  it('hold where a plan of the first optimiser runs on after a second has made copies of its own', async () => {
    const [kept, plain] = pair()
    const states = []
    for (const { step, parameters, forward, state } of [kept, plain]) {
      eagerly(step, 2)
      const plan = capture(step)
      const second = new optim.SGD(parameters, { lr: 0.01 })
      const other = () => {
        const loss = forward()
        second.zeroGrad()
        loss.backward()
        second.step()
      }
      eagerly(other, 3)
      for (let i = 0; i < 2; i++) {
        plan.run(2)
        eagerly(other, 2)
      }
      states.push(await state())
      plan.dispose()
    }
    expect(states[0]).toEqual(states[1])
  })
})

it('a copy that a warm-up made room for is packed before it is read, though an update came first', async () => {
  const [kept, plain] = pair()
  await warmUp(kept.step)
  expect(kept.w1.storage.copy).not.toBe(null)
  for (const { parameters, optimizer } of [kept, plain]) {
    for (const p of parameters) p.grad = tensor(fill(p.size, 7, 'normal'), p.shape)
    optimizer.step()
  }
  expect(await kept.loss()).toEqual(await plain.loss())
})

describe('sums left to the optimiser', () => {
  it('are made where the gradient is read, written, added to, or taken by another group', async () => {
    const [kept, plain] = pair()
    const read = async (after: (one: typeof kept) => void) => {
      const bits = []
      for (const one of [kept, plain]) {
        scope(() => one.forward().backward())
        if (one === plain) gpu.memory()
        after(one)
        bits.push(await Promise.all(one.parameters.map(({ grad }) => bitsOf(grad!))))
      }
      expect(bits[0]).toEqual(bits[1])
    }
    await read(() => undefined)
    for (const { optimizer } of [kept, plain]) optimizer.zeroGrad()
    await read(({ w1 }) => double(w1.grad!))
    await read(() => undefined)
    const [apart, together] = pair()
    const [first, ...rest] = apart.parameters
    const groups = new optim.SGD([{ params: [first!] }, { params: rest }], { lr: 0.05 })
    for (const [{ forward, parameters }, sgd] of [
      [apart, groups],
      [together, together.optimizer],
    ] as const) {
      scope(() => {
        forward().backward()
        if (parameters === together.parameters) gpu.memory()
        sgd.step()
      })
    }
    expect(await apart.state()).toEqual(await together.state())
  })

  it.each<[string, (one: ReturnType<typeof training>) => Tensor[][]]>([
    ['one optimiser', ({ parameters }) => [[...parameters]]],
    [
      'one for weights and one for biases',
      ({ parameters: [w1, b1, w2, b2, w3] }) => [
        [w1!, w2!, w3!],
        [b1!, b2!],
      ],
    ],
  ])('give the bits of parameters that have no place for anything: %s', async (_, split) => {
    const states = []
    for (const plainly of [false, true]) {
      const one = training(plainly)
      const optimizers = split(one).map((params) => new optim.SGD(params, { lr: 0.05 }))
      if (plainly) for (const p of one.parameters) p.place = null
      const step = () => {
        for (const optimizer of optimizers) optimizer.zeroGrad()
        one.forward().backward()
        for (const optimizer of optimizers) optimizer.step()
      }
      eagerly(step, 2)
      states.push(await Promise.all(one.parameters.flatMap((p) => [p, p.grad!]).map(bitsOf)))
    }
    expect(states[0]).toEqual(states[1])
  })

  it('are taken though the first group has no gradient', () => {
    const one = training(false)
    const frozen = parameter([1, 2], [2])
    const groups = new optim.SGD([{ params: [frozen] }, { params: one.parameters }], { lr: 0.05 })
    const step = (optimizer: optim.SGD) => () => {
      optimizer.zeroGrad()
      one.forward().backward()
      optimizer.step()
    }
    eagerly(step(groups), 2)
    const apart = count(step(groups))
    const [alone] = pair()
    eagerly(alone.step, 2)
    expect(apart).toBe(count(alone.step))
  })

  it('are the gradient after the step, also of a plan without an optimiser', async () => {
    const [kept, plain] = pair()
    const backward = capture(() => {
      kept.optimizer.zeroGrad()
      kept.forward().backward()
    })
    backward.run(2)
    const before = await Promise.all(kept.parameters.map(({ grad }) => bitsOf(grad!)))
    eagerly(plain.step, 1)
    expect(before).toEqual(await Promise.all(plain.parameters.map(({ grad }) => bitsOf(grad!))))
    kept.optimizer.step()
    expect(await kept.state()).toEqual(await plain.state())
    backward.dispose()
  })

  it('note a gradient that is not finite', async () => {
    const x = tensor(fill(32, 1, 'normal'), [2, 1, 4, 4])
    const w = parameter([1], [1, 1, 1, 1])
    const sgd = new optim.SGD([w], { lr: 0 })
    const watch = tensor(Int32Array.of(0, 3, 0, -1, -1)) // nothing noted yet, in the third batch
    scope(() => {
      const out = conv2dReluMaxPool2d(x, w)
      out.backward(tensor(new Float32Array(out.size).fill(Number.POSITIVE_INFINITY), out.shape))
      sgd.step(watch)
    })
    expect([...(await watch.data())].slice(3)).toEqual([3, codeOf.gradient(0, 1)])
    expect((await values(w.grad)).every(Number.isFinite)).toBe(false)
  })
})
