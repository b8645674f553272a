import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import { UsageError } from '../../src/cli/options.ts'
import { plotScheduleCommand } from '../../src/cli/plot_schedule.ts'
import { WriteError } from '../../src/node/files.ts'
import { makeScratch } from '../support/train_process.ts'

const { folder, remove } = makeScratch()
afterAll(remove)

/** What the command writes to a stdout that is no terminal. */
async function plot(...args: string[]): Promise<string> {
  let text = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part)
    return true
  })
  try {
    await plotScheduleCommand().parseAsync(args, { from: 'user' })
  } finally {
    spy.mockRestore()
  }
  return text
}

it('draws schedules in 80 columns without colours, and to a file, light and dark', async () => {
  const file = join(folder, 'rates.svg')
  const text = await plot('cosine(20)', 'squareRoot(0.1)', '--range', '50', '--svg', file)
  const lines = text.split('\n')
  expect(lines.slice(0, 2)).toEqual(['     a  cosine(maxUpdate=20, baseLr=0.3)', '     b  squareRoot(lr=0.1)'])
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(text).not.toContain('\x1b')
  expect(lines.at(-3)).toMatch(/^ {5}0 +10 +20 +30 +40$/)
  const svg = readFileSync(file, 'utf8')
  expect(svg).toMatch(
    /^<svg [\s\S]*prefers-color-scheme:dark[\s\S]*cosine\(maxUpdate=20, baseLr=0\.3\)[\s\S]*<\/svg>\n$/,
  )
})

it('takes the base rate from --lr', async () => {
  expect(await plot('chain([constantLR(0.1, 4), exponentialLR(0.9)])', '--lr', '0.7')).toContain(
    'constantLR(factor=0.1, totalIters=4, lr=0.7), exponentialLR(gamma=0…',
  )
})

it('draws as many points as --range may ask for', async () => {
  const text = await plot('constant(0.5)', 'squareRoot(0.5)', '--range', '1000000')
  expect(text).toContain('0.6 ┤\n')
  expect(text).toMatch(/^ +0 +2e\+5 +4e\+5 +6e\+5 +8e\+5$/m)
})

it.each([
  ['1.79e308', '1.5e+308 ┤'],
  ['1.7e308', '1.5e+308 ┤'],
  ['5e-324', '1e-300 ┤'],
])('draws a rate of %s, at the end of what numbers are', async (rate, label) => {
  const file = join(folder, `${rate}.svg`)
  const text = await plot(`constant(${rate})`, '--svg', file)
  expect(text).toContain(label)
  expect(text).toMatch(/[\u2801-\u28ff]/)
  expect(readFileSync(file, 'utf8')).not.toMatch(/NaN|Infinity/)
})

it.each(['constant(0.3)', 'no schedule'])(
  'refuses a file that can not be made before anything else: %s',
  async (spec) => {
    const file = join(folder, `${'r'.repeat(248)}.svg`)
    const message = `option '--svg': ${file} can't be written (ENAMETOOLONG); choose another file`
    await expect(plot(spec, '--svg', file)).rejects.toThrow(new UsageError(message))
  },
)

it('leaves nothing beside the file, and a file of that name as it is, when it looks whether it can be made', async () => {
  const inside = mkdtempSync(join(folder, 'inside-'))
  const file = join(inside, 'rates.svg')
  writeFileSync(file, 'before')
  await expect(plot('no schedule', '--svg', file)).rejects.toThrow('schedule')
  expect(readdirSync(inside)).toEqual(['rates.svg'])
  expect(readFileSync(file, 'utf8')).toBe('before')
})

it('draws in the terminal also where the file can not be made any more', async () => {
  const inside = mkdtempSync(join(folder, 'gone-'))
  let text = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part)
    rmSync(inside, { recursive: true, force: true })
    return true
  })
  try {
    const args = ['constant(0.3)', '--svg', join(inside, 'rates.svg')]
    await expect(plotScheduleCommand().parseAsync(args, { from: 'user' })).rejects.toThrow(WriteError)
  } finally {
    spy.mockRestore()
  }
  expect(text).toContain('constant(lr=0.3)')
})

it('shows the mistake', async () => {
  const message = "schedule 2: unknown schedule 'cosin'\n  cosin(20)\n  ^\na schedule is name(arg=value, …)"
  await expect(plot('constant', 'cosin(20)')).rejects.toThrow(message)
})
