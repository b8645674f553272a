// Writes docs/errors.md from the table of errors. Run by `npm run docs:errors`; a test holds the two equal.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Refusal } from './refusal.ts'
import { AREAS } from './table.ts'

const target = new URL('../../docs/errors.md', import.meta.url)

const HEAD = `<!-- Written by \`npm run docs:errors\` from test/errors/*.ts. Do not edit. -->

# Errors

Every error that this package makes: what happened, the text, and what to do. To find one, search this page for some words of the
message without its numbers and names. What stands in angle brackets differs from case to case; the rest of each text is an example
as a test has provoked it, so numbers, names and shapes are those of the example.

The class of an error and its text are held by tests. A \`GpuError\` has a \`kind\` beside. On the command line an error is one line
on stderr, \`error: …\`, or four where it shows the place in the text of a schedule: with exit code 2 where options are wrong and nothing was begun, with 1 for all others. Where a text names
\`npm run setup\`, as in a checkout, it names \`npx dawngrad setup\` in an installed package.`

/** A heading's anchor, as GitHub makes it. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/\s/g, '-')
}

function classOf({ error, kind, by }: Refusal): string {
  if (error === 'UsageError') return 'exit code 2, behind `error: `'
  const name = /^[A-Z]\w+$/.test(error) ? `\`${error}\`${kind === undefined ? '' : ` of kind \`${kind}\``}` : error
  return by === undefined ? name : `${name}, in the words of ${by}`
}

function section(refusal: Refusal): string {
  const { title, text, cure } = refusal
  const last = cure === undefined ? [] : ['', `→ ${cure}`]
  return [
    `### ${title}`,
    '',
    `${classOf(refusal)[0]!.toUpperCase()}${classOf(refusal).slice(1)}:`,
    '',
    '```text',
    text,
    '```',
    ...last,
  ].join('\n')
}

/** The text of docs/errors.md. */
export function page(): string {
  const contents = AREAS.map(({ title, refusals }) => `- [${title}](#${anchor(title)}): ${refusals.length}`)
  const areas = AREAS.map(({ title, refusals }) => [`## ${title}`, ...refusals.map(section)].join('\n\n'))
  return `${[HEAD, contents.join('\n'), ...areas].join('\n\n')}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, page())
