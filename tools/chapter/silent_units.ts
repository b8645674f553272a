// `node --import tsx tools/chapter/silent_units.ts RUN…`: of a run's last checkpoint, how many units behind each ReLU are
// never active (a channel: at no place) on the first 4,000 test images. What never is has no gradient, and learns no more.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { decodeCheckpoint } from '../../src/node/checkpoint.ts'
import { ImageBatches, loadFashionMnist, nn, noGrad, open, type Tensor, tensor } from '../../src/node/index.ts'
import { CHECKPOINTS } from '../../src/node/run_folder.ts'

const BATCHES = 4

/** Marks which of the units [N, units, …] are positive anywhere. */
function mark(active: Uint8Array, { shape }: Tensor, values: ArrayLike<number>): void {
  const places = shape.slice(2).reduce((product, n) => product * n, 1)
  for (let i = 0; i < values.length; i++) if (values[i]! > 0) active[Math.floor(i / places) % active.length] = 1
}

const gpu = await open()
const { test } = await loadFashionMnist()
const batches = new ImageBatches(test, { batchSize: 1000 })
const net = nn.lenet({ fuse: false })
const layers = net.namedChildren().map(([, layer]) => layer)
for (const run of process.argv.slice(2)) {
  const folder = join(run, CHECKPOINTS)
  const file = join(folder, readdirSync(folder).sort().at(-1) ?? '')
  const { network: parameters } = decodeCheckpoint(readFileSync(file), file)
  net.loadStateDict(new Map([...parameters].map(([name, { data, shape }]) => [name, tensor(data, shape)])))
  const found: Uint8Array[] = []
  for (let batch = 0; batch < BATCHES; batch++) {
    const outputs: Tensor[] = []
    const { images } = batches.batch(batch)
    noGrad(() => {
      let x = images
      for (const layer of layers) {
        x = (layer as nn.Module).forward(x)
        if (layer instanceof nn.ReLU) outputs.push(x)
      }
    })
    for (const [i, output] of outputs.entries()) {
      found[i] ??= new Uint8Array(output.shape[1]!)
      mark(found[i], output, await output.data())
    }
  }
  const counts = found.map((active) => `${active.filter((on) => on === 0).length} of ${active.length}`)
  console.log(`${run}: never active ${counts.join(', ')}`)
}
await gpu.close()
