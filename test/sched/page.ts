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

A schedule is a function of t = 0, 1, 2 …, the number of the epoch or, with \`--schedule-per step\`, of the update: the same rate for
the same t, in any order. Its text is the same everywhere: \`--schedule\`, \`npm run plot-schedule\`, \`sched.parse(text)\`, and
\`schedule.spec\`, which gives it back. Arguments may be positional, in the order shown, then named; no comma stands behind the
last. A base rate (\`lr\`, \`baseLr\`, \`maxLr\` of \`oneCycleLR\`) that the text does not give is, on the command line, that of \`--lr\`;
\`sched.parse(text, { lr })\` takes its \`lr\`, and \`sched.parse(text)\` the default shown, or asks for it where there is none. In code every name is a function of options:
\`sched.stepLR({ lr: 0.3, stepSize: 7 })\`; combinators take the schedule or the list first: \`sched.warmup(s, { steps: 5 })\`.

\`\`\`
npm run plot-schedule -- 'warmup(cosine(baseLr=0.3, maxUpdate=15), steps=5)' 'oneCycleLR(0.3, 30)' --range 30 --svg rates.svg
\`\`\`

draws any of them, several at once, in the terminal and to a file: the values at t = 0, 1, 2 …, joined by lines. [All in one picture](img/schedules.svg).

Those with PyTorch's names are its schedulers in closed form. PyTorch computes most of them by a recursion on the rate in force; undisturbed,
both give the same rates, but for rounding and for the cases that the functions' docstrings name.

## The chapter's five

[The chapter's runs](chapter.md) has what came of training with them.`

const STATEFUL = `## In code alone: lambdaLR, multiplicativeLR

\`sched.lambdaLR({ lr, lambda })\` is η₀ λ(t), \`sched.multiplicativeLR({ lr, lambda })\` is η₀ Π λ(k) over k = 1 … t. PyTorch: LambdaLR,
MultiplicativeLR. A function has no text, so these have no \`spec\`. Any other function of t is a schedule too.

## With a state: ReduceLROnPlateau

\`new sched.ReduceLROnPlateau(optimizer, { mode = 'min', factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = 'rel', cooldown = 0,
minLr = 0, eps = 1e-8 })\`, then \`plateau.step(metric)\` after every epoch: where the metric has not got better for more than \`patience\` epochs,
the rate is multiplied by \`factor\`. PyTorch: ReduceLROnPlateau, with its rules. \`stateDict()\` and \`loadStateDict()\` carry it over,
the rates included. In a run: \`npm run train -- --lr 0.3 --plateau 'factor=0.5, patience=3, metric=trainLoss'\`, or \`metric=testAcc\`,
the default; its state is in the checkpoints, so that a resumed run cuts its rate after the same epochs.

## Momentum

\`oneCycleLR\` and \`cyclicLR\` have a momentum too, \`schedule.momentum(t)\`, unless \`cycleMomentum\` is false. \`Scheduler\` and \`train\` set it beside
the rate, in place of \`--momentum\`; \`warmup\`, \`sequence\`, \`chain\` and \`scale\` carry it on. Steps that are sent to the device
together have one momentum: where it changes with every step, as with \`--schedule-per step\`, steps are sent one by one.`

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
