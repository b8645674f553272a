// One run of tests in the copy, and what it says of a mutant.

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import type { Witness } from './mutant.ts'

/** A test run that takes longer is ended. */
export const LIMIT_SECONDS = 20

export interface Trial {
  /**
   * passed: every test did; failed: one did not; timeout: they did not end in time; broken: the sources did not load,
   * which any test would notice, so that nothing has been learnt.
   */
  readonly outcome: 'passed' | 'failed' | 'timeout' | 'broken'
  /** The first test that failed, or what happened instead. */
  readonly by: string
  readonly seconds: number
  /** Tests that passed. */
  readonly passed: number
}

interface JsonReport {
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
    }[]
  }[]
}

/** Ends the run that is under way, if any; for signals. */
export let stop = (): void => undefined

/** Runs tests in `folder` until the first one fails. Never downloads, and leaves Vitest's own cache alone. */
export async function runTests(folder: string, { files, name }: Witness): Promise<Trial> {
  const report = join(folder, 'mutant-report.json')
  rmSync(report, { force: true })
  const args = ['run', '--bail', '1', '--cache=false', '--reporter', 'json', '--outputFile', report]
  if (name !== undefined) args.push('-t', name)
  const start = performance.now()
  const child = spawn(process.execPath, [join(folder, 'node_modules/vitest/vitest.mjs'), ...args, ...files], {
    cwd: folder,
    env: { ...process.env, DAWNGRAD_NO_SETUP: '1' },
    stdio: 'ignore',
    detached: true, // a process group of its own, which can be ended as a whole
  })
  stop = () => endGroup(child)
  let late = false
  const timer = setTimeout(() => {
    late = true
    endGroup(child)
  }, 1000 * LIMIT_SECONDS)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  }).finally(() => clearTimeout(timer))
  stop = () => undefined
  endGroup(child) // whatever the tests themselves may have left
  const seconds = (performance.now() - start) / 1000
  if (late) return { outcome: 'timeout', by: `ended after ${LIMIT_SECONDS} s`, seconds, passed: 0 }
  return { ...read(report, folder, code), seconds }
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

function read(path: string, folder: string, code: number | null): Omit<Trial, 'seconds'> {
  let report: JsonReport
  try {
    report = JSON.parse(readFileSync(path, 'utf8')) as JsonReport
  } catch {
    return { outcome: 'broken', by: `Vitest ended with code ${code} and no report`, passed: 0 }
  }
  const passed = report.numPassedTests
  for (const { name, status, message, assertionResults } of report.testResults) {
    const file = name.replace(`${folder}/`, '')
    const failed = assertionResults.find((test) => test.status === 'failed')
    if (failed) return { outcome: 'failed', by: `${file}: ${failed.fullName}`, passed }
    if (status === 'failed') {
      // Without a list of its tests the file did not load; with one, a hook failed.
      const outcome = assertionResults.length === 0 ? 'broken' : 'failed'
      return { outcome, by: `${file}: ${message.split('\n')[0]!}`, passed }
    }
  }
  if (code === 0) return { outcome: 'passed', by: '', passed }
  return { outcome: 'failed', by: 'the process of the tests broke off', passed }
}
