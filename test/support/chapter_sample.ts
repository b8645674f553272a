// `npm run chapter` on the sample in the repository, for tests: same code, no data set needed. Run by Node.
import process from 'node:process'
import './kill_inside.ts'
import { runProgram } from '../../src/cli/program.ts'
import { loadFashionMnist } from '../../src/node/index.ts'
import { chapterCommand } from '../../tools/chapter/command.ts'

const dir = new URL('../../examples/sample/', import.meta.url)
const command = chapterCommand(() => loadFashionMnist({ dir, verify: false }))
process.exitCode = await runProgram([command], ['chapter', ...process.argv.slice(2)])
