// Times LeNet's captured step of two checkouts in turns, in one process. `node --import tsx bench/against.ts --help` lists the options.
import { resolve } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { wholeNumber } from '../src/cli/options.ts'
import { open } from '../src/node/open.ts'
import { type CommonOptions, checkJson, command, environment, main, print, shortHeading, writeJson } from './report.ts'
import { median, openFence } from './timing.ts'

const BATCH = 256
const METHOD =
  'wall clock from the first step of a turn to a read-back; the checkouts take turns, the order changes each turn'

interface Options extends CommonOptions {
  readonly steps: number
}

/** A checkout with its own device: milliseconds of a step, from the first of a run to a read-back. */
interface Side {
  readonly folder: string
  readonly dispatches: number
  time(steps: number): Promise<number>
}

const program = command('bench:against', "time LeNet's captured step of two checkouts in turns", 500)
  .argument('<folder>', 'the other checkout, with its node_modules')
  .option('--steps <n>', 'steps a turn', wholeNumber(1), 2)
  .action(async (folder: string, { runs, steps, json }: Options) => {
    checkJson(json)
    const here = resolve(import.meta.dirname, '..')
    const sides = [await sideOf(resolve(folder)), await sideOf(here)] as const
    const gpu = await open()
    const env = { ...environment(gpu, await openFence(gpu)), method: METHOD }
    await gpu.close()
    print(`${shortHeading(env)}\n`)
    const times: [number, number][] = []
    for (let turn = 0; turn < runs; turn++) {
      const pair: [number, number] = [0, 0]
      for (const side of turn % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
        pair[side] = await sides[side].time(steps)
      times.push(pair)
    }
    for (const [i, { folder: name, dispatches }] of sides.entries()) {
      const own = times.map((pair) => pair[i]!)
      const least = Math.min(...own).toFixed(1)
      print(`${name}: ${dispatches} dispatches, least ${least} ms, median ${median(own).toFixed(1)} ms a step`)
    }
    const ratio = median(times.map(([there, own]) => own / there))
    print(`here / there, the median of ${runs} turns: ${ratio.toFixed(3)}`)
    writeJson(json, { ...env, against: { ratio, folders: sides.map((side) => side.folder), times } })
  })

async function sideOf(folder: string): Promise<Side> {
  const load = async (path: string): Promise<unknown> => await import(pathToFileURL(resolve(folder, path)).href)
  const { open: openThere } = (await load('src/node/open.ts')) as typeof import('../src/node/open.ts')
  const { setDefaultGpu } = (await load('src/tensor/default.ts')) as typeof import('../src/tensor/default.ts')
  const { findImages, Training } = (await load('bench/training.ts')) as typeof import('./training.ts')
  const gpu = await openThere()
  setDefaultGpu(gpu)
  const { dataset } = await findImages()
  const training = new Training(gpu, dataset, { batchSize: BATCH })
  const time = async (steps: number) => {
    const start = performance.now()
    training.run(steps)
    await training.meanLoss()
    return (performance.now() - start) / steps
  }
  await time(2)
  const { dispatches: before } = gpu
  await time(1)
  const dispatches = gpu.dispatches - before
  for (let i = 0; i < 4; i++) await time(4) // until the wait for the device is known
  return { folder, dispatches, time }
}

await main(program, process.argv.slice(2))
