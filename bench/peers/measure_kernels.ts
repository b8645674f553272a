// Measures the kernels of all contestants.
import { compare, type Timed } from './compare.ts'
import type { Execution } from './contestant.ts'
import { KERNELS, type KernelCase, shapeOf } from './kernels.ts'
import type { Contestants, Failed, Key } from './step.ts'

export interface KernelRow {
  readonly name: KernelCase['name']
  readonly shape: string
  readonly times: ReadonlyMap<string, Timed>
}

export const titleOf = (item: KernelCase): string => `${item.name} ${shapeOf(item)}`

/** The kernels whose title contains a text. */
export const chosen = (filter: string): KernelCase[] => KERNELS.filter((item) => titleOf(item).includes(filter))

/** How far results may lie from dawngrad's, as a share of the largest: sums of 200,000 float32 terms stay well below it. */
const TOLERANCE = 1e-4

/** Times one kernel with every contestant, after comparing what they compute with what dawngrad does. */
export async function kernel(
  contestants: Contestants,
  item: KernelCase,
  rounds: number,
  rests: boolean,
  failed: Failed,
): Promise<KernelRow> {
  const executions = new Map<Key, Execution>()
  let wanted: Float32Array[] | null = null
  for (const [key, contestant] of contestants) {
    let execution: Execution | null = null
    try {
      execution = await contestant.kernel(item)
      const results = await execution.results()
      wanted ??= results
      checkResults(results, wanted)
      executions.set(key, execution)
    } catch (error) {
      execution?.dispose()
      failed(`${titleOf(item)}, ${contestant.title}`, error)
    }
  }
  const lanes = [...executions].map(([key, execution]) => ({
    key,
    rests: rests && key !== 'dawngrad',
    run: execution.run.bind(execution),
  }))
  const options = { rounds, sampleMs: 30, fewest: 1, totalMs: 15_000 }
  const times = await compare(lanes, options, (key, error) => failed(`${titleOf(item)}, ${key}`, error))
  for (const execution of executions.values()) execution.dispose()
  return { name: item.name, shape: shapeOf(item), times }
}

/** Throws an Error that names the first element that is off. */
function checkResults(results: readonly Float32Array[], wanted: readonly Float32Array[]): void {
  if (results.length !== wanted.length) throw new Error(`${results.length} results, there must be ${wanted.length}`)
  for (const [k, result] of results.entries()) {
    const right = wanted[k]!
    if (result.length !== right.length)
      throw new Error(`result ${k} has ${result.length} elements, not ${right.length}`)
    const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    // Written so that NaN fails.
    const wrong = result.findIndex((value, i) => !(Math.abs(value - right[i]!) <= TOLERANCE * largest))
    if (wrong >= 0) throw new Error(`element ${wrong} of result ${k} is ${result[wrong]}, dawngrad has ${right[wrong]}`)
  }
}
