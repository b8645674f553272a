// What doctor measures: the adapter's arithmetic, a self-test, and speed.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import { conv2d } from '../kernels/conv2d.ts'
import { matmul } from '../kernels/matmul.ts'
import { tensor } from '../tensor/create.ts'
import { noGrad } from '../tensor/modes.ts'
import { scope } from '../tensor/scope.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** One property of the adapter's arithmetic. */
export interface NumberFact {
  readonly expression: string
  /** The adapter's result, and that of IEEE 754. */
  readonly here: string
  readonly ieee: string
  /** Whether the kernels need the adapter to agree with IEEE 754 here. */
  readonly needed: boolean
}

export interface SelfTest {
  readonly name: string
  readonly passed: boolean
  /** The largest error, as a share of the bound for float32 arithmetic. */
  readonly share: number
}

export interface Speed {
  readonly matmulGflops: number
  readonly copyGigabytes: number
  /** Bytes in each copy. */
  readonly copyBytes: number
}

const factsCode = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(1)
fn facts() {
  let n = x[0];
  y[0] = select(0u, 1u, n != n);
  y[1] = bitcast<u32>(max(n, 0.0));
  y[2] = bitcast<u32>(log(x[1]));
  y[3] = bitcast<u32>(x[2] - x[3]);
  y[4] = bitcast<u32>(select(n, 0.0, n <= 0.0));
  y[5] = select(0u, 1u, (bitcast<u32>(n) & 0x7fffffffu) > 0x7f800000u);
}
`

/** How this adapter treats NaN and infinity, which WGSL leaves open. Nothing here can be folded to constants. */
export async function numberFacts(gpu: Gpu): Promise<NumberFact[]> {
  const out = await compute(gpu, factsCode, 'facts', Float32Array.of(Number.NaN, 0, -Infinity, -Infinity), 6, 1)
  const words = new Uint32Array(out)
  const floats = new Float32Array(out)
  const truth = (i: number) => String(words[i] === 1)
  const value = (i: number) => String(Number(floats[i]!.toPrecision(6))).replace('-', '−')
  const fact = (expression: string, here: string, ieee: string, needed = false) => ({ expression, here, ieee, needed })
  return [
    fact('n != n, where n is NaN', truth(0), 'true'),
    fact('max(n, 0)', value(1), '0'),
    fact('log(0)', value(2), '−Infinity'),
    fact('(−inf) − (−inf)', value(3), 'NaN'),
    fact('select(n, 0, n <= 0), as in ReLU', value(4), 'NaN', true),
    fact('NaN found by its bits', truth(5), 'true', true),
  ]
}

const expCode = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn powers(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < min(arrayLength(&x), arrayLength(&y))) {
    y[id.x] = exp(x[id.x]);
  }
}
`

/** The error of exp() over a range of x, in units in the last place of the true value. */
export interface ExpError {
  readonly range: readonly [number, number]
  /** The largest error, the x with it, and what WGSL allows there: 3 + 2|x|. */
  readonly ulp: number
  readonly at: number
  readonly allowed: number
}

/** The range that softmax uses, and the range whose results are normal numbers. */
const EXP_RANGES = [
  [-16, 0],
  [-87, 88],
] as const

/** The largest errors of exp(), each over 65,536 points of a range. */
export async function expErrors(gpu: Gpu): Promise<ExpError[]> {
  const errors: ExpError[] = []
  for (const [low, high] of EXP_RANGES) {
    const count = 65_536
    const x = Float32Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1))
    const y = new Float32Array(await compute(gpu, expCode, 'powers', x, count, count / 64))
    let [ulp, at] = [0, 0]
    for (let i = 0; i < count; i++) {
      const truth = Math.exp(x[i]!)
      const error = Math.abs(y[i]! - truth) / 2 ** (Math.floor(Math.log2(truth)) - 23)
      if (!(error <= ulp)) [ulp, at] = [error, x[i]!]
    }
    errors.push({ range: [low, high], ulp, at, allowed: 3 + 2 * Math.abs(at) })
  }
  return errors
}

async function compute(
  gpu: Gpu,
  code: string,
  entryPoint: string,
  x: Float32Array<ArrayBuffer>,
  words: number,
  groups: number,
): Promise<ArrayBuffer> {
  const kernel = new KernelFile('doctor', code).entry(entryPoint)
  const input = gpu.pool.acquire(x.byteLength, 'the input of a measurement')
  const output = gpu.pool.acquire(4 * words, 'the output of a measurement')
  try {
    gpu.write(input, x)
    gpu.emit(kernel, { x: input, y: output }, groups)
    return await gpu.read(output, 4 * words)
  } finally {
    input.release()
    output.release()
  }
}

/** Pseudo-random numbers in [−1, 1), the same everywhere: multiples of 2⁻²⁴. */
function sample(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 7) / 2 ** 24 - 1
  })
}

/**
 * The larger of `share` and |y − Σ aᵢbᵢ| over its bound γₙ Σ |aᵢbᵢ|, γₙ = nu / (1 − nu), u = 2⁻²⁴, of n terms in any order
 * (Higham, Accuracy and Stability of Numerical Algorithms, 2002, eq. 3.5). NaN counts as infinite.
 */
function worse(share: number, y: number, products: readonly number[]): number {
  const n = products.length * 2 ** -24
  const sum = products.reduce((total, p) => total + p, 0)
  const size = products.reduce((total, p) => total + Math.abs(p), 0)
  const error = Math.abs(y - sum) / ((n / (1 - n)) * size)
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(share, error)
}

/** Compares a matrix product and a convolution, with sizes that fill no tile, with the processor in float64. */
export async function selfTest(gpu: Gpu): Promise<SelfTest[]> {
  const results = [
    { name: 'matmul 65×33×17', share: await matmulShare(gpu, 65, 33, 17, 65) },
    { name: 'conv2d 2×3×9×8 by 5×3×3×3', share: await convolutionShare(gpu) },
  ]
  return results.map(({ name, share }) => ({ name, share, passed: share <= 1 }))
}

/** The first `rows` rows of a product [M, K]·[K, N]. */
async function matmulShare(gpu: Gpu, M: number, K: number, N: number, rows: number): Promise<number> {
  const [a, b] = [sample(M * K, 1), sample(K * N, 2)]
  const y = await result(gpu, () => matmul(tensor(a, [M, K], { gpu }), tensor(b, [K, N], { gpu })))
  let share = 0
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < N; j++) {
      const products = Array.from({ length: K }, (_, k) => a[i * K + k]! * b[k * N + j]!)
      share = worse(share, y[i * N + j]!, products)
    }
  }
  return share
}

/** A convolution with stride 1 and padding 1, and a bias. */
async function convolutionShare(gpu: Gpu): Promise<number> {
  const [N, C, H, W, F, KH, KW] = [2, 3, 9, 8, 5, 3, 3]
  const [x, w, bias] = [sample(N * C * H * W, 3), sample(F * C * KH * KW, 4), sample(F, 5)]
  const y = await result(gpu, () => {
    const [input, weight] = [tensor(x, [N, C, H, W], { gpu }), tensor(w, [F, C, KH, KW], { gpu })]
    return conv2d(input, weight, tensor(bias, [F], { gpu }), { padding: 1 })
  })
  const pixel = (n: number, c: number, i: number, j: number) =>
    i < 0 || i >= H || j < 0 || j >= W ? 0 : x[((n * C + c) * H + i) * W + j]!
  let share = 0
  for (let at = 0; at < y.length; at++) {
    const [j, i, f] = [at % W, Math.floor(at / W) % H, Math.floor(at / (W * H)) % F]
    const n = Math.floor(at / (W * H * F))
    const products = [bias[f]!]
    for (let k = 0; k < C * KH * KW; k++) {
      const [kj, ki, c] = [k % KW, Math.floor(k / KW) % KH, Math.floor(k / (KW * KH))]
      products.push(pixel(n, c, i + ki - 1, j + kj - 1) * w[f * C * KH * KW + k]!)
    }
    share = worse(share, y[at]!, products)
  }
  return share
}

async function result(gpu: Gpu, run: () => Tensor): Promise<Float32Array> {
  const out = noGrad(() => scope(run))
  try {
    return new Float32Array(await gpu.read(out.storage, 4 * out.size))
  } finally {
    out.dispose()
  }
}

/**
 * How fast the adapter multiplies matrices of size 512 and copies memory, by the wall clock until the queue is empty: the
 * best of four.
 */
export async function measureSpeed(gpu: Gpu): Promise<Speed> {
  const n = 512
  const [a, b] = [tensor(sample(n * n, 6), [n, n], { gpu }), tensor(sample(n * n, 7), [n, n], { gpu })]
  const multiply = () => scope(() => noGrad(() => void matmul(a, b)))
  const seconds = await secondsOf(gpu, multiply)
  a.dispose()
  b.dispose()

  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits
  const wish = (gpu.info.adapterClass === 'cpu' ? 64 : 256) * 2 ** 20
  const copyBytes = Math.min(wish, maxStorageBufferBindingSize, maxBufferSize)
  const from = gpu.pool.acquire(copyBytes, 'the source of a copy')
  const to = gpu.pool.acquire(copyBytes, 'the destination of a copy')
  const copySeconds = await secondsOf(gpu, () => gpu.copy(from, to, copyBytes))
  from.release()
  to.release()
  gpu.pool.trim()
  return { matmulGflops: (2 * n ** 3) / seconds / 1e9, copyGigabytes: (2 * copyBytes) / copySeconds / 1e9, copyBytes }
}

/**
 * Seconds that one `run` takes: the best of four series of a tenth of a second or more. While the device's promise is
 * pending, Node's binding polls on a core, which a driver on the processor needs too. So with such a driver the first part
 * of the expected time is slept.
 */
async function secondsOf(gpu: Gpu, run: () => void): Promise<number> {
  const sleeps = gpu.info.adapterClass === 'cpu' ? 0.45 : 0
  const series = async (count: number, expected: number) => {
    const start = performance.now()
    for (let i = 0; i < count; i++) run()
    gpu.flush()
    const rest = sleeps * expected * 1000 - (performance.now() - start)
    if (rest > 1) await new Promise((resolve) => setTimeout(resolve, rest))
    await gpu.device.queue.onSubmittedWorkDone()
    gpu.check()
    return (performance.now() - start) / 1000
  }
  await series(1, 0) // compiles
  let count = 1
  let best = await series(count, 0)
  for (; best < 0.1; best = await series(count, 0)) count *= 2
  for (let i = 0; i < 3; i++) best = Math.min(best, await series(count, best))
  return best / count
}
