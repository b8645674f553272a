import { beforeAll, describe, expect, it } from 'vitest'
import { add, relu } from '../../src/node/index.ts'
import { unaryRows } from '../kernels/unary/row.ts'
import type { Row } from '../operations/row.ts'
import { testGpu } from '../support/gpu.ts'
import { soak } from './soak.ts'

beforeAll(testGpu)

/** An operation that is wrong from 100 elements on. */
const reluRow = unaryRows.find(({ name }) => name === 'relu')!
const broken: Row = { ...(reluRow as Row), run: ([x]) => (x!.size < 100 ? relu(x!) : add(x!, x!)) }
const options = { minutes: 1, seed: 7, path: null, filter: 'relu: equals the reference' }

describe('soak', () => {
  it('prints the shrunk counterexample of a failure and a line that comes back to it', async () => {
    const { failure } = await soak([broken], options, () => {})
    const [title, example, message, repeat] = failure!.split('\n')
    expect(title).toBe('relu: equals the reference failed')
    const { shape } = JSON.parse(example!.replace('counterexample: ', '')).given as { shape: [number, number] }
    expect(shape[0] * shape[1]).toBeGreaterThanOrEqual(100)
    expect(message).toMatch(/^relu: out: \d+ of \d+ values out of bounds, the worst at /)
    const line = /^to repeat: npm run test:soak -- --seed (\d+) --path ([\d:]+) --filter '(.*)'$/.exec(repeat!)!
    const again = { minutes: 0, seed: Number(line[1]), path: line[2]!, filter: line[3]! }
    const second = await soak([broken], again, () => {})
    expect(second.failure).toBe(failure)
    // Once the operation is mended the same case holds.
    expect(await soak([reluRow], again, () => {})).toEqual({ failure: null, cases: 1, rounds: 1 })
  })

  it('goes on with new cases until the time is up', async () => {
    const { failure, cases, rounds } = await soak([reluRow], { ...options, minutes: 0.002, filter: 'relu' }, () => {})
    expect(failure).toBeNull()
    expect([cases % 10, rounds >= 0, cases > 0]).toEqual([0, true, true])
  })

  it('refuses a filter that names nothing, and a path without the one property it belongs to', async () => {
    const message = (change: object) =>
      soak([reluRow], { ...options, ...change }, () => {}).catch((error: Error) => error.message)
    expect(await message({ filter: 'gelu' })).toBe(
      "no property's title contains 'gelu'; titles are like 'relu: equals the reference'",
    )
    expect(await message({ path: '0', filter: '' })).toBe('--path needs a --filter that names one property')
  })
})
