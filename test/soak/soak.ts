// Tries ever new random cases of every operation until the time is up, or until one fails.
import type { Parameters } from 'fast-check'
import { type Property, propertiesOf, tryCases } from '../operations/properties.ts'
import type { Row } from '../operations/row.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly seed: number
  /** fast-check's path to one case of one property; then that case alone is tried. */
  readonly path: string | null
  /** Part of "operation: property"; '' for all of them. */
  readonly filter: string
}

export interface SoakResult {
  /** What failed, on which case, and the line that repeats it; null when nothing did. */
  readonly failure: string | null
  readonly cases: number
  readonly rounds: number
}

/** Cases of one property before the next one's turn. */
const CASES = 10

/** Every property of every row that the filter names. Throws an Error when it names none. */
function chosen(rows: readonly Row[], filter: string): { title: string; row: Row; property: Property }[] {
  const all = rows.flatMap((row) =>
    propertiesOf(row).map((property) => ({ title: `${row.name}: ${property.name}`, row, property })),
  )
  const exact = all.filter(({ title }) => title === filter)
  const some = exact.length > 0 ? exact : all.filter(({ title }) => title.includes(filter))
  if (some.length > 0) return some
  throw new Error(`no property's title contains '${filter}'; titles are like '${all[0]?.title}'`)
}

/**
 * Round after round: 10 cases of every property, each round with the next seed. Stops at the first failure, after the
 * shrinking of its case. With a path, the one case that it leads to.
 */
export async function soak(
  rows: readonly Row[],
  options: SoakOptions,
  report: (line: string) => void,
): Promise<SoakResult> {
  const { minutes, path, filter } = options
  const properties = chosen(rows, filter)
  if (path !== null && properties.length > 1) throw new Error('--path needs a --filter that names one property')
  const start = performance.now()
  const end = start + minutes * 60_000
  let [cases, rounds, reported] = [0, 0, start]
  do {
    const seed = options.seed + rounds
    for (const { title, row, property } of properties) {
      const parameters: Parameters<[unknown]> =
        path === null ? { seed, numRuns: CASES } : { seed, path, endOnFailure: true, numRuns: 1 }
      const result = await tryCases(row, property, parameters)
      cases += result.numRuns
      if (result.failed) {
        const repeat = `npm run test:soak -- --seed ${seed} --path ${result.counterexamplePath} --filter '${title}'`
        const error = result.errorInstance
        const failure = [
          `${title} failed`,
          `counterexample: ${JSON.stringify(result.counterexample?.[0], named)}`,
          error instanceof Error ? error.message : String(error),
          `to repeat: ${repeat}`,
        ].join('\n')
        return { failure, cases, rounds }
      }
      const now = performance.now()
      if (now > end) break
      if (now - reported < 60_000) continue
      reported = now
      report(`${Math.round((now - start) / 60_000)} min, round ${rounds + 1} (seed ${seed}): ${cases} cases held`)
    }
    rounds++
  } while (path === null && performance.now() < end)
  return { failure: null, cases, rounds }
}

/** JSON has no words for these. */
function named(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
