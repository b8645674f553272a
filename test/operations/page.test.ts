// docs/operations.md is current, and has every operation.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { exported, NAMES, NOT_OPERATIONS, page } from './page.ts'
import { table } from './table.ts'

it('is what `npm run docs:operations` writes', () => {
  const written = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  expect(written === page(), 'run `npm run docs:operations`').toBe(true)
})

it('has every function that the package exports and that is an operation, once', () => {
  expect([...NAMES, ...NOT_OPERATIONS].sort()).toEqual([...exported].sort())
  // A view, and the operation that recurrent layers share, are not exported.
  const rows = new Set(table.map(({ name }) => name))
  expect([...rows].filter((name) => !NAMES.includes(name))).toEqual(['reshape', 'recurrence'])
})
