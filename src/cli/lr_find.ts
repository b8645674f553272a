// `dawngrad lr-find`: a range test of learning rates on Fashion-MNIST.
import process from 'node:process'
import { Command, Option } from 'commander'
import { lrFigure } from '../figures/range_test.ts'
import { drawFigure } from '../figures/svg.ts'
import { drawText } from '../figures/text.ts'
import { ImageBatches, manualSeed, nn, permutation } from '../index.ts'
import { writeWhole } from '../node/files.ts'
import { loadFashionMnist, open } from '../node/index.ts'
import { describeAdapter } from '../provision/adapters.ts'
import { ensureSetup } from '../provision/setup.ts'
import { type LrFindResult, lrFind, stepsOver } from '../train/lr_find.ts'
import { checkOptimizer, type OptimizerName, optimizerOf } from './optimizer.ts'
import { checkFile, number, UsageError, wholeNumber } from './options.ts'
import { DECIDING } from './train_options.ts'
import { checkBatchFits, limited } from './train_run.ts'

interface Given {
  readonly minLr: number
  readonly maxLr: number
  readonly steps?: number
  readonly smoothing: number
  readonly batchSize: number
  readonly optimizer: OptimizerName
  readonly momentum: number
  readonly weightDecay: number
  readonly seed: number
  readonly limitTrain?: number
  readonly svg?: string
}

/** More points than a figure can show apart, and than anybody waits for. */
const MOST_STEPS = 1_000_000

/** Options with the same meaning as in `train`. */
const SHARED = ['batchSize', 'optimizer', 'momentum', 'weightDecay', 'seed', 'limitTrain']

/** `dawngrad lr-find`. `load` gives the data. */
export function lrFindCommand(load = loadFashionMnist): Command {
  const command = new Command('lr-find')
    .description('train LeNet briefly at ever higher rates, draw the loss, and suggest learning rates')
    .addOption(new Option('--min-lr <rate>', 'the first rate').argParser(number()).default(0.001))
    .addOption(new Option('--max-lr <rate>', 'the last rate').argParser(number()).default(10))
    .addOption(
      new Option('--steps <n>', 'updates (default: one pass over the images)').argParser(wholeNumber(2, MOST_STEPS)),
    )
    .addOption(
      new Option('--smoothing <s>', 'weight of earlier losses in the running average')
        .argParser(number(1))
        .default(0.9),
    )
    .addOption(new Option('--svg <file>', 'write the figure to this file as well'))
  for (const option of DECIDING) if (SHARED.includes(option.attributeName())) command.addOption(option)
  return command.action(async (given: Given) => {
    const { minLr, maxLr, svg } = given
    if (!(minLr > 0 && minLr < maxLr)) {
      throw new UsageError(`option '--min-lr': it must be above 0 and below --max-lr, ${maxLr}, got ${minLr}`)
    }
    if (!Number.isFinite(maxLr / minLr)) {
      const below = `it is too far below --max-lr, ${maxLr}`
      throw new UsageError(`option '--min-lr': ${below}: the ratio of the two must be a finite number, got ${minLr}`)
    }
    checkOptimizer({ ...given, lr: minLr })
    if (svg !== undefined) checkFile('--svg', svg)
    await find(given, load)
  })
}

async function find(given: Given, load: typeof loadFashionMnist): Promise<void> {
  const { batchSize, optimizer: _, momentum: __, weightDecay: ___, seed, limitTrain, svg, ...sweep } = given
  const { stdout } = process
  await ensureSetup({ quiet: undefined })
  const { train: all, dir } = await load()
  const set = limited(all, '--limit-train', limitTrain)
  const gpu = await open()
  try {
    checkBatchFits(gpu, Math.min(batchSize, set.count))
    stdout.write(`adapter: ${describeAdapter(gpu.info)}\ndata: ${set.count} training images from ${dir}\n`)
    manualSeed(seed)
    const net = nn.lenet()
    const optimizer = optimizerOf(net.parameters(), { ...given, lr: sweep.minLr })
    const train = new ImageBatches(set, { batchSize })
    train.setOrder(permutation(seed, 0, train.size))
    const steps = sweep.steps ?? stepsOver(train)
    const found = await lrFind({ net, optimizer, train, ...sweep, steps })
    const figure = lrFigure(found.points)
    const { columns = 80, isTTY } = stdout
    const color = isTTY && (process.env.NO_COLOR ?? '') === '' && stdout.hasColors()
    stdout.write(`${drawText(figure, { columns, color })}${findingLines(found, steps).join('\n')}\n`)
    if (svg !== undefined) await writeWhole(svg, drawFigure(figure))
  } finally {
    await gpu.close()
  }
}

/** Lines that say how the sweep ended and what it suggests. */
export function findingLines({ points, stopped, steepest, lowest, tenth }: LrFindResult, steps: number): string[] {
  const rate = (lr: number) => String(Number(lr.toPrecision(2)))
  const why = {
    hopeless: 'the smoothed loss had risen to 4 times its lowest',
    'not finite': 'the loss was NaN or infinite',
  }
  const last = points.at(-1)
  const end = stopped === null ? 'all' : `${points.length} of`
  const at = last === undefined ? '' : `, up to the rate ${rate(last.lr)}`
  const ended = `${end} ${steps} updates${at}${stopped === null ? '' : `: then ${why[stopped]}`}`
  if (lowest === null || tenth === null) return [ended, 'no suggestion: try a smaller --min-lr']
  const best = points.find(({ lr }) => lr === lowest)!.smoothed
  const steep =
    steepest === null
      ? 'no steepest descent: the smoothed loss never fell'
      : `suggested: ${rate(steepest)}, where the smoothed loss falls fastest (fastai's "steep", after Smith 2017)`
  return [
    ended,
    `the smoothed loss was lowest, ${best.toFixed(3)}, at the rate ${rate(lowest)}`,
    steep,
    `suggested: ${rate(tenth)}, a tenth of the rate at its lowest (fastai's "minimum")`,
  ]
}
