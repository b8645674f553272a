// The chapter's page, from the runs at hand: its texts, its numbers and its figures.
import { agrees, choices, onPlateau, rangeOf, valuesOf } from './compare.ts'
import {
  type Block,
  code,
  figures,
  figuresIn,
  heading,
  list,
  listed,
  type Page,
  table,
  text,
  toMarkdown,
} from './document.ts'
import { runFigure, scheduleFigures } from './figures.ts'
import { toHtml } from './html.ts'
import { numbers, three } from './numbers.ts'
import {
  FULL,
  figureFile,
  folderOf,
  isShortened,
  KEYS,
  type Length,
  optionsOf,
  PRINTED_KEYS,
  SCHEDULES,
  trainArguments,
} from './plan.ts'
import type { Outcome, Outcomes } from './records.ts'
import { spread } from './spread.ts'
import { traps } from './traps.ts'

export interface Report {
  readonly outcomes: Outcomes
  readonly length: Length
  /** The address of the folder of runs, from the page. */
  readonly runs: string
}

const NOTE = 'Written by `npm run chapter` from the stored runs. Do not edit.'

/** The files of the page by their paths from its folder. */
export function report(given: Report): Map<string, string> {
  const page = pageOf(given)
  const files = new Map<string, string>()
  files.set('chapter.md', toMarkdown(page, NOTE, figureFile))
  files.set('chapter.html', toHtml(page, NOTE))
  for (const { name, svg } of figuresIn(page)) files.set(figureFile(name), svg)
  return files
}

const LEAD =
  '“[Learning Rate Scheduling](https://d2l.ai/chapter_optimization/lr-scheduler.html)”, a chapter of *Dive into Deep Learning*, trains ' +
  'LeNet on Fashion-MNIST under five learning-rate policies, one run each. This page shows its ten figures from runs of dawngrad, several seeds ' +
  "for each policy, beside PyTorch's runs and the numbers that the chapter prints."

function pageOf({ outcomes, length, runs }: Report): Page {
  const all = KEYS.map((key) => outcomes[key])
  return {
    title: "Learning-rate schedules: the chapter's runs, seed by seed",
    lead: LEAD,
    blocks: [
      ...short(outcomes, all, length),
      heading('Five schedules'),
      text('The rate as a function of t, as the chapter draws it: values at t = 0, 1, 2 … joined by lines.'),
      table(
        ['policy', 'the rate at t', 'in dawngrad'],
        SCHEDULES.map(({ title, spec }, i) => [title, FORMULAS[i]!, `\`${spec}\``]),
        3,
      ),
      figures(...scheduleFigures()),
      heading('Five runs'),
      text(...READING(length), 'Losses of the first batches that exceed the frame are cut off.'),
      figures(...PRINTED_KEYS.map((key) => runFigure(outcomes[key], length.epochs))),
      ...numbers(all),
      ...traps(outcomes, length.epochs),
      ...spread(outcomes),
      ...making(all, length, runs),
    ],
  }
}

const FORMULAS = [
  '0.1 / √(t + 1)',
  'the maximum of 0.01 and 2 · 0.9 to the power t + 1',
  '0.5, halved at t = 15 and at t = 30',
  '0.3 at t = 0, then half a cosine to 0.01 at t = 20',
  '0 at t = 0, linear to 0.3 at t = 5, then cosine to 0.01',
]

const READING = ({ epochs }: Length) => [
  `LeNet, 61,706 parameters, softmax cross-entropy, SGD, batches of 256, ${epochs} epoch${epochs === 1 ? '' : 's'}. Train loss and train accuracy`,
  'are running means since the start of the epoch, measured while the weights change, with four points an epoch. Test accuracy is measured after the',
  'epoch. Every seed has its own line.',
]

function short(outcomes: Outcomes, all: readonly Outcome[], length: Length): Block[] {
  const planned = all.flatMap(({ policy }) => policy.seeds).length
  const lacking = all.flatMap(({ policy, missing }) =>
    missing.length > 0
      ? [`*${policy.title}*, seed${missing.length > 1 ? 's' : ''} ${listed(missing.map(String))}`]
      : [],
  )
  const here = all.flatMap(({ ours }) => ours).length
  const state =
    lacking.length === 0
      ? `All ${planned} runs are here.`
      : `**${here} of ${planned} runs are here.** Not finished: ${lacking.join('; ')}.`
  return [
    heading('In short'),
    ...(isShortened(length) ? [text(SHORTENED(length))] : []),
    list([state, ...agreed(all), ...decided(outcomes), ...stuck(outcomes), TRAPS]),
  ]
}

const SHORTENED = ({ epochs, limitTrain, limitTest }: Length) =>
  `**These runs are shortened**: ${epochs} epoch${epochs === 1 ? '' : 's'} of ${limitTrain ?? 'all'} training images instead of ${FULL.epochs} of all, ` +
  `${limitTest ?? 'all'} test images. They show that the command works. Do not compare them with the chapter's figures or PyTorch's.`

const TRAPS =
  'Two of the five runs did not use the rates that the chapter states: the warm-up began after an epoch at full rate, and MultiStep was a ' +
  'constant 0.125. [Three traps in the notebook](#three-traps-in-the-notebook) shows the curves.'

function agreed(all: readonly Outcome[]): string[] {
  const judged = all.flatMap((outcome) => {
    const agreed = agrees(outcome)
    return agreed === null ? [] : [{ title: outcome.policy.title, agreed, seeds: outcome.ours.length }]
  })
  if (judged.length === 0) return []
  const outside = judged.filter(({ agreed }) => !agreed)
  const names = outside.map(({ title, seeds }) => `*${title}* (${seeds} seed${seeds === 1 ? '' : 's'})`)
  const rest = outside.length > 0 ? ` **Outside: ${listed(names)}.**` : ''
  return [
    `The mean of our seeds agrees with PyTorch's range in ${judged.length - outside.length} of ${judged.length} settings.${rest}`,
  ]
}

function decided(outcomes: Outcomes): string[] {
  const policies = PRINTED_KEYS.map((key) => outcomes[key].theirs)
  if (policies.some((runs) => runs.length < 2)) return []
  const { count, best } = choices(policies)
  const [, most] = rangeOf(best)
  const title = outcomes[PRINTED_KEYS[best.indexOf(most)]!].policy.title
  const winners = best.filter((wins) => wins > 0).length
  return [
    `One run for each policy decides little. There are ${count} ways to draw one of PyTorch's runs of each policy. *${title}* is best most often, in ` +
      `${most} of them, and ${winners} policies can be the best. [What the spread over seeds says](#what-the-spread-over-seeds-says) has the details.`,
  ]
}

function stuck({ multiStepMeant: { policy, theirs } }: Outcomes): string[] {
  const seeds = theirs.filter(onPlateau)
  if (seeds.length === 0) return []
  const loss = rangeOf(valuesOf(seeds, 'trainLoss'))[1]
  return [
    `At a rate of 0.5, *${policy.title}*, ${seeds.length} of PyTorch's ${theirs.length} seeds never ${seeds.length === 1 ? 'leaves' : 'leave'} the plateau ` +
      `at ${three(loss)}. The range for that run includes this seed, so agreement with it proves little.`,
  ]
}

function making(all: readonly Outcome[], length: Length, runs: string): Block[] {
  const finished = all.flatMap(({ ours }) => ours.map(({ result }) => result))
  const minutes = rangeOf(finished.map(({ seconds }) => seconds / 60)).map((value) => value.toFixed(1))
  const took = minutes[0] === minutes[1] ? `${minutes[0]} minutes` : `${minutes[0]} to ${minutes[1]} minutes each`
  const adapters = [...new Set(finished.map(({ adapter, version }) => `${adapter} (dawngrad ${version})`))]
  const rows = all.map(({ policy, ours }) => {
    const words = trainArguments(optionsOf(policy, policy.seeds[0]!, length))
      .map(quoted)
      .join(' ')
    const links = ours.map(({ seed }) => `[${seed}](${runs}/${folderOf(policy, seed)})`)
    return [policy.title, `\`npm run train -- ${words}\``, links.join(', ') || 'none']
  })
  return [
    heading('How the runs were made'),
    code([
      'npm run chapter              # makes the missing runs, then this page',
      'npm run chapter -- --report  # makes only this page',
    ]),
    text(
      'After an interruption the same command continues. Each run is one `train`, with `--seed` for the other seeds. Its folder has the history, the',
      "curves, the result and the options. `--lr-timing after-epoch` is the notebook's order.",
    ),
    table(['run', 'command', 'seeds here'], rows, 3),
    ...(finished.length > 0
      ? [
          text(
            `The runs took ${took}, on ${listed(adapters)}.`,
            "The chapter's took 111 to 127 s each on its GPU, by the notebook's time stamps. PyTorch's runs are of version 1.13, on a processor.",
          ),
        ]
      : []),
    ...sameStart(all),
  ]
}

/** Runs of one seed are identical as long as their rates are. */
function sameStart(all: readonly Outcome[]): Block[] {
  const runs = all.flatMap(({ policy, ours }) => ours.map((run) => ({ title: policy.title, ...run })))
  for (const one of runs) {
    const other = runs.find(({ title, seed, epochs }) => {
      return title !== one.title && seed === one.seed && epochs[0]!.lr === one.epochs[0]!.lr
    })
    if (!other) continue
    const differ = one.history.findIndex((record, i) => JSON.stringify(record) !== JSON.stringify(other.history[i]))
    const records = differ < 0 ? one.history.length : differ
    if (records === 0) return []
    return [
      text(
        `Runs of one seed are identical, bit for bit, as long as their rates are: the first ${records} records of *${one.title}* and`,
        `*${other.title}*, seed ${one.seed}, are equal in every digit.`,
      ),
    ]
  }
  return []
}

const quoted = (word: string) => (/^[\w.-]+$/.test(word) ? word : `'${word}'`)
