import { expect, it } from 'vitest'
import { METER_WORDS, type RunOptions, run } from '../../src/train/index.ts'

it.each([
  [1, 4],
  [1, 10],
  [-1, -5],
  [0.5, 3],
  [0, 2.5],
  [2 ** 60, 0],
])('a run of 5 steps an epoch can’t start in epoch %d at step %d', async (epoch, step) => {
  const start = { epoch, step, words: new Int32Array(METER_WORDS), trainSeconds: 0, epochSeconds: 0 }
  // Refused before anything else is looked at.
  const options = { train: { length: 5 }, start } as unknown as RunOptions
  await expect(run(options)).rejects.toThrow(
    new RangeError(`run: no run of 5 steps an epoch stands at epoch ${epoch}, step ${step}`),
  )
})
