// `npm run chapter`: the runs of the chapter "Learning Rate Scheduling", and docs/chapter.{md,html} with its figures.
import process from 'node:process'
import { runProgram } from '../../src/cli/program.ts'
import { chapterCommand } from './command.ts'

process.exitCode = await runProgram([chapterCommand()], ['chapter', ...process.argv.slice(2)])
