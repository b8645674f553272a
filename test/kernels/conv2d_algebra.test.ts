import { beforeAll, describe, expect, it } from 'vitest'
import { conv2d } from '../../src/node/index.ts'
import { CONV_CONFIGS, type ConvCase, fill } from '../support/arbitraries.ts'
import { parameter, tensor, testGpu, values } from '../support/gpu.ts'
import { conv2dBackward, conv2d as conv2dReference, type Ref, ref } from '../support/reference.ts'
import { bitsOf, dispose, dot, spread, tensorOf } from './check.ts'
import { check, optionsOf, sized, UNIT, valuesOf } from './conv2d_check.ts'

beforeAll(testGpu)

describe('conv2d with numbers that are not finite', () => {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number
  const given: [string, ConvCase][] = CONV_CONFIGS.map((c) => [
    JSON.stringify(c),
    sized({ n: 2, c: 3, f: 4, h: 7, w: 9 }, c),
  ])
  // Large enough that the kernel's width is compiled in.
  given.push(['a fixed width', sized({ n: 2, c: 1, f: 6, h: 28, w: 28 }, CONV_CONFIGS[0]!)])

  it.each(given)('reaches exactly the sums it belongs to: %s', async (_, conv) => {
    const place = (r: Ref, at: number, value: number) => {
      r.data[Math.floor(at * (r.data.length - 1))] = value
    }
    // In the corner of the kernel, which zero padding meets; in the input's first cell; in one gradient.
    const weight = valuesOf(conv)
    place(weight.w, 0, nan)
    place(weight.w, 0.5, inf)
    await check(conv, weight)
    const input = valuesOf(conv)
    place(input.x, 0, nan)
    place(input.x, 0.7, -inf)
    await check(conv, input)
    const gradient = valuesOf(conv)
    place(gradient.dy, 0, nan)
    place(gradient.dy, 1, inf)
    await check(conv, gradient)
  })

  it('lets a bias that is NaN or infinite reach its own filter alone', async () => {
    const conv = sized({ n: 2, c: 2, f: 3, h: 4, w: 4 }, CONV_CONFIGS[2]!)
    const data = valuesOf(conv)
    data.b = ref([3], [nan, 1, inf])
    await check(conv, data)
  })

  it('overflows to the infinity of the right sign', async () => {
    const x = ref([1, 1, 1, 2], [3e38, -3e38])
    const conv = { ...sized({ n: 1, c: 1, f: 1, h: 1, w: 2 }, UNIT), bias: false }
    await check(conv, { x, w: ref([1, 1, 1, 1], [2]), b: null, dy: ref([1, 1, 1, 2], [1, 1]) })
  })
})

describe('the algebra of conv2d', () => {
  it.each(CONV_CONFIGS.map((config) => [JSON.stringify(config), config] as const))(
    'has ⟨conv(x), y⟩ = ⟨x, dx⟩ = ⟨w, dw⟩: %s',
    async (_, config) => {
      const given = { ...sized({ n: 2, c: 3, f: 4, h: 9, w: 10 }, config), bias: false }
      const { x, w, dy } = valuesOf(given)
      const input = parameter(x.data, x.shape)
      const weight = parameter(w.data, w.shape)
      const out = conv2d(input, weight, null, optionsOf(given))
      out.backward(tensorOf(dy))
      const forward = conv2dReference(x, w, null, given)
      const backward = conv2dBackward(dy, x, w, given)
      const product = dot(await values(out), dy.data)
      const slack = spread(dy.data, forward.bound)
      const viaInput = Math.abs(product - dot(await values(input.grad), x.data))
      const viaWeight = Math.abs(product - dot(await values(weight.grad), w.data))
      expect(viaInput).toBeLessThanOrEqual(slack + spread(x.data, backward.input.bound))
      expect(viaWeight).toBeLessThanOrEqual(slack + spread(w.data, backward.weight.bound))
      dispose(input, weight, out)
    },
  )

  it('is linear in the input, exactly so on small integers', async () => {
    const shape = [2, 3, 7, 7]
    const [a, b] = [1, 2].map((seed) => fill(294, seed, 'smallInts')) as [Float32Array, Float32Array]
    const weight = tensor(fill(135, 3, 'smallInts'), [5, 3, 3, 3])
    const run = async (data: Float32Array) => values(conv2d(tensor(data, shape), weight, null, { padding: 1 }))
    const sum = await run(a.map((v, i) => 2 * v + 3 * b[i]!))
    const [outA, outB] = [await run(a), await run(b)]
    expect(sum).toEqual(outA.map((v, i) => 2 * v + 3 * outB[i]!))
  })

  it('gives the same bits twice, forward and backward', async () => {
    const given = sized({ n: 40, c: 3, f: 5, h: 9, w: 9 }, CONV_CONFIGS[2]!)
    const { x, w, b, dy } = valuesOf(given)
    const run = async () => {
      const [input, weight, bias] = [x, w, b!].map((r) => parameter(r.data, r.shape))
      const out = conv2d(input!, weight!, bias!, { padding: 1 })
      out.backward(tensorOf(dy))
      return [await bitsOf(out), await bitsOf(input!.grad), await bitsOf(weight!.grad), await bitsOf(bias!.grad)]
    }
    expect(await run()).toEqual(await run())
  })

  it('gives an image the same bits in any batch', async () => {
    const weight = tensor(fill(6 * 75, 1, 'normal'), [6, 3, 5, 5])
    const x = fill(3 * 3 * 196, 2, 'normal')
    const all = await bitsOf(conv2d(tensor(x, [3, 3, 14, 14]), weight))
    const last = await bitsOf(conv2d(tensor(x.slice(2 * 588), [1, 3, 14, 14]), weight))
    expect(all.slice(2 * 600)).toEqual(last)
  })

  it('gives a cell the same bits in an image of another size, which another variant computes', async () => {
    const weight = tensor(fill(16 * 6 * 25, 1, 'normal'), [16, 6, 5, 5])
    const wide = ref([1, 6, 14, 14], fill(6 * 196, 2, 'normal'))
    const small = ref([1, 6, 7, 8])
    for (let i = 0; i < small.data.length; i++) {
      const [c, y, x] = [Math.floor(i / 56), Math.floor(i / 8) % 7, i % 8]
      small.data[i] = wide.data[(c * 14 + y) * 14 + x]!
    }
    const fromWide = await bitsOf(conv2d(tensorOf(wide), weight))
    const fromSmall = await bitsOf(conv2d(tensorOf(small), weight))
    const cropped = fromSmall.map((_, i) => {
      const [f, y, x] = [Math.floor(i / 12), Math.floor(i / 4) % 3, i % 4]
      return fromWide[(f * 10 + y) * 10 + x]!
    })
    expect(fromSmall).toEqual(cropped)
  })
})
