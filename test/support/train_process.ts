// `dawngrad train` in processes that tests start, signal and kill.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkpointNames } from '../../src/node/checkpoint_folder.ts'
import { OPTIONS, type RunSummary } from '../../src/node/run_folder.ts'
import type { STAGES } from './kill_inside.ts'

const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href

/** 52 updates an epoch, of one image each: the least that has a batch record. Seconds on any adapter. */
export const TINY = [
  '--limit-train',
  '52',
  '--limit-test',
  '4',
  '--batch-size',
  '1',
  '--lr',
  '0.01',
  '--momentum',
  '0.9',
]

export interface Ended {
  /** The exit code; the signal's name where one ended it. */
  readonly code: number | string
  readonly stdout: string
  /** Without Dawn's own warnings. */
  readonly stderr: string
}

/** A training process on the sample, its folders inside `folder`; `sample` is the file that runs a command on it. */
export class TrainProcess {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  #stdout = ''
  #stderr = ''

  constructor(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, sample = 'train_sample.ts') {
    const script = fileURLToPath(new URL(sample, import.meta.url))
    this.child = spawn(process.execPath, ['--import', tsx, script, ...args], {
      cwd: folder,
      env: { ...process.env, DAWNGRAD_NO_SETUP: '1', ...env },
      timeout: 50_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout!.on('data', (text) => {
      this.#stdout += text
    })
    this.child.stderr!.on('data', (text) => {
      this.#stderr += text
    })
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject)
      this.child.on('close', (code, signal) => {
        const own = this.#stderr.split('\n').filter((line) => !line.startsWith('Warning: '))
        resolve({ code: code ?? signal ?? '', stdout: this.#stdout, stderr: own.join('\n') })
      })
    })
  }

  /** Waits until the output holds a text, or the process has ended. */
  async until(text: string): Promise<void> {
    let over = false
    void this.ended.then(() => {
      over = true
    })
    while (!over && !this.#stdout.includes(text)) await sleep(5)
  }
}

/** Waits until something is so, at most a minute. */
export async function until(is: () => boolean): Promise<void> {
  for (const end = performance.now() + 60_000; !is(); await sleep(10)) {
    if (performance.now() > end) throw new Error('waited a minute for nothing')
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** Runs a training to its end. */
export function train(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new TrainProcess(folder, args, env).ended
}

export function makeScratch(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'dawngrad-resume-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** What two runs of the same bits have in common. */
export interface Bits {
  readonly history: string
  readonly parameterHash: string
}

export function bitsOf(run: string): Bits {
  const result = JSON.parse(readFileSync(join(run, 'result.json'), 'utf8')) as RunSummary
  return { history: readFileSync(join(run, 'history.jsonl'), 'utf8'), parameterHash: result.parameterHash }
}

/** The steps of the checkpoints in a run's folder, the newest first. */
export function stepsOf(run: string): number[] {
  return checkpointNames(join(run, 'checkpoints')).map(({ step }) => step)
}

/** When to kill: so many milliseconds after training began, or inside the n-th write of a kind. */
export type Kill = number | readonly [stage: (typeof STAGES)[number], nth: number]

/**
 * Runs a training that is killed once at each of `kills`, and is resumed after each, to its end. `alive` is called before a kill
 * by the clock.
 *
 * @returns how many of the kills came before the run's end, and what happened, a line a process
 */
export async function killedRun(
  folder: string,
  run: string,
  args: readonly string[],
  kills: readonly Kill[],
  alive: (pid: number) => Promise<void> = async () => {},
) {
  const log: string[] = []
  let killed = 0
  for (const kill of [...kills, null]) {
    const [newest] = stepsOf(join(folder, run))
    const goesOn = newest !== undefined || existsSync(join(folder, run, OPTIONS))
    const from = newest === undefined ? 'the start' : `step ${newest}`
    const inside = Array.isArray(kill) ? kill.join(':') : ''
    const how = goesOn ? ['--resume', run] : [...args, '--out', run]
    const process = new TrainProcess(folder, how, { KILL_INSIDE: inside })
    if (typeof kill === 'number') {
      await process.until('data: ')
      await sleep(kill)
      await alive(process.child.pid!)
      process.child.kill('SIGKILL')
    }
    const { code, stderr } = await process.ended
    log.push(
      `from ${from}, ${kill === null ? 'not killed' : `killed at ${kill}`}: ${code}${stderr === '' ? '' : ` ${stderr}`}`,
    )
    if (code !== 'SIGKILL' && (code !== 0 || stderr !== '')) throw new Error(log.join('\n'))
    if (code === 'SIGKILL') killed++
    else if (existsSync(join(folder, run, 'result.json'))) break
  }
  return { killed, log }
}
