// `dawngrad train` on the sample in the repository, for tests that stop it: same code, no data set needed. Run by Node.
import process from 'node:process'
import './kill_inside.ts'
import { trainCommand } from '../../src/cli/train.ts'
import { loadFashionMnist } from '../../src/node/index.ts'

const dir = new URL('../../examples/sample/', import.meta.url)
try {
  await trainCommand(() => loadFashionMnist({ dir, verify: false })).parseAsync(process.argv.slice(2), { from: 'user' })
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}\n`)
  process.exitCode = 1
}
