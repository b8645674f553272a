// Finds the cases of every benchmark in this folder.
import { readdir } from 'node:fs/promises'
import type { Case } from './support.ts'

/** The cases of every `*.bench.ts` in this folder, in the order of the files' names. */
export async function loadCases(): Promise<Case[]> {
  const suffix = '.bench.ts'
  const files = (await readdir(import.meta.dirname)).filter((name) => name.endsWith(suffix)).sort()
  const modules = await Promise.all(
    files.map(async (name) => {
      const stem = name.slice(0, -suffix.length)
      return (await import(`./${stem}.bench.ts`)) as { cases: readonly Case[] }
    }),
  )
  return modules.flatMap(({ cases }) => cases)
}

/** What `--filter` searches. */
export const titleOf = ({ name, direction, shape }: Case): string => `${name} ${direction} ${shape}`
