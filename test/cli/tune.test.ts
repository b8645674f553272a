import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findingLine } from '../../src/cli/tune.ts'
import { open } from '../../src/node/index.ts'
import { readTuning, writeTuning } from '../../src/node/tuning_file.ts'
import { packageVersion } from '../../src/node/version.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { kernelHash, machineOf, TUNING_FORMAT, type Tuning } from '../../src/tune/file.ts'
import { TUNABLES } from '../../src/tune/spaces.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'
import { bitsOf, TINY, train } from '../support/train_process.ts'

const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-tune-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

function dawngrad(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--import', tsx, main, ...args],
      { cwd: scratch, timeout: 90_000 },
      (error, stdout, all) => {
        const own = all.split('\n').filter((line) => !line.startsWith('Warning: '))
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr: own.join('\n') })
      },
    )
  })
}

/** Every convolution of the tiny training with other numbers than the table's. */
async function madeUp(): Promise<Tuning> {
  const entries = []
  const layers = [
    { C: 1, H: 28, W: 28, F: 6, OH: 14, OW: 14, PH: 2, PW: 2 },
    { C: 6, H: 14, W: 14, F: 16, OH: 5, OW: 5, PH: 0, PW: 0 },
  ]
  for (const { C, H, W, F, OH, OW, PH, PW } of layers) {
    const shape = { N: 1, C, H, W, F, KH: 5, KW: 5, OH, OW, SH: 1, SW: 1, PH, PW, DH: 1, DW: 1 }
    for (const tunable of TUNABLES.filter(({ kernel }) => kernel.startsWith('conv2d_relu'))) {
      const tune = tunable.candidates(shape, gpu.info.adapterClass)[0]!
      const hash = await kernelHash(tunable)
      entries.push({ kernel: tunable.kernel, shape, kernelHash: hash, tune, ms: 1, defaultMs: 2 })
    }
  }
  return { format: TUNING_FORMAT, ...machineOf(gpu), version: packageVersion(), entries }
}

describe('dawngrad tune', () => {
  it('prints a line for each kernel and shape, and writes a file that can be read', async () => {
    const args = ['tune', '--filter', 'matmul', '--batch-size', '8', '--budget', '5', '--out', 'found.json']
    const { code, stdout, stderr } = await dawngrad(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toMatch(/^adapter: /)
    expect(lines[1]).toMatch(/^kernel +shape +default +best +ratio +changed$/)
    expect(lines[2]).toMatch(
      /^matmul\.matmul +8x400 \* 400x120 +[\d.]+ ms +[\d.]+ ms +[\d.]+x +(nothing|WG \d+ -> \d+)$/,
    )
    expect(lines[3]).toMatch(/^(0 entries|1 entry) in found\.json$/)
    const tuning = await readTuning(join(scratch, 'found.json'))
    expect(tuning).toMatchObject({ format: TUNING_FORMAT, ...machineOf(gpu), version: packageVersion() })
    expect(readdirSync(scratch)).toEqual(['found.json'])
  })

  it('says when the time was not enough', async () => {
    const { code, stdout } = await dawngrad(['tune', '--filter', 'matmul', '--budget', '0', '--out', 'none.json'])
    expect(code).toBe(0)
    expect(stdout).toContain('0 entries in none.json; there was only time for 0 of 1 pairs of kernel and shape\n')
    expect(JSON.parse(readFileSync(join(scratch, 'none.json'), 'utf8'))).toMatchObject({ entries: [] })
  })

  it('shows what a finding changes', () => {
    const finding = { kernel: 'k', label: '2x3', candidates: 9, tried: 4, refused: [], defaultMs: 3, ms: 2 }
    const line = findingLine({ ...finding, standard: { PX: 4, OCB: 8 }, best: { PX: 8, OCB: 8 } })
    expect(line.replace(/ +/g, ' ')).toBe('k 2x3 3.000 ms 2.000 ms 1.50x PX 4 -> 8 (4 of 9 tried)')
  })
})

describe('train --tuning', () => {
  it('ends with the same bits as without, and says what it ignores', async () => {
    const tuning = await madeUp()
    expect(tuning.entries).toHaveLength(6)
    await writeTuning(join(scratch, 't.json'), tuning)
    await writeTuning(join(scratch, 'other.json'), { ...tuning, driver: 'Other' })
    const args = [...TINY, '--epochs', '1', '--quiet']
    const ends = []
    for (const [name, ...more] of [['plain'], ['tuned', '--tuning', 't.json'], ['other', '--tuning', 'other.json']]) {
      const { code, stderr } = await train(scratch, [...args, '--out', name!, ...more])
      expect(code, stderr).toBe(0)
      const notice = `other.json: ignored: it is for ${tuning.adapter} with driver Other, this is ${tuning.adapter} with driver ${tuning.driver}\n`
      expect(stderr).toBe(name === 'other' ? notice : '')
      ends.push(bitsOf(join(scratch, name!)))
    }
    expect(ends[1]).toEqual(ends[0])
    expect(ends[2]).toEqual(ends[0])
  })

  it('refuses a damaged file with one error', async () => {
    writeFileSync(join(scratch, 'damaged.json'), '{"format":')
    const { code, stderr } = await train(scratch, [...TINY, '--out', 'none', '--tuning', 'damaged.json'])
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'error: DataError: damaged.json: damaged: it is not JSON\n' })
  })
})

describe('open({ tuning })', () => {
  it('takes a file or what it holds, and tells what it ignores', async () => {
    const tuning = { ...(await madeUp()), driver: 'Other' }
    const path = join(scratch, 'open.json')
    await writeTuning(path, tuning)
    const notices: string[] = []
    try {
      for (const given of [path, tuning]) {
        const own = await open({ tuning: given, notice: (line) => notices.push(line.split(': ')[0]!) })
        await own.close()
      }
    } finally {
      setDefaultGpu(gpu)
    }
    expect(notices).toEqual([path, 'tuning'])
  })
})
