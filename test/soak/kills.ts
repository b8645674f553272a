// Kills trainings by SIGKILL, again and again, and holds what they end with to a training that nobody killed:
// `npm run test:kills -- --count 100 --seed 1`.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { Stream } from '../../src/tensor/random.ts'
import { STAGES } from '../support/kill_inside.ts'
import { bitsOf, type Kill, killedRun, makeScratch, TINY, train } from '../support/train_process.ts'

const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } })
const [count, seed] = [Number(values.count ?? 100), Number(values.seed ?? Math.floor(Date.now() / 1000))]
const ARGS = [...TINY, '--epochs', '3', '--checkpoint-every', '4', '--keep', '2']
/** Kills of one training: each goes on a little further. */
const MOST = 6

const random = new Stream(seed, 'shuffle')
const below = (n: number) => random.nextUint32() % n
const { folder, remove } = makeScratch()
const began = performance.now()
const seconds = () => ((performance.now() - began) / 1000).toFixed(1)

const start = performance.now()
const first = await train(folder, [...ARGS, '--out', 'whole'])
if (first.code !== 0) throw new Error(first.stderr)
const duration = performance.now() - start
const whole = bitsOf(join(folder, 'whole'))
process.stdout.write(`seed ${seed}: ${count} kills of a training that takes ${(duration / 1000).toFixed(1)} s\n`)

let [killed, wrong] = [0, 0]
for (let run = 1; killed < count; run++) {
  const kills = Array.from({ length: Math.min(MOST, count - killed) }, (): Kill => {
    const stage = STAGES[below(STAGES.length)]!
    const often = stage === 'append' || stage === 'cut' ? 2 : 8
    return below(2) === 0 ? below(Math.round(duration / 2)) : [stage, 1 + below(often)]
  })
  const outcome = await killedRun(folder, 'killed', ARGS, kills)
  const bits = bitsOf(join(folder, 'killed'))
  const same = bits.history === whole.history && bits.parameterHash === whole.parameterHash
  killed += outcome.killed
  if (!same) wrong++
  const verdict = same ? 'the same bits' : 'OTHER BITS'
  process.stdout.write(`training ${run}: ${verdict}; ${killed} kills so far, ${seconds()} s\n`)
  process.stdout.write(`${outcome.log.map((line) => `  ${line}`).join('\n')}\n`)
  rmSync(join(folder, 'killed'), { recursive: true })
}
remove()
process.stdout.write(`${killed} kills, ${wrong} trainings ended with other bits, ${seconds()} s\n`)
process.exitCode = wrong === 0 ? 0 : 1
