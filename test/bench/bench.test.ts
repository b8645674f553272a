import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadCases, titleOf } from '../../bench/cases.ts'
import { compare, type Lane } from '../../bench/peers/compare.ts'
import { rowOf, tableHead, tableRow } from '../../bench/report.ts'
import { type Case, check, exactly, randomValues, Sum } from '../../bench/support.ts'
import { measure, median } from '../../bench/timing.ts'
import { type Gpu, tensor, testGpu } from '../support/gpu.ts'

const cases = await loadCases()
const timing = {
  minMs: 123_456,
  medianMs: 123_456,
  wallMs: 123_456,
  recordMs: 100_000,
  samples: 20,
  executionsPerSample: 1,
}
const root = new URL('../../', import.meta.url)
let gpu: Gpu

beforeAll(async () => {
  gpu = await testGpu()
})

/** Runs `fn` with a device that ignores every dispatch. */
async function withoutDispatches(fn: () => Promise<void>): Promise<void> {
  const emit = gpu.emit
  gpu.emit = () => undefined
  try {
    await fn()
  } finally {
    gpu.emit = emit
  }
}

describe('the cases', () => {
  it('cover every shader, each at a shape of LeNet and at two larger ones', async () => {
    const shaders = readdirSync(new URL('wgsl/', root)).filter((name) => name.endsWith('.wgsl'))
    for (const shader of shaders.map((name) => name.slice(0, -'.wgsl'.length))) {
      // A family's cases have its operations' names.
      const { cases: own } = (await import(`../../bench/${shader}.bench.ts`)) as { cases: readonly Case[] }
      const shapes = (set: string) => new Set(own.filter((c) => c.set === set).map((c) => c.shape))
      expect(shapes('lenet').size, shader).toBeGreaterThanOrEqual(1)
      expect(shapes('large').size, shader).toBeGreaterThanOrEqual(2)
    }
  })

  it('have titles of their own that fit into 118 columns', () => {
    expect(new Set(cases.map(titleOf)).size).toBe(cases.length)
    for (const item of cases) {
      const row = tableRow(rowOf(item, { flops: 1e12, bytes: 1e12 }, timing, { gflops: 1, gbs: 1 }))
      expect(row.length, row).toBeLessThanOrEqual(118)
      expect(row.indexOf(' 123456'), row).toBeLessThan(tableHead.indexOf('min ms'))
      expect(item.shape.length, item.shape).toBeLessThan(37)
    }
  })

  it.each(cases.filter(({ set }) => set === 'lenet').map((item) => [titleOf(item), item] as const))(
    '%s is right, and its check can fail',
    async (_, item) => {
      const before = gpu.memory().tensors
      const prepared = item.prepare(gpu)
      try {
        await prepared.verify()
        prepared.run()
        const held = gpu.memory().tensors
        prepared.run()
        expect(gpu.memory().tensors).toBe(held)
        expect(prepared.bytes).toBeGreaterThan(0)
        await withoutDispatches(() => expect(prepared.verify()).rejects.toThrow(/must be/))
        await prepared.verify()
      } finally {
        prepared.dispose()
      }
      // Fewer there may be: what other tests forgot is collected meanwhile. Clipping keeps the table of what it clipped.
      expect(gpu.memory().tensors).toBeLessThanOrEqual(before + (item.name === 'clip' ? 1 : 0))
    },
  )
})

describe('the bound of a sum', () => {
  it('holds for float32 sums in order, and is far below a single term', () => {
    for (const n of [1, 2, 25, 1000, 200_000]) {
      for (const seed of [1, 2, 3]) {
        const [a, b] = [randomValues(n, seed), randomValues(n, seed + 10)]
        const sum = new Sum()
        let float = 0
        a.forEach((value, i) => {
          sum.add(value * b[i]!)
          float = Math.fround(float + Math.fround(value * b[i]!))
        })
        const { value, bound } = sum.expected()
        expect(Math.abs(float - value)).toBeLessThanOrEqual(bound)
        expect(bound).toBeLessThan(0.1)
      }
    }
  })

  it('is what check holds elements to', async () => {
    const actual = tensor([1, 2, Number.NaN])
    const elements = (last: number) => ({ cost: 1, at: (i: number) => exactly([1, 2, last][i]!) })
    await expect(check('out', actual, elements(Number.NaN))).rejects.toThrow(
      'out: element 2 of 3 is NaN, it must be NaN ± 0',
    )
    await expect(check('out', null, elements(3))).rejects.toThrow('out: there is no result')
    actual.dispose()
  })
})

/** A clock of the test's own would hide what is measured; a busy wait of 1 ms is long against everything else. */
const busy = () => {
  const end = performance.now() + 1
  while (performance.now() < end);
}

describe('measure', () => {
  const fence = { wait: async () => undefined, ms: 0, dispose: () => undefined }

  it('fills its samples with executions and divides by them', async () => {
    const found = await measure(busy, fence, { samples: 3, sampleMs: 5, warmUp: true })
    expect(found.executionsPerSample).toBeGreaterThanOrEqual(5)
    expect(found.minMs).toBeGreaterThanOrEqual(1)
    expect(found.minMs).toBeLessThanOrEqual(found.medianMs)
    expect(found.medianMs).toBeLessThan(3)
  })

  it('takes the middle', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })
})

describe('the share of the peak', () => {
  const of = (flops: number, bytes: number) => {
    const item = cases[0]!
    const { share, bound } = rowOf(item, { flops, bytes }, { ...timing, medianMs: 1 }, { gflops: 100, gbs: 10 })
    return { share, bound }
  }

  it('is that of the bound which is nearer', () => {
    expect(of(50e6, 1e6)).toEqual({ share: 0.5, bound: 'arithmetic' })
    expect(of(50e6, 8e6)).toEqual({ share: 0.8, bound: 'bandwidth' })
    expect(of(0, 20e6)).toEqual({ share: 2, bound: 'bandwidth' })
  })
})

describe('peers in turns', () => {
  const options = { rounds: 3, sampleMs: 3, fewest: 2, totalMs: 1000 }

  it('are timed in alternating rounds of several executions', async () => {
    const calls: string[] = []
    const lane = (key: string): Lane => ({
      key,
      rests: false,
      async run(n) {
        calls.push(key)
        for (let i = 0; i < n; i++) busy()
      },
    })
    const times = await compare([lane('a'), lane('b')], options, () => expect.fail())
    expect(calls.slice(-6)).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
    for (const key of ['a', 'b']) {
      const { minMs, medianMs, samples, executionsPerSample } = times.get(key)!
      expect(minMs).toBeGreaterThanOrEqual(1)
      expect(medianMs).toBeGreaterThanOrEqual(minMs)
      expect(samples).toBe(3)
      expect(executionsPerSample).toBeGreaterThanOrEqual(2)
    }
  })

  it('leave one out that fails, and say so', async () => {
    const failures: unknown[] = []
    const good: Lane = { key: 'good', rests: false, run: async () => busy() }
    const bad: Lane = { key: 'bad', rests: false, run: () => Promise.reject(new Error('no')) }
    const times = await compare([bad, good], options, (key, error) => failures.push(key, (error as Error).message))
    expect([...times.keys()]).toEqual(['good'])
    expect(failures).toEqual(['bad', 'no'])
  })
})

describe('the commands', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dawngrad-bench-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  const run = (script: string, ...args: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        ['--import', 'tsx', `bench/${script}.ts`, ...args],
        { cwd: root },
        (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
      )
    })

  it('refuse what they do not know in one line, with exit code 2', async () => {
    expect(await run('run', '--fast')).toEqual({ code: 2, stdout: '', stderr: "error: unknown option '--fast'\n" })
    const folder = '/no/such/folder/rows.json'
    const stderr = `error: option '--json': the folder of ${folder} does not exist or can't be written\n`
    expect(await run('step', '--json', folder)).toEqual({ code: 2, stdout: '', stderr })
  })

  it('train beside the live page, whose reader gets every record', async () => {
    const file = join(folder, 'live.json')
    const { code, stderr } = await run('live', '--runs', '1', '--batch-size', '1', '--json', file)
    expect(stderr.replace(/^Warning: .*\n/gm, '')).toBe('')
    expect(code).toBe(0)
    const { live } = JSON.parse(readFileSync(file, 'utf8')) as { live: { rows: { name: string; recordUs: number }[] } }
    expect(live.rows.map(({ name, recordUs }) => [name, recordUs > 0])).toEqual([
      ['without the page', false],
      ['without the page, again', false],
      ['a client that reads', true],
      ['a client that never reads', true],
    ])
  })

  it('write a record that says where the rows come from', async () => {
    const file = join(folder, 'rows.json')
    const { code, stdout } = await run('run', '--quick', '--filter', 'relu forward [256,84]', '--json', file)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^relu {20}forward {3}\[256,84\]/m)
    const record = JSON.parse(readFileSync(file, 'utf8'))
    expect(record).toMatchObject({ adapter: gpu.info.name, adapterClass: gpu.info.adapterClass, node: process.version })
    expect(Object.keys(record)).toEqual(
      expect.arrayContaining(['driver', 'version', 'commit', 'date', 'failures', 'peak', 'clock']),
    )
    // Names that end in relu would be rows of the filter too.
    const rows = record.rows.filter(({ name }: { name: string }) => name === 'relu')
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({ name: 'relu', direction: 'forward', shape: '[256,84]', samples: 1 })
    const { medianMs, gflops, gbs } = rows[0]
    expect(gflops).toBeCloseTo((256 * 84) / (medianMs * 1e6), 10)
    expect(gbs).toBeCloseTo((8 * 256 * 84) / (medianMs * 1e6), 10)
  })
})
