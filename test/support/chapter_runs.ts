// Folders of runs as `train` leaves them, with figures that a test chooses.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DECIDING, recorded } from '../../src/cli/train_options.ts'
import { chapterPoints, type Figures, type Length } from '../../tools/chapter/plan.ts'

/** Six steps an epoch, or as many as there are. */
const STEPS = 6

/** Writes the finished runs of a plan, those that `which` is true for. `figures` gives those of an epoch's end. */
export function writeRuns(
  out: string,
  length: Length,
  figures: (run: string, seed: number, epoch: number) => Figures,
  which: (run: string, seed: number) => boolean = () => true,
): void {
  for (const { point, options, folder } of chapterPoints(out, length)) {
    const [run, seed] = [String(point.get('run')), Number(point.get('seed'))]
    if (!which(run, seed)) continue
    const epochs = Array.from({ length: length.epochs }, (_, epoch) => ({
      kind: 'epoch',
      epoch,
      step: (epoch + 1) * STEPS,
      lr: options.lr,
      ...figures(run, seed, epoch),
    }))
    const { seed: _, ...rest } = recorded(options, DECIDING)
    const { trainLoss, trainAcc, testAcc } = epochs.at(-1)!
    const clock = { seconds: 60, imagesPerSecond: 1000, adapter: 'an adapter', version: '0.1.0', parameterHash: '' }
    const result = {
      ...{ trainLoss, trainAcc, testAcc, epochs: length.epochs, steps: length.epochs * STEPS },
      ...clock,
      seed,
      options: rest,
    }
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'result.json'), JSON.stringify(result))
    writeFileSync(join(folder, 'history.jsonl'), epochs.map((record) => `${JSON.stringify(record)}\n`).join(''))
  }
}
