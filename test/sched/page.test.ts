import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { signatures } from '../../src/sched/index.ts'
import { ENTRIES } from './gallery.ts'
import { files } from './page.ts'

const root = new URL('../../', import.meta.url)
const made = files()

test.each([...made.keys()])('%s is what `npm run docs:schedules` writes', (path) => {
  expect(readFileSync(new URL(path, root), 'utf8') === made.get(path), 'run `npm run docs:schedules`').toBe(true)
})

test('the gallery has every schedule of the grammar, and no figure of another', () => {
  expect(ENTRIES.map(({ name }) => name)).toEqual(signatures().map((one) => one.split('(')[0]))
  const figures = readdirSync(new URL('docs/img/schedules/', root)).map((name) => `docs/img/schedules/${name}`)
  expect(figures.sort()).toEqual([...made.keys()].filter((path) => path.startsWith('docs/img/schedules/')).sort())
})
