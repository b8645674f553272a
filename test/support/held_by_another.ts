// A folder that another, living process has, for tests.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { type Owner, thisProcess } from '../../src/provision/lock.ts'

/** The process that started this one lives as long as it. */
export const another = (): Owner => ({ ...thisProcess(), pid: process.ppid, started: null })

/** Makes a folder that another process has. `text` is what stands in its lock. */
export function heldByAnother(path: string, text = JSON.stringify(another())): void {
  mkdirSync(join(path, 'lock'), { recursive: true })
  writeFileSync(join(path, 'lock', 'owner'), text)
}
