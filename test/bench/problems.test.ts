// The training steps that bench:peers compares, without the other libraries: they train, and repeat.
import { beforeAll, describe, expect, it } from 'vitest'
import { problemOf, trainer } from '../../bench/peers/dawngrad_models.ts'
import { type Description, PROBLEMS, type ProblemName } from '../../bench/peers/problems.ts'
import { chosenSteps } from '../../bench/peers/step.ts'
import { sampleImages } from '../../bench/training.ts'
import type { ImageDataset } from '../../src/data/fashion_mnist.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'

let gpu: Gpu
let dataset: ImageDataset

beforeAll(async () => {
  gpu = await testGpu()
  dataset = (await sampleImages()).dataset
})

const awake = async () => undefined

/** The others would take seconds. */
const QUICK: readonly ProblemName[] = ['mlp', 'lstm']

describe('the problems', () => {
  it.each(PROBLEMS.filter(({ name }) => QUICK.includes(name)).map((item): [string, Description] => [item.name, item]))(
    '%s learns by every step, the same when started again',
    async (_, description) => {
      const losses: number[][] = []
      // Few examples: how it trains is the same.
      const problem = await problemOf({ ...description, batchSize: 4 }, dataset)
      for (let start = 0; start < 2; start++) {
        const run = trainer(gpu, problem)
        losses.push([])
        for (let i = 0; i < 4; i++) losses[start]!.push(await run.run(1, awake))
        run.dispose()
      }
      const [first, second] = losses as [number[], number[]]
      expect(second).toEqual(first)
      // What is learned is far more than what losses may differ by.
      for (let i = 1; i < 4; i++) expect(first[i]!).toBeLessThan(first[i - 1]! * (1 - 50 * description.tolerance))
      for (const name of problem.weights.keys()) expect(name).toMatch(/\.(weight|bias)/)
    },
  )

  it('are chosen by a text', () => {
    const names = (filter: string) => chosenSteps(filter).map(({ name }) => name)
    expect(names('lstm')).toEqual(['lstm'])
    expect(names('step')).toEqual(PROBLEMS.map(({ name }) => name))
    expect(names('matmul')).toEqual([])
  })
})
