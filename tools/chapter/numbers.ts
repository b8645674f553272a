// The chapter's figures in numbers: printed, PyTorch's and ours, and whether they agree.
import {
  agreement,
  agrees,
  type Interval,
  type Judged,
  type Metric,
  meanOf,
  onPlateau,
  placeOf,
  rangeOf,
  valuesOf,
  WIDENED,
} from './compare.ts'
import { type Block, figures, heading, list, listed, table, text } from './document.ts'
import type { Outcome, Run } from './records.ts'
import { stripFigure } from './strip.ts'

export const three = (value: number) => value.toFixed(3)
export const interval = ([low, high]: Interval) => `${three(low)} … ${three(high)}`
const METRICS: readonly (readonly [Metric, string])[] = [
  ['trainLoss', 'Train loss'],
  ['trainAcc', 'Train accuracy'],
  ['testAcc', 'Test accuracy'],
]

export function numbers(outcomes: readonly Outcome[]): Block[] {
  const compared = outcomes.some(({ theirs }) => theirs.length > 0)
  return [
    heading('Printed, PyTorch, ours'),
    text('The figures of the last epoch, as the chapter prints them after each run.', ...(compared ? [COMPARED] : [])),
    ...METRICS.flatMap(([metric, name]) => [heading(name, 3), metricTable(metric, outcomes, compared)]),
    ...(compared ? agreementPart(outcomes) : []),
  ]
}

const COMPARED =
  'Initial parameters and the order of images differ between PyTorch and dawngrad: their seeds share only the number.'

/** A column for each policy, a row for each run: a page is not wide enough for the seeds. */
function metricTable(metric: Metric, outcomes: readonly Outcome[], compared: boolean): Block {
  const shown = (values: readonly number[]) => (values.length > 0 ? three(meanOf(values)) : '–')
  const seedRows = (whose: string, runsOf: (outcome: Outcome) => readonly Run[]) => {
    const seeds = [...new Set(outcomes.flatMap((outcome) => runsOf(outcome).map(({ seed }) => seed)))]
    return seeds
      .sort((a, b) => a - b)
      .map((seed) => {
        const runs = outcomes.map((outcome) => runsOf(outcome).filter((run) => run.seed === seed))
        return [`${whose} seed ${seed}`, ...runs.map((run) => shown(valuesOf(run, metric)))]
      })
  }
  const printed = outcomes.map(({ policy }) => shown(policy.printed ? [policy.printed[metric]] : []))
  const rows = [
    ...(compared ? [['printed', ...printed]] : []),
    ...seedRows('PyTorch', ({ theirs }) => theirs),
    ...seedRows('dawngrad', ({ ours }) => ours),
    ['dawngrad mean', ...outcomes.map(({ ours }) => shown(valuesOf(ours, metric)))],
  ]
  return table(['run', ...outcomes.map(({ policy }) => policy.title)], rows)
}

function agreementPart(outcomes: readonly Outcome[]): Block[] {
  const cells = (outcome: Outcome, metric: Judged) => {
    const found = agreement(outcome, metric)
    if (!found) return ['–', '–', '–']
    // One digit more than elsewhere: a mean may be that close to the bound.
    const allowed = found.allowed.map((bound) => bound.toFixed(4)).join(' … ')
    return [found.mean.toFixed(4), allowed, found.inside ? 'inside' : '**outside**']
  }
  const rows = outcomes.map((outcome) => [
    outcome.policy.title,
    outcome.ours.map(({ seed }) => String(seed)).join(', ') || 'none',
    ...cells(outcome, 'trainLoss'),
    ...cells(outcome, 'testAcc'),
  ])
  const head = ['run', 'our seeds', 'mean train loss', 'allowed', 'verdict', 'mean test accuracy', 'allowed', 'verdict']
  return [
    heading('Do they agree?', 3),
    text(
      "For each run the mean over our seeds should be inside the range of PyTorch's seeds, widened by",
      `${WIDENED.trainLoss} in train loss and ${WIDENED.testAcc} in test accuracy. Where training begins at 0.3, the first epoch may lose filters for`,
      'good. The seed decides whether it does, and that decides a mean of three. So those runs have more seeds.',
    ),
    table(head, rows, 2),
    ...plateauNotes(outcomes),
    figures(stripFigure('last-train-loss', 'Where every run ended: train loss', 'trainLoss', outcomes)),
    figures(stripFigure('last-test-accuracy', 'Where every run ended: test accuracy', 'testAcc', outcomes)),
    heading('Where the printed figures fall', 3),
    ...printedPart(outcomes),
  ]
}

/** A range that includes the plateau allows everything, so the range of the other seeds is given too. */
function plateauNotes(outcomes: readonly Outcome[]): Block[] {
  return outcomes.flatMap((outcome) => {
    const rest = outcome.theirs.filter((run) => !onPlateau(run))
    if (rest.length === outcome.theirs.length || rest.length === 0) return []
    const allowed = `${listed(
      (['trainLoss', 'testAcc'] as const).map((metric) => {
        const [low, high] = rangeOf(valuesOf(rest, metric))
        return interval([low - WIDENED[metric], high + WIDENED[metric]])
      }),
    )}`
    const found = agrees({ ...outcome, theirs: rest })
    const verdict = found === null ? '' : found ? ' Ours is inside those too.' : ' **Ours is outside those.**'
    return [
      text(
        `The range of *${outcome.policy.title}* includes a seed of PyTorch's that never left the plateau, so it allows nearly anything.`,
        `Without that seed it would be ${allowed}.${verdict}`,
      ),
    ]
  })
}

function printedPart(outcomes: readonly Outcome[]): Block[] {
  const places = outcomes.flatMap(({ policy, ours, theirs }) => {
    const { printed } = policy
    if (!printed) return []
    return METRICS.map(([metric, name]) => {
      // Rounded to the three printed decimals.
      const range = rangeOf(valuesOf([...theirs, ...ours], metric).map((value) => Number(three(value))))
      const place = placeOf(printed[metric], range)
      return { title: policy.title, name: name.toLowerCase(), value: printed[metric], range, ...place }
    })
  })
  const out = places.filter(({ where }) => where !== 'inside')
  return [
    text(
      `Of the ${places.length} printed figures, ${places.length - out.length} are inside the range of all seeds, PyTorch's and ours.`,
      ...(out.length > 0 ? ['The others:'] : []),
    ),
    ...(out.length > 0
      ? [
          list(
            out.map(({ title, name, value, range, where, by }) => {
              return `${title}, ${name}: ${three(value)} is ${three(by)} ${where} the range ${interval(range)}`
            }),
          ),
        ]
      : []),
  ]
}
