// Long sums: their order, and the scratch memory that they take.
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  PARTS_A_GROUP,
  planParts,
  scratchLimit,
  scratchOfParts,
  sumOfParts,
  TERMS,
} from '../../../src/kernels/sum_parts.ts'
import {
  add,
  type Conv2dOptions,
  conv2d,
  conv2dReluMaxPool2d,
  convTranspose2d,
  crossEntropy,
  linear,
  linearRelu,
  matmul,
} from '../../../src/node/index.ts'
import type { Row, Seeded } from '../../operations/row.ts'
import { checkAgainstReference, drawn } from '../../operations/run.ts'
import { inBothClasses } from '../../support/adapter_class.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { UNIT_ROUNDOFF } from '../../support/close.ts'
import { type Gpu, parameter, type Tensor, tensor, testGpu } from '../../support/gpu.ts'
import { conv2dRow } from '../conv2d/row.ts'
import { conv2dReluMaxPool2dRow } from '../conv2d_relu_max_pool2d/row.ts'
import { linearReluRow, linearRow } from '../linear/row.ts'
import { matmulRow, ORDERS } from '../matmul/row.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const { floats } = scratchLimit
afterEach(() => {
  scratchLimit.floats = floats
})

/** Sums in float32 of groups of rows, of groups of these, and so on, as long as there is more than one. */
function inGroups(rows: readonly Float32Array[]): Float32Array {
  const sums = Array.from({ length: Math.ceil(rows.length / PARTS_A_GROUP) }, (_, j) => {
    const sum = new Float32Array(rows[0]!.length)
    for (const row of rows.slice(j * PARTS_A_GROUP, (j + 1) * PARTS_A_GROUP))
      row.forEach((v, i) => {
        sum[i]! += v
      })
    return sum
  })
  return sums.length === 1 ? sums[0]! : inGroups(sums)
}

/** The sums of parts as sumOfParts adds them; the last few in float32 here. And the most memory that it held meanwhile. */
async function summed(values: readonly Float32Array[], sizes: readonly number[]) {
  const plan = planParts(values[0]!.length / sizes[0]!, sizes)
  const ends: Promise<ArrayBuffer>[] = []
  let rows = 0
  const before = gpu.memory().bytes
  let held = 0
  sumOfParts(
    gpu,
    'a test',
    plan,
    (parts, first, count) => {
      expect(first + count).toBeLessThanOrEqual(plan.parts)
      for (const [i, all] of values.entries()) {
        gpu.write(parts[i]!, all.slice(first * sizes[i]!, (first + count) * sizes[i]!))
      }
    },
    (parts, count) => {
      rows = count
      held = gpu.memory().bytes - before
      ends.push(...parts.map((part, i) => gpu.read(part, 4 * count * sizes[i]!)))
    },
  )
  const read = await Promise.all(ends)
  const of = (buffer: ArrayBuffer, size: number) =>
    inGroups(Array.from({ length: rows }, (_, p) => new Float32Array(buffer, 4 * p * size, size)))
  return { plan, held, sums: read.map((buffer, i) => of(buffer, sizes[i]!)) }
}

describe('sumOfParts', () => {
  it.each([1, 2, 7, 255, 256, 257, 511, 513, 1025, 70_001])(
    'adds %i parts in the same order, cut as you like',
    async (parts) => {
      const sizes = parts > 10_000 ? [2, 1] : [5, 3]
      const values = sizes.map((size, i) => fill(parts * size, 7 + i, 'normal'))
      const expected = values.map((all, i) =>
        inGroups(Array.from({ length: parts }, (_, p) => all.slice(p * sizes[i]!, (p + 1) * sizes[i]!))),
      )
      for (const slots of parts > 10_000 ? [Infinity, 65_536, 4096] : [Infinity, 512, 256, 64, 1]) {
        scratchLimit.floats = slots * (sizes[0]! + sizes[1]!) * 1.05 + 40
        const { plan, sums, held } = await summed(values, sizes)
        if (slots < parts) expect(plan.slots).toBeLessThanOrEqual(slots + 32)
        expect(sums.map((s) => [...s])).toEqual(expected.map((s) => [...s]))
        // Buffers are larger than asked for by less than a quarter, or 256 bytes.
        expect(held).toBeGreaterThanOrEqual(4 * scratchOfParts(plan))
        expect(held).toBeLessThanOrEqual(5 * scratchOfParts(plan) + 256 * 8)
      }
    },
  )

  it('takes no more memory than it may, unless one part does', () => {
    for (const parts of [1, 3, 256, 300, 10_000, 1_062_500]) {
      for (const size of [1, 60, 5000, 100_000, 2_000_000, 2 ** 25]) {
        const plan = planParts(parts, [size, 7])
        const one = scratchOfParts({ parts, sizes: [size, 7], slots: Math.min(parts, 1) })
        expect(scratchOfParts(plan), `${parts} of ${size}`).toBeLessThanOrEqual(Math.max(scratchLimit.floats, one))
        // And as much as it may: twice as many slots would not fit.
        const more = { ...plan, slots: 2 * plan.slots }
        if (plan.slots < parts / 2) expect(scratchOfParts(more)).toBeGreaterThan(scratchLimit.floats)
      }
    }
  })
})

/** Runs `fn` with little scratch memory and on the other class of adapter, and demands the bits of each class. */
async function expectSameBits(fn: () => Promise<readonly Uint32Array[]>): Promise<void> {
  await inBothClasses(async () => {
    scratchLimit.floats = floats
    const whole = await fn()
    for (const less of [5000, 1]) {
      scratchLimit.floats = less
      const cut = await fn()
      expect(cut.map((bits, i) => bits.findIndex((b, j) => b !== whole[i]![j]))).toEqual(whole.map(() => -1))
    }
  })
}

const random = (seed: number, ...shape: number[]) =>
  parameter(
    fill(
      shape.reduce((product, n) => product * n, 1),
      seed,
      'normal',
    ),
    shape,
  )

async function gradientsOf(out: Tensor, inputs: readonly Tensor[]): Promise<Uint32Array[]> {
  out.backward(tensor(fill(out.size, 99, 'normal'), out.shape))
  const bits = await Promise.all([out, ...inputs.map((t) => t.grad)].map(bitsOf))
  for (const t of [out, ...inputs]) t.dispose()
  return bits
}

const inGroupsOfTwo = (x: Tensor, w: Tensor, b: Tensor, options: Conv2dOptions) =>
  conv2d(x, w, b, { ...options, groups: 3 })

describe('with hardly any scratch memory the bits stay', () => {
  it.each([
    ['conv2d', conv2d, [70, 3, 5, 6], [5, 3, 3, 3]],
    ['conv2d, images of one pixel', conv2d, [300, 4, 1, 1], [9, 4, 3, 3]],
    ['conv2d, more products than an accumulator adds', conv2d, [2, 90, 3, 3], [2, 90, 7, 7]],
    ['conv2d, rows longer than that', conv2d, [33, 1, 1, 4099], [2, 1, 1, 3]],
    ['conv2d in groups', inGroupsOfTwo, [70, 6, 5, 6], [9, 2, 3, 3]],
    ['convTranspose2d', convTranspose2d, [40, 5, 5, 6], [5, 5, 3, 3]],
    ['conv2dReluMaxPool2d', conv2dReluMaxPool2d, [70, 3, 8, 6], [5, 3, 3, 3]],
    ['conv2dReluMaxPool2d, a long row', conv2dReluMaxPool2d, [2, 1, 2, 8205], [2, 1, 3, 3]],
  ] as const)('%s', async (_, operation, x, w) => {
    const padding = [Math.floor(w[2] / 2), Math.floor(w[3] / 2)]
    await expectSameBits(() => {
      const inputs = [random(1, ...x), random(2, ...w), random(3, w[0])] as const
      return gradientsOf(operation(...inputs, { padding }), inputs)
    })
  })

  it.each([
    ['linear', linear, 70, 9, 5],
    ['linear, more rows than a part has', linear, 8200, 3, 2],
    ['linear, more features than an accumulator adds', linear, 3, 4100, 5],
    ['linear, more outputs', linear, 3, 5, 4100],
    ['linearRelu', linearRelu, 8200, 4, 3],
    ['linearRelu, long sums', linearRelu, 5, 4097, 4],
    ['linearRelu, many outputs', linearRelu, 5, 4, 4099],
  ] as const)('%s', async (_, operation, N, I, O) => {
    await expectSameBits(() => {
      const inputs = [random(1, N, I), random(2, O, I), random(3, O)] as const
      return gradientsOf(operation(...inputs), inputs)
    })
  })

  it.each(['mean', 'none'] as const)('crossEntropy: %s', async (reduction) => {
    const N = 20_000
    const labels = Int32Array.from({ length: N }, (_, i) => (i % 7 === 0 ? -100 : i % 2))
    await expectSameBits(() => {
      const logits = random(1, N, 2)
      return gradientsOf(crossEntropy(logits, labels, { reduction }), [logits])
    })
  })
})

const check = <T extends Seeded>(row: Row<T>, given: T) =>
  checkAgainstReference(row, given, drawn(row, given, 'normal'))

describe('sums of more products than an accumulator adds equal the reference', () => {
  const conv = { stride: [1, 1], dilation: [1, 1], groups: 1, bias: true, seed: 5 } as const
  it.each<[string, () => Promise<void>]>([
    [
      'conv2d, many channels',
      () => check(conv2dRow, { ...conv, n: 2, c: 90, f: 2, h: 3, w: 3, kh: 7, kw: 7, padding: [3, 3] }),
    ],
    [
      'conv2d, many filters',
      () => check(conv2dRow, { ...conv, n: 2, c: 2, f: 90, h: 3, w: 3, kh: 7, kw: 7, padding: [3, 3] }),
    ],
    [
      'conv2d, long rows',
      () => check(conv2dRow, { ...conv, n: 20, c: 1, f: 2, h: 1, w: 4100, kh: 1, kw: 3, padding: [0, 1] }),
    ],
    [
      'conv2dReluMaxPool2d, long rows',
      () => check(conv2dReluMaxPool2dRow, { ...conv, n: 9, c: 1, f: 1, h: 2, w: 8205, kh: 1, kw: 3, padding: [0, 1] }),
    ],
    ['linearRelu, many features', () => check(linearReluRow, { rows: [3], I: 8200, O: 5, bias: true, seed: 5 })],
    ['linearRelu, many outputs', () => check(linearReluRow, { rows: [3], I: 6, O: 8200, bias: true, seed: 5 })],
    ['linear, many rows', () => check(linearRow, { rows: [8193], I: 3, O: 2, bias: true, seed: 5 })],
    ...ORDERS.map(
      (order) =>
        [`matmul ${JSON.stringify(order)}`, () => check(matmulRow, { ...order, m: 4, k: 8200, n: 8, seed: 5 })] as [
          string,
          () => Promise<void>,
        ],
    ),
  ])('%s', (_, run) => run())
})

describe('long sums of equal terms', () => {
  const count = 2 ** 20 + 3
  const rows = 2 ** 18 + 3
  const tenths = (...shape: number[]) => tensor(new Float32Array(shape.reduce((x, y) => x * y)).fill(0.1), shape)
  const term = Math.fround(0.1)
  /** `roundings`: those on the longest way into the sum. */
  const expectNear = async (t: Tensor | null, expected: number, roundings: number) => {
    for (const v of await t!.data()) expect(Math.abs(v / expected - 1)).toBeLessThan(roundings * UNIT_ROUNDOFF)
  }
  const GROUPS = PARTS_A_GROUP + PARTS_A_GROUP + 17

  it('are right for the weight and bias of conv2d over many images of one pixel', async () => {
    const [weight, bias] = [parameter([1], [1, 1, 1, 1]), parameter([0], [1])]
    conv2d(tenths(rows, 1, 1, 1), weight, bias).backward(tenths(rows, 1, 1, 1))
    await expectNear(weight.grad, rows * term * term, 32 + GROUPS)
    await expectNear(bias.grad, rows * term, 32 + GROUPS)
  })

  it('are right for conv2d of an image of a million pixels', async () => {
    const [weight, bias] = [parameter([1], [1, 1, 1, 1]), parameter([0], [1])]
    conv2d(tenths(1, 1, 1, count), weight, bias).backward(tenths(1, 1, 1, count))
    await expectNear(weight.grad, count * term * term, TERMS + GROUPS)
    await expectNear(bias.grad, count * term, TERMS + GROUPS)
  })

  it('are right for conv2dReluMaxPool2d', async () => {
    const [weight, bias] = [parameter([1], [1, 1, 1, 1]), parameter([0], [1])]
    conv2dReluMaxPool2d(tenths(2 ** 18, 1, 2, 2), weight, bias).backward(tenths(2 ** 18, 1, 1, 1))
    await expectNear(weight.grad, 2 ** 18 * term * term, 32 + GROUPS)
    await expectNear(bias.grad, 2 ** 18 * term, 32 + GROUPS)
  })

  it('are right for linear and for the bias of add over many rows', async () => {
    const [weight, bias] = [parameter([1], [1, 1]), parameter([0], [1])]
    linear(tenths(rows, 1), weight, bias).backward(tenths(rows, 1))
    await expectNear(weight.grad, rows * term * term, 32 + GROUPS)
    await expectNear(bias.grad, rows * term, 32 + GROUPS)
    const b = parameter([0], [1])
    add(tenths(rows, 1), b).backward(tenths(rows, 1))
    await expectNear(b.grad, rows * term, 32 + GROUPS)
  })

  it('are right for matmul and linear of a million features', async () => {
    await expectNear(matmul(tenths(1, count), tenths(count, 1)), count * term * term, TERMS + GROUPS)
    await expectNear(linear(tenths(1, count), tenths(1, count)), count * term * term, TERMS + GROUPS)
  })

  it('are right for crossEntropy', async () => {
    const logits = tensor(new Float32Array(2 * rows), [rows, 2])
    await expectNear(crossEntropy(logits, new Uint8Array(rows)), Math.LN2, 32 + GROUPS)
  })
})
