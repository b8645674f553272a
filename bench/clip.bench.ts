// Benchmark of clip: a gradient clipped by its norm and by value.
import type { Gpu } from '../src/gpu/gpu.ts'
import { clampInPlace, normOf, scaleToNorm } from '../src/kernels/clip.ts'
import { type Case, check, disposeAll, type Prepared, randomInput, within } from './support.ts'

/** Clips one gradient, to half of its norm or by value, from the initial values again where it is checked. */
function prepare(gpu: Gpu, size: number, by: 'norm' | 'value'): Prepared {
  const g = randomInput(gpu, [size], 1, false)
  const sum = g.data.reduce((total, v) => total + v * v, 0)
  const maxNorm = Math.fround(Math.sqrt(sum) / 2)
  const run = () => {
    if (by === 'value') return clampInPlace([g.tensor], { limit: 0.5, keep: false })
    const norm = normOf([g.tensor], 2)
    scaleToNorm([g.tensor], { norm, maxNorm, keep: false })
    norm.dispose()
  }
  const at = (i: number) => {
    const v = g.data[i]!
    if (by === 'value') return within(Math.min(Math.max(v, -0.5), 0.5), 0)
    // The sum passes some hundreds of roundings, whose root halves them.
    return within((v * maxNorm) / (Math.sqrt(sum) + 1e-6), 256, Math.abs(v))
  }
  return {
    flops: by === 'norm' ? 3 * size : size,
    bytes: (by === 'norm' ? 12 : 8) * size,
    run,
    async verify() {
      gpu.write(g.tensor.storage, g.data)
      run()
      await check(by, g.tensor, { cost: 1, at })
    },
    dispose: () => disposeAll([g.tensor]),
  }
}

const bench = (set: Case['set'], size: number, by: 'norm' | 'value'): Case => ({
  name: 'clip',
  direction: 'forward',
  shape: `[${size}] by ${by}`,
  set,
  prepare: (gpu) => prepare(gpu, size, by),
})

// The largest of LeNet's gradients.
export const cases: readonly Case[] = [
  bench('lenet', 48_000, 'norm'),
  bench('lenet', 48_000, 'value'),
  bench('large', 2 ** 22, 'norm'),
  bench('large', 2 ** 22, 'value'),
]
