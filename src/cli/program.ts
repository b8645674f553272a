// Runs a command line: finds the command, and turns errors into one line and an exit code.
import process from 'node:process'
import { Command, CommanderError } from 'commander'
import { DataError, GpuError } from '../index.ts'
import { commandLine } from '../node/command.ts'
import { WriteError } from '../node/run_folder.ts'
import { packageVersion } from '../node/version.ts'
import { SetupError } from '../provision/errors.ts'
import { DivergedError } from '../train/index.ts'
import { surviveClosedPipe } from './closed_pipe.ts'
import { plainText, UsageError } from './options.ts'

const EXIT_FAILURE = 1
const EXIT_USAGE = 2

/** Writes an error to stderr on a separate line: `error: …`. */
function report(message: string): void {
  process.stderr.write(`error: ${plainText(message)}\n`)
}

/** Whether the message of an error tells a user everything, so that a stack would only distract. */
function isExpected(error: unknown): error is Error {
  if ([GpuError, DataError, DivergedError, WriteError, SetupError].some((type) => error instanceof type)) return true
  return error instanceof Error && 'syscall' in error
}

/** Runs the command that the arguments name, and returns the exit code of the process. */
export async function runProgram(commands: readonly Command[], args: readonly string[]): Promise<number> {
  surviveClosedPipe(process.stdout)
  surviveClosedPipe(process.stderr)
  const program = new Command('dawngrad').description('a small, exact and fast training engine for WebGPU')
  program.version(packageVersion())
  for (const command of commands) program.addCommand(command)
  for (const command of [program, ...commands]) {
    // Commander's message and suggestion as one line, without exiting.
    command.exitOverride().configureOutput({
      outputError: (text, write) => {
        const line = plainText(text.trim()).replace(/\s*\n\s*/g, ' ')
        const helps = / is invalid\.|\(Did you mean /.test(line)
        const help = command === program ? 'dawngrad --help' : commandLine(command.name(), ['--help'])
        write(`${helps ? line : `${line.replace(/\.$/, '')}; see ${help}`}\n`)
      },
    })
  }
  try {
    await program.parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? 0) // some commands set it to report
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
    if (error instanceof UsageError) {
      report(error.message)
      return EXIT_USAGE
    }
    if (isExpected(error)) report(error.message)
    else report(error instanceof Error ? (error.stack ?? error.message) : String(error))
    return EXIT_FAILURE
  }
}
