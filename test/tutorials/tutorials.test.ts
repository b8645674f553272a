// The ports of programs that people write: the first losses of PyTorch, or a figure in the range of its seeds.
import { readdirSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { manualSeed } from '../../src/node/index.ts'
import { testGpu } from '../support/gpu.ts'
import { page } from './page.ts'
import { distances, expected, portOf } from './results.ts'
import { programs } from './table.ts'

beforeAll(async () => {
  await testGpu()
})

const ports = [...new Set(programs.flatMap(({ port }) => port ?? []))]

it.each(ports)('%s', async (port) => {
  manualSeed(0)
  const { default: one } = await portOf(port)
  if ('figure' in one) {
    const figure = await one.figure()
    expect(figure).toBeGreaterThanOrEqual(one.range[0])
    expect(figure).toBeLessThanOrEqual(one.range[1])
    return
  }
  const losses = await one.losses()
  expect(losses).toHaveLength(expected(port).losses.length)
  for (const [step, { far, bound }] of distances(port, losses).entries()) {
    expect(far, `step ${step}`).toBeLessThanOrEqual(bound)
  }
})

describe('the table', () => {
  it('names every port once, and every port is in it', () => {
    const files = (folder: string) =>
      readdirSync(new URL(folder, import.meta.url))
        .map((file) => file.replace('.ts', ''))
        .sort()
    const names = ports.toSorted()
    expect(names).toEqual(files('cases/'))
    expect(names).toEqual(files('programs/'))
  })

  it('is what docs/programs.md says, except for what was reached', () => {
    const bare = (text: string) => text.replaceAll(/^(\| \d+ .*\|)[^|]*\|$/gm, '$1')
    const committed = readFileSync(new URL('../../docs/programs.md', import.meta.url), 'utf8')
    expect(bare(committed)).toBe(bare(page(new Map())))
  })

  it('has every program, in order, each with its port or with what is missing', () => {
    expect(programs.map(({ number }) => number)).toEqual(Array.from({ length: 59 }, (_, i) => i + 1))
    for (const { port, missing } of programs) expect(port === undefined).toBe(missing !== undefined)
  })
})
