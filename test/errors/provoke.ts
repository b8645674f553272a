// Provokes the errors of the table, in this process or, for the command line, in one child process.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Gpu } from '../../src/gpu/gpu.ts'
import { open } from '../../src/node/index.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import type { Place } from './refusal.ts'

/** The error that `run` throws or rejects with. Devices and folder are given back. */
export async function provoke(run: (place: Place) => unknown, gpu: Gpu): Promise<unknown> {
  const opened: Gpu[] = []
  const ownGpu = async () => {
    const own = await open()
    setDefaultGpu(gpu)
    opened.push(own)
    return own
  }
  const folder = mkdtempSync(join(tmpdir(), 'dawngrad-errors-'))
  try {
    await run({ folder, gpu, ownGpu })
  } catch (error) {
    return error
  } finally {
    for (const own of opened) await own.close().catch(() => undefined)
    rmSync(folder, { recursive: true, force: true })
  }
  throw new Error('no error was thrown')
}

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * What the command line answers to each of these lists of arguments: all of them in one process, which takes a second. It
 * runs in an empty folder, and rejects where anything was left in there.
 */
export function answers(lists: readonly (readonly string[])[]): Promise<Ended[]> {
  const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href
  const program = fileURLToPath(new URL('./command.ts', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'dawngrad-errors-'))
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, timeout: 50_000 }
    execFile(process.execPath, ['--import', tsx, program, JSON.stringify(lists)], options, (error, stdout) => {
      const left = readdirSync(folder)
      rmSync(folder, { recursive: true, force: true })
      if (error) reject(error)
      else if (left.length > 0) reject(new Error(`a refused command has made ${left.join(', ')}`))
      else resolve(JSON.parse(stdout) as Ended[])
    })
  })
}
