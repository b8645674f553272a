// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  checkpointFolder,
  earlyStopping,
  evaluate,
  type FitCallback,
  type FitOptions,
  fit,
  ImageBatches,
  manualSeed,
  maxPool2d,
  nn,
  optim,
  randn,
  sched,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { checkpointName, METER_WORDS, type SavedState, valuesOf } from '../../src/train/index.ts'
import { mulberry32 } from '../support/arbitraries.ts'
import { bitsOf } from '../support/check.ts'
import { testGpu } from '../support/gpu.ts'
import { heldByAnother } from '../support/held_by_another.ts'
import { memoryStore } from '../support/store.ts'

/** Batches of 4, the last one of 3. */
function batches(count: number, seed: number): ImageBatches {
  const next = mulberry32(seed)
  const images = Uint8Array.from({ length: count * 784 }, () => next() % 256)
  const labels = Uint8Array.from({ length: count }, () => next() % 10)
  return new ImageBatches({ images, labels, count, channels: 1, height: 28, width: 28, classes: [] }, { batchSize: 4 })
}

class Plain extends nn.Module {
  readonly hidden = new nn.Linear(16, 6)
  readonly classify = new nn.Linear(6, 10)

  override forward(x: Tensor): Tensor {
    return this.classify.forward(this.hidden.forward(maxPool2d(x, { kernelSize: 7 }).flatten()))
  }
}

/** With running statistics, and a layer that looks across the batch. */
class Normed extends Plain {
  readonly norm = new nn.BatchNorm1d(16)

  override forward(x: Tensor): Tensor {
    return this.classify.forward(this.hidden.forward(this.norm.forward(maxPool2d(x, { kernelSize: 7 }).flatten())))
  }
}

/** With a draw in training, and one in every mode. */
class Drawing extends Plain {
  readonly drop = new nn.Dropout(0.3)

  override forward(x: Tensor): Tensor {
    const y = this.drop.forward(this.hidden.forward(maxPool2d(x, { kernelSize: 7 }).flatten()))
    return this.classify.forward(y.add(randn([6]).mul(0.01)))
  }
}

/** With a buffer that is another one in every network. It notes the mode of every forward pass. */
class Buffered extends Plain {
  readonly level = nn.buffer(tensor([Math.random()]))
  readonly modes: boolean[] = []

  override forward(x: Tensor): Tensor {
    this.modes.push(this.training)
    return super.forward(x)
  }
}

let data: Record<'train' | 'test', ImageBatches>
beforeAll(async () => {
  await testGpu()
  data = { train: batches(23, 1), test: batches(6, 2) }
})
afterAll(() => {
  for (const set of Object.values(data)) set.dispose()
})

type Make = (net: nn.Module) => optim.Optimizer
interface Case {
  readonly net?: () => nn.Module
  readonly make: Make
  readonly options?: Partial<FitOptions>
}

const groups = (net: nn.Module) => {
  const [first, ...others] = net.parameters()
  return [{ params: others, lr: 0.2 }, { params: [first!] }]
}
/** The position of a run that has not begun. */
const NOWHERE = { epoch: 0, step: 0, words: new Int32Array(METER_WORDS), trainSeconds: 0, epochSeconds: 0 }
const sgd: Make = (net) => new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
const perStep = { schedule: (t: number) => 0.1 / (t + 1), schedulePer: 'step' } as const
const cycle = sched.oneCycleLR({ maxLr: 0.2, totalSteps: 40 })

const CASES: [string, Case][] = [
  ['SGD with momentum', { make: sgd }],
  ['a schedule, the first rate being the own', { make: sgd, options: { ...perStep, lrTiming: 'after-epoch' } }],
  ['a schedule with a momentum', { make: sgd, options: { schedule: cycle, schedulePer: 'step' } }],
  ['two batches an update', { make: sgd, options: { ...perStep, accumulate: 2, clipGradNorm: 1 } }],
  ['AdamW in groups', { make: (net) => new optim.AdamW(groups(net), { lr: 0.01 }) }],
  ['SGLD', { make: (net) => new optim.SGLD(net.parameters(), { lr: 0.1, temperature: 0.001, seed: 3 }) }],
  ['schedule-free AdamW', { make: (net) => new optim.ScheduleFreeAdamW(net.parameters()), options: perStep }],
  ['batch norm', { net: () => new Normed(), make: sgd }],
  ['dropout, two batches an update', { net: () => new Drawing(), make: sgd, options: { accumulate: 2 } }],
  ['a network with a buffer', { net: () => new Buffered(), make: sgd }],
]

function start({ net = () => new Plain(), make }: Case, seed = 3) {
  manualSeed(seed)
  const made = net()
  return { net: made, optimizer: make(made) }
}

describe('a run that continues from a saved state ends with the bits of one that nothing interrupted', () => {
  it.each(CASES)('%s', async (_, one) => {
    for (const capture of [true, false]) {
      const options = { data, epochs: 3, seed: 7, capture, ...one.options }
      const whole = start(one)
      const store = memoryStore()
      const want = await fit(whole.net, {
        ...options,
        optimizer: whole.optimizer,
        checkpoint: { store, every: 1, keep: 99 },
      })
      const values = await valuesOf(whole.net, whole.optimizer, 0)
      const updates = one.options?.accumulate === 2 ? 3 : 6
      expect(store.states.size).toBe(3 * updates + 1)
      // The beginning, the middle of an epoch, before its last update, its end, and the run's.
      for (const step of [0, 2, updates - 1, updates, updates + 1, 3 * updates]) {
        const other = start(one, 99) // another network, and another optimizer's steps
        const from = store.states.get(checkpointName(step))!
        const result = await fit(other.net, { ...options, optimizer: other.optimizer, from })
        expect(await valuesOf(other.net, other.optimizer, 0)).toEqual(values)
        const { trainSeconds: __, ...figures } = result
        const { trainSeconds: ___, ...wanted } = want
        expect(figures).toEqual(wanted)
        for (const part of [other.optimizer, other.net]) part.dispose()
      }
      for (const part of [whole.optimizer, whole.net]) part.dispose()
    }
  })
})

it('what a callback has frozen, put into evaluation mode or grouped otherwise stays so in a run that continues', async () => {
  const changing = (net: Normed, { paramGroups }: optim.Optimizer): FitCallback => ({
    onBatch: ({ step }) => {
      if (step === 3) net.hidden.weight.requiresGrad = false
      if (step === 5) net.norm.eval()
      if (step === 8) paramGroups[0]!.params.pop()
      if (step === 9) paramGroups.push({ ...paramGroups[0]!, lr: 0.3, params: [paramGroups[0]!.params.shift()!] })
      if (step === 11) paramGroups[0]!.params.reverse()
      if (step === 13) net.hidden.weight.requiresGrad = true
      if (step === 14) net.norm.train()
    },
  })
  const options = { data, epochs: 3, seed: 7 }
  for (const make of [sgd, (net: nn.Module) => new optim.AdamW(net.parameters())]) {
    const begin = (seed: number) => {
      const { net, optimizer } = start({ net: () => new Normed(), make }, seed)
      return { net: net as Normed, optimizer, callbacks: [changing(net as Normed, optimizer)] }
    }
    const { net, ...whole } = begin(3)
    const store = memoryStore()
    const want = await fit(net, { ...options, ...whole, checkpoint: { store, every: 1, keep: 99 } })
    const values = await valuesOf(net, whole.optimizer, 0)
    for (const step of [2, 3, 5, 7, 8, 9, 10, 12, 13, 16]) {
      const other = begin(99)
      // They are as the run left them, not as it found them.
      other.net.classify.bias!.requiresGrad = false
      const from = store.states.get(checkpointName(step))!
      const [first] = other.optimizer.paramGroups
      const { history } = await fit(other.net, {
        ...options,
        optimizer: other.optimizer,
        callbacks: other.callbacks,
        from,
      })
      expect([step, await valuesOf(other.net, other.optimizer, 0)]).toEqual([step, values])
      expect([history, other.net.norm.training, other.optimizer.paramGroups.length]).toEqual([want.history, true, 2])
      expect(other.optimizer.paramGroups[0]).toBe(first)
      for (const part of [other.optimizer, other.net]) part.dispose()
    }
    for (const part of [whole.optimizer, net]) part.dispose()
  }
})

it('what a callback draws on the host goes on where it stood, and a mode that onBegin sets holds from the first update', async () => {
  const run = async (epochs: readonly number[]) => {
    const store = memoryStore()
    let state: unknown
    for (const [i, end] of epochs.entries()) {
      const { net, optimizer } = start({ net: () => new Normed(), make: sgd })
      const [head] = net.parameters().slice(-2)
      const onBegin = () => void [...net.namedModules().values()].find((m) => m instanceof nn.BatchNorm1d)?.eval()
      const onEpoch = ({ epoch }: { epoch: number }) => {
        nn.init.normal(head!, 0, 0.1)
        return epoch + 1 === end ? 'stop' : undefined
      }
      const callbacks = [{ onBegin, onEpoch }]
      await fit(net, { data, optimizer, epochs: 3, checkpoint: { store }, callbacks, ...(i > 0 && { from: 'last' }) })
      state = await Promise.all([...net.stateDict().values()].map((t) => bitsOf(t)))
    }
    return state
  }
  expect(await run([1, 3])).toEqual(await run([3]))
})

it('an aborted signal lets no update happen', async () => {
  const { net, optimizer } = start({ make: sgd })
  const before = await Promise.all(net.parameters().map((p) => bitsOf(p)))
  const result = await fit(net, { data, optimizer, epochs: 1, signal: AbortSignal.abort() })
  expect(result).toMatchObject({ steps: 0, stopped: true })
  expect(await Promise.all(net.parameters().map((p) => bitsOf(p)))).toEqual(before)
})

it('a schedule-free optimizer is saved with the means, which are evaluated, and left with them', async () => {
  const { net, optimizer } = start({ make: (one) => new optim.ScheduleFreeSGD(one.parameters()) })
  const store = memoryStore()
  const { testLoss } = await fit(net, { data, optimizer, epochs: 1, checkpoint: { store, every: 2, keep: 9 } })
  for (const step of [2, 6]) {
    expect([...store.states.get(checkpointName(step))!.optimizer.state.keys()]).toEqual(['z', 'y'])
  }
  expect(() => optimizer.step()).toThrow("call the optimizer's train() before a step")
  expect((await evaluate(net, data.test)).loss).toBe(testLoss)
  for (const part of [optimizer, net]) part.dispose()
})

it('a schedule-free optimizer trains on from what a callback has loaded, also from its checkpoint', async () => {
  const made = () => start({ make: (one) => new optim.ScheduleFreeSGD(one.parameters()) })
  const other = new Plain()
  for (const p of other.parameters()) nn.init.constant(p, 0.125)
  const want = [...(await other.hidden.weight.data())]
  const store = memoryStore()
  const first = made()
  const load: FitCallback = {
    onEpoch: ({ epoch }) => {
      if (epoch > 0) return
      first.net.loadStateDict(other.stateDict())
      first.optimizer.paramGroups[0]!.lr = 0 // what is trained then stays
    },
  }
  await fit(first.net, {
    data,
    optimizer: first.optimizer,
    epochs: 2,
    callbacks: [load],
    checkpoint: { store, keep: 9 },
  })
  expect([...(await first.net.parameters()[0]!.data())]).toEqual(want)
  const second = made()
  const from = store.states.get(checkpointName(6))!
  await fit(second.net, { data, optimizer: second.optimizer, epochs: 2, from })
  expect([...(await second.net.parameters()[0]!.data())]).toEqual(want)
  for (const part of [first.net, first.optimizer, second.net, second.optimizer, other]) part.dispose()
})

describe('what ends a run early leaves a checkpoint, and ‘last’ continues there', () => {
  const plain: Case = { make: sgd }
  const uninterrupted = async () => {
    const { net, optimizer } = start(plain)
    await fit(net, { data, optimizer, epochs: 2 })
    return await valuesOf(net, optimizer, 0)
  }
  const stopAt = (at: number): FitCallback => ({ onBatch: ({ step }) => (step === at ? 'stop' : undefined) })
  const abortAt = (at: number, controller: AbortController): FitCallback => ({
    onBatch: ({ step }) => {
      if (step === at) controller.abort()
    },
  })

  it.each([2, 6, 7])('a callback that returns stop after update %d', async (step) => {
    const store = memoryStore()
    const first = start(plain)
    const checkpoint = { store }
    const begun = { data, optimizer: first.optimizer, epochs: 2, checkpoint, callbacks: [stopAt(step)] }
    expect(await fit(first.net, { ...begun, from: 'last' })).toMatchObject({ stopped: true, steps: step })
    expect((await store.list()).at(-1)).toBe(checkpointName(step))
    const second = start(plain, 99)
    const result = await fit(second.net, { data, optimizer: second.optimizer, epochs: 2, checkpoint, from: 'last' })
    expect(result).toMatchObject({ stopped: false, epochs: 2, steps: 12 })
    expect(result.history).toHaveLength(2)
    expect(await valuesOf(second.net, second.optimizer, 0)).toEqual(await uninterrupted())
  })

  it('a signal', async () => {
    const store = memoryStore()
    const controller = new AbortController()
    const { net, optimizer } = start(plain)
    const callbacks = [abortAt(4, controller)]
    const stopped = fit(net, {
      data,
      optimizer,
      epochs: 2,
      checkpoint: { store },
      signal: controller.signal,
      callbacks,
    })
    expect(await stopped).toMatchObject({ stopped: true, steps: 4, epochs: 0 })
    await fit(net, { data, optimizer, epochs: 2, checkpoint: { store }, from: 'last' })
    expect(await valuesOf(net, optimizer, 0)).toEqual(await uninterrupted())
  })

  it('keeps the newest, and leaves what has another name', async () => {
    const store = memoryStore()
    const { net, optimizer } = start(plain)
    store.states.set('best', {} as SavedState)
    await fit(net, { data, optimizer, epochs: 2, checkpoint: { store, every: 4, keep: 2 } })
    expect([...store.states.keys()]).toEqual(['best', checkpointName(8), checkpointName(12)])
  })
})

describe('a folder of checkpoints', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dawngrad-one-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const oneEpoch = (path: string, onBegin: () => unknown = () => {}) => {
    const { net, optimizer } = start({ make: sgd })
    const checkpoint = { store: checkpointFolder(path) }
    return fit(net, { data: batches(3, 5), optimizer, epochs: 1, checkpoint, capture: false, callbacks: [{ onBegin }] })
  }

  it('has one fit at a time, from before its first state until its end', async () => {
    const path = join(folder, 'one')
    const refused = `${path} is in use by another run of this process`
    const by = checkpointFolder(`${folder}/one/.`)
    let begun = 0
    await oneEpoch(path, async () => {
      await expect(oneEpoch(path, () => begun++)).rejects.toThrow(refused)
      await expect(by.hold!()).rejects.toThrow(`${folder}/one/. is in use by another run`)
      const { net, optimizer } = start({ make: sgd })
      await by.save('mine', { position: NOWHERE, ...(await valuesOf(net, optimizer, 0)) })
      expect(readdirSync(path).sort()).toEqual(['lock', 'mine.safetensors'])
    })
    expect(begun).toBe(0)
    await by.remove(checkpointName(1))
    const failed = oneEpoch(path, () => Promise.reject(new Error('by a callback')))
    await expect(failed).rejects.toThrow('by a callback')
    await by.remove('mine')
    expect(readdirSync(path)).toEqual([`${checkpointName(0)}.safetensors`])
  })

  it('of another process is refused before anything is computed, for reading the last state too', async () => {
    const path = join(folder, 'others')
    heldByAnother(path)
    const half = join(path, '.step-00000001.safetensors.0123abcd.tmp')
    writeFileSync(half, 'half')
    const refused = new RegExp(`^${path} is in use by process ${process.ppid} on `)
    let begun = 0
    await expect(oneEpoch(path, () => begun++)).rejects.toThrow(refused)
    const store = checkpointFolder(path)
    const { net, optimizer } = start({ make: sgd })
    const data = batches(3, 5)
    await expect(fit(net, { data, optimizer, epochs: 1, checkpoint: { store }, from: 'last' })).rejects.toThrow(refused)
    const state = { position: NOWHERE, ...(await valuesOf(net, optimizer, 0)) }
    await expect(store.save('mine', state)).rejects.toThrow(refused)
    await expect(store.remove('mine')).rejects.toThrow(refused)
    expect([begun, readdirSync(path).sort()]).toEqual([0, ['.step-00000001.safetensors.0123abcd.tmp', 'lock']])
    // Once it has ended, what it left half done goes, though not what may be of a save under way.
    rmSync(join(path, 'lock'), { recursive: true })
    await oneEpoch(path)
    expect(readdirSync(path)).toContain('.step-00000001.safetensors.0123abcd.tmp')
    utimesSync(half, 0, 0)
    await store.save('mine', state)
    expect(readdirSync(path).filter((name) => name.startsWith('.'))).toEqual([])
  })
})

it('a run takes no store in which another went further: ‘last’ would continue the other one', async () => {
  const store = memoryStore()
  const checkpoint = { store, every: 2, keep: 9 }
  const first = start({ make: sgd })
  await fit(first.net, { data, optimizer: first.optimizer, epochs: 1, checkpoint })
  const kept = new Map(store.states)
  const earlier = kept.get(checkpointName(2))!
  const { net, optimizer } = start({ make: sgd }, 99)
  const before = await valuesOf(net, optimizer, 0)
  const refused = (step: number) =>
    `fit: checkpoint.store has checkpoints of a run that went further than step ${step}, the newest is ${checkpointName(6)}; ` +
    "continue it with from: 'last', or give another store, such as another folder"
  await expect(fit(net, { data, optimizer, epochs: 1, checkpoint })).rejects.toThrow(refused(0))
  await expect(fit(net, { data, optimizer, epochs: 1, checkpoint, from: earlier })).rejects.toThrow(refused(2))
  expect([store.states, await valuesOf(net, optimizer, 0)]).toEqual([kept, before])
  // One that has only its start, or that ends where this one continues, has nothing to lose.
  await fit(net, { data, optimizer, epochs: 2, checkpoint, from: kept.get(checkpointName(6))! })
  for (const name of [...store.states.keys()]) if (name !== checkpointName(0)) await store.remove(name)
  await fit(net, { data, optimizer, epochs: 1, checkpoint })
  for (const part of [first.optimizer, first.net, optimizer, net]) part.dispose()
})

it('a value that a checkpoint would not give back is refused before a run continues, too', async () => {
  const { net, optimizer } = start({ make: sgd })
  const [store, kept] = [memoryStore(), { values: { best: 1 } }]
  const run = (epochs: number) =>
    fit(net, { data, optimizer, epochs, checkpoint: { store }, from: 'last', callbacks: [{ stateDict: () => kept }] })
  await run(1)
  const values = await valuesOf(net, optimizer, 0)
  kept.values.best = Number.NaN
  await expect(run(2)).rejects.toThrow('fit: callback 0: its stateDict() gives values.best: NaN, which')
  expect(await valuesOf(net, optimizer, 0)).toEqual(values)
  for (const part of [optimizer, net]) part.dispose()
})

it('a folder of checkpoints holds every bit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dawngrad-store-'))
  try {
    const [memory, store] = [memoryStore(), checkpointFolder(join(folder, 'made', 'here'))]
    expect(await store.list()).toEqual([])
    const { net, optimizer } = start({ make: (one) => new optim.AdamW(groups(one)) })
    const save = async (name: string, state: SavedState) => {
      for (const each of [memory, store]) await each.save(name, state)
    }
    const checkpoint = { store: { ...store, save }, keep: 9 }
    await fit(net, {
      data: data.train,
      optimizer,
      epochs: 2,
      callbacks: [earlyStopping({ metric: 'trainLoss' })],
      checkpoint,
    })
    expect((await store.list()).toSorted()).toEqual([0, 6, 12].map(checkpointName))
    for (const name of await store.list()) expect(await store.load(name)).toEqual(memory.states.get(name))
    await store.remove(checkpointName(6))
    expect(readdirSync(join(folder, 'made', 'here')).sort()).toEqual(
      [0, 12].map((n) => `${checkpointName(n)}.safetensors`),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('‘last’ where the newest checkpoint is damaged', () => {
  let folder: string
  const warnings: string[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dawngrad-damaged-'))
    warnings.length = 0
    vi.spyOn(console, 'warn').mockImplementation((line: string) => void warnings.push(line))
  })
  afterEach(() => {
    vi.restoreAllMocks()
    rmSync(folder, { recursive: true })
  })

  const pathOf = (step: number) => join(folder, `${checkpointName(step)}.safetensors`)
  /** A run of two epochs, or of as many as are asked for, that keeps every checkpoint. */
  const run = async (epochs: number, from?: 'last') => {
    const { net, optimizer } = start({ make: sgd })
    const checkpoint = { store: checkpointFolder(folder), keep: 9 }
    const { history } = await fit(net, { data: data.train, optimizer, epochs, checkpoint, ...(from && { from }) })
    return { history, values: await valuesOf(net, optimizer, 12) }
  }
  const damage = (step: number) => writeFileSync(pathOf(step), readFileSync(pathOf(step)).fill(7, 1000))

  it('is that before, with a warning, to the same bits', async () => {
    const whole = await run(2)
    damage(12)
    const bytes = readFileSync(pathOf(6))
    expect(await run(2, 'last')).toEqual(whole)
    const why =
      /^fit: .*step-00000012\.safetensors: damaged: the SHA-256 .*; the run continues from step-00000006, which is whole$/
    expect(warnings).toEqual([expect.stringMatching(why)])
    expect(readFileSync(pathOf(6))).toEqual(bytes)
    // The damaged one is replaced by what the run saves there.
    expect(await run(2, 'last')).toEqual(whole)
    expect(warnings).toHaveLength(1)
  })

  it('and where several are, the first one that is whole; a cut one, one under the name of another', async () => {
    const whole = await run(2)
    writeFileSync(pathOf(12), readFileSync(pathOf(12)).subarray(0, 500))
    copyFileSync(pathOf(0), pathOf(6))
    expect(await run(2, 'last')).toEqual(whole)
    expect(warnings).toHaveLength(2)
    expect(warnings[1]).toBe(
      'fit: step-00000006: its name does not match its content, which is of step 0; the run continues from step-00000000, which is whole',
    )
  })

  it('is an error where none is whole, and where a store fails otherwise', async () => {
    await run(1)
    for (const step of [0, 6]) damage(step)
    await expect(run(2, 'last')).rejects.toThrow(
      /^fit: from: no checkpoint of the store is usable:\n {2}.*step-00000006.safetensors: damaged.*\n {2}.*step-00000000.safetensors: damaged/,
    )
    const { net, optimizer } = start({ make: sgd })
    const store = {
      ...memoryStore(),
      list: async () => [checkpointName(6)],
      load: () => Promise.reject(new Error('no network')),
    }
    await expect(
      fit(net, { data: data.train, optimizer, epochs: 1, checkpoint: { store }, from: 'last' }),
    ).rejects.toThrow(new Error('no network'))
    expect(warnings).toEqual([])
  })
})

it('early stopping continues its count, and a run that it ended trains no more', async () => {
  const run = async (epochs: number, store = memoryStore(), from?: 'last', seed = 3) => {
    const { net, optimizer } = start({ make: sgd }, seed)
    const stopping = earlyStopping({ metric: 'trainLoss', patience: 2, minDelta: 0.02 })
    const options = { data: data.train, optimizer, epochs, checkpoint: { store }, callbacks: [stopping] }
    const { history: _, trainSeconds: __, ...result } = await fit(net, { ...options, from })
    return {
      store,
      result,
      best: stopping.best,
      bestEpoch: stopping.bestEpoch,
      values: await valuesOf(net, optimizer, 0),
    }
  }
  const { store: all, ...whole } = await run(40)
  expect(whole.result.stopped).toBe(true)
  const { store } = await run(whole.bestEpoch! + 2) // its epoch after the best one was no better
  const { store: _, ...continued } = await run(40, store, 'last', 99)
  expect(continued).toEqual(whole)
  const { store: __, ...again } = await run(40, all, 'last', 99)
  expect(again).toEqual(whole)
})

describe('what does not fit is refused before anything is changed', () => {
  const plain: Case = { make: sgd }
  it('another seed, data set, optimizer, place, and options that are none', async () => {
    const { net, optimizer } = start(plain)
    const store = memoryStore()
    await fit(net, { data, optimizer, epochs: 1, checkpoint: { store } })
    const saved = store.states.get(checkpointName(6))!
    const before = await valuesOf(net, optimizer, 0)
    const refused = (options: Partial<FitOptions>) => fit(net, { data, optimizer, epochs: 2, ...options }).catch(String)
    expect(await refused({ from: saved, seed: 1 })).toBe(
      'RangeError: fit: from: the saved run had seed 0, this one has 1; give both the same',
    )
    expect(await refused({ from: saved, accumulate: 2 })).toContain('had accumulate 1, this one has 2')
    expect(await refused({ from: { ...saved, position: { ...saved.position, step: 13 } } })).toBe(
      "RangeError: fit: from: a run of 6 steps an epoch can't be at epoch 1, step 13",
    )
    const adamw = new optim.AdamW(net.parameters())
    expect(await refused({ from: saved, optimizer: adamw })).toBe(
      'DataError: fit: from: its optimizer is SGD, not AdamW; continue with SGD',
    )
    expect(await refused({ from: 'last' })).toBe("TypeError: fit: from 'last' needs a checkpoint: { store } to look in")
    expect(await refused({ checkpoint: { store: {} as never } })).toBe(
      "TypeError: fit: checkpoint.store has no save; it must be a CheckpointStore, such as checkpointFolder('checkpoints')",
    )
    expect(await refused({ checkpoint: { store, every: 0 } })).toBe(
      'RangeError: fit: checkpoint.every must be a whole number, 1 or more, not 0',
    )
    expect(await refused({ optimizer: adamw, schedule: cycle })).toBe(
      'TypeError: fit: the schedule sets a momentum, and optim.AdamW has none; use optim.SGD, or another schedule ' +
        '(oneCycleLR and cyclicLR set none with cycleMomentum: false)',
    )
    expect(await valuesOf(net, optimizer, 0)).toEqual(before)
  })
})

describe('modes', () => {
  it('are training in updates, evaluation in evaluations, and each module’s own before and after', async () => {
    const { net, optimizer } = start({ net: () => new Buffered(), make: sgd })
    const { modes, hidden } = net as Buffered
    hidden.eval()
    const seen: boolean[] = []
    const onEpoch = () => void seen.push(net.training, hidden.training)
    await fit(net, { data, optimizer, epochs: 2, capture: false, callbacks: [{ onEpoch }] })
    const epoch = [...new Array<boolean>(6).fill(true), false, false]
    expect(modes).toEqual([...epoch, ...epoch])
    expect(seen).toEqual([true, true, true, true])
    expect([net.training, hidden.training]).toEqual([true, false])
    net.train()
    modes.length = 0
    await evaluate(net, data.test)
    expect([...modes, net.training]).toEqual([false, false, true])
  })
})
