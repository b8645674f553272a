// Measures the adapter's peaks: multiply-adds in registers, and a plain copy.
import type { Gpu } from '../src/gpu/gpu.ts'
import { type Kernel, KernelFile } from '../src/gpu/kernel.ts'
import { empty } from '../src/tensor/create.ts'
import { type Fence, type MeasureOptions, measure } from './timing.ts'

/** What the adapter reached in this run, in kernels that do nothing else. */
export interface Peak {
  /** Multiply-adds in registers, each counted as two. */
  readonly gflops: number
  /** A copy of 64 MiB, the bytes read and the bytes written. */
  readonly gbs: number
}

const THREADS = 2 ** 15
const ROUNDS = 256
const COPY_BYTES = 2 ** 26

/** Chains of multiply-adds that do not depend on each other: too few wait for themselves, too many leave the registers. */
const CHAINS = [8, 16, 32]
/** vec4 that a thread copies, a workgroup apart; with one there would be too many workgroups for one dimension. */
const VECTORS = [2, 4, 16]

/** Each thread turns x -> a x + b in `chains` variables; nothing is loaded meanwhile. a < 1 keeps the values small. */
function arithmetic(chains: number): Kernel {
  const each = (line: (i: number) => string) => Array.from({ length: chains }, (_, i) => line(i)).join(' ')
  const round = each((i) => `x${i} = x${i} * a + b;`)
  const file = new KernelFile(
    'peak',
    `
struct Params { a: f32, b: f32 }
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;
@compute @workgroup_size(64)
fn arithmetic(@builtin(global_invocation_id) id: vec3u) {
  let a = params.a;
  let b = params.b;
  ${each((i) => `var x${i} = f32(id.x) + ${i}.0;`)}
  for (var k = 0u; k < ${ROUNDS / 4}u; k++) { ${round} ${round} ${round} ${round} }
  y[id.x] = ${each((i) => (i === 0 ? 'x0' : `+ x${i}`))};
}`,
  )
  return file.entry('arithmetic')
}

function copy(vectors: number): Kernel {
  const line = (i: number) => `y[first + ${64 * i}u] = x[first + ${64 * i}u];`
  const file = new KernelFile(
    'peak',
    `
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(64)
fn copy(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = ${64 * vectors}u * group.x + lane;
  ${Array.from({ length: vectors }, (_, i) => line(i)).join('\n  ')}
}`,
  )
  return file.entry('copy')
}

/** Throws an Error unless the last thread has the sum of its chains: a compiler may not have left the work out. */
function checkSum(found: ArrayLike<number>, { a, b }: { a: number; b: number }, chains: number): void {
  let sum = 0
  for (let i = 0; i < chains; i++) {
    let x = THREADS - 1 + i
    for (let k = 0; k < ROUNDS; k++) x = x * a + b
    sum += x
  }
  const last = found[THREADS - 1]!
  // Each of the roundings is below 2^-23 of a value that only falls.
  if (Math.abs(last - sum) <= ROUNDS * 2 ** -22 * sum) return
  throw new Error(`the kernel for the arithmetic peak computes ${last}, it must be ${sum}`)
}

/** Measures the adapter's peaks: the best of a few variants each, by their fastest sample. */
export async function measurePeak(gpu: Gpu, fence: Fence, options: MeasureOptions): Promise<Peak> {
  const least = async (runs: readonly (() => void)[]) => {
    const times: number[] = []
    for (const run of runs) times.push((await measure(run, fence, options)).minMs)
    return times
  }
  const out = empty(gpu, [THREADS], 'float32', 'peak')
  const params = { a: 0.999, b: 0.001 }
  const sums = CHAINS.map(arithmetic)
  const flops = await least(sums.map((kernel) => () => gpu.emit(kernel, { y: out.storage, params }, THREADS / 64)))
  checkSum(await out.data(), params, CHAINS.at(-1)!)
  const [x, y] = [1, 2].map(() => empty(gpu, [COPY_BYTES / 4], 'float32', 'peak')) as [typeof out, typeof out]
  const copies = await least(
    VECTORS.map((vectors) => {
      const kernel = copy(vectors)
      return () => gpu.emit(kernel, { x: x.storage, y: y.storage }, COPY_BYTES / 16 / 64 / vectors)
    }),
  )
  for (const t of [out, x, y]) t.dispose()
  gpu.pool.trim()
  const perSecond = (work: number, ms: number) => work / (1e6 * ms)
  return {
    gflops: Math.max(...flops.map((ms, i) => perSecond(2 * THREADS * ROUNDS * CHAINS[i]!, ms))),
    gbs: perSecond(2 * COPY_BYTES, Math.min(...copies)),
  }
}
