// Writes docs/benchmarks.md and its figures from bench/results/*.json.
import { writeFileSync } from 'node:fs'
import { page } from './page.ts'

const root = new URL('../../', import.meta.url)
for (const [path, text] of page(new URL('bench/results/', root))) writeFileSync(new URL(path, root), text)
