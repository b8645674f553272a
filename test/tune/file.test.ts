import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { keyOf, setTuned, tunedFor } from '../../src/kernels/tuned.ts'
import { applyTuning, checkTuning, kernelHash, machineOf, TUNING_FORMAT, type Tuning } from '../../src/tune/file.ts'
import { TUNABLES } from '../../src/tune/spaces.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'

const tunable = TUNABLES.find(({ kernel }) => kernel === 'linear.forward')!
const shape = { N: 8, I: 16, O: 4, relu: 0 }
const other = { DIRECT: 0 }

let gpu: Gpu
let tuning: Tuning
beforeAll(async () => {
  gpu = await testGpu()
  const entry = {
    kernel: tunable.kernel,
    shape,
    kernelHash: await kernelHash(tunable),
    tune: other,
    ms: 1,
    defaultMs: 2,
  }
  tuning = { format: TUNING_FORMAT, ...machineOf(gpu), version: '0.1.0', entries: [entry] }
})
afterEach(() => setTuned(gpu, new Map()))

async function apply(value: unknown): Promise<{ applied: number; notices: string[] }> {
  const notices: string[] = []
  const applied = await applyTuning(gpu, value, { name: 't.json', notice: (line) => notices.push(line) })
  return { applied, notices }
}
const found = (at = shape) => tunedFor(gpu, 'linear.forward', () => at)

describe('a tuning', () => {
  it('applies to its kernel and shape after a round trip through JSON, and to no other', async () => {
    expect(await apply(JSON.parse(JSON.stringify(tuning)))).toEqual({ applied: 1, notices: [] })
    expect(found()).toEqual(other)
    expect(found({ ...shape, N: 9 })).toBeUndefined()
    expect(tunedFor(gpu, 'linear.backward', () => shape)).toBeUndefined()
  })

  it('applies whatever the order of its sizes', async () => {
    const [entry] = tuning.entries
    const turned = Object.fromEntries(Object.entries(shape).reverse())
    expect(keyOf('k', turned)).not.toBe(keyOf('k', shape))
    await apply({ ...tuning, entries: [{ ...entry, shape: turned }] })
    expect(found()).toEqual(other)
  })

  it('of another adapter or driver is ignored, with one line', async () => {
    const { adapter, driver } = tuning
    for (const [name, wrong] of [
      [adapter, { adapter: 'Other' }],
      [driver, { driver: 'Other' }],
    ] as const) {
      const given = { ...tuning, ...wrong }
      const here = `${adapter} with driver ${driver}`
      expect(name).not.toBe('')
      expect(await apply(given)).toEqual({
        applied: 0,
        notices: [`t.json: ignored: it is for ${given.adapter} with driver ${given.driver}, this is ${here}`],
      })
      expect(found()).toBeUndefined()
    }
  })

  it('of another text of a kernel, or of an unknown one, is ignored with one line for each kernel', async () => {
    const [entry] = tuning.entries
    const stale = { ...entry, kernelHash: '0' }
    const unknown = { ...entry, kernel: 'conv3d.forward' }
    expect(await apply({ ...tuning, entries: [stale, stale, unknown] })).toEqual({
      applied: 0,
      notices: [
        't.json: ignored for linear.forward: it was found for a different text of this kernel',
        't.json: ignored for conv3d.forward: this version has no such kernel',
      ],
    })
    expect(found()).toBeUndefined()
  })

  it('that is refused leaves what was set before', async () => {
    await apply(tuning)
    const [entry] = tuning.entries
    const larger = { ...shape, N: 9 }
    const entries = [
      { ...entry, shape: larger },
      { ...entry, tune: { DIRECT: 7 } },
    ]
    await expect(apply({ ...tuning, entries })).rejects.toThrow(
      't.json: entries[1]: tune {"DIRECT":7} is not a candidate of linear.forward at this shape',
    )
    expect([found(), found(larger)]).toEqual([other, undefined])
  })

  it.each([
    [null, 't.json: its format is missing, this version reads "dawngrad tuning 1"'],
    [[], 't.json: its format is missing, this version reads "dawngrad tuning 1"'],
    [
      { format: 'dawngrad tuning 2' },
      't.json: its format is "dawngrad tuning 2", this version reads "dawngrad tuning 1"',
    ],
    [{ entries: {} }, 't.json: entries must be an array'],
    [{ entries: [null] }, 't.json: entries[0]: not an object'],
    [{ driver: 3 }, 't.json: driver must be a string, it is 3'],
    [{ driver: undefined }, 't.json: driver must be a string, it is missing'],
    [{ extra: 1 }, 't.json: "extra" is unknown'],
    [{ first: { ms: 0 } }, 't.json: entries[0]: ms must be a time above 0, it is 0'],
    [{ first: { tune: null } }, 't.json: entries[0]: tune must be an object, it is null'],
    [{ first: { tune: [1] } }, 't.json: entries[0]: tune must be an object of numbers, it is an array'],
    [{ first: { tune: { DIRECT: 0.5 } } }, 't.json: entries[0]: tune.DIRECT must be a whole number, it is 0.5'],
    [{ first: { shape: { N: -1 } } }, 't.json: entries[0]: shape.N must be a whole number, it is -1'],
    [{ first: { shape: { N: 1 } } }, 't.json: entries[0]: shape must have the sizes N, I, O, relu of linear.forward'],
    [
      { first: { shape: { N: 8, I: 16, O: 4, bias: 0 } } },
      't.json: entries[0]: shape must have the sizes N, I, O, relu of linear.forward',
    ],
  ] as const)('that is damaged is refused: %j', async (change, message) => {
    const isWhole = change === null || Array.isArray(change)
    const { first, ...rest } = (isWhole ? {} : change) as { first?: object }
    const entries = first ? [{ ...tuning.entries[0], ...first }] : tuning.entries
    const value = isWhole ? change : { ...tuning, entries, ...rest }
    await expect(apply(value)).rejects.toMatchObject({ name: 'DataError', message })
    expect(found()).toBeUndefined()
  })

  it('is returned as it stands by the check', () => {
    expect(checkTuning(tuning, 't.json')).toBe(tuning)
  })
})
