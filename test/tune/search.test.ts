import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { keyOf, setTuned, tunedFor } from '../../src/kernels/tuned.ts'
import { type AdapterClass, type Numbers, TUNING } from '../../src/kernels/tuning.ts'
import type { Tensor } from '../../src/node/index.ts'
import { inputsOf, openSide, type TuneCase, tuneCases } from '../../src/tune/cases.ts'
import { checkTuning } from '../../src/tune/file.ts'
import { type Finding, gains, tune } from '../../src/tune/search.ts'
import { sameNumbers, TUNABLES, type Tunable } from '../../src/tune/spaces.ts'
import { bitsOf } from '../support/check.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

/** LeNet at a batch that fills a block of images and begins another. */
const small = tuneCases('lenet', 33)
const pairs = small.flatMap((one) =>
  TUNABLES.filter(({ kernel }) => Object.hasOwn(one.kernels, kernel)).map((tunable) => ({ one, tunable })),
)
const named = pairs.map(({ one, tunable }) => [`${tunable.kernel} at ${one.label}`, one, tunable] as const)

async function results(one: TuneCase, kernel: string, chosen: Numbers | null): Promise<Uint32Array[]> {
  setTuned(gpu, new Map(chosen ? [[keyOf(kernel, one.shape), chosen]] : []))
  const inputs = inputsOf(gpu, one.shapes, one.kernels[kernel]!)
  const side = openSide(one, inputs, one.kernels[kernel]!)
  const made: Tensor[] = side.run()
  const bits = await Promise.all(made.map(bitsOf))
  for (const t of [...made, ...inputs]) t.dispose()
  side.dispose()
  setTuned(gpu, new Map())
  return bits
}

describe('the space of candidates', () => {
  it.each(['cpu', 'gpu'] as const)(
    'is small on %s, and free of what changes the order of sums',
    (adapterClass: AdapterClass) => {
      for (const [name, one, { standard, candidates }] of named) {
        const all = candidates(one.shape, adapterClass)
        expect(all.length, name).toBeGreaterThan(0)
        expect(all.length, name).toBeLessThan(100)
        const names = Object.keys(standard(one.shape, adapterClass)).sort()
        for (const candidate of all) {
          expect(Object.keys(candidate).sort()).toEqual(names)
          expect(sameNumbers(candidate, standard(one.shape, adapterClass))).toBe(false)
        }
        expect(names.filter((free) => ['IMAGES', 'LANES', 'KW_FIXED'].includes(free))).toEqual([])
      }
    },
  )

  it('keeps within what compiles in seconds on a processor', () => {
    const sums = small.flatMap((one) => TUNABLES[0]!.candidates(one.shape, 'cpu').map(({ PX, OCB }) => PX! * OCB!))
    expect(Math.max(...sums.filter(Number.isFinite))).toBeLessThanOrEqual(TUNING.conv2d_correlate.cpu.mostSums)
  })

  it('has nothing for a fused layer that no variant is compiled for', () => {
    const strided = { ...small[0]!.shape, SH: 2, OH: 7 }
    const fused = TUNABLES.filter(({ kernel }) => kernel.startsWith('conv2d_relu'))
    expect(fused.map(({ candidates }) => candidates(strided, 'cpu'))).toEqual([[], [], []])
  })

  it('gives the bits of the table, whichever candidate is taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...named),
        fc.nat(),
        fc.constantFrom('cpu', 'gpu'),
        async ([, one, t], i, adapterClass) => {
          const all = t.candidates(one.shape, adapterClass as AdapterClass)
          const candidate = all[i % all.length]!
          expect(await results(one, t.kernel, candidate)).toEqual(await results(one, t.kernel, null))
        },
      ),
      { seed: 1, numRuns: 6 },
    )
  })
})

describe('tune', () => {
  const only = (kernel: string, candidates: readonly Numbers[]): Tunable => {
    const tunable = TUNABLES.find((one) => one.kernel === kernel)!
    return { ...tunable, candidates: () => candidates }
  }
  const run = async (tunable: Tunable, budget = 60) => {
    const findings: Finding[] = []
    const cases = small.filter(({ kernels }) => Object.hasOwn(kernels, tunable.kernel)).slice(0, 1)
    const onFinding = (finding: Finding) => findings.push(finding)
    const result = await tune({ gpu, cases, version: '1', budget, tunables: [tunable], onFinding })
    return { result, finding: findings[0] }
  }

  it('refuses a candidate whose results are wrong', async () => {
    // The kernel is 5 wide.
    const { result, finding } = await run(only('conv2d.forward', [{ PX: 4, OCB: 4, WG: 64, KW_FIXED: 3 }]))
    expect(result.tuning.entries).toEqual([])
    expect(finding?.refused).toHaveLength(1)
    expect(finding?.refused[0]?.why).toMatch(
      /^\d+ of 155232 values differ from the table's, the first, at 0: -?[\d.e-]+ instead of -?[\d.e-]+$/,
    )
  })

  it('refuses a candidate that the adapter does not take', async () => {
    const { result, finding } = await run(only('conv2d.forward', [{ PX: 4, OCB: 4, WG: 100_000 }]))
    expect(result.tuning.entries).toEqual([])
    expect(finding?.refused[0]?.why).toContain('conv2d.')
  })

  it('writes what gains, for the shape that it was found at', async () => {
    // One sum a thread is slow beyond doubt: as the table's choice it is beaten.
    const row = TUNING.conv2d_correlate[gpu.info.adapterClass]
    const before = { ...row }
    Object.assign(row, { PX: [1], OCB: 1 })
    try {
      const { result } = await run(only('conv2d.forward', [{ PX: 4, OCB: 6, WG: 64 }]))
      const [entry] = result.tuning.entries
      expect(entry).toMatchObject({ kernel: 'conv2d.forward', tune: { PX: 4, OCB: 6, WG: 64 } })
      expect(entry!.ms).toBeLessThanOrEqual(0.95 * entry!.defaultMs)
      expect(entry!.shape).toMatchObject({ N: 33, C: 1, H: 28, F: 6, OH: 28 })
      expect(checkTuning(JSON.parse(JSON.stringify(result.tuning)), 'made')).toEqual(result.tuning)
      expect(tunedFor(gpu, 'conv2d.forward', () => entry!.shape)).toBeUndefined()
    } finally {
      Object.assign(row, before)
    }
  })

  it('takes for a gain what is 5 % faster in the median and in the fastest sample', () => {
    const faster = (ms: number, ratioOfFastest: number) => gains({ defaultMs: 100, ms, ratioOfFastest })
    expect([faster(95, 0.95), faster(95.1, 0.5), faster(50, 0.951), faster(100, 1)]).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  it('writes nothing that gains nothing, and tries nothing without time', async () => {
    const tunable = TUNABLES.find(({ kernel }) => kernel === 'matmul.matmul')!
    const same = await run({ ...tunable, candidates: () => [tunable.standard({}, gpu.info.adapterClass)] })
    expect(same.result).toMatchObject({ pairs: 1, searched: 1, tuning: { entries: [] } })
    const none = await run(tunable, 0)
    expect(none.result).toMatchObject({ pairs: 1, searched: 0, tuning: { entries: [] } })
  })
})
