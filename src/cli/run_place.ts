// The folder that a run of `train` has for itself alone.
import { existsSync } from 'node:fs'
import { HeldError, type HeldFolder, holdFolder, holdNewFolder } from '../node/held_folder.ts'
import { defaultRunFolder, refusal } from '../node/run_folder.ts'
import { UsageError } from './options.ts'

/** Takes the folder of --out for a new run. Throws UsageError if another process has it, or if it holds a run. */
export async function takeOut(path: string): Promise<HeldFolder> {
  checkOut(path) // before anything is made
  const held = await holding(`option '--out'`, 'choose another folder', path)
  try {
    checkOut(path) // another run may have had it until now
    return held
  } catch (error) {
    await held.release()
    throw error
  }
}

/** Takes a new folder, named after the time. No other run has it, however many begin in the same second. */
export async function takeDefault(now: Date): Promise<HeldFolder> {
  for (let nth = 1; ; nth++) {
    const path = defaultRunFolder(now, nth)
    if (existsSync(path)) continue
    checkOut(path)
    const held = await holdNewFolder(path)
    if (held) return held
  }
}

/** Takes the folder of --resume. Throws UsageError if another process has it. */
export async function takeResumed(path: string): Promise<HeldFolder> {
  return await holding(`option '--resume'`, 'wait until it ends, or stop it', path)
}

async function holding(where: string, cure: string, path: string): Promise<HeldFolder> {
  try {
    return await holdFolder(path)
  } catch (error) {
    if (!(error instanceof HeldError)) throw error
    throw new UsageError(`${where}: ${error.message}; ${cure}`)
  }
}

function checkOut(path: string): void {
  const problem = refusal(path)
  if (problem !== null) throw new UsageError(`option '--out': ${problem}`)
}
