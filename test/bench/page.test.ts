import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { drawBars } from '../../bench/page/bars.ts'
import { marks } from '../../bench/page/marks.ts'
import { page } from '../../bench/page/page.ts'

const root = new URL('../../', import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'dawngrad-page-'))
const results = pathToFileURL(`${folder}/`)
afterAll(() => rmSync(folder, { recursive: true }))

it('docs/benchmarks.md and its figures are what `npm run docs:benchmarks` writes', () => {
  const files = page(new URL('bench/results/', root))
  for (const [path, text] of files) {
    expect(readFileSync(new URL(path, root), 'utf8') === text, `${path}: run \`npm run docs:benchmarks\``).toBe(true)
  }
  const figures = readdirSync(new URL('docs/img/', root)).filter((name) => name.startsWith('bench-'))
  expect(figures.map((name) => `docs/img/${name}`).filter((path) => !files.has(path))).toEqual([])
})

it('says so as long as there is no result from a hardware GPU', () => {
  const head = {
    driver: 'd',
    version: '0.1.0',
    commit: 'abc',
    node: 'v20.0.0',
    date: '2026-01-02T03:04:05Z',
    method: 'm',
  }
  const step = { batchSize: 256, data: 'x', dispatches: 9, imagesPerSecond: 1000, minMs: 1, medianMs: 2, recordMs: 0.5 }
  const modes = [{ ...step, mode: 'captured', heapBytes: 12.3 }]
  const replay = { encodeUs: 3, aboveUs: 0.04, aboveEmptyUs: 1, heapBytes: 0 }
  const write = (name: string, adapterClass: string) =>
    writeFileSync(join(folder, name), JSON.stringify({ ...head, adapter: name, adapterClass, step, modes, replay }))
  const text = () => page(results).get('docs/benchmarks.md')!
  write('step-llvmpipe.json', 'cpu')
  expect(text()).toContain('No result from a hardware GPU is here yet.')
  write('step-zz-gpu.json', 'gpu')
  expect(text()).not.toContain('No result from a hardware GPU')
  expect(text().indexOf('### zz-gpu')).toBeLessThan(text().indexOf('### llvmpipe'))
  expect(text()).toContain('- dawngrad 0.1.0, commit abc, Node 20.0.0, 2026-01-02')
  expect(text()).toContain('| captured | 9 | 1.00 | 2.00 | 1000 | 0.500 | 12 |')
  expect(text()).toContain('3.00 µs a dispatch, 0.04 more than its three bare calls')
})

it('draws bars of lengths in the ratio of their values', () => {
  const bars = [
    { label: 'a < b', value: 10, text: '10' },
    { label: 'c', value: 40, text: '40', own: true },
  ]
  const svg = drawBars({ title: 't', axis: 'x', bars })
  expect(svg).toContain('a &lt; b')
  const widths = [...svg.matchAll(/width="([\d.]+)" height="16"/g)].map(([, width]) => Number(width))
  expect(widths[1]! / widths[0]!).toBeCloseTo(4, 2)
})

it('names the kernels that are below their marks, with the reason', () => {
  const times = (ms: number) => ({ minMs: ms, medianMs: ms })
  const row = (name: string, shape: string, own: number, tfjs: number, jaxjs: number) => ({
    name,
    shape,
    details: { dawngrad: times(own), tfjs: times(tfjs), jaxjs: times(jaxjs) },
  })
  const of = (...kernels: ReturnType<typeof row>[]) => marks({ kernels } as unknown as Parameters<typeof marks>[0])
  const met = [row('relu forward', '[1204224]', 1, 2, 1.5), row('relu forward', '[4194304]', 1, 1, 1)]
  expect(of(...met)).toContain('Every kernel meets them.')
  const text = of(
    row('max_pool2d forward', '[256,6,28,28] 2×2', 2, 8, 2.9),
    row('relu forward', '[4194304]', 2, 1.9, 2),
    ...met,
  )
  expect(text).toContain('- max_pool2d forward `[256,6,28,28] 2×2`, 1.45× jax-js: it moves its bytes')
  expect(text).toContain('- relu forward `[4194304]`, 0.950× TensorFlow.js: no reason is known.')
  expect(text.split('\n- ')).toHaveLength(3)
})
