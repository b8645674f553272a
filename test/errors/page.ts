// Writes docs/errors.md, which is not in the repository, from the table of errors. Run by `npm run docs:errors`.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Area, Refusal } from './refusal.ts'
import { AREAS } from './table.ts'

const target = new URL('../../docs/errors.md', import.meta.url)

const HEAD = `<!-- Written by \`npm run docs:errors\` from test/errors/*.ts. -->

# Errors

Every error that this package makes: what happened, its text, and what to do. To find an error, search this page for some words of
the message, without its numbers and names. What is in angle brackets varies; the rest of each text comes from an example that a test
provokes, so its numbers, names and shapes are those of the example.

Tests hold the class and the text of every error. A \`GpuError\` also has a \`kind\`. On the command line an error is one line on
stderr, \`error: …\`, or four if it points into the text of a schedule. The exit code is 2 if options are wrong and nothing was begun,
and 1 otherwise. A text that names \`npm run setup\` in a checkout names \`npx dawngrad setup\` in an installed package.`

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

/** The page of these areas. */
export function page(areas: readonly Area[]): string {
  const contents = areas.map(({ title, refusals }) => `- [${title}](#${anchor(title)}): ${refusals.length}`)
  const sections = areas.map(({ title, refusals }) => [`## ${title}`, ...refusals.map(section)].join('\n\n'))
  return `${[HEAD, contents.join('\n'), ...sections].join('\n\n')}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, page(AREAS))
