import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { groupsOf, type Outcome, tableLines } from '../../src/node/sweep_table.ts'

const docs = new URL('../../docs/', import.meta.url)
const page = readFileSync(new URL('exercises.md', docs), 'utf8')

interface Row {
  readonly folder: string
  readonly trainLoss: number | null
  readonly trainAcc: number | null
  readonly testAcc: number | null
}

function outcomesOf(sweep: string): Outcome[] {
  const rows = JSON.parse(readFileSync(new URL(`results/sweeps/${sweep}/sweep.json`, docs), 'utf8')) as Row[]
  return rows.map(({ folder, trainLoss, trainAcc, testAcc, ...point }) => {
    const finished = trainLoss !== null && trainAcc !== null && testAcc !== null
    return {
      ...{ folder, point: new Map(Object.entries(point as Record<string, string | number>)), diverged: false },
      result: finished ? { trainLoss, trainAcc, testAcc } : null,
    }
  })
}

// The page shows what `npm run sweep` printed at the end, and the files are those that it left.
it.each([
  ['rate', 24],
  ['exponent', 12],
  ['warmup', 12],
])('the table of %s on the page is that of its sweep', (sweep, points) => {
  const outcomes = outcomesOf(sweep)
  expect(outcomes).toHaveLength(points)
  expect(page).toContain(`\`\`\`text\n${tableLines(groupsOf(outcomes)).join('\n')}\n`)
  expect(page).toContain(`(results/sweeps/${sweep}/sweep.svg)`)
})
