import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { stopSignals } from '../../src/cli/signals.ts'
import { decodeCheckpoint } from '../../src/node/checkpoint.ts'
import {
  type Bits,
  bitsOf,
  makeScratch,
  sleep,
  stepsOf,
  TINY,
  TrainProcess,
  train,
  until,
} from '../support/train_process.ts'

const ARGS = [...TINY, '--epochs', '2']
const { folder, remove } = makeScratch()
const at = (...parts: string[]) => join(folder, ...parts)
let whole: Bits

/** The run that others are held to; its reader leaves after the first line, which must not end it. */
beforeAll(async () => {
  const run = new TrainProcess(folder, [...ARGS, '--out', 'whole'])
  await run.until('\n')
  run.child.stdout!.destroy()
  expect(await run.ended).toMatchObject({ code: 0, stderr: '' })
  whole = bitsOf(at('whole'))
})
afterAll(remove)

it('a run without --checkpoint-every saves at its start and the end of every epoch', () => {
  expect(stepsOf(at('whole'))).toEqual([104, 52, 0])
})

describe.skipIf(process.platform === 'win32')('a run that is told to stop', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s finishes its step, saves, and exits with %i', async (signal, exit) => {
    const run = new TrainProcess(folder, [...ARGS, '--out', signal])
    await until(() => existsSync(at(signal)) && stepsOf(at(signal)).length > 0)
    await sleep(100)
    run.child.kill(signal)
    const { code, stdout, stderr } = await run.ended
    expect({ code, stderr }).toEqual({ code: exit, stderr: '' })
    const [step] = stepsOf(at(signal))
    const path = `${signal}/checkpoints/step-${String(step).padStart(8, '0')}.safetensors`
    expect(stdout.split('\n').slice(-3)).toEqual([
      `stopped by ${signal}; saved in ${path}`,
      `to continue: npm run train -- --resume ${signal}`,
      '',
    ])
    expect(step! % 52).not.toBe(0)
    expect(existsSync(at(signal, 'result.json'))).toBe(false)
    if (signal === 'SIGTERM') return // what was saved is the same
    const resumed = await train(folder, ['--resume', signal])
    expect(resumed).toMatchObject({ code: 0, stderr: '' })
    expect(bitsOf(at(signal))).toEqual(whole)
  })
})

describe('the signals', () => {
  it('of one key press count once; another later ends the process at once', () => {
    const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}`)
    })
    const clock = vi.spyOn(performance, 'now')
    const before = process.listenerCount('SIGINT')
    const signals = stopSignals()
    const send = (signal: 'SIGINT' | 'SIGTERM', milliseconds: number) => {
      clock.mockReturnValueOnce(milliseconds)
      process.emit(signal, signal)
    }
    try {
      expect(signals.came).toBe(null)
      send('SIGINT', 1000)
      expect(signals.came).toBe('SIGINT')
      send('SIGINT', 1150) // npm's copy
      expect(() => send('SIGINT', 1300)).toThrow('exit 130')
      expect(() => send('SIGTERM', 1300)).toThrow('exit 143')
      expect(signals.came).toBe('SIGINT')
    } finally {
      signals.release()
      exit.mockRestore()
      clock.mockRestore()
    }
    expect(process.listenerCount('SIGINT')).toBe(before)
  })
})

describe.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')('a run on a disk', () => {
  const disk = at('disk')
  const remount = (options: string) => execFileSync('mount', ['-o', `remount,${options}`, disk])
  let mounted = false
  beforeAll(() => {
    mkdirSync(disk)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=800k', 'tmpfs', disk], { stdio: 'ignore' })
      mounted = true
    } catch {
      mounted = false // not everybody may
    }
  })
  afterAll(() => {
    if (mounted) execFileSync('umount', [disk])
  })

  it('that gets full fails loudly; what it saved before is whole, and once there is room it goes on', async ({
    skip,
  }) => {
    if (!mounted) skip()
    const full = await train(folder, [...ARGS, '--checkpoint-every', '20', '--out', 'disk/run'])
    expect(full.code).toBe(1)
    expect(full.stderr).toBe(
      "error: WriteError: disk/run/checkpoints/step-00000040.safetensors can't be written: ENOSPC: no space left on device, write\n",
    )
    expect(stepsOf(at('disk/run'))).toEqual([20, 0])
    const path = at('disk/run/checkpoints/step-00000020.safetensors')
    expect(decodeCheckpoint(readFileSync(path), path).position.step).toBe(20)

    remount('ro')
    const readOnly = await train(folder, ['--resume', 'disk/run'])
    expect(readOnly.code).toBe(1)
    expect(readOnly.stderr).toMatch(
      /^error: WriteError: disk\/run can't be written: EROFS: read-only file system, mkdir '\S+'\n$/,
    )

    remount('rw,size=8m')
    expect(await train(folder, ['--resume', 'disk/run'])).toMatchObject({ code: 0, stderr: '' })
    expect(bitsOf(at('disk/run'))).toEqual(whole)
  })
})
