// The content of a checkpoint file: how it is encoded, and checked when it is read.
import { createHash } from 'node:crypto'
import { decodeSafetensors, encodeSafetensors, type HostTensor } from '../data/safetensors.ts'
import { DataError } from '../index.ts'
import { type PlateauState, plateauStateProblem } from '../sched/plateau.ts'
import { isRecord } from '../train/history.ts'
import { type CallbackState, meterWords, type SavedState } from '../train/index.ts'

/** The options of a run by their names; null for one that was not given. */
export type RecordedOptions = Readonly<Record<string, string | number | null>>

/** How much of a run's files belongs to a checkpoint: all that follows is of a time after it. */
export interface FolderPosition {
  readonly historyBytes: number
  /** Of these bytes, in hexadecimal: a run does not continue with a changed history. */
  readonly historySha256: string
  readonly timingBytes: number
}

/** What the command line keeps with a state. */
export interface CommandState {
  readonly files: FolderPosition
  /** Wall time up to here. */
  readonly seconds: number
  readonly options: RecordedOptions
  /** Of a run whose rate falls when a metric stops improving. */
  readonly plateau?: PlateauState
  readonly version: string
  readonly adapter: string
}

/** A state that `dawngrad train` saved. */
export type Checkpoint = SavedState & CommandState

/** The hash comes first in the header, so that its place is known before anything is believed. */
const BEFORE_HASH = '{"__metadata__":{"sha256":"'
const HASH_AT = 8 + BEFORE_HASH.length
const HASH_LENGTH = 64
const FORMAT = 'dawngrad checkpoint 2'
/** Only SGD, the state of whose momentum is under `momentum.` and the parameter's name. */
const FORMAT_1 = 'dawngrad checkpoint 1'
const MOMENTUM = 'momentum.'

/** What is not the network's: `optimizer.momentum.0.weight`, `callback.0.best.0.weight`. */
const OPTIMIZER = /^optimizer\.([^.]+)\.(.+)$/s
const OTHER = /^others\.(0|[1-9]\d{0,3})\.([^.]+)\.(.+)$/s
const CALLBACK = /^callback\.(0|[1-9]\d{0,3})\.(.+)$/s

/**
 * A checkpoint as one safetensors file, which PyTorch's tools read too: parameters and buffers under their names, the
 * optimizer's state under `optimizer.`, its name and the parameter's, everything else as JSON in the metadata's `state`.
 * `sha256` there is that of the whole file with zeros in place of these digits.
 *
 * @throws TypeError for a network with a tensor whose name begins as those of the optimizer's state do
 */
export function encodeCheckpoint(checkpoint: SavedState & Partial<CommandState>): Uint8Array<ArrayBuffer> {
  const { network, optimizer, others = [], position, figures, callbacks, ...rest } = checkpoint
  const { state, ...about } = optimizer
  const { metrics } = position
  const listed = metrics && Object.fromEntries(Object.entries(metrics).map(([name, words]) => [name, [...words]]))
  const json = JSON.stringify({
    position: { ...position, words: [...position.words], ...(listed && { metrics: listed }) },
    optimizer: about,
    ...(others.length > 0 && { others: others.map(({ state: _, ...about }) => about) }),
    ...(figures && { figures }), // JSON writes NaN as null
    ...(callbacks && { callbacks: callbacks.map((one) => one && { values: one.values }) }),
    ...rest,
  })
  const metadata = new Map([
    ['sha256', '0'.repeat(HASH_LENGTH)],
    ['format', FORMAT],
    ['state', json],
  ])
  const taken = [...network.keys()].find((name) => [OPTIMIZER, OTHER, CALLBACK].some((pattern) => pattern.test(name)))
  if (taken !== undefined) {
    throw new TypeError(
      `a checkpoint: the network's tensor ${taken} has the name of a state; call its module something other than ` +
        `'${taken.split('.')[0]}'`,
    )
  }
  const tensors = new Map(network)
  for (const [key, values] of state) {
    for (const [name, value] of values) tensors.set(`optimizer.${key}.${name}`, value)
  }
  for (const [i, { state }] of others.entries()) {
    for (const [key, values] of state) {
      for (const [name, value] of values) tensors.set(`others.${i}.${key}.${name}`, value)
    }
  }
  for (const [i, one] of (callbacks ?? []).entries()) {
    for (const [name, value] of one?.tensors ?? []) tensors.set(`callback.${i}.${name}`, value)
  }
  const bytes = encodeSafetensors(tensors, metadata)
  bytes.set(new TextEncoder().encode(hashOf(bytes)), HASH_AT)
  return bytes
}

/**
 * Reads a checkpoint of `dawngrad train`. Damage of any kind is found by the hash before anything else is looked at; what
 * follows holds for files that were made to deceive too.
 *
 * @param name the file's name, for messages
 * @throws DataError
 */
export function decodeCheckpoint(bytes: Uint8Array, name: string): Checkpoint {
  return decode(bytes, name, { ...STATE, ...COMMAND }) as Checkpoint
}

/** Reads a state that `fit` saved, as {@link decodeCheckpoint} reads one of the command line. */
export function decodeSavedState(bytes: Uint8Array, name: string): SavedState {
  return decode(bytes, name, STATE)
}

function decode(bytes: Uint8Array, name: string, entries: Entries): SavedState {
  const text = new TextDecoder('latin1').decode(bytes.subarray(8, HASH_AT + HASH_LENGTH))
  const stored = text.slice(BEFORE_HASH.length)
  if (!text.startsWith(BEFORE_HASH) || !/^[0-9a-f]{64}$/.test(stored)) {
    throw new DataError(`${name}: not a checkpoint: it has no SHA-256 at its start`)
  }
  const found = hashOf(bytes)
  if (found !== stored) {
    throw new DataError(`${name}: damaged: the SHA-256 of its ${bytes.length} bytes is ${found}, it must be ${stored}`)
  }
  const { tensors, metadata } = decodeSafetensors(bytes, name)
  const format = metadata.get('format')
  const json = metadata.get('state') ?? ''
  if (format === FORMAT) return { ...readState(json, name, entries), ...readTensors(tensors, json) } as SavedState
  if (format === FORMAT_1) return fromFormat1(readState(json, name, { ...FIRST, ...COMMAND }), tensors)
  const given = JSON.stringify(format ?? null).slice(0, 60)
  throw new DataError(`${name}: its format is ${given}, this version reads "${FORMAT}" and "${FORMAT_1}"`)
}

/** The tensors of a checkpoint by whose they are, beside what its state, which has been checked, says of them. */
function readTensors(tensors: ReadonlyMap<string, HostTensor>, json: string) {
  const { optimizer, others, callbacks } = JSON.parse(json) as Pick<SavedState, 'optimizer' | 'others' | 'callbacks'>
  const network = new Map<string, HostTensor>()
  const state = new Map<string, Map<string, HostTensor>>()
  const ofCallbacks = new Map<number, Map<string, HostTensor>>()
  const ofOthers = (others ?? []).map(() => new Map<string, Map<string, HostTensor>>())
  const put = <K>(into: Map<K, Map<string, HostTensor>>, key: K, name: string, value: HostTensor) => {
    into.set(key, (into.get(key) ?? new Map<string, HostTensor>()).set(name, value))
  }
  for (const [key, value] of tensors) {
    const [, kind, parameter] = OPTIMIZER.exec(key) ?? []
    const [, index, tensor] = CALLBACK.exec(key) ?? []
    const [, other, itsKind, itsParameter] = OTHER.exec(key) ?? []
    const its = other === undefined ? undefined : ofOthers[Number(other)]
    if (its) put(its, itsKind!, itsParameter!, value)
    else if (kind !== undefined) put(state, kind, parameter!, value)
    else if (index !== undefined) put(ofCallbacks, Number(index), tensor!, value)
    else network.set(key, value)
  }
  const withTensors = (one: CallbackState | null, i: number) =>
    one && { ...one, ...(ofCallbacks.has(i) && { tensors: ofCallbacks.get(i)! }) }
  return {
    network,
    optimizer: { ...optimizer, state },
    ...(others && { others: others.map((one, i) => ({ ...one, state: ofOthers[i]! })) }),
    ...(callbacks && { callbacks: callbacks.map(withTensors) }),
  }
}

/** The version before wrote SGD's states alone, and its updates were those of the run. */
function fromFormat1(state: State, tensors: ReadonlyMap<string, HostTensor>): SavedState {
  const network = new Map<string, HostTensor>()
  const momentum = new Map<string, HostTensor>()
  for (const [key, value] of tensors) {
    if (key.startsWith(MOMENTUM)) momentum.set(key.slice(MOMENTUM.length), value)
    else network.set(key, value)
  }
  const optimizer = {
    name: 'SGD',
    step: state.position.step,
    state: new Map(momentum.size > 0 ? [['momentum', momentum]] : []),
  }
  return { ...state, network, optimizer }
}

function hashOf(bytes: Uint8Array): string {
  const after = HASH_AT + HASH_LENGTH
  const zeros = '0'.repeat(HASH_LENGTH)
  return createHash('sha256')
    .update(bytes.subarray(0, HASH_AT))
    .update(zeros)
    .update(bytes.subarray(after))
    .digest('hex')
}

type State = Omit<SavedState, 'network' | 'optimizer'>
type Check = (value: unknown) => boolean
/** What every entry of a state must be; no other may be there. */
type Entries = Readonly<Record<string, Check>>

const isText: Check = (value) => typeof value === 'string' && value.length <= 1000
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isSeconds: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isHash: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
const isWord: Check = (value) => Number.isInteger(value) && (value as number) === ((value as number) | 0)
const isWords: Check = (value) => Array.isArray(value) && value.every(isWord) && meterWords(value) !== null
const isOption: Check = (value) => value === null || isText(value) || (typeof value === 'number' && value >= 0)
const isOptions: Check = (value) => isObject(value) && Object.values(value).every(isOption)

/** Absent in a run without one; LeNet's optimizer has one group. */
const isPlateau: Check = (value) => value === undefined || plateauStateProblem(value, 1) === null

const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value)
const isSetting: Check = (value) =>
  isNumber(value) || typeof value === 'boolean' || (Array.isArray(value) && value.every(isNumber))
const isGroups: Check = (value) =>
  value === undefined ||
  (Array.isArray(value) && value.every((group) => isObject(group) && Object.values(group).every(isSetting)))
const allOf = (check: Check): Check => {
  return (value) => value === undefined || (isObject(value) && Object.values(value).every(check))
}
/** With exactly these entries. */
const shaped = (value: unknown, entries: Entries): boolean => {
  if (!isObject(value) || Object.keys(value).some((key) => !Object.hasOwn(entries, key))) return false
  return Object.entries(entries).every(([key, check]) => check(Object.hasOwn(value, key) ? value[key] : undefined))
}
const optional = (entries: Entries): Check => {
  return (value) => value === undefined || shaped(value, entries)
}
const isNames: Check = (value) => Array.isArray(value) && value.every((name) => typeof name === 'string')
const isFigure: Check = (value) => value === null || isNumber(value)
const isOrder: Check = (value) => value === undefined || isText(value)
/** Numbers, or lists of them, however deep. */
const isMetric: Check = (value) => (Array.isArray(value) ? value.every(isMetric) : isFigure(value))
const isMetrics = allOf(isMetric)
const isCallback: Check = (value) => value === null || shaped(value, { values: () => true })
/** Without an evaluation the figures of the test are NaN. */
const isRecords: Check = (value) =>
  value === undefined || (Array.isArray(value) && value.every((one) => isObject(one) && isRecord(withNaN(one))))

const isPositions: Check = (value) => value === undefined || (isObject(value) && Object.values(value).every(isCount))

const FIRST: Entries = {
  'position.epoch': isCount,
  'position.step': isCount,
  'position.words': isWords,
  'position.trainSeconds': isSeconds,
  'position.epochSeconds': isSeconds,
  'position.lr': (value) => value === undefined || isSeconds(value),
}

const OPTIMIZER_ENTRIES: Entries = {
  name: isText,
  role: (value) => value === undefined || isText(value),
  step: isCount,
  skipped: allOf(isCount),
  paramGroups: isGroups,
  groups: (value) => value === undefined || (Array.isArray(value) && value.every(isNames)),
  others: allOf(isNumber),
}

const STATE: Entries = {
  ...FIRST,
  'position.metrics': allOf((value) => Array.isArray(value) && value.every(isWord)),
  ...Object.fromEntries(Object.entries(OPTIMIZER_ENTRIES).map(([name, check]) => [`optimizer.${name}`, check])),
  others: (value) =>
    value === undefined || (Array.isArray(value) && value.every((one) => shaped(one, OPTIMIZER_ENTRIES))),
  frozen: (value) => value === undefined || isNames(value),
  evaluated: (value) => value === undefined || isNames(value),
  settings: optional({
    images: isCount,
    batchSize: isCount,
    accumulate: isCount,
    seed: isCount,
    lr: isSeconds,
    order: isOrder,
    changes: isOrder,
  }),
  figures: optional({
    trainLoss: isFigure,
    trainAcc: isFigure,
    testLoss: isFigure,
    testAcc: isFigure,
    metrics: isMetrics,
    testMetrics: isMetrics,
  }),
  random: optional({ seed: isCount, draws: isCount, streams: isPositions }),
  history: isRecords,
  callbacks: (value) => value === undefined || (Array.isArray(value) && value.every(isCallback)),
}

const COMMAND: Entries = {
  'files.historyBytes': isCount,
  'files.historySha256': isHash,
  'files.timingBytes': isCount,
  seconds: isSeconds,
  options: isOptions,
  plateau: isPlateau,
  version: isText,
  adapter: isText,
}

function readState(json: string, name: string, entries: Entries): State {
  const state = parsed(json)
  if (!isObject(state)) throw new DataError(`${name}: its metadata has no state in JSON`)
  const flat = new Map<string, unknown>() // no object: a key may be __proto__
  for (const [key, value] of Object.entries(state)) {
    if (Object.keys(entries).some((entry) => entry.startsWith(`${key}.`)) && isObject(value)) {
      for (const [inner, one] of Object.entries(value)) flat.set(`${key}.${inner}`, one)
    } else flat.set(key, value)
  }
  const unknown = [...flat.keys()].find((key) => !Object.hasOwn(entries, key))
  if (unknown !== undefined) throw new DataError(`${name}: its state has ${JSON.stringify(unknown)}, which is unknown`)
  const wrong = Object.entries(entries).find(([key, check]) => !check(flat.get(key)))
  if (wrong) throw new DataError(`${name}: its state's ${wrong[0]} is missing or invalid`)
  const { position, figures, history, ...rest } = state as unknown as State
  return {
    ...rest,
    position: {
      ...position,
      words: meterWords([...position.words])!,
      ...(position.metrics && { metrics: mapped(position.metrics, (words) => Int32Array.from(words)) }),
    },
    ...(figures && { figures: withNaN(figures) }),
    ...(history && { history: history.map(withNaN) }),
  }
}

/** JSON has null for NaN. */
function withNaN<T extends object>(figures: T): T {
  return mapped(figures as Readonly<Record<string, unknown>>, nanInside) as T
}

function nanInside(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nanInside)
  return isObject(value) ? mapped(value, nanInside) : (value ?? Number.NaN)
}

function mapped<T, R>(values: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch {
    return null
  }
}
