// Where `fit` keeps its checkpoints, and how it names them.
import { DataError } from '../errors.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import type { SavedState } from './saved_state.ts'

/** A place for checkpoints: a folder under Node, or anything else that keeps a state under a name. */
export interface CheckpointStore {
  /** Keeps a state whole or not at all, in place of one of the same name. */
  save(name: string, state: SavedState): Promise<void>
  /** Gives back a state that was saved under this name. Rejects if there is none; with DataError if it is damaged. */
  load(name: string): Promise<SavedState>
  /** The names of all that are kept, in any order. */
  list(): Promise<readonly string[]>
  /** Forgets the state of this name. */
  remove(name: string): Promise<void>
  /**
   * Optional: takes the place for one `fit`, which calls it before it loads or saves, and calls what it gives back at its end.
   * Rejects if another has the place.
   */
  hold?(): Promise<() => Promise<void>>
}

/** Where and when `fit` saves checkpoints. */
export interface CheckpointOptions {
  readonly store: CheckpointStore
  /** Also save after every this many updates, besides at the start, after every epoch and at a stop. */
  readonly every?: number | undefined
  /** How many to keep, the newest: 3 unless given. */
  readonly keep?: number | undefined
}

const PATTERN = /^step-(\d{8,15})$/

/** The name of the checkpoint after `step` updates: 'step-00000235'. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`
}

/** The checkpoints of a store, the newest first. Other names are ignored. */
async function stepsIn(store: CheckpointStore): Promise<number[]> {
  const steps = (await store.list()).flatMap((name) => PATTERN.exec(name)?.[1] ?? []).map(Number)
  return steps.sort((a, b) => b - a)
}

/** Where a run continues: the newest state that is whole, and the names of newer ones, which are damaged. */
interface LastState {
  readonly state: SavedState | null
  readonly passedOver: readonly string[]
}

/**
 * The newest state of a store that is whole; null if the store is empty. Damaged ones are passed over, each with a warning, and
 * stay where they are. Throws DataError that says what is wrong with each if none is whole.
 */
export async function lastState(store: CheckpointStore): Promise<LastState> {
  const wrong = new Map<string, string>()
  for (const step of await stepsIn(store)) {
    const name = checkpointName(step)
    try {
      const state = await store.load(name)
      const { step: inside } = state.position
      if (inside !== step)
        throw new DataError(`${name}: its name does not match its content, which is of step ${inside}`)
      for (const why of wrong.values()) console.warn(`fit: ${why}; the run continues from ${name}, which is whole`)
      return { state, passedOver: [...wrong.keys()] }
    } catch (error) {
      if (!(error instanceof DataError)) throw error
      wrong.set(name, error.message)
    }
  }
  if (wrong.size === 0) return { state: null, passedOver: [] }
  const reasons = [...wrong.values()].map((why) => `  ${why}`)
  throw new DataError(['fit: from: no checkpoint of the store is usable:', ...reasons].join('\n'))
}

/**
 * Throws an Error where a run that begins at `state`, or at the start, would find checkpoints of later steps, those of another
 * run, except those that were passed over: it would leave them the newest, and remove or replace some of the others.
 */
export async function refuseOthers(store: CheckpointStore, { state, passedOver }: LastState): Promise<void> {
  const newest = (await stepsIn(store)).find((step) => !passedOver.includes(checkpointName(step)))
  const step = state?.position.step ?? 0
  if (newest === undefined || newest <= step) return
  throw new Error(
    `fit: checkpoint.store has checkpoints of a run that went further than step ${step}, the newest is ${checkpointName(newest)}; continue it with from: 'last', or ` +
      'give another store, such as another folder',
  )
}

/** Saves a state, then removes older ones, up to as many as are kept. */
export async function saveState({ store, keep = 3 }: CheckpointOptions, state: SavedState): Promise<void> {
  const { step } = state.position
  await store.save(checkpointName(step), state)
  const older = (await stepsIn(store)).filter((other) => other < step)
  for (const old of older.slice(keep - 1)) await store.remove(checkpointName(old))
}

/** Throws TypeError or RangeError for invalid options. */
export function checkCheckpoint(checkpoint: CheckpointOptions | undefined): void {
  if (checkpoint === undefined) return
  requireOptions('fit: checkpoint', checkpoint, ['store', 'every', 'keep'])
  const { store, every = 1, keep = 1 } = checkpoint
  const missing = (['save', 'load', 'list', 'remove'] as const).find((name) => typeof store?.[name] !== 'function')
  if (missing !== undefined) {
    throw new TypeError(
      `fit: checkpoint.store has no ${missing}; it must be a CheckpointStore, such as checkpointFolder('checkpoints')`,
    )
  }
  if (store.hold !== undefined && typeof store.hold !== 'function') {
    throw new TypeError(`fit: checkpoint.store.hold must be a function if it is there, not ${typeof store.hold}`)
  }
  for (const [name, value] of Object.entries({ every, keep })) {
    if (Number.isSafeInteger(value) && value >= 1) continue
    throw new RangeError(`fit: checkpoint.${name} must be a whole number, 1 or more, not ${shown(value)}`)
  }
}
