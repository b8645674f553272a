import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  add,
  apply,
  conv2d,
  crossEntropy,
  GradcheckError,
  type GradcheckOptions,
  gradcheck,
  KernelFile,
  linear,
  matmul,
  maxPool2d,
  noGrad,
  type Op,
  relu,
  scope,
  type Tensor,
} from '../../src/node/index.ts'
import type { Row, Seeded } from '../operations/row.ts'
import { drawn } from '../operations/run.ts'
import { table } from '../operations/table.ts'
import { fill } from '../support/arbitraries.ts'
import { type Gpu, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import { type Ref, sizeOf } from '../support/ref.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const code = `struct Params { size: u32, at: u32, factor: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
override WG: u32 = 64u;
@compute @workgroup_size(WG) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.size) { out[id.x] = x[id.x] * select(1.0, params.factor, id.x == params.at); }
}`
const kernel = new KernelFile('crooked', code).entry('main')

function scaled(x: Tensor, at: number, factor: number): Tensor {
  const out = tensor(new Float32Array(x.size), x.shape, { gpu: x.gpu })
  const params = { size: x.size, at, factor }
  x.gpu.emit(kernel, { params, x: x.storage, out: out.storage }, Math.ceil(x.size / 64))
  return out
}

/** The input itself; its gradient is wrong by a factor in one element. */
const crookedOp: Op<readonly [Tensor], { at: number; factor: number }> = {
  name: 'crooked',
  shape: ([x]) => x.shape,
  forward: (_, [x]) => ({ out: scaled(x, 0, 1), saved: [] }),
  backward: (_, dy, __, { at, factor }) => [scaled(dy, at, factor)],
}
const crooked = (x: Tensor, at: number, factor = 1.03) => apply(crookedOp, [x], { at, factor })

const random = (shape: number[], seed: number) => parameter(fill(sizeOf(shape), seed, 'normal'), shape)

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('no error came'),
    (error) => error as Error,
  )
}

/** Fused operations are left to float64: a step of float32 may cross a kink of theirs. */
const rows = table.filter(({ kinksOfSums }) => !kinksOfSums)

/** A row's case as a function of its inputs, and the inputs. Of optional inputs that it lacks there are none. */
function problemOf(row: Row, given: Seeded): { refs: (Ref | null)[]; inputs: Tensor[]; run: (xs: Tensor[]) => Tensor } {
  const refs = [...drawn(row, given, row.kinks ? 'clear' : 'normal').inputs]
  const inputs = refs.filter((r) => r !== null).map((r) => parameter(r.data, r.shape))
  const run = (xs: Tensor[]) => {
    const rest = [...xs]
    return row.run(
      refs.map((r) => (r ? rest.shift()! : null)),
      given,
    )
  }
  return { refs, inputs, run }
}

/** Cases of few elements; `clear` values then lie further from each other and from 0 than the largest step. */
function casesOf(row: Row, most: number): fc.Arbitrary<Seeded> {
  return row.tiny.filter((given) => {
    const inputs = row.inputs(given, 'normal')
    const total = inputs.reduce((sum, r) => sum + (r?.data.length ?? 0), 0)
    if (inputs.some((r) => r?.data.length === 0)) return false // gradcheck refuses them
    const out = row.forward(inputs, given)
    return total <= most && sizeOf(out.shape) <= most && out.data.every(Number.isFinite) // the mean of no rows is NaN
  })
}

describe('gradcheck', () => {
  it('is true of every operation, by the whole Jacobian and along directions', async () => {
    for (const row of rows) {
      const [given] = fc.sample(casesOf(row, 60), { seed: 3, numRuns: 1 })
      const { inputs, run } = problemOf(row, given!)
      for (const directions of [0, 5]) expect(await gradcheck((...xs) => run(xs), inputs, { directions })).toBe(true)
    }
  })

  it('raises no alarm in 1,000 right cases', async () => {
    const each = Math.ceil(1000 / rows.length)
    const tried = { cases: 0 }
    for (const row of rows) {
      const cases = fc.sample(casesOf(row, 40), { seed: 11, numRuns: each })
      for (let from = 0; from < cases.length; from += 10) {
        await Promise.all(
          cases.slice(from, from + 10).map(async (given, i) => {
            const { inputs, run } = problemOf(row, given)
            const options = i === 0 ? { directions: 0 } : { directions: 1, seed: given.seed }
            await gradcheck((...xs) => run(xs), inputs, options).catch((error: Error) => {
              throw new Error(`${row.name} ${JSON.stringify({ ...given, ...options })}: ${error.message}`)
            })
            tried.cases++
            for (const x of inputs) x.dispose()
          }),
        )
      }
    }
    expect(tried.cases).toBeGreaterThanOrEqual(1000)
  })

  it.each(rows.map((row) => [row.name, row] as const))(
    '%s: three percent too much in one element of one gradient is found',
    async (_, row) => {
      for (const given of fc.sample(casesOf(row, 40), { seed: 5, numRuns: 4 })) {
        const { refs, inputs, run } = problemOf(row, given)
        const { dy } = drawn(row, given, 'normal')
        const gradients = row.backward(dy, refs, given).filter((_, i) => refs[i])
        for (const [wrong, gradient] of gradients.entries()) {
          // The element that matters most; where all of them are 0 no factor is an error.
          const at = gradient!.data.reduce((best, g, i, all) => (Math.abs(g) > Math.abs(all[best]!) ? i : best), 0)
          if (Math.abs(gradient!.data[at]!) < 0.1) continue
          const fn = (...xs: Tensor[]) => run(xs.map((x, i) => (i === wrong ? crooked(x, at) : x)))
          const error = await errorOf(gradcheck(fn, inputs))
          expect(error).toBeInstanceOf(GradcheckError)
          const { worst } = error as GradcheckError
          expect([worst.input, worst.element]).toEqual([wrong, placeOf(at, gradient!.shape)])
          expect(worst.backward / worst.differences).toBeCloseTo(1.03, 2)
        }
      }
    },
  )

  it.each([0, 3, 5])('names the element, both values and the bound: element %i', async (at) => {
    const [a, b] = [parameter([1, 2, 3, 4, 5, 6], [2, 3]), parameter([1, 1, 1, 2, 2, 2], [3, 2])]
    const error = await errorOf(gradcheck((x, y) => matmul(crooked(x, at, 1.25), y), [a, b], { atol: 0 }))
    const place = `[${Math.floor(at / 3)}, ${at % 3}]`
    const { worst } = error as GradcheckError
    expect(error.name).toBe('GradcheckError')
    expect(error.message).toBe(
      `gradcheck: the gradient of output 0 [2, 2] at [${worst.outputElement!.join(', ')}] by input 0, tensor [2, 3], at ` +
        `${place} is ${worst.backward} by backward and ${worst.differences} by differences; they may differ by at most ` +
        `${worst.bound}. 2 of 48 comparisons are out of bounds.`,
    )
    expect(worst).toMatchObject({ input: 0, element: [Math.floor(at / 3), at % 3], output: 0 })
    expect(worst.backward).toBeCloseTo(1.25 * [1, 1, 2][at % 3]!, 5)
  })

  it('finds a gradient that is missing, one that is 0 and should be, and one of the wrong sign', async () => {
    const x = random([2, 3], 1)
    expect(await gradcheck((a) => add(a, a.detach()), [x]).catch((e: Error) => e.name)).toBe('GradcheckError')
    expect(await gradcheck((a) => crooked(a, 2, -1), [x]).catch((e: Error) => e.name)).toBe('GradcheckError')
    expect(await gradcheck((a) => crooked(a, 2, 0), [x]).catch((e: Error) => e.name)).toBe('GradcheckError')
    const y = random([2, 3], 2)
    expect(await gradcheck((a) => relu(add(a, tensor(new Float32Array(6).fill(9), [2, 3]))), [x, y])).toBe(true)
  })

  it('takes values that are not finite for wrong, at the point and beside it', async () => {
    const huge = tensor([3e38, Number.NaN])
    const error = await errorOf(gradcheck((a) => add(a, huge), [parameter([0, 0], [2])]))
    expect(error.message).toBe('gradcheck: output 0 at [1] is NaN; differences need finite values')
    // Half a percent more overflows.
    const square = (a: Tensor) => matmul(a, a, { transposeB: true })
    const edge = await errorOf(gradcheck(square, [parameter([1.84e19], [1, 1])]))
    expect((edge as GradcheckError).worst).toMatchObject({ output: 0, element: [0, 0] })
    expect((edge as GradcheckError).worst.differences).toBe(Number.POSITIVE_INFINITY)
  })

  it('takes several outputs, and the inputs themselves as outputs', async () => {
    const [x, y] = [random([2, 3], 1), random([2, 3], 2)]
    expect(await gradcheck((a, b) => [a, add(a, b), matmul(a, b, { transposeB: true })], [x, y])).toBe(true)
    const error = await errorOf(gradcheck((a, b) => [a, crooked(b, 4)], [x, y]))
    expect((error as GradcheckError).worst).toMatchObject({
      input: 1,
      element: [1, 1],
      output: 1,
      outputElement: [1, 1],
    })
  })

  it('goes along random directions where the Jacobian is large, or when asked to', async () => {
    const [x, w] = [random([8, 40], 1), random([10, 40], 2)]
    expect(await gradcheck((a, b) => linear(a, b), [x, w])).toBe(true)
    const error = await errorOf(gradcheck((a, b) => linear(a, crookedEverywhere(b)), [x, w]))
    expect(error.message).toMatch(
      /^gradcheck: the gradient of the outputs by input 1, tensor \[10, 40\], in a random direction is /,
    )
    expect((error as GradcheckError).worst).toMatchObject({ input: 1, element: null, output: null })
    const options: GradcheckOptions = { directions: 3, seed: 7 }
    const once = await errorOf(gradcheck((a) => crooked(a, 0, 2), [parameter([1], [1])], options))
    const twice = await errorOf(gradcheck((a) => crooked(a, 0, 2), [parameter([1], [1])], options))
    expect(once.message).toBe(twice.message)
  })

  it('checks a whole model', async () => {
    const shapes = [[2, 1, 8, 8], [3, 1, 3, 3], [3], [4, 27], [4]]
    const inputs = shapes.map((shape, i) => random(shape, 20 + i))
    const labels = Int32Array.of(1, 3)
    const model = (x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) =>
      crossEntropy(linear(maxPool2d(relu(conv2d(x, w, b)), { kernelSize: 2 }).flatten(), v, c), labels)
    const net = (...xs: Tensor[]) => model(...(xs as [Tensor, Tensor, Tensor, Tensor, Tensor]))
    // A small step, since one of the inputs moves many windows and rectifiers at a time.
    expect(await gradcheck(net, inputs, { directions: 8, step: 2e-3 })).toBe(true)
  })
})

const crookedEverywhere = (x: Tensor) => {
  const op: Op<readonly [Tensor], null> = {
    name: 'crooked',
    shape: ([t]) => t.shape,
    forward: (_, [t]) => ({ out: scaled(t, 0, 1), saved: [] }),
    backward: (_, dy) => [add(dy, dy)],
  }
  return apply(op, [x], null)
}

function placeOf(at: number, shape: readonly number[]): number[] {
  const place: number[] = []
  let rest = at
  for (const n of [...shape].reverse()) {
    place.unshift(rest % n)
    rest = Math.floor(rest / n)
  }
  return place
}

describe('gradcheck leaves things as they are', () => {
  it('memory, when it holds and when it throws', async () => {
    const [x, w] = [random([3, 4], 1), random([2, 4], 2)]
    const run = async () => {
      await gradcheck((a, b) => linear(a, b), [x, w])
      await errorOf(gradcheck((a, b) => linear(crooked(a, 0), b), [x, w]))
      await gradcheck((a, b) => linear(a, b), [x, w], { directions: 2 })
      await errorOf(gradcheck((a, b) => matmul(a, b), [x, w]))
      const failing = (a: Tensor) => {
        add(a, a)
        throw new Error('stop')
      }
      await errorOf(gradcheck(failing, [x]))
    }
    await run()
    const before = gpu.memory()
    for (let i = 0; i < 3; i++) await run()
    const after = gpu.memory()
    // Fewer are no fault: what other tests forgot is collected meanwhile.
    expect(after.tensors).toBeLessThanOrEqual(before.tensors)
    expect(after.bytes + after.pooledBytes).toBeLessThanOrEqual(before.bytes + before.pooledBytes)
  })

  it('the gradients of its inputs, and of others that fn uses', async () => {
    const [x, w, bias] = [random([3, 4], 1), random([2, 4], 2), random([2], 3)]
    linear(x, w, bias).backward(tensor(fill(6, 4, 'normal'), [3, 2]))
    const held = [x, w, bias].map((t) => t.grad!)
    const kept = await Promise.all(held.map(values))
    const other = random([2], 5)
    await gradcheck((a) => add(linear(a, w, bias), other), [x])
    expect([x, w, bias].map((t) => t.grad)).toEqual(held)
    expect(await Promise.all(held.map(values))).toEqual(kept)
    expect(other.grad).toBeNull()
    expect([x, w].map((t) => t.requiresGrad)).toEqual([true, true])
  })

  it('the modes of its caller, which do not reach it', async () => {
    const x = random([2, 2], 1)
    let promise: Promise<true> | null = null
    noGrad(() => {
      promise = gradcheck((a) => relu(a), [x])
      expect(relu(x).requiresGrad).toBe(false)
    })
    expect(await promise).toBe(true)
    scope(() => {
      promise = gradcheck((a) => add(a, a), [x])
    })
    expect(await promise).toBe(true)
  })
})

describe('gradcheck refuses', () => {
  const x = () => random([2], 1)
  const same = (a: Tensor) => relu(a)

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'what is no function',
      () => gradcheck(5 as never, [x()]),
      'TypeError: gradcheck: fn must be a function, not number',
    ],
    ['no inputs', () => gradcheck(same, []), 'TypeError: gradcheck: inputs must be an array of at least one tensor'],
    [
      'a tensor for the list of inputs',
      () => gradcheck(same, x() as never),
      'TypeError: gradcheck: inputs must be an array of at least one tensor',
    ],
    [
      'numbers as inputs',
      () => gradcheck(same, [1 as never]),
      'TypeError: gradcheck: input 0 must be a tensor, not number',
    ],
    [
      'an input of integers',
      () => gradcheck(same, [x(), tensor(new Int32Array(2))]),
      'TypeError: gradcheck: input 1, tensor [2], must be float32, it is int32',
    ],
    [
      'an input that requires no gradient',
      () => gradcheck(same, [tensor([1, 2])]),
      'TypeError: gradcheck: input 0, tensor [2], does not require a gradient; let fn use it directly if it needs no check',
    ],
    [
      'an input without elements',
      () => gradcheck(same, [parameter([], [0, 3])]),
      'TypeError: gradcheck: input 0, tensor [0, 3], has no elements to check',
    ],
    [
      'an output that requires no gradient',
      () => gradcheck((a) => [relu(a), a.detach()], [x()]),
      'TypeError: gradcheck: output 1, tensor [2], does not require a gradient: it was not computed from the inputs',
    ],
    [
      'an output of something else',
      () => {
        const own = x()
        return gradcheck(() => relu(own), [x()])
      },
      'TypeError: gradcheck: output 0, tensor [2], was not computed from the tensors that fn was given',
    ],
    ['no output', () => gradcheck(() => [], [x()]), 'TypeError: gradcheck: fn must return at least one tensor'],
    [
      'a number as output',
      () => gradcheck(() => 1 as never, [x()]),
      'TypeError: gradcheck: output 0 must be a tensor, not number',
    ],
    [
      'an output of integers',
      () => gradcheck(() => tensor(new Int32Array(2)), [x()]),
      'TypeError: gradcheck: output 0 must be float32, it is int32',
    ],
    [
      'an asynchronous function',
      () => gradcheck((async (a: Tensor) => a) as never, [x()]),
      'TypeError: gradcheck: fn must be synchronous, it returned a promise',
    ],
    [
      'a function whose values change',
      () => {
        let calls = 0
        return gradcheck((a) => add(a, tensor([0, calls++])), [parameter([1, 2], [2])])
      },
      'Error: gradcheck: fn gives different values when it is run again: output 0 at [1] is 3, then 4',
    ],
    [
      'an option it does not have',
      () => gradcheck(same, [x()], { eps: 1e-3 } as object),
      'TypeError: gradcheck: unknown option eps; known: step, rtol, atol, directions, seed',
    ],
    [
      'a step of 0',
      () => gradcheck(same, [x()], { step: 0 }),
      'RangeError: gradcheck: step must be a number above 0, not 0',
    ],
    [
      'a bound that is NaN',
      () => gradcheck(same, [x()], { rtol: Number.NaN }),
      'RangeError: gradcheck: rtol must be a number, 0 or more, not NaN',
    ],
    [
      'half a direction',
      () => gradcheck(same, [x()], { directions: 0.5 }),
      'RangeError: gradcheck: directions must be a whole number, 0 or more, not 0.5',
    ],
  ])('%s', async (_, run, message) => {
    const error = await errorOf(run())
    expect(`${error.name}: ${error.message}`).toBe(message)
  })
})
