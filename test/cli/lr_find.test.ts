import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { findingLines, lrFindCommand } from '../../src/cli/lr_find.ts'
import { lrFigure } from '../../src/figures/range_test.ts'
import { drawText } from '../../src/figures/text.ts'
import { WriteError } from '../../src/node/files.ts'
import { loadFashionMnist } from '../../src/node/index.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'
import { makeScratch } from '../support/train_process.ts'

const { folder, remove } = makeScratch()
afterAll(remove)
let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})
afterAll(() => setDefaultGpu(gpu))

const dir = new URL('../../examples/sample/', import.meta.url)

/** Runs the command for five steps; `write` sees what it writes. */
async function run(svg: string, write: (text: string) => void, more: readonly string[] = []): Promise<void> {
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    write(String(part))
    return true
  })
  vi.stubEnv('DAWNGRAD_NO_SETUP', '1')
  try {
    const command = lrFindCommand(() => loadFashionMnist({ dir, verify: false }))
    const args = ['--limit-train', '24', '--batch-size', '8', '--steps', '5', '--max-lr', '0.1', '--svg', svg, ...more]
    await command.parseAsync(args, { from: 'user' })
  } finally {
    spy.mockRestore()
    vi.unstubAllEnvs()
  }
}

it('takes AdamW', async () => {
  let text = ''
  await run(
    join(folder, 'adamw.svg'),
    (part) => {
      text += part
    },
    ['--optimizer', 'adamw', '--weight-decay', '0.01'],
  )
  expect(text).toContain('all 5 updates, up to the rate 0.1\n')
})

it('takes a batch size above the size of the set as that size', async () => {
  const texts: string[] = []
  for (const batchSize of ['24', '60000']) {
    let text = ''
    const note = (part: string) => {
      text += part
    }
    await run(join(folder, 'size.svg'), note, ['--batch-size', batchSize])
    texts.push(text)
  }
  expect(texts[0]).toContain('all 5 updates')
  expect(texts[1]).toBe(texts[0])
})

it('draws the losses, says what it suggests, and writes the figure', async () => {
  let text = ''
  const svg = join(folder, 'rates.svg')
  await run(svg, (part) => {
    text += part
  })
  const lines = text.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^adapter: /)
  expect(lines[1]).toMatch(/^data: 24 training images from /)
  expect(text).toContain('all 5 updates, up to the rate 0.1\nthe smoothed loss was lowest, 2.')
  expect(lines.at(-1)).toMatch(/^suggested: [\d.e-]+, a tenth of the rate at its lowest \(fastai's "minimum"\)$/)
  expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*log10 of the learning rate[\s\S]*<\/svg>\n$/)
})

it('shows what it found also where the file can not be made any more', async () => {
  const inside = mkdtempSync(join(folder, 'gone-'))
  let text = ''
  const running = run(join(inside, 'rates.svg'), (part) => {
    text += part
    rmSync(inside, { recursive: true, force: true })
  })
  await expect(running).rejects.toThrow(WriteError)
  expect(text).toContain('suggested: ')
})

it('says how a sweep ended', () => {
  const points = [
    { lr: 0.01, loss: 2, smoothed: 2 },
    { lr: 0.1, loss: 1, smoothed: 1.5 },
    { lr: 1, loss: 9, smoothed: 6.1 },
  ]
  const found = { points, steepest: 0.01, lowest: 0.1, tenth: 0.01 }
  expect(findingLines({ ...found, stopped: 'hopeless' }, 9)).toEqual([
    '3 of 9 updates, up to the rate 1: then the smoothed loss had risen to 4 times its lowest',
    'the smoothed loss was lowest, 1.500, at the rate 0.1',
    'suggested: 0.01, where the smoothed loss falls fastest (fastai\'s "steep", after Smith 2017)',
    'suggested: 0.01, a tenth of the rate at its lowest (fastai\'s "minimum")',
  ])
  expect(findingLines({ ...found, steepest: null, stopped: 'not finite' }, 9).slice(0, 3)).toEqual([
    '3 of 9 updates, up to the rate 1: then the loss was NaN or infinite',
    'the smoothed loss was lowest, 1.500, at the rate 0.1',
    'no steepest descent: the smoothed loss never fell',
  ])
  const none = { points: [], steepest: null, lowest: null, tenth: null, stopped: 'not finite' } as const
  expect(findingLines(none, 9)).toEqual([
    '0 of 9 updates: then the loss was NaN or infinite',
    'no suggestion: try a smaller --min-lr',
  ])
})

it('draws losses that differ by their rounding alone', () => {
  const flat = [2.3, 2.3 - 2 ** -51]
  const figure = lrFigure(flat.map((value, i) => ({ lr: 10 ** (i - 30), loss: value, smoothed: value })))
  expect(figure.y).toEqual([2.2, 3.4])
  expect(drawText(figure)).toContain('smoothed')
})

it('draws what lies beyond the axis as a gap, and counts it', () => {
  const smoothed = [2, 1, 9]
  const figure = lrFigure(smoothed.map((value, i) => ({ lr: 10 ** i, loss: value, smoothed: value })))
  expect(figure).toMatchObject({ x: [0, 2], y: [1, 3], notes: ['1 of 3 losses lie beyond the axis'] })
  const points = [
    [0, 2],
    [1, 1],
    [2, Number.NaN],
  ]
  expect(figure.lines.map((line) => line.points)).toEqual([points, points])
})
