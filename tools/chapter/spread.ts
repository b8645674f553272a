// What the spread over seeds says about comparing policies by one run of each.
import { choices, lastOf, meanOf, onPlateau, rangeOf, SETBACK, separated, setbacks, valuesOf } from './compare.ts'
import { type Block, heading, list, listed, table, text } from './document.ts'
import { interval, three } from './numbers.ts'
import { PRINTED_KEYS } from './plan.ts'
import type { Outcome, Outcomes, Run } from './records.ts'

type Runs = (outcome: Outcome) => readonly Run[]

export function spread(outcomes: Outcomes): Block[] {
  const five = PRINTED_KEYS.map((key) => outcomes[key])
  return [
    heading('What the spread over seeds says'),
    text(
      'The chapter compares five policies by one run of each. A run is one draw of the initial parameters and the order of images.',
    ),
    ...(five.some(({ ours, theirs }) => [...ours, ...theirs].length > 1) ? [widths(five)] : []),
    ...drawn(five, "PyTorch's", ({ theirs }) => theirs),
    ...drawn(five, 'our', ({ ours }) => ours),
    ...overlaps(five),
    ...plateau(Object.values(outcomes)),
    ...fallen(Object.values(outcomes)),
  ]
}

function widths(five: readonly Outcome[]): Block {
  const cells = (runs: readonly Run[]) => {
    if (runs.length < 2) return ['–', '–']
    const [low, high] = rangeOf(valuesOf(runs, 'testAcc'))
    return [interval([low, high]), three(high - low)]
  }
  const rows = five.map(({ policy, ours, theirs }) => [policy.title, ...cells(theirs), ...cells(ours)])
  return table(['test accuracy', "PyTorch's seeds", 'apart by', 'our seeds', 'apart by'], rows)
}

/** Whether one drawn run of each policy tells the policies apart. */
function drawn(five: readonly Outcome[], whose: string, runsOf: Runs): Block[] {
  const policies = five.map(runsOf)
  if (policies.some((runs) => runs.length < 2)) return []
  const spans = policies.map((runs) => rangeOf(valuesOf(runs, 'testAcc'))).map(([low, high]) => high - low)
  const widest = spans.indexOf(Math.max(...spans))
  const means = policies.map((runs) => meanOf(valuesOf(runs, 'testAcc')))
  const [worst, best] = rangeOf(means)
  const { count, best: wins, orders } = choices(policies)
  const won = five.flatMap(({ policy }, i) => (wins[i]! > 0 ? [{ title: policy.title, wins: wins[i]! }] : []))
  const shares = won.sort((a, b) => b.wins - a.wins).map(({ title, wins }) => `*${title}* in ${wins}`)
  const [least, most] = rangeOf(policies.map((runs) => runs.length))
  const seeds = least === most ? `${most} seeds` : `${least} to ${most} seeds`
  return [
    text(
      `**${whose === 'our' ? 'Our' : whose} ${seeds}.** Runs of one policy end up to ${three(spans[widest]!)} apart in test accuracy`,
      `(*${five[widest]!.policy.title}*); the means of the five policies differ by ${three(best - worst)} at most.`,
      `If one run of each policy is drawn, as in the chapter, there are ${count} draws. The best test accuracy belongs to ${listed(shares)},`,
      `and the five come in ${orders} different orders.`,
    ),
  ]
}

function overlaps(five: readonly Outcome[]): Block[] {
  const policies = five.map(({ ours, theirs }) => [...theirs, ...ours])
  if (policies.some((runs) => runs.length < 2)) return []
  const pairs = (policies.length * (policies.length - 1)) / 2
  const clear = separated(policies)
  const spans = policies.map((runs) => rangeOf(valuesOf(runs, 'testAcc'))).map(([low, high]) => high - low)
  const widest = Math.max(...spans)
  const titles = clear.map(([a, b]) => `*${five[a]!.policy.title}* above *${five[b]!.policy.title}*`)
  const said =
    clear.length > 0
      ? `${clear.length} do not overlap: ${listed(titles)}. In the other ${pairs - clear.length}, one run of each can make either look better.`
      : 'all overlap: one run of each can make either look better.'
  return [
    text(`**All seeds together.** Of the ${pairs} pairs of policies, the ranges of ${said}`),
    text(
      `Seeds alone put runs of one policy up to ${three(widest)} apart in test accuracy. A smaller difference between two single runs proves nothing`,
      'about their policies. A comparison needs several seeds of each, and a difference that is large compared with their spread.',
    ),
  ]
}

function plateau(all: readonly Outcome[]): Block[] {
  const stuck = (runs: readonly Run[]) => runs.filter(onPlateau)
  const found = all.filter(({ ours, theirs }) => stuck([...ours, ...theirs]).length > 0)
  return found.map(({ policy, ours, theirs }) => {
    const told = (whose: string, runs: readonly Run[]) => {
      if (runs.length === 0) return []
      const names = stuck(runs).map((run) => `seed ${run.seed}: train loss ${three(lastOf(run).trainLoss)}`)
      if (names.length === 0) return [`none of ${whose === 'our' ? 'ours' : whose} (${runs.length})`]
      return [`${names.length} of ${whose} ${runs.length} (${listed(names)})`]
    }
    const [rate] = stuck([...theirs, ...ours]).map((run) => run.epochs[0]!.lr)
    const counts = [...told("PyTorch's", theirs), ...told('our', ours)]
    return text(
      `**The plateau.** A run of *${policy.title}*, which begins at a rate of ${rate}, may never learn: its loss stays at ln 10 = 2.303, where`,
      `every class is equally likely, and its accuracy at 0.1. That happened to ${listed(counts)}. A single run does not show it. A range`,
      'over such seeds allows anything between the plateau and the best, so agreement with it proves little.',
    )
  })
}

/** Runs whose loss rose from one epoch to the next. */
function fallen(all: readonly Outcome[]): Block[] {
  const found = all.flatMap(({ policy, ours, theirs }) => {
    const told = (whose: string, runs: readonly Run[]) =>
      runs.flatMap((run) =>
        setbacks(run).map(({ epoch, from, to }) => {
          const { trainLoss, testAcc } = lastOf(run)
          const end = `It ended with a train loss of ${three(trainLoss)} and a test accuracy of ${three(testAcc)}.`
          const rise = listed(to.map((loss, i) => `${three(loss)} in epoch ${epoch + i + 1}`))
          return `*${policy.title}*, ${whose} seed ${run.seed}: from ${three(from)} to ${rise}. ${end}`
        }),
      )
    return [...told("PyTorch's", theirs), ...told('our', ours)]
  })
  if (found.length === 0) return []
  return [
    text(
      '**Setbacks.** At high rates training may lose within a few updates what it had learnt, and recover slowly. The train loss of',
      `${found.length === 1 ? 'this run' : 'these runs'} rose by more than ${SETBACK} from one epoch to the next (the first is epoch 1):`,
    ),
    list(found),
    text(
      'Such a run does not recover the filters whose ReLU is no longer active.',
      '`node --import tsx tools/chapter/silent_units.ts RUN…` counts them.',
    ),
  ]
}
