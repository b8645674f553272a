import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { noGrad, relu } from '../../src/node/index.ts'
import { type Gpu, messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

describe('reshape', () => {
  it('keeps the elements in row-major order, without a copy', async () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ])
    const { bytes } = gpu.memory()
    const y = x.reshape([3, 2])
    expect(y.shape).toEqual([3, 2])
    expect(y.storage).toBe(x.storage)
    expect(gpu.memory().bytes).toBe(bytes)
    expect([...(await values(y))]).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('works out a -1 wherever it stands', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }), fc.nat(), (shape, at) => {
        const size = shape.reduce((a, b) => a * b)
        const x = tensor(new Uint8Array(size))
        const asked = shape.map((n, i) => (i === at % shape.length ? -1 : n))
        expect(x.reshape(asked).shape).toEqual(shape)
        x.dispose()
      }),
      { seed: 1, numRuns: 30 },
    )
  })

  it('goes to no dimensions and back, and between shapes of no elements', () => {
    expect(
      tensor([[5]])
        .reshape([])
        .reshape([-1]).shape,
    ).toEqual([1])
    expect(tensor([], [0, 3]).reshape([7, 0]).shape).toEqual([7, 0])
    expect(tensor([], [0, 3]).reshape([-1, 3]).shape).toEqual([0, 3])
  })
})

describe('squeeze and unsqueeze', () => {
  it.each<[number[], number | number[] | undefined, number[]]>([
    [[1, 3, 1], undefined, [3]],
    [[1, 3, 1], 0, [3, 1]],
    [[1, 3, 1], -1, [1, 3]],
    [[1, 3, 1], 1, [1, 3, 1]],
    [[1, 3, 1], [0, 1, 2], [3]],
    [[1, 0], undefined, [0]],
    [[], undefined, []],
    [[], 0, []],
  ])('squeeze of %j by %j gives %j, without a copy', (shape, dim, squeezed) => {
    const x = tensor(new Uint8Array(shape.reduce((a, b) => a * b, 1)), shape)
    const y = x.squeeze(dim)
    expect(y.shape).toEqual(squeezed)
    expect(y.storage).toBe(x.storage)
  })

  it.each([
    [0, [1, 2, 3]],
    [1, [2, 1, 3]],
    [2, [2, 3, 1]],
    [-1, [2, 3, 1]],
    [-3, [1, 2, 3]],
  ])('unsqueeze at %i gives %j', (dim, shape) => {
    expect(tensor(new Int32Array(6), [2, 3]).unsqueeze(dim).shape).toEqual(shape)
  })

  it('pass gradients', async () => {
    const x = parameter([1, 2], [2])
    x.unsqueeze(0)
      .squeeze(0)
      .backward(tensor([3, 4]))
    expect([...(await values(x.grad))]).toEqual([3, 4])
  })

  it('refuse places that are not there', () => {
    const x = tensor([[1, 2, 3]])
    expect(messageOf(() => x.squeeze(2))).toBe('squeeze: dim 2 is not a dimension of the tensor\n  tensor [1, 3]')
    expect(messageOf(() => x.squeeze([0, -3]))).toBe(
      'squeeze: dim -3 is not a dimension of the tensor\n  tensor [1, 3]',
    )
    const text = 'unsqueeze: dim must be a whole number from -3 to 2, not'
    expect(messageOf(() => x.unsqueeze(3))).toBe(`${text} 3\n  tensor [1, 3]`)
    expect(messageOf(() => x.unsqueeze(0.5))).toBe(`${text} 0.5\n  tensor [1, 3]`)
  })
})

describe('flatten', () => {
  it.each([
    [0, [120]],
    [1, [2, 60]],
    [2, [2, 3, 20]],
    [3, [2, 3, 4, 5]],
    [-1, [2, 3, 4, 5]],
    [-4, [120]],
  ])('from dimension %i makes [2, 3, 4, 5] %j', (startDim, shape) => {
    expect(tensor(new Uint8Array(120), [2, 3, 4, 5]).flatten(startDim).shape).toEqual(shape)
  })

  it('starts at dimension 1 unless told otherwise, and keeps an empty batch', () => {
    expect(tensor(new Uint8Array(120), [2, 3, 4, 5]).flatten().shape).toEqual([2, 60])
    expect(tensor([], [0, 16, 5, 5]).flatten().shape).toEqual([0, 400])
  })
})

describe('detach', () => {
  it('shares the memory and leaves the tape', async () => {
    const x = parameter([1, -2], [2])
    const y = relu(x)
    const cut = y.detach()
    expect([cut.requiresGrad, cut.node, cut.shape, cut.dtype]).toEqual([false, null, [2], 'float32'])
    expect(cut.storage).toBe(y.storage)
    expect([...(await values(cut))]).toEqual([1, 0])
    expect(relu(cut).requiresGrad).toBe(false)
  })

  it('can start a tape of its own', async () => {
    const x = parameter([1, -2], [2])
    const y = relu(x).detach()
    y.requiresGrad = true
    relu(y).backward(tensor([3, 4]))
    expect([...(await values(y.grad))]).toEqual([3, 0])
    expect(x.grad).toBeNull()
  })

  it('keeps the type of integers', async () => {
    const cut = tensor(new Uint8Array([1, 2, 3])).detach()
    expect(await cut.data()).toEqual(new Uint8Array([1, 2, 3]))
  })
})

describe('noGrad', () => {
  it('keeps operations off the tape, nested or left by an error too', () => {
    const x = parameter([1], [1])
    const made = noGrad(() => [relu(x), noGrad(() => relu(x)), relu(x), x.reshape([1, 1])])
    expect(made.map((t) => t.requiresGrad)).toEqual([false, false, false, false])
    expect(() =>
      noGrad(() => {
        throw new Error('stop')
      }),
    ).toThrow('stop')
    expect(relu(x).requiresGrad).toBe(true)
  })

  it('refuses an asynchronous function, and the tape is on again', async () => {
    expect(messageOf(() => noGrad(async () => Promise.reject(new Error('late'))))).toBe(
      'noGrad(fn) takes a synchronous function; read values outside of it',
    )
    expect(relu(parameter([1], [1])).requiresGrad).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 0)) // the rejection goes nowhere: it must not end the process
  })
})
