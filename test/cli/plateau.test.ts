import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { decodeCheckpoint } from '../../src/node/checkpoint.ts'
import { bitsOf, makeScratch, stepsOf, TINY, train } from '../support/train_process.ts'

const { folder, remove } = makeScratch()
afterAll(remove)
const at = (...parts: string[]) => join(folder, ...parts)
const nameOf = (step: number) => `step-${String(step).padStart(8, '0')}.safetensors`
const ratesOf = (run: string): number[] =>
  readFileSync(at(run, 'history.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; lr: number })
    .filter(({ kind }) => kind === 'epoch')
    .map(({ lr }) => lr)

it('--plateau cuts the rate after an epoch, and a resumed run does so at the same one, with the same bits', async () => {
  // Better is only what halves the loss: every second epoch is cut, and the first.
  const rules = 'metric=trainLoss, factor=0.5, patience=0, threshold=0.5, cooldown=1'
  const few = ['--limit-train', '4', '--epochs', '4', '--checkpoint-every', '2', '--keep', '99']
  const args = [...TINY, ...few, '--plateau', rules]
  const { code, stdout, stderr } = await train(folder, [...args, '--out', 'whole'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [first, ...rest] = ratesOf('whole')
  expect(rest).toEqual([first, first! / 2, first! / 2])
  expect(stdout).toContain(`learning rate is now ${first! / 2}`)
  const { options } = JSON.parse(readFileSync(at('whole', 'result.json'), 'utf8')) as { options: { plateau: string } }
  expect(options.plateau).toBe(rules)
  // In the midst of the third epoch: the rate has been cut, and its cooldown runs.
  cpSync(at('whole'), at('broken'), { recursive: true })
  for (const name of ['result.json', 'curves.svg']) rmSync(at('broken', name))
  for (const step of stepsOf(at('broken'))) if (step > 10) rmSync(at('broken', 'checkpoints', nameOf(step)))
  const path = at('broken', 'checkpoints', nameOf(10))
  const { plateau } = decodeCheckpoint(readFileSync(path), path)
  expect(plateau).toMatchObject({ badEpochs: 0, cooldownLeft: 1, lr: [first! / 2] })
  expect(await train(folder, ['--resume', 'broken'])).toMatchObject({ code: 0, stderr: '' })
  expect(bitsOf(at('broken'))).toEqual(bitsOf(at('whole')))
})
