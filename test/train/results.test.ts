import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { RunSummary } from '../../src/node/run_folder.ts'
import { median } from '../../src/node/sweep_table.ts'
import type { HistoryRecord } from '../../src/train/index.ts'
import { POLICIES } from '../../tools/chapter/plan.ts'

// 30 epochs of LeNet at a constant rate of 0.3: PyTorch's median is a train loss of 0.135 and a test accuracy of 0.884.
describe.each([
  ['before layers were fused', 'constant-0.3-seed-', [0, 1, 2]],
  ['of the chapter', 'chapter/constant-seed-', POLICIES.constant.seeds],
] as const)('the runs at a constant rate %s, kept in docs/results', (_, folder, seeds) => {
  const read = (seed: number, name: string) =>
    readFileSync(new URL(`../../docs/results/${folder}${seed}/${name}`, import.meta.url), 'utf8')
  const results = seeds.map((seed) => JSON.parse(read(seed, 'result.json')) as RunSummary)

  it('reach what PyTorch reaches, in the median', () => {
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
    const { trainLoss, trainAcc, testAcc } = results.find((result) => result.seed === seed)!
    expect(history.at(-1)).toMatchObject({ kind: 'epoch', epoch: 29, step: 7050, trainLoss, trainAcc, testAcc })
  })
})
