// Starts a training run: opens the device and compiles the kernels while the data is read.
import process from 'node:process'
import type { Gpu, ImageDataset } from '../index.ts'
import { ImageBatches, nn } from '../index.ts'
import { type loadFashionMnist, open } from '../node/index.ts'
import { warmUpRun } from '../train/index.ts'
import { optimizerOf } from './optimizer.ts'
import type { TrainOptions } from './train_options.ts'

/** When each part of a start was done, in milliseconds since the process began. */
export interface StartTimes {
  /** Node had started and read the program. */
  readonly node: number
  readonly device: number
  readonly data: number
  /** Pipelines were compiled; a driver for the processor compiles them with the first steps. */
  readonly kernels: number
}

export type Started = Awaited<ReturnType<typeof loadFashionMnist>> & { readonly gpu: Gpu; readonly times: StartTimes }

/**
 * Reads the data, and meanwhile opens the device and compiles the kernels of the run. If reading the data fails, its error
 * is thrown.
 */
export async function start(load: typeof loadFashionMnist, options: TrainOptions, tuning?: string): Promise<Started> {
  const node = performance.now()
  const loading = load().then((data) => ({ data, at: performance.now() }))
  let inVain = false // then there is no need to compile kernels
  loading.catch(() => {
    inVain = true
  })
  const notice = (line: string) => process.stderr.write(`${line}\n`)
  const opening = open({ ...(tuning !== undefined && { tuning }), notice }).then(async (gpu) => {
    const device = performance.now()
    // A driver for the processor has no separate threads to compile on. The run will meet and report an error again.
    if (!inVain && gpu.info.adapterClass === 'gpu') await compile(gpu, options).catch(() => undefined)
    return { gpu, device, kernels: performance.now() }
  })
  const [loaded, opened] = await Promise.allSettled([loading, opening])
  if (loaded.status === 'rejected') {
    if (opened.status === 'fulfilled') await opened.value.gpu.close()
    throw loaded.reason
  }
  if (opened.status === 'rejected') throw opened.reason
  const { gpu, device, kernels } = opened.value
  return { ...loaded.value.data, gpu, times: { node, device, data: loaded.value.at, kernels } }
}

/** Blank images stand in for the data: kernels depend only on the shapes of a batch. */
async function compile(gpu: Gpu, options: TrainOptions): Promise<void> {
  const count = Math.min(options.batchSize, options.limitTrain ?? Number.POSITIVE_INFINITY)
  const image: ImageDataset = {
    images: new Uint8Array(28 * 28 * count),
    labels: new Uint8Array(count),
    count,
    classes: ['any'],
    channels: 1,
    height: 28,
    width: 28,
  }
  const net = nn.lenet()
  const batches = new ImageBatches(image, { batchSize: count, gpu })
  const optimizer = optimizerOf(net.parameters(), options)
  try {
    await warmUpRun({ net, optimizer, train: batches, test: batches })
  } finally {
    for (const part of [optimizer, net, batches]) part.dispose()
  }
}

/** One line: the seconds at which each part was done. */
export function startLine({ node, device, data, kernels }: StartTimes, firstStep: number): string {
  const parts = { program: node, adapter: device, data, kernels, 'first steps': firstStep }
  const at = Object.entries(parts).map(([part, ms]) => `${part} ${(ms / 1000).toFixed(2)}`)
  return `start, in seconds since the process began: ${at.join(', ')}`
}
