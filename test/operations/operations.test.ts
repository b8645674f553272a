// Every property of every row of the table, on random and fixed cases.
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { tensorOf } from '../support/check.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'
import { expectNothingPastEnd, expectRefused } from './memory.ts'
import { propertiesOf } from './properties.ts'
import type { Refusal } from './row.ts'
import { checkAgainstReference, checkNotFinite, drawn } from './run.ts'
import { table } from './table.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const SEED = 1
const { NaN: nan, POSITIVE_INFINITY: inf } = Number

describe.each(table.map((row) => [row.name, row] as const))('%s', (_, row) => {
  it.each(propertiesOf(row).map((p) => [p.name, p] as const))('%s', async (_, p) => {
    const numRuns = Math.max(4, Math.round(row.runs * p.share))
    await fc.assert(
      fc.asyncProperty(p.draw(row)!, (drawn) => p.check(row, drawn)),
      { seed: SEED, numRuns },
    )
  })

  it.each(Object.entries(row.fixed))('equals the reference: %s', async (_, given) => {
    await checkAgainstReference(row, given, drawn(row, given, 'normal'))
    if (row.exact) await checkAgainstReference(row, given, drawn(row, given, 'smallInts'), 'exact')
  })

  it.each(Object.entries(row.fixed))('passes NaN and infinities to what they belong to: %s', async (_, given) => {
    // In the first and the last place of each input, and of the gradient.
    for (let which = 0; which <= row.roles.length; which++) {
      await checkNotFinite(row, given, [
        { which, at: 0, value: nan },
        { which, at: 1, value: inf },
      ])
      await checkNotFinite(row, given, [
        { which, at: 1, value: nan },
        { which, at: 0.5, value: -inf },
      ])
    }
  })

  it('writes past the end of no memory it is lent', () => expectNothingPastEnd(gpu, row))

  it.each(row.refused)('refuses %s', (...refusal) => expectRefused(gpu, refusal))

  it('refuses an input that was released', () => {
    const given = Object.values(row.fixed)[0]!
    const inputs = row.inputs(given, 'normal')
    for (const [which, role] of row.roles.entries()) {
      if (!inputs[which]) continue
      const released: Refusal = [
        `a released ${role}`,
        inputs.map((r) => () => tensorOf(r!)),
        (...tensors) => {
          tensors[which]!.dispose()
          return row.run(tensors, given)
        },
        Error,
        `${row.name}: tensor [${inputs[which]!.shape.join(', ')}] can't be used any more: dispose() was called on it`,
      ]
      expectRefused(gpu, released)
    }
  })
})

describe('the table', () => {
  const root = new URL('../../', import.meta.url)
  const names = table.map((row) => row.name)

  it('has a row for every operation that src/index.ts exports', () => {
    const index = readFileSync(new URL('src/index.ts', root), 'utf8')
    // Files that put something on the tape; others hold no operation.
    const exported = [...index.matchAll(/export \{([^}]*)\} from '\.\/(kernels\/[\w/]+\.ts)'/g)]
      .filter(([, , path]) => /\bapply\(/.test(readFileSync(new URL(`src/${path}`, root), 'utf8')))
      .flatMap(([, list]) => list!.split(','))
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '))
    expect(exported.length).toBeGreaterThanOrEqual(7)
    // Comparisons have no gradient: test/kernels/binary/binary.test.ts holds them.
    const comparisons = ['eq', 'ge', 'gt', 'le', 'lt', 'ne']
    expect(exported.filter((name) => ![...names, ...comparisons].includes(name))).toEqual([])
  })

  it('has a row for every Op in the sources, exported or not', () => {
    const files = ['src/kernels/', 'src/tensor/'].flatMap((folder) =>
      readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => `${folder}${file}`),
    )
    const ops = files.flatMap((file) =>
      [...readFileSync(new URL(file, root), 'utf8').matchAll(/(?:: Op<[^=]*= \{\s*name: |= opOf\()'(\w+)'/g)].map(
        ([, name]) => name!,
      ),
    )
    expect(ops.length).toBeGreaterThanOrEqual(8)
    expect(ops.filter((name) => !names.includes(name))).toEqual([])
  })
})
