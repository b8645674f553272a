import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { defaultRunFolder, RunFolder, type RunSummary, refusal } from '../../src/node/run_folder.ts'

const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-run-folder-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

it('keeps records and times line by line, then curves and result', async () => {
  const path = join(scratch, 'a', 'run')
  expect(refusal(path)).toBeNull()
  const folder = await RunFolder.create({ path, check: async () => {} })
  const read = (name: string) => readFileSync(join(path, name), 'utf8')
  const batch = { kind: 'batch', epoch: 0, step: 50, lr: 0.1, trainLoss: 2, trainAcc: 0.5 } as const
  const epoch = { ...batch, kind: 'epoch', step: 60, testAcc: 0.25 } as const
  await folder.record(batch)
  await folder.record(epoch)
  expect(read('history.jsonl')).toBe(`${JSON.stringify(batch)}\n${JSON.stringify(epoch)}\n`)
  await folder.timing({ epoch: 0, images: 600, trainSeconds: 4, testSeconds: 1 })
  expect(JSON.parse(read('timing.jsonl'))).toEqual({
    kind: 'epoch',
    epoch: 0,
    trainSeconds: 4,
    testSeconds: 1,
    imagesPerSecond: 150,
  })
  expect(existsSync(join(path, 'result.json'))).toBe(false)
  await folder.finish({ steps: 60 } as RunSummary, '<svg/>')
  expect(JSON.parse(read('result.json'))).toEqual({ steps: 60 })
  expect(read('curves.svg')).toBe('<svg/>')
})

it('refuses a folder that holds a run, and one that cannot be made; nothing is made', () => {
  for (const name of ['history.jsonl', 'result.json', 'curves.svg']) {
    const path = mkdtempSync(join(scratch, 'held-'))
    writeFileSync(join(path, name), '')
    expect(refusal(path)).toBeNull() // of a run that broke off before its first record
    writeFileSync(join(path, name), 'x')
    expect(refusal(path)).toBe(`${path} holds a run already; choose another folder`)
  }
  const file = join(scratch, 'file')
  writeFileSync(file, '')
  expect(refusal(file)).toBe(`${file} can't be written (ENOTDIR); choose another folder`)
  expect(refusal('')).toBe('the name of a folder is needed')
  expect(refusal(join(scratch, 'new', 'folder'))).toBeNull()
  expect(existsSync(join(scratch, 'new'))).toBe(false)
})

it('is named after the local time unless it is named', () => {
  const there = new Date(Date.UTC(2026, 0, 31, 12, 34, 56) - 330 * 60_000)
  there.getTimezoneOffset = () => -330 // five and a half hours east of Greenwich
  expect(defaultRunFolder(there)).toBe(join('runs', '2026-01-31T12-34-56'))
})
