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
      'Two of the five runs did not have the rates that the text says. Who repeats the notebook faithfully repeats that too; so each of',
      'the two stands here twice, as the notebook ran it and as it was meant.',
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
      "The notebook calls its own schedulers after epoch e as s(e). So the first epoch has the optimiser's rate, and epoch e + 1 has s(e),",
      'one epoch late. With a warm-up from 0',
      rates.length > 0 ? `the rates are ${rates.join(', ')} …:` : 'the rate of the second epoch is 0:',
      'after one epoch at the full rate comes one in which nothing is learnt.',
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
      'The chapter remarks that with warm-up the network converges better in the first five epochs. What its run shows of them rests on a',
      'first epoch at the full rate, before any warm-up.',
      ...afterFive([
        ['a constant rate', constant],
        ["the notebook's order", warmup],
        ['a warm-up from the first epoch', warmupFirst],
      ]),
    ),
    text(
      "PyTorch's own schedulers, which the notebook steps instead of calling, are not affected: epoch e has s(e). `train` sets the rate",
      "of epoch e to s(e) before it; `--lr-timing after-epoch` is the notebook's order.",
    ),
  ]
}

function secondEpoch({ ours, theirs }: Outcome): string[] {
  const runs = [...theirs, ...ours].filter(({ epochs }) => epochs.length > 1)
  if (runs.length === 0) return []
  const same = runs.filter(({ epochs }) => epochs[0]!.testAcc === epochs[1]!.testAcc)
  const example = runs.at(-1)!.epochs[1]!
  return [
    `The test accuracy after it is, to the last image, the one before it in ${same.length} of ${runs.length} runs, PyTorch's and ours`,
    `(${three(example.testAcc)} in ${ours.length > 0 ? `our seed ${ours.at(-1)!.seed}` : `PyTorch's seed ${theirs.at(-1)!.seed}`}).`,
  ]
}

const FIVE = 5

/** The mean test accuracy after five epochs, PyTorch's seeds and ours together. */
function afterFive(policies: readonly (readonly [string, Outcome])[]): string[] {
  const found = policies.flatMap(([name, { ours, theirs }]) => {
    const runs = [...theirs, ...ours].filter(({ epochs }) => epochs.length >= FIVE)
    const ended = runs.map(({ seed, epochs }): Run => ({ seed, epochs: epochs.slice(0, FIVE) }))
    return ended.length > 0 ? [`${three(meanOf(valuesOf(ended, 'testAcc')))} with ${name} (${ended.length} runs)`] : []
  })
  if (found.length === 0) return []
  return [`After five epochs the mean test accuracy, of PyTorch's seeds and ours, is ${found.join(', ')}.`]
}

function drawnAway({ multiStep, multiStepMeant }: Outcomes, epochs: number): Block[] {
  const range = { epochs, y: [0, 2.5] as const, title: 'Train loss' }
  return [
    heading('2. The MultiStep run did not use MultiStep', 3),
    text(
      'Its scheduler was first stepped 30 times, to draw the schedule, and then trained with. Both milestones, 15 and 30, were behind it:',
      'training began, and stayed, at 0.5 · 0.5 · 0.5 = 0.125. So the row *MultiStep as printed* is a constant rate of 0.125, and the',
      'row *MultiStep as meant* has 0.5, from epoch 15 on 0.25; the milestone at 30 comes after the last epoch.',
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
      "The notebook's `FactorScheduler` multiplies a rate that it keeps, whatever t it is called with. Drawing it for 50 t uses it up:",
      'trained with afterwards it would give its floor, 0.01, from the first epoch to the last. Its `CosineScheduler` keeps the rate that',
      'it last computed, for t > T: a fresh one that is asked for such a t fails, as does a run that goes on from a checkpoint there.',
    ),
    figures(factorCalls()),
    text(
      'Here a schedule is a pure function of t: any t, in any order, any number of times, gives the same rate. It can be drawn, trained',
      'with and resumed, and its state is the number t.',
    ),
  ]
}
