import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RunFolder, refusal } from '../../src/node/run_folder.ts'
import type { HistoryRecord } from '../../src/train/index.ts'

let folder: string
const held = () => ({ path: at(), check: async () => {} })
const at = (...parts: string[]) => join(folder, 'run', ...parts)
const read = (name: string) => readFileSync(at(name), 'utf8')
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dawngrad-run-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const record = (step: number): HistoryRecord => ({
  kind: 'batch',
  epoch: 0,
  step,
  lr: 0.1,
  trainLoss: 2,
  trainAcc: 0.1,
})
const report = { epoch: 0, images: 8, trainSeconds: 2, testSeconds: 1 }

describe('a folder', () => {
  it.each([
    ['history.jsonl', '', null],
    ['history.jsonl', '{}\n', 'holds a run already; choose another folder'],
    ['checkpoints/step-00000000.safetensors', 'x', null],
    ['checkpoints/step-00000001.safetensors', '', 'holds a run already; choose another folder'],
    ['checkpoints/of-somebody-else.safetensors', 'x', null],
  ])('with %s %j', (name, content, problem) => {
    mkdirSync(at('checkpoints'), { recursive: true })
    writeFileSync(at(name), content)
    expect(refusal(at())).toBe(problem === null ? null : `${at()} ${problem}`)
  })

  it('that a run broke off in at its start serves another, which removes nothing but that', async () => {
    mkdirSync(at('checkpoints'), { recursive: true })
    for (const name of ['step-00000000.safetensors', 'of-somebody-else.safetensors'])
      writeFileSync(at('checkpoints', name), 'x')
    await RunFolder.create(held())
    expect(readdirSync(at('checkpoints'))).toEqual(['of-somebody-else.safetensors'])
    expect(readdirSync(at()).sort()).toEqual(['checkpoints', 'history.jsonl', 'timing.jsonl'])
  })
})

describe('a run’s files', () => {
  it('are cut back to where they were, and go on from there', async () => {
    const run = await RunFolder.create(held())
    for (const step of [50, 100]) await run.record(record(step))
    await run.timing(report)
    const position = await run.position()
    const history = new Uint8Array(readFileSync(at('history.jsonl')))
    expect(position).toEqual({
      historyBytes: history.length,
      historySha256: createHash('sha256').update(history).digest('hex'),
      timingBytes: read('timing.jsonl').length,
    })
    await run.record(record(150))
    await run.timing(report)
    const [whole, wholeTiming] = [read('history.jsonl'), read('timing.jsonl')]
    writeFileSync(at('history.jsonl'), `${whole}{"half`)
    for (const name of ['result.json', '.result.json.0123abcd.tmp', '.other.0123abcd.tmp']) writeFileSync(at(name), 'x')

    const again = await RunFolder.reopen(held(), position, history)
    expect(await again.position()).toEqual(position)
    expect(readdirSync(at()).sort()).toEqual(['.other.0123abcd.tmp', 'checkpoints', 'history.jsonl', 'timing.jsonl'])
    await again.record(record(150))
    await again.timing(report)
    expect([read('history.jsonl'), read('timing.jsonl')]).toEqual([whole, wholeTiming])
    expect((await again.position()).historySha256).toBe(createHash('sha256').update(whole).digest('hex'))
  })

  it('are not written once the folder is no longer this process’s', async () => {
    let mine = true
    const check = () => (mine ? Promise.resolve() : Promise.reject(new Error('lost')))
    const run = await RunFolder.create({ path: at(), check })
    await run.record(record(50))
    const [history, timing] = [read('history.jsonl'), read('timing.jsonl')]
    mine = false
    for (const write of [() => run.record(record(100)), () => run.timing(report), () => run.position()])
      await expect(write()).rejects.toThrow('lost')
    await expect(run.finish({} as never, '<svg/>')).rejects.toThrow('lost')
    expect([read('history.jsonl'), read('timing.jsonl')]).toEqual([history, timing])
    expect(readdirSync(at()).sort()).toEqual(['checkpoints', 'history.jsonl', 'timing.jsonl'])
  })

  it('go on without the clock figures where those are gone', async () => {
    const run = await RunFolder.create(held())
    await run.timing(report)
    const position = await run.position()
    rmSync(at('timing.jsonl'))
    const again = await RunFolder.reopen(held(), position, new Uint8Array())
    await again.timing(report)
    expect((await again.position()).timingBytes).toBe(read('timing.jsonl').length)
  })
})
