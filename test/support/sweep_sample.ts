// `dawngrad sweep` on the sample in the repository, for tests: same code, no data set needed. Run by Node.
import process from 'node:process'
import './kill_inside.ts'
import { sweepCommand } from '../../src/cli/sweep.ts'
import { loadFashionMnist } from '../../src/node/index.ts'

const dir = new URL('../../examples/sample/', import.meta.url)
try {
  await sweepCommand(() => loadFashionMnist({ dir, verify: false })).parseAsync(process.argv.slice(2), { from: 'user' })
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}\n`)
  process.exitCode = 1
}
