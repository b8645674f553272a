// The three traps of the chapter's notebook, each with the curves that show it.
import { meanOf, valuesOf } from './compare.ts'
import { type Block, figures, heading, text } from './document.ts'
import { factorCalls, metricFigure, multiStepCalls, rateFigure, runFigure } from './figures.ts'
import { three } from './numbers.ts'
import type { Outcome, Outcomes, Run } from './records.ts'

const FIRST = 10

export function traps(outcomes: Outcomes, epochs: number): Block[] {
  const all = [lateRates(outcomes, epochs), drawnAway(outcomes, epochs), keptState()]
  return [
    heading('Three traps in the notebook'),
    text(
      'Two of the five runs did not use the rates that the text states. A faithful copy of the notebook repeats that. So each of the two',
      'is shown twice: as the notebook ran it and as it was meant.',
    ),
    ...all.flat(),
  ]
}

function lateRates({ warmup, warmupFirst, constant }: Outcomes, epochs: number): Block[] {
  const shown = Math.min(epochs, FIRST)
  const run = warmup.ours[0] ?? warmup.theirs[0]
  const rates = run?.epochs.slice(0, 4).map(({ lr }) => String(Number(lr.toPrecision(6)))) ?? []
  const first = shown < epochs ? `, the first ${shown} epochs` : ''
  const range = { epochs: shown, y: [0, 2.5] as const, title: `Train loss${first}` }
  return [
    heading('1. The rate is changed after the epoch', 3),
    text(
      "The notebook calls its own schedulers after epoch e as s(e). So the first epoch uses the optimizer's rate, and epoch e + 1 uses s(e),",
      'one epoch late. With a warm-up from 0',
      rates.length > 0 ? `the rates are ${rates.join(', ')} …:` : 'the rate of the second epoch is 0:',
      'one epoch at the full rate is followed by one in which nothing is learnt.',
      ...secondEpoch(warmup),
    ),
    figures(
      rateFigure('trap-1-rates', 'Warm-up + cosine: the rate in force', warmup, warmupFirst, epochs),
      metricFigure('trap-1-train-loss', 'trainLoss', warmup, warmupFirst, range),
      metricFigure('trap-1-test-accuracy', 'testAcc', warmup, warmupFirst, {
        ...range,
        y: [0, 1],
        title: `Test accuracy${first}`,
      }),
      runFigure(warmupFirst, epochs),
    ),
    text(
      'The chapter says that with warm-up the network converges better in the first five epochs. But its run has a first epoch at the full',
      'rate, before any warm-up.',
      ...afterFive([
        ['a constant rate', constant],
        ["the notebook's order", warmup],
        ['a warm-up from the first epoch', warmupFirst],
      ]),
    ),
    text(
      "PyTorch's own schedulers, which the notebook steps instead of calling, are not affected: epoch e uses s(e). `train` sets the rate of",
      "epoch e to s(e) before the epoch; `--lr-timing after-epoch` is the notebook's order.",
    ),
  ]
}

function secondEpoch({ ours, theirs }: Outcome): string[] {
  const runs = [...theirs, ...ours].filter(({ epochs }) => epochs.length > 1)
  if (runs.length === 0) return []
  const same = runs.filter(({ epochs }) => epochs[0]!.testAcc === epochs[1]!.testAcc)
  const example = runs.at(-1)!.epochs[1]!
  return [
    `The test accuracy after that epoch equals the one before it, to the last image, in ${same.length} of ${runs.length} runs, PyTorch's and ours`,
    `(${three(example.testAcc)} in ${ours.length > 0 ? `our seed ${ours.at(-1)!.seed}` : `PyTorch's seed ${theirs.at(-1)!.seed}`}).`,
  ]
}

const FIVE = 5

/** The mean test accuracy after five epochs, over PyTorch's seeds and ours together. */
function afterFive(policies: readonly (readonly [string, Outcome])[]): string[] {
  const found = policies.flatMap(([name, { ours, theirs }]) => {
    const runs = [...theirs, ...ours].filter(({ epochs }) => epochs.length >= FIVE)
    const ended = runs.map(({ seed, epochs }): Run => ({ seed, epochs: epochs.slice(0, FIVE) }))
    return ended.length > 0 ? [`${three(meanOf(valuesOf(ended, 'testAcc')))} with ${name} (${ended.length} runs)`] : []
  })
  if (found.length === 0) return []
  return [`After five epochs the mean test accuracy of PyTorch's seeds and ours is ${found.join(', ')}.`]
}

function drawnAway({ multiStep, multiStepMeant }: Outcomes, epochs: number): Block[] {
  const range = { epochs, y: [0, 2.5] as const, title: 'Train loss' }
  return [
    heading('2. The MultiStep run did not use MultiStep', 3),
    text(
      'Its scheduler was first stepped 30 times to draw the schedule, and then used for training. By then it had passed both milestones, 15',
      'and 30: the rate was 0.5 · 0.5 · 0.5 = 0.125 in all epochs. So *MultiStep as printed* is a constant rate of 0.125. *MultiStep as meant*',
      'has 0.5, and 0.25 from epoch 15 on; the milestone at 30 comes after the last epoch.',
    ),
    figures(
      multiStepCalls(),
      rateFigure('trap-2-rates', 'MultiStep: the rate in force', multiStep, multiStepMeant, epochs),
      metricFigure('trap-2-train-loss', 'trainLoss', multiStep, multiStepMeant, range),
      runFigure(multiStepMeant, epochs, true),
    ),
  ]
}

function keptState(): Block[] {
  return [
    heading('3. Two schedulers keep a state', 3),
    text(
      "The notebook's `FactorScheduler` multiplies a stored rate, whatever t it is called with. Drawing it for 50 values of t uses it up:",
      'training with it afterwards would use its floor, 0.01, from the first epoch to the last. Its `CosineScheduler` stores the rate that it',
      'last computed, and returns it for t > T. A fresh one that is asked for such a t fails, and so does a run resumed there.',
    ),
    figures(factorCalls()),
    text(
      'In dawngrad a schedule is a pure function of t: it gives the same rate for the same t, in any order and any number of times. It can be',
      'drawn, used for training, and resumed; its only state is the number t.',
    ),
  ]
}
