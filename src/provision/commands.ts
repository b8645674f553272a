// Runs commands of the system.
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import process from 'node:process'

export interface CommandResult {
  /** The exit status; null if a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Receives every line that the command writes to file descriptor 3. */
  readonly onStatus?: (line: string) => void
}

/** Runs a command to its end. Rejects only if it could not be started. */
export type RunCommand = (command: string, args: readonly string[], options?: CommandOptions) => Promise<CommandResult>

/** Whether a command is in PATH. */
export function hasCommand(name: string, env: NodeJS.ProcessEnv): boolean {
  return (env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}

/** Runs a command without input. It does not outlive this process, unless this process is killed. */
export const runCommand: RunCommand = (command, args, options = {}) =>
  new Promise((done, failed) => {
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe'] as const
    const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: [...stdio] })
    const kill = (): void => {
      child.kill('SIGTERM')
    }
    // With a handler the signal does not end this process, so the handler sends it again.
    const pass = (signal: NodeJS.Signals): void => {
      forget()
      kill()
      process.kill(process.pid, signal)
    }
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    const forget = (): void => {
      process.off('exit', kill)
      for (const signal of signals) process.off(signal, pass)
    }
    process.once('exit', kill)
    for (const signal of signals) process.once(signal, pass)
    const [stdout, stderr, status] = [collect(child.stdio[1]), collect(child.stdio[2]), lines(options.onStatus)]
    const third = child.stdio[3] as NodeJS.ReadableStream | null
    third?.setEncoding('utf8')
    third?.on('data', status)
    child.once('error', (error) => {
      forget()
      failed(error)
    })
    child.once('close', (code) => {
      forget()
      done({ code, stdout: stdout(), stderr: stderr() })
    })
  })

function collect(stream: unknown): () => string {
  const readable = stream as NodeJS.ReadableStream | null
  let text = ''
  readable?.setEncoding('utf8')
  readable?.on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}

function lines(each: ((line: string) => void) | undefined): (chunk: string) => void {
  let rest = ''
  return (chunk) => {
    const all = (rest + chunk).split('\n')
    rest = all.pop() ?? ''
    for (const line of all) each?.(line)
  }
}
