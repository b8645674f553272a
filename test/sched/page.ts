// Writes docs/schedules.md and its figures. Run by `npm run docs:schedules`; a test holds them current.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scheduleFigure } from '../../src/figures/schedules.ts'
import { drawFigure } from '../../src/figures/svg.ts'
import { parse, signatures } from '../../src/sched/index.ts'
import { figureFile, SCHEDULES } from '../../tools/chapter/plan.ts'
import { ENTRIES, type Entry } from './gallery.ts'

const root = new URL('../../', import.meta.url)

const HEAD = `<!-- Written by \`npm run docs:schedules\` from test/sched/gallery.ts. Do not edit. -->

# Schedules

A schedule is a pure function of t = 0, 1, 2 …, the number of the epoch or, with \`--schedule-per step\`, of the update. It has a text form,
\`name(arg=value, …)\`, which \`--schedule\`, \`npm run plot-schedule\` and \`sched.parse(text)\` accept and \`schedule.spec\` returns.

Positional arguments come first, in the order shown, then named ones; there is no comma after the last. The base rate is \`lr\`, \`baseLr\`, or
\`maxLr\` of \`oneCycleLR\`. If the text does not give it, the command line uses \`--lr\`, and \`sched.parse(text, { lr })\` uses its \`lr\`;
\`sched.parse(text)\` uses the default shown, or throws an error if there is none.

In code every name is a function of options: \`sched.stepLR({ lr: 0.3, stepSize: 7 })\`. Combinators take the schedule or the list first:
\`sched.warmup(s, { steps: 5 })\`.

\`\`\`
npm run plot-schedule -- 'warmup(cosine(baseLr=0.3, maxUpdate=15), steps=5)' 'oneCycleLR(0.3, 30)' --range 30 --svg rates.svg
\`\`\`

draws one or several in the terminal and to a file: the values at t = 0, 1, 2 …, joined by lines. [One picture](img/schedules.svg) shows all.

Schedules with PyTorch's names are its schedulers in closed form. PyTorch computes most of them recursively from the current rate. If nothing else
changes the rate, both give the same rates, except for rounding and for the cases that the docstrings of the functions name.

## The chapter's five

[The chapter's page](chapter.md) shows the results of training with them.`

const STATEFUL = `## Only in code: lambdaLR, multiplicativeLR

\`sched.lambdaLR({ lr, lambda })\` is η₀ λ(t), \`sched.multiplicativeLR({ lr, lambda })\` is η₀ Π λ(k) over k = 1 … t. PyTorch: LambdaLR,
MultiplicativeLR. A function has no text form, so these have no \`spec\`. Any other function of t is a schedule too.

## With a state: ReduceLROnPlateau

\`new sched.ReduceLROnPlateau(optimizer, { mode = 'min', factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = 'rel', cooldown = 0,
minLr = 0, eps = 1e-8 })\`, then \`plateau.step(metric)\` after every epoch. If the metric has not improved for more than \`patience\` epochs, the rate is
multiplied by \`factor\`. The rules are those of PyTorch's ReduceLROnPlateau. \`stateDict()\` and \`loadStateDict()\` save and restore it, with the rates.

In a run: \`npm run train -- --lr 0.3 --plateau 'factor=0.5, patience=3, metric=trainLoss'\`; the default is \`metric=testAcc\`. The state is in the
checkpoints, so a resumed run cuts its rate after the same epochs.

## Momentum

\`oneCycleLR\` and \`cyclicLR\` also have a momentum, \`schedule.momentum(t)\`, unless \`cycleMomentum\` is false. \`Scheduler\` and \`train\` set it with the
rate, instead of \`--momentum\`; \`warmup\`, \`sequence\`, \`chain\` and \`scale\` pass it on. Steps that are sent to the device together share one momentum.
If it changes with every step, as with \`--schedule-per step\`, steps are sent one by one.`

function section({ name, formula, about, source, specs }: Entry): string {
  const signature = signatures().find((one) => one.startsWith(`${name}(`))!
  const lines = [`### ${name}`, `\`${signature}\``, `${formula}`]
  if (about !== '') lines.push(about)
  return [...lines, `From: ${source}.`, `![${specs.join('; ')}](img/schedules/${name}.svg)`].join('\n\n')
}

function figure(specs: readonly string[], range: number): string {
  return drawFigure(
    scheduleFigure(
      specs.map((label) => ({ label, schedule: parse(label) })),
      range,
    ),
  )
}

const COLUMNS = 3

/** All figures of the gallery as one, each a picture in a cell of its size. */
function sheet(figures: readonly string[]): string {
  const [, width, height] = figures[0]!.match(/^<svg .*? width="(\d+)" height="(\d+)"/)!.map(Number)
  const cells = figures.map((svg, i) => {
    const [x, y] = [(i % COLUMNS) * width!, Math.floor(i / COLUMNS) * height!]
    return svg.replace('<svg xmlns="http://www.w3.org/2000/svg"', `<svg x="${x}" y="${y}"`)
  })
  const size = [COLUMNS * width!, Math.ceil(figures.length / COLUMNS) * height!]
  const head = `width="${size[0]}" height="${size[1]}" viewBox="0 0 ${size.join(' ')}" role="img"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${head}>\n<title>Every schedule</title>\n${cells.join('')}</svg>\n`
}

/** Every file of the page by its path from the root of the repository. */
export function files(): ReadonlyMap<string, string> {
  const made = new Map<string, string>()
  for (const { name, specs, range } of ENTRIES) made.set(`docs/img/schedules/${name}.svg`, figure(specs, range))
  made.set('docs/img/schedules.svg', sheet([...made.values()]))
  const five = SCHEDULES.map(({ name, spec, range }) => {
    return `\`${spec}\`, t = 0 … ${range - 1}\n\n![${spec}](${figureFile(`schedule-${name}`)})`
  })
  const page = [HEAD, ...five, '## All of them', ...ENTRIES.map(section), STATEFUL]
  return made.set('docs/schedules.md', `${page.join('\n\n')}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of files()) {
    const target = fileURLToPath(new URL(path, root))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
  }
}
