import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { page } from './page.ts'
import { AREAS } from './table.ts'

const committed = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')

test('docs/errors.md is what `npm run docs:errors` writes', () => {
  expect(committed === page(), 'run `npm run docs:errors`').toBe(true)
})

test('docs/errors.md has every text of the table', () => {
  for (const { text } of AREAS.flatMap((area) => area.refusals)) expect(committed).toContain(text)
})
