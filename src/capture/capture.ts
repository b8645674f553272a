// Captured functions: the dispatches of one step, recorded once and run as often as wanted.
import type { Gpu } from '../gpu/gpu.ts'
import { MAX_STEPS } from '../gpu/params.ts'
import type { Storage } from '../gpu/pool.ts'
import { Recording } from '../gpu/recording.ts'
import { defaultGpu } from '../tensor/default.ts'
import { observe, observing } from '../tensor/observe.ts'
import { requireOptions } from '../tensor/options.ts'
import { unregister } from '../tensor/owned.ts'
import { scope, tensorsIn } from '../tensor/scope.ts'
import { forgetGradients, type Tensor } from '../tensor/tensor.ts'
import { type Current, isAnyCapturing, recordInto } from './current.ts'
import type { RateOf } from './per_step.ts'

/** Options of {@link Plan.run}. */
export interface PlanRunOptions {
  /** The learning rate of all parameter groups from now on, or one for each of the steps. */
  readonly lr?: number | readonly number[] | undefined
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
  readonly #made: Current
  /** Memory that a step writes and others may have used: what lies outside of the plan, its result, gradients in it. */
  readonly #written: ReadonlySet<Storage>
  readonly #leaves: ReadonlySet<Tensor>
  #disposed = false

  /** @internal */
  constructor(made: Current, result: T, leaves: ReadonlySet<Tensor>) {
    const { recording } = made
    this.#made = made
    this.#leaves = leaves
    const given = [...tensorsIn(result), ...[...leaves].flatMap(({ grad }) => grad ?? [])]
    const own = given.map(({ storage }) => storage).filter(({ whole }) => whole.pool === recording.memory.pool)
    this.#written = new Set([...recording.written(), ...own])
    this.result = result
    this.dispatches = recording.entries.length
    for (const storage of recording.externals()) storage.retain()
  }

  /**
   * Takes this many steps; returns as soon as they are on their way to the device. `lr` is given to every optimizer in the
   * function, as if it were assigned to its groups: one number, or one for each step. Without it the groups' own
   * apply. Throws before anything is done: RangeError for a count or rates that do not fit, Error after `dispose()`.
   */
  run(steps = 1, options: PlanRunOptions = {}): void {
    requireOptions('plan.run', options, ['lr'])
    const { lr } = options
    const rateOf: RateOf = (step) => (typeof lr === 'object' ? lr[step] : lr)
    this.#check(steps, lr, rateOf)
    const { gpu, recording, uses } = this.#made
    const used = [...uses]
    const mostCalls = Math.max(1, ...used.map(([, { calls }]) => calls))
    const most = Math.max(1, Math.floor(MAX_STEPS / mostCalls)) // in one submit
    for (let done = 0; done < steps; done += most) {
      const count = Math.min(most, steps - done)
      const rates: RateOf = (step) => rateOf(done + step)
      for (const [numbers, { source, calls }] of used) {
        numbers.upload(source, count * calls, calls, byUse(rates, calls))
      }
      gpu.replay(recording.entries, count)
      for (const storage of this.#written) storage.version++
      for (const [, { source, calls }] of used) source.advance(count * calls, byUse(rates, calls))
    }
  }

  /** Releases the plan's memory, including its result and the gradients in it. */
  dispose(): void {
    if (this.#disposed) throw new Error('plan.dispose: the plan was already disposed')
    this.#disposed = true
    for (const tensor of tensorsIn(this.result)) tensor.release('its plan was disposed')
    const { gpu, recording } = this.#made
    const { memory } = recording
    const inMemory = [...this.#leaves].filter(({ grad }) => grad?.storage.whole.pool === memory.pool)
    forgetGradients(inMemory, 'its plan was disposed')
    for (const storage of recording.externals()) storage.release()
    gpu.dropPlanMemory(memory)
  }

  #check(steps: number, lr: PlanRunOptions['lr'], rateOf: RateOf): void {
    if (this.#disposed) throw new Error('plan.run: the plan was disposed')
    if (!Number.isSafeInteger(steps) || steps < 0) {
      throw new RangeError(`plan.run: steps must be a whole number, 0 or more, not ${String(steps)}`)
    }
    const { recording, uses, acrossBatch } = this.#made
    const used = [...uses.values()]
    if (lr !== undefined && !used.some(({ source }) => source.takesRates)) {
      throw new Error('plan.run: lr is given, but the captured function has no optimizer.step()')
    }
    if (typeof lr === 'object' && lr.length !== steps) {
      throw new RangeError(`plan.run: ${lr.length} rates are given for ${steps} steps`)
    }
    if (recording.moved()) {
      throw new Error(
        'plan.run: an optimizer made after the capture has moved parameters; make optimizers first, then capture',
      )
    }
    for (const { source, calls } of used) source.check?.(steps * calls, byUse(rateOf, calls), acrossBatch)
  }
}

/** Rates of steps, given for each of the `calls` uses that a step has. */
function byUse(rateOf: RateOf, calls: number): RateOf {
  return (use) => rateOf(Math.floor(use / calls))
}

/** Has what `fn` dispatches noted instead of done; adds the tensors that backward comes to in it to `leaves`. */
function record<T>(gpu: Gpu, recording: Recording, leaves: Set<Tensor>, fn: () => T): { made: Current; result: T } {
  const made: Current = { gpu, recording, uses: new Map(), acrossBatch: null }
  const looking = { leaf: (leaf: Tensor) => void leaves.add(leaf) }
  const result = recordInto(made, () => observe(looking, () => gpu.during(recording, () => scope(fn))))
  if (recording.refused) throw recording.refused // whoever caught it
  return { made, result }
}

/**
 * Records what `fn` does, without doing it, as a plan whose `run(n)` does it n times: a whole training step, with
 * zeroGrad, forward, backward and step, or an evaluation. `fn` is run twice and must do the same
 * both times: what varies from step to step must live on the device, as the position of `batches.next()` and learning rates do.
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
    const rehearse = () => {
      const { made, result } = record(gpu, new Recording(memory), leaves, fn)
      for (const tensor of tensorsIn(result)) tensor.release('it was the result of an earlier recording')
      return made.recording
    }
    let first = rehearse()
    // An optimizer has taken in parameters that were put into its groups: what was recorded before has their old place.
    if (first.moved()) first = rehearse()
    const { made, result } = record(gpu, new Recording(memory), leaves, fn)
    const difference = first.difference(made.recording)
    if (difference) {
      throw new Error(
        `capture: the function did different things in two runs: ${difference}. It must not depend on values from the host, and ` +
          'a step must begin with zeroGrad()',
      )
    }
    if (made.recording.entries.length === 0) throw new Error('capture: the function dispatched nothing')
    for (const tensor of tensorsIn(result)) unregister(tensor)
    return new Plan(made, result, leaves)
  } catch (error) {
    forgetGradients(leaves, 'it was made in a failed capture, which computes nothing')
    gpu.dropPlanMemory(memory)
    throw error
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
    const { result } = record(gpu, recording, leaves, fn)
    for (const tensor of tensorsIn(result)) tensor.release('it was the result of a warm-up, which computes nothing')
  } finally {
    forgetGradients(leaves, 'it was made in a warm-up, which computes nothing')
    gpu.dropPlanMemory(memory)
  }
  await gpu.compile(recording.kernels)
}

/** Checks what `capture` and `warmUp` are called with, and returns the device, with nothing left to be sent to it. */
function begin(what: 'capture' | 'warmUp', fn: unknown, options: { gpu?: Gpu }): Gpu {
  requireOptions(what, options, ['gpu'])
  if (typeof fn !== 'function') throw new TypeError(`${what}: fn must be a function, not ${typeof fn}`)
  if (isAnyCapturing()) throw new Error(`${what}: another function is already being captured`)
  const refuses = observing().find((observer) => observer.refusesCapture !== undefined)
  if (refuses) throw new Error(`${what}: ${refuses.refusesCapture}`)
  const gpu = options.gpu ?? defaultGpu()
  gpu.flush()
  return gpu
}
