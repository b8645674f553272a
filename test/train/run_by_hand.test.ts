// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  crossEntropy,
  ImageBatches,
  type ImageDataset,
  manualSeed,
  maxPool2d,
  nn,
  optim,
  permutation,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { fit, type HistoryRecord } from '../../src/train/index.ts'
import { mulberry32 } from '../support/arbitraries.ts'
import { testGpu } from '../support/gpu.ts'

const PIXELS = 28 * 28

/** Images that differ in their sixteen squares of 7 by 7 pixels, the label among them. */
function dataset(count: number, seed: number): ImageDataset {
  const next = mulberry32(seed)
  const random = () => next() / 2 ** 32
  const images = Uint8Array.from({ length: count * PIXELS }, () => Math.floor(256 * random() ** 8))
  const labels = Uint8Array.from({ length: count }, () => Math.floor(10 * random()))
  labels.forEach((label, n) => {
    images[n * PIXELS + 7 * Math.floor(label / 4) * 28 + 7 * (label % 4)] = 255
  })
  return { images, labels, count, channels: 1, height: 28, width: 28, classes: [] }
}

/** 170 parameters. */
class Small extends nn.Module {
  readonly classify = new nn.Linear(16, 10)

  override forward(x: Tensor): Tensor {
    return this.classify.forward(maxPool2d(x, { kernelSize: 7 }).flatten())
  }
}

const [trainSet, testSet] = [dataset(11, 1), dataset(6, 2)]
const rates = { schedule: (t: number) => 0.5 / (t + 1), per: 'step', timing: 'before-epoch', lr: 9 } as const
let batches: Record<'train' | 'test', ImageBatches>

beforeAll(async () => {
  await testGpu()
  batches = {
    train: new ImageBatches(trainSet, { batchSize: 4 }),
    test: new ImageBatches(testSet, { batchSize: 4 }),
  }
})
afterAll(() => {
  batches.train.dispose()
  batches.test.dispose()
})

function start() {
  manualSeed(3)
  const net = new Small()
  return { net, optimizer: new optim.SGD(net.parameters(), { lr: 9, momentum: 0.5 }) }
}

async function parametersOf(net: nn.Module): Promise<number[]> {
  return (await Promise.all(net.parameters().map((p) => p.data()))).flatMap((data) => [...data])
}

/** The images of these numbers, their mean loss and how many are classified right; with the tape of the loss. */
async function judge(net: nn.Module, set: ImageDataset, numbers: readonly number[]) {
  const pixels = numbers.flatMap((n) => [...set.images.subarray(n * PIXELS, (n + 1) * PIXELS)])
  const images = Float32Array.from(pixels, (byte) => byte * Math.fround(1 / 255))
  const logits = net.forward(tensor(images, [numbers.length, 1, 28, 28]))
  const loss = crossEntropy(
    logits,
    Int32Array.from(numbers, (n) => set.labels[n]!),
  )
  const values = [...(await logits.data())]
  const right = numbers.filter((n, i) => {
    const row = values.slice(10 * i, 10 * i + 10)
    return row.indexOf(Math.max(...row)) === set.labels[n]
  }).length
  return { loss, mean: await loss.item(), right }
}

/** The same training written out: no meter, no batches, no scopes. */
async function byHand(epochs: number, seed: number) {
  const { net, optimizer } = start()
  const records: HistoryRecord[] = []
  let step = 0
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = [...permutation(seed, epoch, trainSet.count)]
    let [lossSum, right, lr] = [0, 0, 0]
    for (let first = 0; first < trainSet.count; first += 4, step++) {
      const numbers = order.slice(first, first + 4)
      lr = rates.schedule(step)
      optimizer.paramGroups[0]!.lr = lr
      optimizer.zeroGrad()
      const { loss, mean, right: rightHere } = await judge(net, trainSet, numbers)
      loss.backward()
      optimizer.step()
      lossSum += mean * numbers.length
      right += rightHere
    }
    const test = await judge(net, testSet, [0, 1, 2, 3, 4, 5])
    const [trainLoss, trainAcc, testAcc] = [lossSum / trainSet.count, right / trainSet.count, test.right / 6]
    records.push({ kind: 'epoch', epoch, step, lr, trainLoss, trainAcc, testAcc })
  }
  return { records, parameters: await parametersOf(net) }
}

describe('fit', () => {
  it('is the loop written out: the same bits, and the means it should record', async () => {
    const { net, optimizer } = start()
    const records: HistoryRecord[] = []
    const lrs: number[] = []
    const result = await fit(net, {
      data: batches,
      optimizer,
      epochs: 3,
      seed: 5,
      schedule: rates.schedule,
      schedulePer: 'step',
      callbacks: [{ onProgress: ({ lr }) => void lrs.push(lr), onRecord: (record) => void records.push(record) }],
    })
    const expected = await byHand(3, 5)
    expect(await parametersOf(net)).toEqual(expected.parameters)
    expect(lrs).toEqual(Array.from({ length: 9 }, (_, step) => rates.schedule(step)))
    // The meter adds in float32: three losses, each rounded once or twice.
    const about = expected.records.map((record) => ({
      ...record,
      trainLoss: expect.closeTo(record.trainLoss, 5) as number,
    }))
    expect(records).toEqual(about)
    const { trainLoss, trainAcc, testAcc } = records[2]! as HistoryRecord & { testAcc: number }
    expect(result).toMatchObject({ trainLoss, trainAcc, testAcc, steps: 9 })
  })

  it('stops when the loss is infinite, which is not NaN', async () => {
    const { net, optimizer } = start()
    // White images whose label has the least logit there is, all other classes the largest one.
    const white = { ...dataset(5, 1), images: new Uint8Array(5 * PIXELS).fill(255), labels: new Uint8Array(5) }
    const weight = Float32Array.from({ length: 160 }, (_, i) => (i % 16 > 0 ? 0 : i === 0 ? -3e38 : 3e38))
    net.loadStateDict({ 'classify.weight': tensor(weight, [10, 16]), 'classify.bias': tensor(new Float32Array(10)) })
    const train = new ImageBatches(white, { batchSize: 4 })
    const training = fit(net, { data: { train, test: batches.test }, optimizer, epochs: 1, seed: 5 })
    await expect(training).rejects.toMatchObject({ name: 'DivergedError' })
    train.dispose()
  })
})
