import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { fashionMnistSearch, findFashionMnist } from '../../src/node/fashion_mnist.ts'
import type { RunSummary } from '../../src/node/run_folder.ts'
import * as sched from '../../src/sched/index.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const main = join(root, 'src/cli/main.ts')
const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href
const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-train-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const hasData = await findFashionMnist(fashionMnistSearch()).then(
  () => true,
  () => false,
)

/** Runs the command in the scratch folder. Dawn's own warnings are left out of `stderr`. */
function dawngrad(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const options = { cwd: scratch, env: { ...process.env, ...env }, timeout: 50_000 }
    execFile(process.execPath, ['--import', tsx, main, ...args], options, (error, stdout, stderr) => {
      const own = stderr.split('\n').filter((line) => !line.startsWith('Warning: '))
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr: own.join('\n') })
    })
  })
}

const SMALL = ['--limit-train', '352', '--limit-test', '100', '--epochs', '2']

function read(folder: string, name: string): string {
  return readFileSync(join(scratch, folder, name), 'utf8')
}

function lines(folder: string, name: string): Record<string, unknown>[] {
  const text = read(folder, name)
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('dawngrad train refuses, with one line and exit code 2, and writes nothing', () => {
  it.each([
    [['--epochs', '0'], "error: option '--epochs <n>' argument '0' is invalid. It must be a whole number, 1 or more."],
    [['--lr', '-1'], "error: option '--lr <rate>' argument '-1' is invalid. It must be a decimal number, 0 or more."],
    [
      ['--momentum', 'NaN'],
      "error: option '--momentum <m>' argument 'NaN' is invalid. It must be a decimal number, 0 or more.",
    ],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await dawngrad(['train', ...args])
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: `${message}\n` })
    expect(existsSync(join(scratch, 'runs'))).toBe(false)
  })

  it.each([
    [
      '--lr',
      '1e999',
      "error: option '--lr <rate>' argument '1e999' is invalid. It must be a decimal number, 0 or more.\n",
    ],
    [
      '--lr',
      '０.１',
      "error: option '--lr <rate>' argument '０.１' is invalid. It must be a decimal number, 0 or more.\n",
    ],
    [
      '--seed',
      '9007199254740993',
      "error: option '--seed <n>' argument '9007199254740993' is invalid. It must be a whole number, 0 or more.\n",
    ],
    [
      '--epochs',
      '9'.repeat(20_000),
      `error: option '--epochs <n>' argument '${'9'.repeat(59)}…${'9'.repeat(59)}' (20002 characters) is invalid. ` +
        'It must be a whole number, 1 or more.\n',
    ],
    [
      '--schedule',
      '\u001b[31mcosine',
      "error: option '--schedule': expected the name of a schedule, got '\\x1b'\n   [31mcosine\n  ^\n" +
        `a schedule is name(arg=value, …) with one of the names ${sched
          .signatures()
          .map((one) => one.split('(')[0])
          .join(', ')}\n`,
    ],
  ])('%s %.30j: shortened, and without control characters', async (option, value, message) => {
    const { code, stdout, stderr } = await dawngrad(['train', option, value])
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: message })
    expect(existsSync(join(scratch, 'runs'))).toBe(false)
  })

  it('schedules nested without end', async () => {
    const { code, stderr } = await dawngrad(['train', '--schedule', 'warmup('.repeat(5000)])
    expect(code).toBe(2)
    expect(stderr).toContain("error: option '--schedule': schedules are nested more than 32 deep\n  …")
    expect(stderr).toMatch(/\n {39}\^\n/)
    expect(stderr.length).toBeLessThan(600)
  })

  it.skipIf(!hasData)('more images than there are', async () => {
    const { code, stderr } = await dawngrad(['train', '--limit-train', '60001', '--out', 'too-many'])
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "error: option '--limit-train': the set has 60000 images, not 60001\n",
    })
    expect(existsSync(join(scratch, 'too-many'))).toBe(false)
  })
})

it('names the folder when the data is not there, with exit code 1', async () => {
  const { code, stderr } = await dawngrad(['train', '--out', 'no-data'], {
    FASHION_MNIST_DIR: join(scratch, 'nothing'),
  })
  expect(code).toBe(1)
  expect(stderr).toContain(`error: `)
  expect(stderr).toContain(join(scratch, 'nothing'))
  expect(stderr).not.toContain('    at ') // no stack
  expect(existsSync(join(scratch, 'no-data'))).toBe(false)
})

describe.skipIf(!hasData)('dawngrad train', () => {
  it('leaves a complete, self-consistent folder', async () => {
    const args = ['--lr', '0.1', '--momentum', '0.9', '--schedule', 'squareRoot', '--out', 'first']
    const { code, stdout, stderr } = await dawngrad(['train', ...SMALL, ...args])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(readdirSync(join(scratch, 'first')).sort()).toEqual([
      'checkpoints',
      'curves.svg',
      'history.jsonl',
      'result.json',
      'timing.jsonl',
    ])
    const history = lines('first', 'history.jsonl')
    expect(history.map(({ kind, epoch, step, lr }) => ({ kind, epoch, step, lr }))).toEqual([
      { kind: 'epoch', epoch: 0, step: 2, lr: 0.1 }, // 256 and 96 images
      { kind: 'epoch', epoch: 1, step: 4, lr: 0.1 * 2 ** -0.5 },
    ])
    for (const record of history) {
      expect(Object.keys(record)).toEqual(['kind', 'epoch', 'step', 'lr', 'trainLoss', 'trainAcc', 'testAcc'])
    }
    const result = JSON.parse(read('first', 'result.json')) as RunSummary
    expect(Object.keys(result).sort()).toEqual(
      [
        'trainLoss',
        'trainAcc',
        'testAcc',
        'epochs',
        'steps',
        'seconds',
        'imagesPerSecond',
        'adapter',
        'seed',
        'options',
        'version',
        'parameterHash',
      ].sort(),
    )
    const { trainLoss, trainAcc, testAcc } = history[1]!
    expect(result).toMatchObject({ trainLoss, trainAcc, testAcc, epochs: 2, steps: 4, seed: 0 })
    expect(result.options).toMatchObject({
      lr: 0.1,
      momentum: 0.9,
      schedule: 'squareRoot',
      limitTrain: 352,
      limitTest: 100,
    })
    expect(result.parameterHash).toMatch(/^[0-9a-f]{64}$/)
    expect(read('first', 'curves.svg')).toMatch(/^<svg[\s\S]*<\/svg>\s*$/)
    const out = stdout.trim().split('\n')
    expect(out[0]!.startsWith(`adapter: ${result.adapter} (`)).toBe(true) // and what a better one would bring
    expect(out.filter((line) => /^epoch [12]\/2 {2}loss/.test(line))).toHaveLength(2)
    expect(out.at(-2)).toMatch(/^train loss \d+\.\d{3}, train acc [01]\.\d{3}, test acc [01]\.\d{3}$/)
    for (const control of ['\u001b', '\r']) expect(stdout).not.toContain(control)

    const again = await dawngrad(['train', ...SMALL, '--out', 'first'])
    expect(again).toMatchObject({
      code: 2,
      stderr: "error: option '--out': first holds a run already; choose another folder\n",
    })
  })

  it('gives the same bits from the same seed in two processes, and others from another seed', async () => {
    for (const [out, seed] of [
      ['seed-5', '5'],
      ['seed-5-again', '5'],
      ['seed-6', '6'],
    ] as const) {
      const { code, stdout } = await dawngrad(['train', ...SMALL, '--seed', seed, '--quiet', '--out', out])
      expect(code).toBe(0)
      expect(stdout.trim().split('\n')).toHaveLength(2)
    }
    const hash = (folder: string) => (JSON.parse(read(folder, 'result.json')) as RunSummary).parameterHash
    expect(hash('seed-5-again')).toBe(hash('seed-5'))
    expect(read('seed-5-again', 'history.jsonl')).toBe(read('seed-5', 'history.jsonl'))
    expect(hash('seed-6')).not.toBe(hash('seed-5'))
  })

  const FEW = ['--limit-train', '8', '--limit-test', '8']

  it("sets the rate after the epoch when asked to, as the chapter's notebook does", async () => {
    const args = ['--lr', '0.3', '--schedule', 'warmup(cosine(baseLr=0.3, maxUpdate=15), steps=5)', '--out', 'late']
    const { code } = await dawngrad(['train', '--epochs', '4', ...FEW, '--lr-timing', 'after-epoch', ...args])
    expect(code).toBe(0)
    expect(lines('late', 'history.jsonl').map(({ lr }) => lr)).toEqual([0.3, 0, 0.06, 0.12])
  })

  it('stops with a message when its numbers are no longer finite', async () => {
    const { code, stderr } = await dawngrad(['train', ...SMALL, '--lr', '1e30', '--out', 'diverged'])
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^error: the (logits|loss|gradient of \d\.\w+|parameter \d\.\w+) became NaN or infinite at step 2 \(epoch 1, learning rate 1e\+30\): a smaller --lr, or a warm-up such as --schedule 'warmup\(constant, steps=5\)', keeps it finite; in code, detectAnomaly names the operation; the last good checkpoint is diverged\/checkpoints\/step-0000000\d\.safetensors\n$/,
    )
    expect(existsSync(join(scratch, 'diverged', 'result.json'))).toBe(false)
  })
})

describe('--out', () => {
  it.each([
    ['a-file', "error: option '--out': a-file can't be written (ENOTDIR); choose another folder\n"],
    ['a-file/below', "error: option '--out': a-file/below can't be written (ENOTDIR); choose another folder\n"],
  ])('%j is refused', async (out, message) => {
    writeFileSync(join(scratch, 'a-file'), 'x')
    const { code, stdout, stderr } = await dawngrad(['train', '--out', out])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe(message)
  })

  it.skipIf(!hasData)('where no folder can be made ends the command instead of hanging it', async () => {
    const { code, stderr } = await dawngrad(['train', ...SMALL, '--out', '/proc/dawngrad/run'])
    expect(code).toBeGreaterThan(0)
    expect(stderr).toMatch(/^error: .*\/proc\/dawngrad.* can't be written/)
  })

  it.skipIf(!hasData)('a batch that no buffer holds is refused before anything is written', async () => {
    const { code, stderr } = await dawngrad(['train', '--batch-size', '60000', '--out', 'large'])
    if (code === 2)
      expect(stderr).toMatch(/^error: option '--batch-size': this adapter takes batches of at most \d+, not 60000\n$/)
    expect(existsSync(join(scratch, 'large', 'history.jsonl'))).toBe(code !== 2)
  })
})
