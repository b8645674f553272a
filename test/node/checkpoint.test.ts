import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeSafetensors, type HostTensor } from '../../src/data/safetensors.ts'
import { DataError } from '../../src/index.ts'
import { lossIn, newTotals } from '../../src/kernels/totals.ts'
import { type Checkpoint, decodeCheckpoint, decodeSavedState, encodeCheckpoint } from '../../src/node/checkpoint.ts'
import { checkpointNames, newestCheckpoint, saveCheckpoint, setAside } from '../../src/node/checkpoint_folder.ts'
import { WriteError } from '../../src/node/files.ts'
import { METER_WORDS, type SavedState } from '../../src/train/index.ts'
import { encodeFormat1 } from '../support/checkpoint_1.ts'
import { readSafetensors } from '../support/safetensors.ts'

/** Any bits: the last stands for a float's. */
const WORDS = Int32Array.from({ length: METER_WORDS }, (_, i) => [5, 8, -1082130432][i] ?? -i)
const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')
const tensorOf = (...values: number[]): HostTensor => {
  return { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) }
}

function checkpointOf(step: number, history = ''): Checkpoint {
  return {
    position: { epoch: 1, step, words: WORDS, trainSeconds: 1.5, epochSeconds: 0.25 },
    files: { historyBytes: history.length, historySha256: sha256(history), timingBytes: 0 },
    seconds: 3,
    options: { lr: 0.1, schedule: 'constant', limitTrain: null },
    version: '1.2.3',
    adapter: 'an adapter',
    network: new Map([['0.weight', tensorOf(1, -0, Number.MIN_VALUE)]]),
    frozen: ['0.weight'],
    evaluated: ['', '0'],
    optimizer: {
      name: 'AdamW',
      step: step - 1,
      skipped: { '0.weight': 2 },
      paramGroups: [{ lr: 0.1, betas: [0.9, 0.999], amsgrad: false }],
      groups: [['0.weight']],
      others: { seed: 5 },
      state: new Map([['expAvg', new Map([['0.weight', tensorOf(4, 5, 6)]])]]),
    },
  }
}

function stateOf({ network: _, position, optimizer: { state: __, ...optimizer }, ...rest }: Checkpoint) {
  return { position: { ...position, words: [...position.words] }, optimizer, ...rest }
}

/** The same file with another state, and its hash put right. */
function withState(change: (state: Record<string, unknown>) => unknown): Uint8Array {
  const state = structuredClone(stateOf(checkpointOf(7)))
  return withMetadata(['state', JSON.stringify(change(state) ?? state)])
}

function withMetadata(...changed: [string, string][]): Uint8Array {
  const metadata = new Map([
    ['sha256', '0'.repeat(64)],
    ['format', 'dawngrad checkpoint 2'],
    ['state', '{}'],
    ...changed,
  ])
  return rehashed(encodeSafetensors(checkpointOf(7).network, metadata))
}

/** Whoever makes a file to deceive can compute a hash as well. */
function rehashed(bytes: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('"sha256":"') + 10
  bytes.fill(0x30, at, at + 64)
  bytes.set(new TextEncoder().encode(sha256(bytes)), at)
  return bytes
}

function problem(bytes: Uint8Array): string {
  try {
    decodeCheckpoint(bytes, 'x')
  } catch (error) {
    expect(error).toBeInstanceOf(DataError)
    return (error as Error).message
  }
  return expect.fail('it was accepted')
}

describe('a checkpoint', () => {
  it('comes back with every bit', () => {
    expect(decodeCheckpoint(encodeCheckpoint(checkpointOf(7)), 'x')).toEqual(checkpointOf(7))
  })

  it('of fit comes back with every bit: history and figures without an evaluation, what callbacks keep', () => {
    const { files: _, seconds: __, options: ___, version: ____, adapter: _____, ...state } = checkpointOf(7)
    const nothing = Number.NaN
    const saved: SavedState = {
      ...state,
      settings: { images: 9, batchSize: 2, accumulate: 1, seed: 3, lr: 0.1 },
      figures: { trainLoss: 0.5, trainAcc: 0.25, testLoss: nothing, testAcc: nothing },
      history: [{ kind: 'epoch', epoch: 0, step: 5, lr: 0.1, trainLoss: 0.5, trainAcc: 0.25, testAcc: nothing }],
      callbacks: [null, { values: { bad: 2 } }, { values: null, tensors: new Map([['best.0.weight', tensorOf(1)]]) }],
    }
    expect(decodeSavedState(encodeCheckpoint(saved), 'x')).toEqual(saved)
    expect(problem(encodeCheckpoint(saved))).toBe("x: its state's files.historyBytes is missing or invalid")
  })

  it('of format 1 is read as a state of SGD', () => {
    const { optimizer, position, frozen: _, evaluated: __, ...others } = checkpointOf(7)
    // The sum of the losses was a float32, here 23.5.
    const words = newTotals()
    words.set([5, 8, 0, -1, -1, 0, 0, 0, 23.5 * 2 ** 21])
    const rest = { ...others, position: { ...position, words } }
    expect(lossIn(words)).toBe(23.5)
    const state = new Map([['momentum', new Map([['0.weight', tensorOf(4, 5, 6)]])]])
    const old = (state: typeof optimizer.state) => encodeFormat1({ ...rest, optimizer: { ...optimizer, state } })
    expect(decodeCheckpoint(old(state), 'x')).toEqual({ ...rest, optimizer: { name: 'SGD', step: 7, state } })
    expect(decodeCheckpoint(old(new Map()), 'x').optimizer).toEqual({ name: 'SGD', step: 7, state: new Map() })
  })

  it('is refused for a network whose tensor would be taken for a state', () => {
    const network = new Map([['optimizer.0.weight', tensorOf(1)]])
    expect(() => encodeCheckpoint({ ...checkpointOf(7), network })).toThrow(
      "a checkpoint: the network's tensor optimizer.0.weight has the name of a state; call its module something other than 'optimizer'",
    )
  })

  it("is a safetensors file of PyTorch's names, with its hash", () => {
    const path = join(mkdtempSync(join(tmpdir(), 'dawngrad-')), 'x.safetensors')
    writeFileSync(path, encodeCheckpoint(checkpointOf(7)))
    const { metadata, tensors } = readSafetensors(path)
    rmSync(join(path, '..'), { recursive: true })
    expect([...tensors.keys()].sort()).toEqual(['0.weight', 'optimizer.expAvg.0.weight'])
    expect([...tensors.get('0.weight')!.data]).toEqual([1, -0, 0])
    expect(Object.keys(metadata)).toEqual(['sha256', 'format', 'state'])
    expect(JSON.parse(metadata.state!)).toMatchObject({
      options: { lr: 0.1 },
      position: { words: [...WORDS] },
    })
  })

  it('that was cut anywhere, or had any bit flipped, is told by its hash', () => {
    const whole = encodeCheckpoint(checkpointOf(7))
    for (let length = 0; length < whole.length; length++) {
      expect(problem(whole.subarray(0, length))).toMatch(
        /^x: (not a checkpoint: it has no SHA-256 at its start|damaged: the SHA-256 of its \d+ bytes is \w+, it must be \w+)$/,
      )
    }
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const damaged = whole.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(problem(damaged)).toMatch(/^x: (not a checkpoint|damaged)/)
    }
  })

  it.each<[string, Uint8Array, string]>([
    [
      'of another format',
      withMetadata(['format', 'other']),
      'its format is "other", this version reads "dawngrad checkpoint 2" and "dawngrad checkpoint 1"',
    ],
    ['without a state', withMetadata(), "its state's position.epoch is missing or invalid"],
    ['whose state is no JSON', withMetadata(['state', '{']), 'its metadata has no state in JSON'],
    ['whose state is a list', withMetadata(['state', '[]']), 'its metadata has no state in JSON'],
    ['with an unknown entry', withState((s) => ({ ...s, x: 1 })), 'its state has "x", which is unknown'],
    [
      'with a prototype',
      withMetadata(['state', '{"__proto__":{"seconds":1}}']),
      'its state has "__proto__", which is unknown',
    ],
    [
      'with half a position',
      withState((s) => ({ ...s, position: {} })),
      "its state's position.epoch is missing or invalid",
    ],
    [
      'with a position that is no object',
      withState((s) => ({ ...s, position: [1] })),
      'its state has "position", which is unknown',
    ],
    [
      'with a step of 2⁵³',
      withState((s) => ({ ...s, position: { ...(s.position as object), step: 2 ** 53 } })),
      "its state's position.step is missing or invalid",
    ],
    [
      'with other sums',
      withState((s) => ({ ...s, position: { ...(s.position as object), words: [1, 2] } })),
      "its state's position.words is missing or invalid",
    ],
    [
      'with a sum of losses that is not finite',
      withState((s) => ({ ...s, position: { ...(s.position as object), words: [1, 2, 0x7f800000, -1, -1] } })),
      "its state's position.words is missing or invalid",
    ],
    [
      'with sums past 32 bits',
      withState((s) => ({ ...s, position: { ...(s.position as object), words: [...WORDS.slice(1), 2 ** 31] } })),
      "its state's position.words is missing or invalid",
    ],
    ['with negative seconds', withState((s) => ({ ...s, seconds: -1 })), "its state's seconds is missing or invalid"],
    [
      'with an optimizer that is a number',
      withState((s) => ({ ...s, optimizer: 1 })),
      'its state has "optimizer", which is unknown',
    ],
    [
      'with a group that holds a text',
      withState((s) => ({ ...s, optimizer: { ...(s.optimizer as object), paramGroups: [{ lr: '1' }] } })),
      "its state's optimizer.paramGroups is missing or invalid",
    ],
    [
      'with a group of numbers',
      withState((s) => ({ ...s, optimizer: { ...(s.optimizer as object), groups: [[1]] } })),
      "its state's optimizer.groups is missing or invalid",
    ],
    [
      'with a text as what is frozen',
      withState((s) => ({ ...s, frozen: 'x' })),
      "its state's frozen is missing or invalid",
    ],
    [
      'with a number as a module',
      withState((s) => ({ ...s, evaluated: [1] })),
      "its state's evaluated is missing or invalid",
    ],
    [
      'with half a step left out',
      withState((s) => ({ ...s, optimizer: { ...(s.optimizer as object), skipped: { x: 0.5 } } })),
      "its state's optimizer.skipped is missing or invalid",
    ],
    [
      'with settings of another kind',
      withState((s) => ({ ...s, settings: { images: 1 } })),
      "its state's settings is missing or invalid",
    ],
    [
      'with a record that is none',
      withState((s) => ({ ...s, history: [{ kind: 'epoch' }] })),
      "its state's history is missing or invalid",
    ],
    [
      'with options that are objects',
      withState((s) => ({ ...s, options: { lr: {} } })),
      "its state's options is missing or invalid",
    ],
    [
      'with an endless name',
      withState((s) => ({ ...s, adapter: 'x'.repeat(2000) })),
      "its state's adapter is missing or invalid",
    ],
  ])('%s is refused although its hash is right', (_, bytes, message) => {
    expect(problem(bytes)).toBe(`x: ${message}`)
  })

  it('with anything for a state gives a DataError, or a checkpoint', () => {
    const base = { ...stateOf(checkpointOf(7)), settings: {}, figures: {}, history: [], callbacks: [] }
    const keys = [...Object.keys(base), '__proto__', 'x'] as (keyof typeof base)[]
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.jsonValue(), fc.boolean(), (key, value, inside) => {
        const target = inside && typeof base[key] === 'object' ? { ...(base[key] as object), [key]: value } : value
        const state = JSON.stringify({ ...base, [key]: target })
        try {
          decodeCheckpoint(withMetadata(['state', state]), 'x')
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { seed: 21, numRuns: 500 },
    )
  })
})

let folder: string
let history: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dawngrad-checkpoints-'))
  history = join(folder, 'history.jsonl')
  writeFileSync(history, 'one\ntwo\n')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const checkpoints = () =>
  readdirSync(folder)
    .filter((name) => name !== 'history.jsonl')
    .sort()
const fails = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it went well'),
    (error: Error) => error,
  )
const found = () => newestCheckpoint(folder, history)

describe('a folder of checkpoints', () => {
  it('keeps the newest, and removes what a killed process left, only after the new one is there', async () => {
    writeFileSync(join(folder, '.step-00000003.safetensors.0123abcd.tmp'), 'half')
    writeFileSync(join(folder, '.of-somebody-else.0123abcd.tmp'), 'x')
    for (const step of [1, 2, 3, 100_000_000]) await saveCheckpoint(folder, checkpointOf(step), 2)
    expect(checkpoints()).toEqual([
      '.of-somebody-else.0123abcd.tmp',
      'step-00000003.safetensors',
      'step-100000000.safetensors',
    ])
    expect(checkpointNames(folder).map(({ step }) => step)).toEqual([100_000_000, 3])
    expect((await found()).checkpoint.position.step).toBe(100_000_000)
  })

  it('leaves newer ones alone: what is of no use does not push out what is', async () => {
    for (const step of [1, 2, 9]) await saveCheckpoint(folder, checkpointOf(step), 9)
    await saveCheckpoint(folder, checkpointOf(3), 2)
    expect(checkpointNames(folder).map(({ step }) => step)).toEqual([9, 3, 2])
  })

  it('gives the newest of use, and says of each newer one why it is not', async () => {
    const goesWith = async (step: number, text: string) => saveCheckpoint(folder, checkpointOf(step, text), 9)
    await goesWith(1, 'one\n')
    for (const step of [2, 3]) await goesWith(step, 'one\ntwo\n')
    await goesWith(4, 'one\nTWO\n')
    await goesWith(5, 'one\ntwo\nthree\n')
    const at = (step: number) => join(folder, `step-0000000${step}.safetensors`)
    truncateSync(at(3), 200)
    renameSync(at(2), at(6))
    mkdirSync(at(7))
    const { checkpoint, path, history: kept, passedOver } = await found()
    expect([checkpoint.position.step, path, new TextDecoder().decode(kept)]).toEqual([1, at(1), 'one\n'])
    expect(passedOver.map(({ why }) => why.replaceAll(folder, 'F').replaceAll(/[0-9a-f]{64}/g, 'HASH'))).toEqual([
      'F/step-00000007.safetensors: not a regular file',
      'F/step-00000006.safetensors: its name does not match its content, which is of step 2',
      'F/step-00000005.safetensors: unusable: F/history.jsonl has 8 bytes, but had 14',
      'F/step-00000004.safetensors: unusable: the first 8 bytes of F/history.jsonl have been changed',
      'F/step-00000003.safetensors: damaged: the SHA-256 of its 200 bytes is HASH, it must be HASH',
    ])
    await setAside(passedOver.map((one) => one.path))
    expect(checkpointNames(folder).map(({ step }) => step)).toEqual([1])
    expect(checkpoints()).toHaveLength(6)
  })

  it('does not believe a file that was given the name of an earlier step', async () => {
    await saveCheckpoint(folder, checkpointOf(2), 9)
    renameSync(join(folder, 'step-00000002.safetensors'), join(folder, 'step-00000001.safetensors'))
    expect((await fails(found())).message.replaceAll(folder, 'F')).toBe(
      'F: no checkpoint is usable:\n' +
        '  F/step-00000001.safetensors: its name does not match its content, which is of step 2',
    )
  })

  it('of which none is of use says so of every one', async () => {
    expect((await fails(found())).message).toBe(
      `${folder}: there is no checkpoint to continue from; start the run again with the line that started it`,
    )
    expect((await fails(newestCheckpoint(join(folder, 'none'), history))).message).toBe(
      `${join(folder, 'none')}: there is no checkpoint to continue from; start the run again with the line that started it`,
    )
    writeFileSync(join(folder, 'step-00000001.safetensors'), '')
    await saveCheckpoint(folder, checkpointOf(2), 9)
    rmSync(history)
    const error = await fails(found())
    expect(error).toBeInstanceOf(DataError)
    expect(error.message.replaceAll(folder, 'F')).toBe(
      'F: no checkpoint is usable:\n' +
        '  F/step-00000002.safetensors: unusable without its history: F/history.jsonl: cannot be read (ENOENT)\n' +
        '  F/step-00000001.safetensors: not a checkpoint: it has no SHA-256 at its start',
    )
  })

  it('does not read a file that is far too long, or wait for a pipe', async () => {
    writeFileSync(join(folder, 'step-00000001.safetensors'), '')
    truncateSync(join(folder, 'step-00000001.safetensors'), 2 ** 40)
    if (process.platform !== 'win32') execFileSync('mkfifo', [join(folder, 'step-00000002.safetensors')])
    const { message } = await fails(found())
    expect(message).toContain('too long: 1099511627776 bytes, but must be at most 268435456')
    if (process.platform !== 'win32') expect(message).toContain('step-00000002.safetensors: not a regular file')
  })
})

describe.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')('on a disk', () => {
  let disk: string
  let mounted = false
  const mount = (options: string): boolean => {
    disk = join(folder, 'disk')
    mkdirSync(disk, { recursive: true })
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk], { stdio: 'ignore' })
      mounted = true
    } catch {
      mounted = false
    }
    return mounted
  }
  afterEach(() => {
    if (mounted) execFileSync('umount', [disk])
    mounted = false
  })
  const big = (step: number): Checkpoint => {
    return { ...checkpointOf(step), network: new Map([['w', tensorOf(...new Float32Array(40_000))]]) }
  }

  it('that is full, saving fails, the checkpoints before are whole and nothing half is left', async ({ skip }) => {
    if (!mount('size=400k')) skip()
    for (const step of [1, 2]) await saveCheckpoint(disk, big(step), 3)
    const error = await fails(saveCheckpoint(disk, big(3), 3))
    expect(error).toBeInstanceOf(WriteError)
    expect(error.message).toBe(
      `${disk}/step-00000003.safetensors can't be written: ENOSPC: no space left on device, write`,
    )
    expect(readdirSync(disk).sort()).toEqual(['step-00000001.safetensors', 'step-00000002.safetensors'])
    const path = join(disk, 'step-00000002.safetensors')
    expect(decodeCheckpoint(readFileSync(path), path).position.step).toBe(2)
  })

  it('that is read-only, saving fails, and the checkpoints before are whole', async ({ skip }) => {
    if (!mount('size=1m')) skip()
    await saveCheckpoint(disk, big(1), 3)
    execFileSync('mount', ['-o', 'remount,ro', disk])
    const error = await fails(saveCheckpoint(disk, big(2), 3))
    expect(error).toBeInstanceOf(WriteError)
    expect(error.message).toMatch(/^.*step-00000002\.safetensors can't be written: EROFS: read-only file system, open /)
    const path = join(disk, 'step-00000001.safetensors')
    expect(decodeCheckpoint(readFileSync(path), path).position.step).toBe(1)
  })
})
