import { beforeAll, describe, expect, it } from 'vitest'
import { add, type DType, relu, scope } from '../../src/node/index.ts'
import type { Nested } from '../../src/tensor/create.ts'
import { type Gpu, messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

describe('tensor()', () => {
  it('takes the shape of nested arrays and lays them out row-major', async () => {
    const x = tensor([
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      [
        [7, 8],
        [9, 10],
        [11, 12],
      ],
    ])
    expect(x.shape).toEqual([2, 3, 2])
    expect(x.dtype).toBe('float32')
    expect(x.size).toBe(12)
    expect([...(await values(x))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  })

  it('takes flat arrays and a shape, and nested arrays under another shape', async () => {
    const flat = tensor([1, 2, 3, 4, 5, 6], [3, 2])
    const nested = tensor([[1, 2, 3, 4, 5, 6]], [3, 1, 2])
    expect(flat.shape).toEqual([3, 2])
    expect(nested.shape).toEqual([3, 1, 2])
    expect(await nested.data()).toEqual(await flat.data())
  })

  it('takes a number as a tensor of no dimensions', async () => {
    const x = tensor(2.5)
    expect(x.shape).toEqual([])
    expect(x.size).toBe(1)
    expect(await x.item()).toBe(2.5)
  })

  it('takes the type of typed arrays', async () => {
    const cases = [new Float32Array([0.5, -0, 3e38]), new Int32Array([-(2 ** 31), 0, 2 ** 31 - 1])]
    for (const data of [...cases, new Uint8Array([0, 128, 255])]) {
      const x = tensor(data)
      expect(x.dtype).toBe(data.constructor.name.slice(0, -5).toLowerCase())
      expect(await x.data()).toEqual(data)
    }
  })

  it.each([
    ['float32', [0.1, -2], new Float32Array([0.1, -2])],
    ['int32', [-7, 7], new Int32Array([-7, 7])],
    ['uint8', [0, 255], new Uint8Array([0, 255])],
    ['float32', new Uint8Array([1, 2]), new Float32Array([1, 2])],
    ['uint8', new Int32Array([1, 2]), new Uint8Array([1, 2])],
  ] as const)('converts to %s when asked', async (dtype, data, expected) => {
    const x = tensor(data, [2], { dtype })
    expect(x.dtype).toBe(dtype)
    expect(await x.data()).toEqual(expected)
  })

  it('reads bytes back for every count, multiples of four or not', async () => {
    for (const n of [1, 2, 3, 4, 5, 255, 257]) {
      const bytes = Uint8Array.from({ length: n }, (_, i) => (i * 7 + 1) % 256)
      expect(await tensor(bytes).data()).toEqual(bytes)
    }
  })

  it('copies: what happens to the array afterwards changes nothing', async () => {
    const data = new Float32Array([1, 2])
    const x = tensor(data)
    data.fill(9)
    expect([...(await x.data())]).toEqual([1, 2])
  })

  it('takes a part of a larger buffer', async () => {
    const whole = Float32Array.from({ length: 10 }, (_, i) => i)
    expect([...(await tensor(whole.subarray(3, 6)).data())]).toEqual([3, 4, 5])
  })

  it('makes tensors of no elements', async () => {
    for (const x of [tensor([]), tensor([], [0, 3]), tensor([[], []])]) {
      expect(x.size).toBe(0)
      expect(await x.data()).toEqual(new Float32Array(0))
    }
    expect(tensor([[], []]).shape).toEqual([2, 0])
  })

  it('remembers the range of integers, wherever its ends stand', () => {
    expect(tensor(Int32Array.of(3, -2, 9, 4)).storage.integerRange).toEqual([-2, 9])
    expect(tensor(Uint8Array.of(7)).storage.integerRange).toEqual([7, 7])
    expect(tensor([3, -2]).storage.integerRange).toBeNull()
  })

  it('has the name and the need for a gradient it was given; its shape cannot be changed', () => {
    const x = tensor([1], [1], { name: 'x', requiresGrad: true })
    expect([x.name, x.requiresGrad, x.grad]).toEqual(['x', true, null])
    expect(tensor([1]).requiresGrad).toBe(false)
    expect(() => (x.shape as number[]).push(2)).toThrow(TypeError)
  })
})

describe('tensor() refuses, and takes no memory,', () => {
  const loose = (value: unknown) => value as Nested
  it.each<[string, () => unknown, string]>([
    ['too few values', () => tensor([1, 2, 3], [2, 2]), 'tensor: 3 values do not fill the shape\n  shape [2, 2]'],
    ['values for a shape of none', () => tensor([1], [0]), 'tensor: 1 values do not fill the shape\n  shape [0]'],
    [
      'a negative size',
      () => tensor([1], [-1, -1]),
      'tensor: a size must be a whole number, 0 or more, not -1\n  shape [-1, -1]',
    ],
    [
      'half a size',
      () => tensor([1], [0.5, 2]),
      'tensor: a size must be a whole number, 0 or more, not 0.5\n  shape [0.5, 2]',
    ],
    [
      'ragged arrays',
      () => tensor(loose([[1, 2], [3]])),
      'tensor: nested arrays must be of equal length: 2 entries at depth 1, then 1',
    ],
    [
      'numbers beside arrays',
      () => tensor(loose([[1, 2], 3])),
      'tensor: nested arrays must be of equal length: 2 entries at depth 1, then a number',
    ],
    ['arrays beside numbers', () => tensor(loose([1, [2]])), 'tensor: every element must be a number, found object'],
    ['text', () => tensor(loose(['1'])), 'tensor: every element must be a number, found string'],
    ['holes', () => tensor(loose([undefined])), 'tensor: every element must be a number, found undefined'],
    [
      'other objects',
      () => tensor(loose(new Float64Array(2))),
      'tensor: data must be numbers, nested arrays, Float32Array, Int32Array or Uint8Array, not Float64Array',
    ],
    [
      '257 as a byte',
      () => tensor([1, 257], [2], { dtype: 'uint8' }),
      'tensor: 257 at index 1 does not fit uint8: it must be a whole number from 0 to 255',
    ],
    [
      '-1 as a byte',
      () => tensor([-1], [1], { dtype: 'uint8' }),
      'tensor: -1 at index 0 does not fit uint8: it must be a whole number from 0 to 255',
    ],
    [
      '1.5 as an integer',
      () => tensor([1.5], [1], { dtype: 'int32' }),
      'tensor: 1.5 at index 0 does not fit int32: it must be a whole number from -2147483648 to 2147483647',
    ],
    [
      'NaN as an integer',
      () => tensor([Number.NaN], [1], { dtype: 'int32' }),
      'tensor: NaN at index 0 does not fit int32: it must be a whole number from -2147483648 to 2147483647',
    ],
    [
      '2 ** 31',
      () => tensor([2 ** 31], [1], { dtype: 'int32' }),
      'tensor: 2147483648 at index 0 does not fit int32: it must be a whole number from -2147483648 to 2147483647',
    ],
    [
      'an unknown option',
      () => tensor([1], [1], { requireGrad: true } as object),
      'tensor: unknown option requireGrad; known: dtype, requiresGrad, name, gpu',
    ],
    [
      'an unknown type',
      () => tensor([1], [1], { dtype: 'float64' as DType }),
      "tensor: dtype must be float32, int32 or uint8, not 'float64'",
    ],
    [
      'a gradient for integers',
      () => tensor([1, 2], [2], { dtype: 'int32', requiresGrad: true }),
      'tensor [2]: only float32 tensors can require a gradient, this one is int32',
    ],
  ])('%s', (_, make, message) => {
    const before = gpu.memory()
    expect(messageOf(make)).toBe(message)
    const { tensors, bytes } = gpu.memory()
    expect({ tensors, bytes }).toEqual({ tensors: before.tensors, bytes: before.bytes })
  })
})

describe('requiresGrad', () => {
  it('can be set on leaves, not on results nor on integers', () => {
    const x = tensor([1, 2], [2], { name: 'x' })
    x.requiresGrad = true
    const y = relu(x)
    expect(y.requiresGrad).toBe(true)
    y.requiresGrad = true // as it is
    expect(messageOf(() => Object.assign(y, { requiresGrad: false }))).toBe(
      'tensor [2] was made by an operation; use detach() for a copy outside the tape',
    )
    const labels = tensor(new Int32Array(3), [3], { name: 'labels' })
    expect(messageOf(() => Object.assign(labels, { requiresGrad: true }))).toBe(
      'labels [3]: only float32 tensors can require a gradient, this one is int32',
    )
    x.requiresGrad = false
    expect(relu(x).requiresGrad).toBe(false)
  })
})

describe('item', () => {
  it('gives the one element whatever the number of dimensions', async () => {
    expect(await tensor([[[7]]]).item()).toBe(7)
    expect(await tensor(new Uint8Array([200])).item()).toBe(200)
  })

  it('refuses many elements, and none', async () => {
    await expect(tensor([[1, 2, 3]]).item()).rejects.toMatchObject({
      message: 'item: one element is needed, the tensor has 3\n  tensor [1, 3]',
    })
    await expect(tensor([]).item()).rejects.toMatchObject({
      message: 'item: one element is needed, the tensor has 0\n  tensor [0]',
    })
  })
})

describe('dispose', () => {
  it('gives the memory back at once, with that of the gradient', () => {
    const before = gpu.memory()
    const x = parameter([1, 2], [2])
    relu(x).backward(tensor([1, 1]))
    const grad = x.grad!
    expect(gpu.memory().tensors).toBe(before.tensors + 4)
    x.dispose()
    expect([x.released, x.grad, grad.released]).toEqual([true, null, true])
    expect(messageOf(() => relu(grad))).toBe(
      "relu: tensor [2] can't be used any more: the tensor it belongs to was released",
    )
    expect(gpu.memory().tensors).toBe(before.tensors + 2)
  })

  it('is refused the second time', () => {
    const x = tensor([1, 2], [2], { name: 'x' })
    x.dispose()
    expect(messageOf(() => x.dispose())).toBe("dispose: x [2] can't be used any more: dispose() was called on it")
  })

  it('inside a scope leaves nothing for the scope to release', () => {
    const before = gpu.memory()
    scope(() => tensor([1]).dispose())
    expect(gpu.memory().tensors).toBe(before.tensors)
    expect(gpu.memory().bytes).toBe(before.bytes)
  })

  it('leaves views of the same memory usable', async () => {
    const x = tensor([1, 2, 3, 4])
    const views = [x.reshape([2, 2]), x.detach()]
    x.dispose()
    tensor([9, 9, 9, 9]) // would take the buffer, were it free
    for (const view of views) expect([...(await view.data())]).toEqual([1, 2, 3, 4])
  })
})

describe('a released tensor', () => {
  it('is refused by name, operation and reason everywhere', async () => {
    const x = tensor([[1, 2]], [1, 2], { name: 'weight', requiresGrad: true })
    const other = tensor([[1, 2]])
    x.dispose()
    const text = (operation: string) => `${operation}: weight [1, 2] can't be used any more: dispose() was called on it`
    expect(messageOf(() => relu(x))).toBe(text('relu'))
    expect(messageOf(() => add(other, x))).toBe(text('add'))
    expect(messageOf(() => x.reshape([2]))).toBe(text('reshape'))
    expect(messageOf(() => x.flatten(0))).toBe(text('reshape'))
    expect(messageOf(() => x.detach())).toBe(text('detach'))
    expect(messageOf(() => x.keep())).toBe(text('keep'))
    expect(messageOf(() => x.backward(other))).toBe(text('backward'))
    expect(messageOf(() => relu(parameter([1, 2], [1, 2])).backward(x))).toBe(text('backward'))
    await expect(x.data()).rejects.toThrow(new Error(text('data')))
  })

  it('says that its scope ended where that was the reason', () => {
    const escaped: ReturnType<typeof tensor>[] = []
    scope(() => void escaped.push(tensor([1], [1], { name: 'x' })))
    expect(messageOf(() => relu(escaped[0]!))).toBe("relu: x [1] can't be used any more: its scope ended")
  })
})
