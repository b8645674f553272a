// `npm run test:soak -- --minutes 10 --seed 1 --filter conv2d`; a failure prints the line that repeats it, and exits 1.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { table } from '../operations/table.ts'
import { testGpu } from '../support/gpu.ts'
import { soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    path: { type: 'string' },
    filter: { type: 'string', default: '' },
  },
})
const minutes = Number(values.minutes)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!(minutes >= 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write('error: --minutes must be a number, 0 or more, and --seed a whole number\n')
  process.exit(1)
}

const gpu = await testGpu()
process.stdout.write(`${gpu.info.name}, seed ${seed}, ${minutes} min\n`)
const options = { minutes, seed, path: values.path ?? null, filter: values.filter }
try {
  const { failure, cases, rounds } = await soak(table, options, (line) => process.stdout.write(`${line}\n`))
  process.stdout.write(`${failure ?? `${cases} cases in ${rounds} rounds held`}\n`)
  if (failure !== null) process.exitCode = 1
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
await gpu.close()
