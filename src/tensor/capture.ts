import type { Gpu } from '../gpu/gpu.ts'
import { PackedCopy } from '../gpu/packed_copy.ts'
import { MAX_STEPS } from '../gpu/params.ts'
import { Recording } from '../gpu/recording.ts'
import { detector } from './anomaly.ts'
import { defaultGpu } from './default.ts'
import { requireOptions } from './options.ts'
import { scope, tensorsIn, unregister } from './scope.ts'
import { forgetGradients, type Tensor } from './tensor.ts'

/** Options of {@link Plan.run}. */
export interface RunOptions {
  /** The learning rate of all parameter groups from now on, or one for each of the steps. */
  readonly lr?: number | readonly number[] | undefined
}

/** What takes part in a plan and changes from step to step: an optimiser by its rates, batches by their position. */
export interface Participant {
  /**
   * Throws where a run cannot take place; nothing has been done yet. `across` names what in the step looks across the batch,
   * if anything does.
   */
  check(steps: number, lr: RunOptions['lr'], across: string | null): void
  /** Called before the steps of one submit, to upload what they need. */
  before(steps: number, lr: RunOptions['lr']): void
  /** Called when the steps have been submitted. */
  after(steps: number): void
  readonly takesRates: boolean
}

type Participants = Map<object, Participant>
interface Current {
  readonly gpu: Gpu
  readonly participants: Participants
  /** Tensors that were given a gradient. */
  readonly leaves: Set<Tensor>
  across: string | null
}
let current: Current | null = null

/** Whether a function is being captured on this device. */
export function isCapturing(gpu: Gpu): boolean {
  return current?.gpu === gpu
}

/**
 * For what a captured function uses: takes part in the runs of its plan, once however often it is used in a step. Whether
 * this was the first time.
 */
export function takePart(part: object, participant: Participant): boolean {
  if (!current || current.participants.has(part)) return false
  current.participants.set(part, participant)
  return true
}

/** Called for every tensor that backward gives a gradient. */
export function noteGradient(leaf: Tensor): void {
  current?.leaves.add(leaf)
}

/**
 * Notes that an operation in the captured function looks across the batch, such as 'batchNorm in training': each row's result
 * depends on the others, so that a batch filled up with rows of zeros would give wrong results. Nothing unless capturing.
 */
export function looksAcross(what: string): void {
  if (current) current.across ??= what
}

/** What one call of a captured function left. */
interface Recorded<T> {
  readonly across: string | null
  readonly recording: Recording
  readonly participants: Participants
  readonly result: T
}

/**
 * The steps of a captured function. Every run does what the function would do, in the same order and with the same bits,
 * without running any of its JavaScript.
 */
export class Plan<T = unknown> {
  /** What the function returned; its tensors hold the values of the last step run, until `dispose()`. */
  readonly result: T
  /** Dispatches in a step. */
  readonly dispatches: number
  readonly #gpu: Gpu
  readonly #recording: Recording
  readonly #participants: Participants
  readonly #leaves: ReadonlySet<Tensor>
  readonly #across: string | null
  #disposed = false

  /** @internal */
  constructor(gpu: Gpu, { recording, participants, result, across }: Recorded<T>, leaves: ReadonlySet<Tensor>) {
    this.#gpu = gpu
    this.#recording = recording
    this.#participants = participants
    this.#leaves = leaves
    this.#across = across
    this.result = result
    this.dispatches = recording.entries.length
    for (const storage of recording.externals()) storage.retain()
  }

  /**
   * Takes so many steps; returns as soon as they are on their way to the device. `lr` is given to every optimiser in the
   * function, as if it were assigned to its groups: one number, or one for each step. Without it the groups' own are in
   * force. Throws before anything is done: RangeError for a count or rates that do not fit, Error after `dispose()`.
   */
  run(steps = 1, options: RunOptions = {}): void {
    requireOptions('plan.run', options, ['lr'])
    this.#check(steps, options.lr)
    for (let done = 0; done < steps; done += MAX_STEPS) {
      const count = Math.min(MAX_STEPS, steps - done)
      const lr = typeof options.lr === 'object' ? options.lr.slice(done, done + count) : options.lr
      for (const participant of this.#participants.values()) participant.before(count, lr)
      this.#gpu.replay(this.#recording.entries, count)
      for (const participant of this.#participants.values()) participant.after(count)
    }
  }

  /** Gives the plan's memory back, that of its result and of the gradients in it included. */
  dispose(): void {
    if (this.#disposed) throw new Error('plan.dispose: the plan was disposed before')
    this.#disposed = true
    for (const tensor of tensorsIn(this.result)) tensor.release('its plan was disposed')
    const { pool } = this.#recording.memory
    const inMemory = [...this.#leaves].filter(({ grad }) => grad?.storage.whole.pool === pool)
    forgetGradients(inMemory, 'its plan was disposed')
    for (const storage of this.#recording.externals()) storage.release()
    this.#gpu.dropPlanMemory(this.#recording.memory)
  }

  #check(steps: number, lr: RunOptions['lr']): void {
    if (this.#disposed) throw new Error('plan.run: the plan was disposed')
    if (!Number.isSafeInteger(steps) || steps < 0) {
      throw new RangeError(`plan.run: steps must be a whole number, 0 or more, not ${String(steps)}`)
    }
    if (lr !== undefined && ![...this.#participants.values()].some(({ takesRates }) => takesRates)) {
      throw new Error('plan.run: lr is given, and the captured function has no optimizer.step()')
    }
    if (typeof lr === 'object' && lr.length !== steps) {
      throw new RangeError(`plan.run: ${lr.length} rates are given for ${steps} steps`)
    }
    if (this.#recording.moved()) {
      throw new Error(
        'plan.run: an optimiser made after the capture has moved parameters; make optimisers first, then capture',
      )
    }
    for (const participant of this.#participants.values()) participant.check(steps, lr, this.#across)
  }
}

/**
 * Records what `fn` does, without doing it, as a plan whose `run(n)` does it n times: a whole training step, with
 * zeroGrad, forward, backward and step, or an evaluation. `fn` is run twice, or three times, and must do the same twice in
 * a row: what varies from step to step must live on the device, as the position of `batches.next()` and learning rates do.
 * Its own tensors lie in memory that belongs to the plan, the gradients it leaves included.
 *
 * Throws an Error where `fn` uploads values, reads them back, copies memory, or does not do the same twice; gradients of
 * the tensors in it are forgotten then.
 */
export function capture<T>(fn: () => T, options: { gpu?: Gpu } = {}): Plan<T> {
  const gpu = begin('capture', fn, options)
  const memory = gpu.newPlanMemory()
  const leaves = new Set<Tensor>()
  try {
    const record = (): Recorded<T> => {
      const recording = new Recording(memory)
      const participants: Participants = new Map()
      const now: Current = { gpu, participants, leaves, across: null }
      current = now
      const result = gpu.during(recording, () => scope(fn))
      if (recording.refused) throw recording.refused // whoever caught it
      return { recording, participants, result, across: now.across }
    }
    const again = (before: Recorded<T>) => {
      for (const tensor of tensorsIn(before.result)) tensor.release('it was the result of an earlier recording')
      const now = record()
      return { ...now, difference: before.recording.difference(now.recording) }
    }
    const { changes } = PackedCopy
    let last = again(record())
    // The first may have changed what is kept from step to step.
    if (last.difference && PackedCopy.changes !== changes) last = again(last)
    const { recording, result, difference } = last
    if (difference) {
      throw new Error(
        `capture: the function did not do the same twice: ${difference}. It may not depend on values of the host, and ` +
          'a step begins with zeroGrad()',
      )
    }
    if (recording.entries.length === 0) throw new Error('capture: the function dispatched nothing')
    for (const tensor of tensorsIn(result)) unregister(tensor)
    return new Plan(gpu, last, leaves)
  } catch (error) {
    forgetGradients(leaves, 'it was made in a capture that failed, which computes nothing')
    gpu.dropPlanMemory(memory)
    throw error
  } finally {
    current = null
  }
}

/**
 * Compiles what `fn` dispatches, without doing it: all kernels side by side, on threads of the device's, so that data can
 * be read and decoded meanwhile. `fn` is what will be captured or called later, or the same with stand-ins of the same
 * shapes; it is run once, and its tensors hold nothing. Gradients of the tensors in it are forgotten. What was not warmed
 * up is compiled when it is first dispatched.
 *
 * Rejects with a GpuError that names the kernel where one does not compile, with an Error where `fn` reads values back or
 * copies memory.
 */
export async function warmUp(fn: () => unknown, options: { gpu?: Gpu } = {}): Promise<void> {
  const gpu = begin('warmUp', fn, options)
  const memory = gpu.newPlanMemory()
  const recording = new Recording(memory, 'warmUp')
  const leaves = new Set<Tensor>()
  try {
    current = { gpu, participants: new Map(), leaves, across: null }
    const result = gpu.during(recording, () => scope(fn))
    for (const tensor of tensorsIn(result)) tensor.release('it was the result of a warm-up, which computes nothing')
  } finally {
    current = null
    forgetGradients(leaves, 'it was made in a warm-up, which computes nothing')
    gpu.dropPlanMemory(memory)
  }
  if (recording.refused) throw recording.refused // whoever caught it
  await gpu.compile(recording.kernels)
}

/** Checks what `capture` and `warmUp` are called with, and returns the device, with nothing left to be sent to it. */
function begin(what: 'capture' | 'warmUp', fn: unknown, options: { gpu?: Gpu }): Gpu {
  requireOptions(what, options, ['gpu'])
  if (typeof fn !== 'function') throw new TypeError(`${what}: a function is needed, not ${typeof fn}`)
  if (current) throw new Error(`${what}: a function is being captured already`)
  if (detector()) throw new Error(`${what}: anomalies are looked for one operation at a time; do it without that`)
  const gpu = options.gpu ?? defaultGpu()
  gpu.flush()
  return gpu
}
