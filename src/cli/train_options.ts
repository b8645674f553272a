// The options of `dawngrad train`: which of them decide the result, and how a run records them.
import { Option } from 'commander'
import type { RecordedOptions } from '../node/checkpoint.ts'
import { checkOptimizer, OPTIMIZERS, type OptimizerName } from './optimizer.ts'
import { number, ratesOf, wholeNumber } from './options.ts'

export interface TrainOptions {
  readonly epochs: number
  readonly batchSize: number
  readonly optimizer: OptimizerName
  readonly lr: number
  readonly momentum: number
  readonly weightDecay: number
  readonly schedule: string
  readonly plateau?: string
  readonly schedulePer: 'epoch' | 'step'
  readonly lrTiming: 'before-epoch' | 'after-epoch'
  readonly seed: number
  readonly limitTrain?: number
  readonly limitTest?: number
  readonly checkpointEvery?: number
  readonly keep: number
  readonly quiet?: boolean
  /** The port of the live page, 0 for any; absent without a page. */
  readonly live?: number
}

const option = (flags: string, text: string) => new Option(flags, text)

/** The options that determine the numbers of a run: a resumed run keeps them unless it is given others. */
export const DECIDING: readonly Option[] = [
  option('--epochs <n>', 'passes over the training images').argParser(wholeNumber(1)).default(10),
  option('--batch-size <n>', 'images in an update').argParser(wholeNumber(1)).default(256),
  option('--optimizer <name>', 'the rule of the updates').choices(OPTIMIZERS).default('sgd'),
  option('--lr <rate>', "the optimizer's learning rate")
    .argParser(number())
    .default(0.3, '0.3 with sgd, 0.001 with adamw, …'),
  option('--momentum <m>', 'momentum, of sgd, rmsprop, lars and schedulefreesgd').argParser(number()).default(0),
  option('--weight-decay <d>', "the optimizer's weight decay").argParser(number()).default(0),
  option('--schedule <s>', "such as 'cosine(baseLr=0.3, maxUpdate=20)'").default('constant'),
  option(
    '--plateau <rules>',
    "cut the rate where --lr no longer helps, such as 'factor=0.1, patience=3, metric=testAcc'; in place of --schedule",
  ),
  option('--schedule-per <unit>', "what the schedule's t counts").choices(['epoch', 'step']).default('epoch'),
  option('--lr-timing <when>', "set the rate of t before it, or, as the chapter's notebook does, after it")
    .choices(['before-epoch', 'after-epoch'])
    .default('before-epoch'),
  option('--seed <n>', 'of the initial parameters and the order of images').argParser(wholeNumber(0)).default(0),
  option('--limit-train <n>', 'use the first n training images').argParser(wholeNumber(1)),
  option('--limit-test <n>', 'use the first n test images').argParser(wholeNumber(1)),
]

/** The options of saving: a resumed run keeps them too, and always accepts others. */
export const SAVING: readonly Option[] = [
  option('--checkpoint-every <steps>', 'save every n updates too, not only after each epoch').argParser(wholeNumber(1)),
  option('--keep <n>', 'checkpoints to keep').argParser(wholeNumber(1)).default(3),
]

/** A run can't continue with others: they say which image belongs to which step, and what the optimizer has kept. */
const FIXED = ['batchSize', 'limitTrain', 'optimizer']

/** Options for `result.json` and checkpoints. */
export function recorded(options: TrainOptions, which: readonly Option[]): RecordedOptions {
  const given = options as unknown as Readonly<Record<string, string | number | undefined>>
  return Object.fromEntries(which.map((one) => [one.attributeName(), given[one.attributeName()] ?? null]))
}

/**
 * The options that a checkpoint records, held to the rules of the command line.
 *
 * @returns the options, or what is wrong with them
 */
export function restored(values: RecordedOptions): TrainOptions | string {
  const all = [...DECIDING, ...SAVING]
  const unknown = Object.keys(values).find((key) => !all.some((one) => one.attributeName() === key))
  if (unknown !== undefined) return `it records the option ${JSON.stringify(unknown)}, which is unknown`
  const options: Record<string, unknown> = {}
  for (const one of all) {
    const name = one.attributeName()
    // Runs from before this option existed used this one.
    const before = name === 'optimizer' ? one.defaultValue : undefined
    const value = Object.hasOwn(values, name) ? values[name] : before
    const isOptional = one.defaultValue === undefined
    // Runs from before this option existed had none.
    if (isOptional && (value === null || (value === undefined && name === 'plateau'))) continue
    const kind = isOptional && !one.parseArg ? 'string' : typeof (one.defaultValue ?? 0)
    if (typeof value !== kind)
      return `it records ${one.long} as ${JSON.stringify(value ?? null)}, which is not a ${kind}`
    try {
      options[name] = one.parseArg ? one.parseArg(String(value), undefined) : value
    } catch (error) {
      return `it records ${one.long} as ${JSON.stringify(value)}: ${(error as Error).message}`
    }
  }
  const complete = options as unknown as TrainOptions
  try {
    const { schedule } = ratesOf(complete)
    checkOptimizer(complete, schedule)
  } catch (error) {
    return `it records an invalid schedule: ${(error as Error).message}`
  }
  return complete
}

/** An option that a resumed run is given another value for than it had. */
export interface Change {
  readonly name: string
  readonly from: string
  readonly to: string
  /** Whether it can't be changed even with --allow-changes. */
  readonly fixed: boolean
}

/** What the options given on the command line would change. */
export function changes(before: TrainOptions, given: Partial<TrainOptions>): Change[] {
  const found: Change[] = []
  for (const one of DECIDING) {
    const name = one.attributeName() as keyof TrainOptions
    if (given[name] === undefined || given[name] === before[name]) continue
    const from = before[name] === undefined ? (name === 'plateau' ? 'none' : 'all') : String(before[name])
    found.push({ name: one.long ?? name, from, to: String(given[name]), fixed: FIXED.includes(name) })
  }
  return found
}
