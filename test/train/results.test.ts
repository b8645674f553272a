import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { RunSummary } from '../../src/node/run_folder.ts'
import type { HistoryRecord } from '../../src/train/index.ts'

const seeds = [0, 1, 2]
const read = (seed: number, name: string) =>
  readFileSync(new URL(`../../docs/results/constant-0.3-seed-${seed}/${name}`, import.meta.url), 'utf8')
const results = seeds.map((seed) => JSON.parse(read(seed, 'result.json')) as RunSummary)

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

describe('the runs kept in docs/results', () => {
  it('reach what PyTorch reaches: 30 epochs at a constant rate of 0.3', () => {
    expect(results.map(({ epochs, steps, seed }) => ({ epochs, steps, seed }))).toEqual(
      seeds.map((seed) => ({ epochs: 30, steps: 30 * 235, seed })),
    )
    const loss = median(results.map((r) => r.trainLoss))
    expect(loss).toBeGreaterThan(0.11)
    expect(loss).toBeLessThan(0.18)
    expect(median(results.map((r) => r.trainAcc))).toBeGreaterThanOrEqual(0.93)
    expect(median(results.map((r) => r.testAcc))).toBeGreaterThanOrEqual(0.87)
  })

  it.each(seeds)('seed %i has a whole history that ends in its result', (seed) => {
    const history = read(seed, 'history.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as HistoryRecord)
    expect(history.filter(({ kind }) => kind === 'epoch')).toHaveLength(30)
    expect(history.filter(({ kind }) => kind === 'batch')).toHaveLength(30 * 4)
    const { trainLoss, trainAcc, testAcc } = results[seed]!
    expect(history.at(-1)).toMatchObject({ kind: 'epoch', epoch: 29, step: 7050, trainLoss, trainAcc, testAcc })
  })
})
