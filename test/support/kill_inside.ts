// Makes the process kill itself, by SIGKILL, inside one of its writes: KILL_INSIDE=stage:n, at the n-th time of that stage.
import { type PathLike, promises } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import process from 'node:process'

/** In the order of a checkpoint's life, then of the other files. */
export const STAGES = ['write', 'sync', 'rename', 'renamed', 'remove', 'append', 'cut'] as const

const [stage, count] = (process.env.KILL_INSIDE ?? '').split(':')
let left = Number(count)

function now(here: (typeof STAGES)[number]): boolean {
  if (here === stage) left--
  return here === stage && left === 0
}

function dieAt(here: (typeof STAGES)[number]): void {
  if (now(here)) process.kill(process.pid, 'SIGKILL')
}

const half = (content: string | Uint8Array) => content.slice(0, content.length >> 1)

if (stage !== '') {
  const { open, rename, rm, appendFile, truncate } = promises
  Object.assign(promises, {
    open: async (path: PathLike, flags?: string | number, mode?: number) => {
      const handle = await open(path, flags, mode)
      if (flags !== 'wx') return handle
      const write = handle.writeFile.bind(handle)
      const sync = handle.sync.bind(handle)
      const slowly = async (content: string | Uint8Array) => {
        if (now('write')) {
          await write(half(content))
          process.kill(process.pid, 'SIGKILL')
        }
        await write(content)
      }
      return Object.assign(handle, {
        writeFile: slowly,
        sync: async () => {
          dieAt('sync')
          await sync()
        },
      })
    },
    rename: async (from: PathLike, to: PathLike) => {
      dieAt('rename')
      await rename(from, to)
      dieAt('renamed')
    },
    rm: async (...args: Parameters<typeof rm>) => {
      dieAt('remove')
      await rm(...args)
    },
    appendFile: async (path: string, content: Uint8Array) => {
      if (now('append')) {
        await appendFile(path, half(content))
        process.kill(process.pid, 'SIGKILL')
      }
      await appendFile(path, content)
    },
    truncate: async (path: PathLike, length?: number) => {
      dieAt('cut')
      await truncate(path, length)
    },
  })
  syncBuiltinESMExports()
}
