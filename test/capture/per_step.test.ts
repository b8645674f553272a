// Numbers that change from step to step: which row each use of each step of a run reads, and who may share them.
import { beforeAll, describe, expect, it } from 'vitest'
import { PerStep, perStepWords, type RowSource } from '../../src/capture/per_step.ts'
import { KernelFile } from '../../src/gpu/kernel.ts'
import { MAX_STEPS } from '../../src/gpu/params.ts'
import { capture, optim, scope } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { type Gpu, messageOf, parameter, type Tensor, tensor, testGpu } from '../support/gpu.ts'
import { columns } from '../support/quadratic.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

/** Adds up the numbers that it reads, weighted by their order: out = [count, 31 * out + number (mod 2³²)]. */
const note = new KernelFile(
  'note',
  `struct Params { which: u32 }
struct Replay { step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1) fn main() {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  out[0] += 1u;
  out[1] = 31u * out[1] + settings[2u + row];
}`,
).entry('main')

/** Numbers 0, 1, 2 … (or what `numberOf` makes of them), one a use, and what was noted of them. */
function counting(numberOf: (i: number) => number = (i) => i) {
  const perStep = new PerStep(gpu, 1, 'numbers')
  const out = tensor(Int32Array.of(0, 0))
  let next = 0
  const source: RowSource = {
    row: (use) => Uint32Array.of(numberOf(next + use)),
    advance: (uses) => {
      next += uses
    },
  }
  const use = (own = source) => {
    const which = perStep.use(own)
    gpu.emit(note, { params: { which }, settings: perStep.storage, out: out.storage }, 1)
    perStep.used(own)
  }
  /** What the kernel notes of the numbers 0 … count − 1. */
  const noted = (count: number) => {
    let sum = 0
    for (let i = 0; i < count; i++) sum = (Math.imul(31, sum) + numberOf(i)) | 0
    return [count, sum]
  }
  const found = async () => [...(await out.data())]
  return { perStep, use, noted, found, taken: () => next }
}

describe('rows', () => {
  it('are written behind how many they are, and how many a step takes', () => {
    const rows = [Float32Array.of(1, 2), Uint32Array.of(3, 4), Int32Array.of(-1, 5)]
    expect([...perStepWords(rows, 2, 3)]).toEqual([3, 3, 0x3f800000, 0x40000000, 3, 4, 0xffffffff, 5])
  })

  it('that are equal at the end are there once: the last holds for all steps beyond', () => {
    const rows = (...numbers: number[]) => numbers.map((n) => Uint32Array.of(n, 7))
    expect([...perStepWords(rows(1, 1, 1), 2)]).toEqual([1, 1, 1, 7])
    expect([...perStepWords(rows(1, 2, 2), 2)]).toEqual([2, 1, 1, 7, 2, 7])
    expect([...perStepWords(rows(1, 1, 2), 2)]).toEqual([3, 1, 1, 7, 1, 7, 2, 7])
  })

  it('are told apart by every word, and by its bits: 0 is not -0', () => {
    expect([...perStepWords([Uint32Array.of(7, 1), Uint32Array.of(7, 2)], 2)]).toEqual([2, 1, 7, 1, 7, 2])
    const rows = [Float32Array.of(0), Float32Array.of(-0)]
    expect([...perStepWords(rows, 1)]).toEqual([2, 1, 0, 0x80000000])
  })

  it('are not uploaded again while they stay the same', () => {
    const { use, perStep } = counting((i) => Math.floor(i / 3))
    let writes = 0
    const { write } = gpu
    gpu.write = (storage, ...others) => {
      if (storage === perStep.storage) writes++
      write.call(gpu, storage, ...others)
    }
    try {
      for (let i = 0; i < 6; i++) use()
    } finally {
      delete (gpu as { write?: unknown }).write // the one of its class again
    }
    expect(writes).toBe(2)
  })
})

describe('a run reads the row', () => {
  it.each([1, 2, 3])('of every step and use: %s uses a step', async (uses) => {
    const { use, noted, found, taken } = counting()
    const all = () => {
      for (let i = 0; i < uses; i++) use()
    }
    all()
    const plan = capture(all)
    plan.run()
    plan.run(4)
    all()
    plan.run(2)
    expect(taken()).toBe(9 * uses)
    expect(await found()).toEqual(noted(9 * uses))
    plan.dispose()
  })

  it('that holds for all steps beyond, where the last ones are equal', async () => {
    const { use, noted, found } = counting((i) => Math.min(i, 3))
    const plan = capture(() => use())
    plan.run(10)
    expect(await found()).toEqual(noted(10))
    plan.dispose()
  })

  it('of its own numbers, beside others that are used more often', async () => {
    const [one, other] = [counting(), counting((i) => 7 * i)]
    const plan = capture(() => {
      other.use()
      one.use()
      other.use()
    })
    plan.run(3)
    expect(await one.found()).toEqual(one.noted(3))
    expect(await other.found()).toEqual(other.noted(6))
    plan.dispose()
  })

  it.each([1, 3])('also beyond one submit, and where so many uses fill one sooner: %s a step', async (uses) => {
    const { use, noted, found, taken } = counting()
    const plan = capture(() => {
      for (let i = 0; i < uses; i++) use()
    })
    const steps = MAX_STEPS + 5
    plan.run(steps)
    expect(taken()).toBe(steps * uses)
    expect(await found()).toEqual(noted(steps * uses))
    plan.dispose()
  })
})

it('nothing is counted by a capture, nor by a run that is refused', async () => {
  const { use, noted, found, taken } = counting()
  const refusing: RowSource = {
    row: (i) => Uint32Array.of(i),
    check: (uses) => {
      if (uses > 2) throw new RangeError(`${uses} uses are too many`)
    },
    advance: () => undefined,
  }
  const other = counting()
  const plan = capture(() => {
    use()
    other.use(refusing)
  })
  expect(taken()).toBe(0)
  expect(messageOf(() => plan.run(3))).toBe('3 uses are too many')
  expect(taken()).toBe(0)
  plan.run(2)
  expect(await found()).toEqual(noted(2))
  plan.dispose()
})

describe('two optimizers in one captured function', () => {
  const make = (kind: 'SGD' | 'AdamW', parameters: readonly Tensor[]) =>
    kind === 'SGD'
      ? new optim.SGD(parameters, { lr: 0.5, momentum: 0.5 })
      : new optim.AdamW(parameters, { lr: 0.25, weightDecay: 0 })

  /** A step of both; the second takes two updates. */
  function pair() {
    const parameters = columns([3, 5])
    const optimizers = [make('SGD', [parameters[0]!]), make('AdamW', [parameters[1]!])]
    const step = () => {
      for (const optimizer of optimizers) optimizer.zeroGrad()
      for (const p of parameters) p.backward(p.detach())
      for (const i of [0, 1, 1]) optimizers[i]!.step()
    }
    return { parameters, optimizers, step, bits: () => Promise.all(parameters.map(bitsOf)) }
  }

  it('have the bits of eager steps, each with its own numbers', async () => {
    const [eager, captured] = [pair(), pair()]
    for (let i = 0; i < 6; i++) scope(eager.step)
    const plan = capture(captured.step)
    plan.run()
    plan.run(5)
    expect(await captured.bits()).toEqual(await eager.bits())
    expect(captured.optimizers.map((optimizer) => optimizer.stateDict().step)).toEqual([6, 12])
    plan.dispose()
  })

  it('both take the rates of a run', async () => {
    const [eager, captured] = [pair(), pair()]
    const rates = [0.5, 0.125, 0.25]
    for (const lr of rates) {
      for (const { paramGroups } of eager.optimizers) paramGroups[0]!.lr = lr
      scope(eager.step)
    }
    const plan = capture(captured.step)
    plan.run(3, { lr: rates })
    expect(await captured.bits()).toEqual(await eager.bits())
    expect(captured.optimizers.map(({ paramGroups }) => paramGroups[0]!.lr)).toEqual([0.25, 0.25])
    plan.dispose()
  })
})

it('one optimizer that is used twice in a step, each time for other parameters, is refused', () => {
  const parameters = [parameter([1], [1]), parameter([2], [1])]
  const optimizer = new optim.SGD(parameters, { lr: 0.5 })
  const one = tensor([1])
  const step = () => {
    for (const p of parameters) {
      optimizer.zeroGrad()
      p.backward(one)
      optimizer.step()
    }
  }
  expect(messageOf(() => capture(step))).toBe(
    'capture: a step uses one optimizer twice, each time for different parameters; make two optimizers',
  )
})
