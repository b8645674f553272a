// The report as Markdown.

import type { Area, Mutant } from './mutant.ts'
import type { Outcome } from './state.ts'

export type Listed =
  | Outcome
  | { readonly status: 'equivalent' | 'not run'; readonly by: string; readonly seconds: null }

const STATUSES = ['caught', 'survived', 'timeout', 'broken', 'equivalent', 'not run'] as const

export interface Conditions {
  readonly adapter: string
  readonly node: string
}

export function report(areas: readonly Area[], outcomeOf: (m: Mutant) => Listed, conditions: Conditions): string {
  const all = areas.flatMap((area) => area.mutants)
  const shown = STATUSES.filter((s) => s === 'caught' || s === 'survived' || all.some((m) => outcomeOf(m).status === s))
  const counts = (mutants: readonly Mutant[]) =>
    shown.map((status) => mutants.filter((m) => outcomeOf(m).status === status).length)
  const seconds = all.reduce((sum, m) => sum + (outcomeOf(m).seconds ?? 0), 0)
  return `${[
    '# Mutation testing',
    '',
    'A mutant is one small fault in the sources: a wrong sign, stride, bound or constant, a dropped term. `npm run test:mutants` puts each',
    'into a copy of the repository, one at a time, and runs the tests that should notice. A mutant that survives shows a test that is',
    'missing. The mutants stand in `test/mutants/table/`; CONTRIBUTING.md says how to add one.',
    '',
    'This page is written by `npm run test:mutants -- --report`.',
    '',
    `**${summary(shown, counts(all))}**, in ${duration(seconds)} on ${conditions.adapter}, Node ${conditions.node}.`,
    '',
    `| area | mutants | ${shown.join(' | ')} |`,
    `|---|${'---:|'.repeat(shown.length + 1)}`,
    ...areas.map(({ title, mutants }) => `| ${[title, mutants.length, ...counts(mutants)].join(' | ')} |`),
    `| ${['together', all.length, ...counts(all)].join(' | ')} |`,
    ...areas.flatMap(({ title, mutants }) => ['', `## ${title}`, '', ...table(mutants, outcomeOf)]),
  ].join('\n')}\n`
}

export function summary(statuses: readonly string[], counts: readonly number[]): string {
  const all = counts.reduce((sum, n) => sum + n, 0)
  return `${all} mutants: ${statuses.map((status, i) => `${counts[i]} ${status}`).join(', ')}`
}

function table(mutants: readonly Mutant[], outcomeOf: (m: Mutant) => Listed): string[] {
  const rows = mutants.map((mutant) => {
    const { status, by, seconds } = outcomeOf(mutant)
    const result = status === 'caught' ? by : by === '' ? status : `${status}: ${by}`
    const cells = [`\`${mutant.id}\``, mutant.breaks, result, seconds === null ? '' : seconds.toFixed(1)]
    return `| ${cells.map(cell).join(' | ')} |`
  })
  return ['| mutant | what it breaks | caught by | s |', '|---|---|---|---:|', ...rows]
}

/** Text that stays within its cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replace(/\s+/g, ' ')
}

export function duration(seconds: number): string {
  return seconds < 60 ? `${seconds.toFixed(0)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}
