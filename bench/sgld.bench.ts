// Benchmark of sgld: one update of a parameter with noise.
import { perStepWords } from '../src/capture/per_step.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { rowsOf } from '../src/kernels/rows.ts'
import { SGLD_WORDS, sgldNoise, sgldRow } from '../src/kernels/sgld.ts'
import { tensor } from '../src/tensor/create.ts'
import { Stream } from '../src/tensor/random.ts'
import { type Case, check, disposeAll, type Prepared, randomInput, within } from './support.ts'

const SCALE = 0.01

/** Box and Muller's two numbers of elements i and i + 1, i even, from the host's words. */
function normals(i: number): [number, number, radius: number] {
  const stream = new Stream(0, 'noise', 1)
  stream.position = i
  const r = Math.sqrt(-2 * Math.log(((stream.nextUint32() >>> 8) + 1) * 2 ** -24))
  const angle = 2 * Math.PI * (stream.nextUint32() >>> 8) * 2 ** -24
  return [r * Math.cos(angle), r * Math.sin(angle), r]
}

/** p += scale · ξ */
function prepare(gpu: Gpu, size: number): Prepared {
  const p = randomInput(gpu, [size], 1, false)
  const { words, rows } = rowsOf([{ at: 0, other: 0, size }])
  const table = tensor(new Int32Array(words.buffer), undefined, { gpu })
  const bits = perStepWords([sgldRow({ seed: 0, step: 0, scale: SCALE })], SGLD_WORDS)
  const settings = tensor(Int32Array.from(bits), undefined, { gpu })
  const storages = { table: table.storage, settings: settings.storage, parameters: p.tensor.storage }
  const run = () => sgldNoise(gpu, storages, rows, 0)
  return {
    // A block of four: ten rounds of Philox with two products of 17 operations and 6 more; two of Box and Muller of about 40.
    flops: ((10 * 40 + 2 * 40) / 4 + 2) * size,
    bytes: 8 * size,
    run,
    async verify() {
      // In place: from the initial values again.
      gpu.write(p.tensor.storage, p.data)
      run()
      const at = (i: number) => {
        const [even, odd, radius] = normals(i - (i % 2))
        const value = p.data[i]! + SCALE * (i % 2 === 0 ? even : odd)
        return within(value, 28, Math.abs(p.data[i]!) + SCALE * radius)
      }
      await check('p', p.tensor, { cost: 1, at })
    },
    dispose: () => disposeAll([p.tensor, table, settings]),
  }
}

function bench(set: Case['set'], size: number): Case {
  return { name: 'sgld', direction: 'forward', shape: `[${size}]`, set, prepare: (gpu) => prepare(gpu, size) }
}

// All of LeNet's parameters.
export const cases: readonly Case[] = [bench('lenet', 61_706), bench('large', 2 ** 20), bench('large', 2 ** 22)]
