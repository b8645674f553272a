// Captured functions: the dispatches of one step, recorded once and run as often as wanted.
import type { Gpu } from '../gpu/gpu.ts'
import { MAX_STEPS } from '../gpu/params.ts'
import type { Storage } from '../gpu/pool.ts'
import { Recording } from '../gpu/recording.ts'
import { defaultGpu } from '../tensor/default.ts'
import { gradEnabled, refusePromise } from '../tensor/modes.ts'
import { type Observer, observe, observing } from '../tensor/observe.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { releasing, unregister } from '../tensor/owned.ts'
import { tensorsIn } from '../tensor/scope.ts'
import { forgetGradients, type Tensor } from '../tensor/tensor.ts'
import { type Current, type Dependence, followRows, isAnyCapturing, recordInto, refuseInCapture } from './current.ts'
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
  /** What the function returned; its tensors hold the values of the last step run, from the first run until `dispose()`. */
  readonly result: T
  /** Dispatches in a step. */
  readonly dispatches: number
  readonly #made: Current
  /** The tensors of the result that were made in the function. */
  readonly #returned: readonly Tensor[]
  /** Memory that a step writes and others may have used: what lies outside of the plan, its result, gradients in it. */
  readonly #written: ReadonlySet<Storage>
  /** Memory that the plan holds: its own that tensors outside of it may give back, and what its dispatches refer to. */
  readonly #held: readonly Storage[]
  /** Where a step leaves the gradients of leaves; null for one that has none at its end. */
  readonly #gradients: ReadonlyMap<Tensor, Storage | null>
  /** The tensors from outside that its operations use. */
  readonly #used: readonly Tensor[]
  #disposed = false

  /** @internal */
  constructor({ made, result, returned, used }: Recorded<T>, leaves: ReadonlySet<Tensor>) {
    const { recording } = made
    this.#made = made
    this.#returned = returned
    this.#used = used
    const isOwn = ({ whole }: Storage) => whole.pool === recording.memory.pool
    const gradients = [...leaves].flatMap(({ grad }) => grad?.storage ?? [])
    const given = [...returned.map(({ storage }) => storage).filter(isOwn), ...gradients]
    const own = given.filter(isOwn)
    this.#written = new Set([...recording.written(), ...given])
    for (const storage of given) storage.pending = true
    this.#gradients = new Map([...leaves].map((leaf) => [leaf, leaf.grad?.storage ?? null]))
    this.#held = [...own, ...recording.externals()]
    for (const storage of this.#held) storage.retain()
    this.result = result
    this.dispatches = recording.entries.length
  }

  /**
   * Takes this many steps; returns as soon as they are on their way to the device. `lr` is given to every optimizer in the
   * function, as if it were assigned to its groups: one number, or one for each step. Without it the groups' own
   * apply. Throws before anything is done: RangeError for a count or rates that do not fit, Error after `dispose()`.
   */
  run(steps = 1, options: PlanRunOptions = {}): void {
    requireOptions('plan.run', options, ['lr'])
    const { lr } = options
    const isOne = lr === undefined || typeof lr === 'number'
    if (!(isOne || (typeof lr === 'object' && lr !== null && 'length' in lr))) {
      throw new TypeError(`plan.run: lr must be a number, or a list of one for each step, not ${shown(lr)}`)
    }
    const rateOf: RateOf = (step) => (isOne ? lr : lr[step])
    this.#check(steps, lr, rateOf)
    const { gpu, recording, uses } = this.#made
    const used = [...uses]
    const mostCalls = Math.max(1, ...used.map(([, { calls }]) => calls))
    const most = Math.max(1, Math.floor(MAX_STEPS / mostCalls)) // in one submit
    if (steps > 0) for (const [, { source }] of used) source.begin?.()
    for (let done = 0; done < steps; done += most) {
      const count = Math.min(most, steps - done)
      const rates: RateOf = (step) => rateOf(done + step)
      for (const [numbers, { source, calls }] of used) {
        numbers.upload(source, count * calls, calls, byUse(rates, calls))
      }
      gpu.replay(recording.entries, count)
      for (const storage of this.#written) storage.wrote()
      this.#leaveGradients()
      for (const [, { source, calls }] of used) source.advance(count * calls, byUse(rates, calls))
    }
  }

  /** Releases the plan's memory, including its result, as far as it was made in the function, and the gradients in it. */
  dispose(): void {
    if (this.#disposed) throw new Error('plan.dispose: the plan was already disposed')
    this.#disposed = true
    for (const tensor of this.#returned) tensor.release('its plan was disposed')
    const { gpu, recording } = this.#made
    const { memory } = recording
    const ends = ({ grad }: Tensor) => grad && (grad.storage.pending || grad.storage.whole.pool === memory.pool)
    forgetGradients([...this.#gradients.keys()].filter(ends), 'its plan was disposed')
    for (const storage of this.#held) storage.release()
    gpu.dropPlanMemory(memory)
  }

  /** Gives the leaves the gradients that the step gave them, whatever has become of those since. */
  #leaveGradients(): void {
    for (const [leaf, storage] of this.#gradients) {
      if (leaf.released || leaf.grad?.storage === storage || (leaf.grad === null && storage === null)) continue
      forgetGradients([leaf], 'another step was run')
      if (storage === null) continue
      // An optimizer that was disposed has given up the place, not its memory, which the plan holds.
      const isPart = storage.whole !== storage && storage !== leaf.gradientHome
      const held = isPart ? storage.whole.part(storage.offset, storage.byteLength) : storage.retain()
      const gradient = leaf.like(held, leaf.shape).keep()
      gradient.name = leaf.name === '' ? '' : `${leaf.name}.grad`
      leaf.grad = gradient
    }
  }

  #check(steps: number, lr: PlanRunOptions['lr'], rateOf: RateOf): void {
    if (this.#disposed) throw new Error('plan.run: the plan was disposed')
    if (!Number.isSafeInteger(steps) || steps < 0) {
      throw new RangeError(`plan.run: steps must be a whole number, 0 or more, not ${shown(steps)}`)
    }
    for (const t of this.#used) t.checkUsable('plan.run')
    const { recording, uses, acrossBatch, dependences } = this.#made
    const used = [...uses.values()]
    if (lr !== undefined && !used.some(({ source }) => source.takesRates)) {
      throw new Error('plan.run: lr is given, but no optimizer.step() in the captured function updates anything')
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
    const other = dependences.find(({ read, then }) => !Object.is(read(), then))
    if (other) {
      throw new Error(`plan.run: ${other.changed()} when the plan was captured; capture again, or put it back`)
    }
  }
}

/** Rates of steps, given for each of the `calls` uses that a step has. */
function byUse(rateOf: RateOf, calls: number): RateOf {
  return (use) => rateOf(Math.floor(use / calls))
}

/** What one call of a function recorded. */
interface Recorded<T> {
  readonly made: Current
  readonly result: T
  /** The tensors in it that were made in the function. */
  readonly returned: readonly Tensor[]
  /** The tensors from outside that its operations used. */
  readonly used: readonly Tensor[]
}

/** Has what `fn` dispatches noted instead of done; adds the tensors that backward comes to in it to `leaves`. */
function record<T>(gpu: Gpu, recording: Recording, leaves: Set<Tensor>, fn: () => T): Recorded<T> {
  const made: Current = {
    gpu,
    recording,
    uses: new Map(),
    rows: new WeakMap(),
    leftOut: new WeakSet(),
    acrossBatch: null,
    adopted: false,
    dependences: [],
    leaves: new Set(),
  }
  /** Tensors from outside, and whether any use of one was noted for backward. */
  const uses = new Map<Tensor, boolean>()
  let isTraining = false
  const looking: Observer = {
    leaf: (leaf) => {
      leaves.add(leaf)
      made.leaves.add(leaf)
    },
    seed: (operation) => refuseInCapture(operation, 'set it before plan.run()'),
    start: (_, { storage, size }) => {
      isTraining = true
      // Rows that fill a batch up would add to the gradients.
      if (size > 1 && made.rows.has(storage) && !made.leftOut.has(storage)) {
        made.acrossBatch ??= 'a gradient given to backward'
      }
    },
    operation: ({ name }, inputs, _, out) => {
      followRows(made, name, inputs, out)
      for (const t of inputs) {
        if (t && !t.node && t.storage.pool !== recording.memory.pool) uses.set(t, uses.get(t) || gradEnabled())
      }
    },
  }
  let returned: Tensor[] = []
  const own = () =>
    releasing(
      () => refusePromise(recording.purpose, fn()),
      (result, inside) => {
        const all = tensorsIn(result)
        returned = [...all].filter((t) => inside.has(t) || t.storage.pool === recording.memory.pool)
        return all
      },
    )
  const result = recordInto(made, () => observe(looking, () => gpu.during(recording, own)))
  if (recording.refused) throw recording.refused // whoever caught it
  const used = [...uses.keys()].filter((t) => !t.released) // views of them ended with the scope
  if (isTraining) made.dependences.push(...used.filter((t) => uses.get(t)).map(trainedOrNot))
  return { made, result, returned, used }
}

/** Whether a gradient is computed for a tensor is decided when the function is recorded. */
function trainedOrNot(t: Tensor): Dependence {
  const then = t.requiresGrad
  const changed = () =>
    `${t.label} ${then ? 'requires no gradient now, and did' : 'requires a gradient now, and did not'}`
  return { read: () => t.requiresGrad, then, changed }
}

/**
 * Records what `fn` does, without doing it, as a plan whose `run(n)` does it n times: a whole training step, with
 * zeroGrad, forward, backward and step, or an evaluation. `fn` is run twice and must do the same
 * both times: what varies from step to step must live on the device, as the position of `batches.next()` and learning rates do.
 * Its own tensors lie in memory that belongs to the plan, the gradients it leaves included.
 *
 * Throws an Error where `fn` uploads values, reads them back, copies memory, sets rates, or does not do the same twice; gradients of
 * the tensors in it are forgotten then.
 */
export function capture<T>(fn: () => T, options: { gpu?: Gpu } = {}): Plan<T> {
  if (arguments.length > 2) throw tooMany(arguments, 'capture(fn, options)')
  const gpu = begin('capture', fn, options)
  const memory = gpu.newPlanMemory()
  const leaves = new Set<Tensor>()
  try {
    const rehearse = () => {
      const { made, returned } = record(gpu, new Recording(memory), leaves, fn)
      for (const tensor of returned) tensor.release('it was the result of an earlier recording')
      return made
    }
    let first = rehearse()
    if (first.adopted) first = rehearse()
    const last = record(gpu, new Recording(memory), leaves, fn)
    const { made, returned } = last
    const difference = first.recording.difference(made.recording)
    if (difference) {
      throw new Error(
        `capture: the function did different things in two runs: ${difference}. It must not depend on values from the host, and ` +
          'a step must begin with zeroGrad()',
      )
    }
    if (made.recording.entries.length === 0) throw new Error('capture: the function dispatched nothing')
    for (const numbers of made.uses.keys()) numbers.checkSteady(made, first)
    for (const tensor of returned) unregister(tensor)
    return new Plan(last, leaves)
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
  if (arguments.length > 2) throw tooMany(arguments, 'warmUp(fn, options)')
  const gpu = begin('warmUp', fn, options)
  const recording = noteKernels(gpu, fn)
  await gpu.compile(recording.kernels)
}

/**
 * What `fn` throws when it is run without doing what it dispatches, such as a ShapeError; null where nothing. Nothing is known
 * of a function that reads values back, or while anomalies are looked for: then it is null too.
 */
export function rehearse(fn: () => unknown, gpu: Gpu): Error | null {
  if (observing().some(({ refusesCapture }) => refusesCapture !== undefined)) return null
  gpu.flush()
  const recording = new Recording(gpu.newPlanMemory(), 'warmUp')
  try {
    noteKernels(gpu, fn, recording)
    return null
  } catch (error) {
    return recording.refused || !(error instanceof Error) ? null : error
  }
}

/** Runs `fn` once and notes the kernels that it dispatches, with memory that is given back at the end. */
function noteKernels(gpu: Gpu, fn: () => unknown, recording = new Recording(gpu.newPlanMemory(), 'warmUp')): Recording {
  const leaves = new Set<Tensor>()
  try {
    const { returned } = record(gpu, recording, leaves, fn)
    for (const tensor of returned) tensor.release('it was the result of a warm-up, which computes nothing')
  } finally {
    forgetGradients(leaves, 'it was made in a warm-up, which computes nothing')
    gpu.dropPlanMemory(recording.memory)
  }
  return recording
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
