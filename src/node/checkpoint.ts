// The content of a checkpoint file: how it is encoded, and checked when it is read.
import { createHash } from 'node:crypto'
import { decodeSafetensors, encodeSafetensors, type HostTensor } from '../data/safetensors.ts'
import { DataError } from '../index.ts'
import { type PlateauState, plateauStateProblem } from '../sched/plateau.ts'
import { METER_WORDS, type Position } from '../train/index.ts'

/** The options of a run by their names; null for one that was not given. */
export type RecordedOptions = Readonly<Record<string, string | number | null>>

/** How much of a run's files belongs to a checkpoint: all that follows is of a time after it. */
export interface FolderPosition {
  readonly historyBytes: number
  /** Of these bytes, in hexadecimal: a history that was changed is not gone on with. */
  readonly historySha256: string
  readonly timingBytes: number
}

/** All that a run needs to go on with the same bits. */
export interface Checkpoint {
  readonly position: Position
  readonly files: FolderPosition
  /** Wall time up to here. */
  readonly seconds: number
  readonly options: RecordedOptions
  /** Of a run whose rate falls where a metric gets no better. */
  readonly plateau?: PlateauState
  readonly version: string
  readonly adapter: string
  /** By PyTorch's names: '0.weight'. */
  readonly parameters: ReadonlyMap<string, HostTensor>
  /** Momentum buffers by the names of their parameters; those without are absent. */
  readonly momentum: ReadonlyMap<string, HostTensor>
}

/** The hash comes first in the header, so that its place is known before anything is believed. */
const BEFORE_HASH = '{"__metadata__":{"sha256":"'
const HASH_AT = 8 + BEFORE_HASH.length
const HASH_LENGTH = 64
const FORMAT = 'dawngrad checkpoint 1'
const MOMENTUM = 'momentum.'

/**
 * A checkpoint as one safetensors file, which PyTorch's tools read too: parameters under their names, momentum under
 * `momentum.` and the parameter's name, all else as JSON in the metadata's `state`. `sha256` there is that of the whole
 * file with zeros in the place of its own digits.
 */
export function encodeCheckpoint({ parameters, momentum, position, ...rest }: Checkpoint): Uint8Array<ArrayBuffer> {
  const state = JSON.stringify({ position: { ...position, words: [...position.words] }, ...rest })
  const metadata = new Map([
    ['sha256', '0'.repeat(HASH_LENGTH)],
    ['format', FORMAT],
    ['state', state],
  ])
  const tensors = new Map(parameters)
  for (const [name, buffer] of momentum) tensors.set(MOMENTUM + name, buffer)
  const bytes = encodeSafetensors(tensors, metadata)
  bytes.set(new TextEncoder().encode(hashOf(bytes)), HASH_AT)
  return bytes
}

/**
 * Reads a checkpoint. Damage of any kind is found by the hash before anything else is looked at; what follows holds for
 * files that were made to deceive too.
 *
 * @param name the file's name, for messages
 * @throws DataError
 */
export function decodeCheckpoint(bytes: Uint8Array, name: string): Checkpoint {
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
  if (metadata.get('format') !== FORMAT) {
    const given = JSON.stringify(metadata.get('format') ?? null).slice(0, 60)
    throw new DataError(`${name}: its format is ${given}, this version reads "${FORMAT}"`)
  }
  const parameters = new Map<string, HostTensor>()
  const momentum = new Map<string, HostTensor>()
  for (const [key, value] of tensors) {
    if (key.startsWith(MOMENTUM)) momentum.set(key.slice(MOMENTUM.length), value)
    else parameters.set(key, value)
  }
  return { ...readState(metadata.get('state') ?? '', name), parameters, momentum }
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

type State = Omit<Checkpoint, 'parameters' | 'momentum'>
type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string' && value.length <= 1000
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isSeconds: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isHash: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
const isWord: Check = (value) => Number.isInteger(value) && (value as number) === ((value as number) | 0)
const isWords: Check = (value) => Array.isArray(value) && value.length === METER_WORDS && value.every(isWord)
const isOption: Check = (value) => value === null || isText(value) || (typeof value === 'number' && value >= 0)
const isOptions: Check = (value) => isObject(value) && Object.values(value).every(isOption)

/** Absent in a run without one; LeNet's optimiser has one group. */
const isPlateau: Check = (value) => value === undefined || plateauStateProblem(value, 1) === null

/** What every entry of the state must be; no other may be there. */
const STATE: Readonly<Record<string, Check>> = {
  'position.epoch': isCount,
  'position.step': isCount,
  'position.words': isWords,
  'position.trainSeconds': isSeconds,
  'position.epochSeconds': isSeconds,
  'files.historyBytes': isCount,
  'files.historySha256': isHash,
  'files.timingBytes': isCount,
  seconds: isSeconds,
  options: isOptions,
  plateau: isPlateau,
  version: isText,
  adapter: isText,
}

function readState(json: string, name: string): State {
  const state = parsed(json)
  if (!isObject(state)) throw new DataError(`${name}: its metadata has no state in JSON`)
  const flat = new Map<string, unknown>() // no object: a key may be __proto__
  for (const [key, value] of Object.entries(state)) {
    if (['position', 'files'].includes(key) && isObject(value)) {
      for (const [inner, one] of Object.entries(value)) flat.set(`${key}.${inner}`, one)
    } else flat.set(key, value)
  }
  const unknown = [...flat.keys()].find((key) => !Object.hasOwn(STATE, key))
  if (unknown !== undefined) throw new DataError(`${name}: its state has ${JSON.stringify(unknown)}, which is unknown`)
  const wrong = Object.entries(STATE).find(([key, check]) => !check(flat.get(key)))
  if (wrong) throw new DataError(`${name}: its state's ${wrong[0]} is missing or not what it can be`)
  const { position, ...rest } = state as unknown as State
  return { ...rest, position: { ...position, words: Int32Array.from(position.words) } }
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
