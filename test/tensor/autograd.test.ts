import { beforeAll, describe, expect, it } from 'vitest'
import { add, apply, crossEntropy, linear, nn, noGrad, optim, relu, scope, type Tensor } from '../../src/node/index.ts'
import type { Op } from '../../src/tensor/autograd.ts'
import { isOne } from '../../src/tensor/one.ts'
import { type Gpu, messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const gradient = async (t: Tensor) => [...(await values(t.grad))]

/** Numbers small enough that every sum below is exact. */
const leaf = (...numbers: number[]) => parameter(numbers, [numbers.length])

/** An operation whose backward is the test's own. */
function identity(backward: Op<readonly [Tensor], null>['backward']): (x: Tensor) => Tensor {
  const op: Op<readonly [Tensor], null> = {
    name: 'identity',
    shape: ([x]) => x.shape,
    forward: (_, [x]) => ({ out: noGrad(() => x.reshape(x.shape)), saved: [] }),
    backward,
  }
  return (x) => apply(op, [x], null)
}

describe('backward', () => {
  it('starts from 1 for one element, from the given gradient otherwise', async () => {
    const x = leaf(3)
    relu(x).backward()
    expect(await gradient(x)).toEqual([1])
    const y = leaf(1, -1, 2)
    relu(y).backward(tensor([5, 6, 7]))
    expect(await gradient(y)).toEqual([5, 0, 7])
  })

  it('starts from a 1 that an operation can recognise, and that nobody changes', async () => {
    const seen: boolean[] = []
    const op: Op<readonly [Tensor], null> = {
      name: 'handsOn',
      shape: ([x]) => x.shape,
      forward: (_, [x]) => ({ out: relu(x.detach()), saved: [] }),
      backward: (_, dy) => {
        seen.push(isOne(dy))
        return [dy]
      },
    }
    const [x, y] = [leaf(1), leaf(2)]
    apply(op, [x], null).backward()
    apply(op, [y], null).backward(tensor([1]))
    relu(apply(op, [y], null)).backward()
    expect(seen).toEqual([true, false, false])
    // The leaf has a copy: clipping it in place leaves the 1 as it is.
    expect(isOne(x.grad!)).toBe(false)
    optim.clipGradValue([x], 0.5)
    expect(await gradient(x)).toEqual([0.5])
    const z = leaf(4)
    apply(op, [z], null).backward()
    expect([await gradient(z), await gradient(y)]).toEqual([[1], [2]])
  })

  it('leaves the given gradient, and the tensors, as they were', async () => {
    const [x, dy] = [leaf(1, 2), tensor([5, 6])]
    const y = relu(x)
    y.backward(dy)
    expect([...(await values(dy))]).toEqual([5, 6])
    expect([...(await values(x))]).toEqual([1, 2])
    expect([y.grad, dy.released]).toEqual([null, false])
  })

  it('on a leaf gives it the gradient itself', async () => {
    const x = leaf(1, 2)
    x.backward(tensor([5, 6]))
    x.backward(tensor([1, 1]))
    expect(await gradient(x)).toEqual([6, 7])
  })

  it('adds to what earlier backwards left', async () => {
    const x = leaf(1, -1, 2)
    for (const dy of [
      [1, 2, 3],
      [10, 20, 30],
      [100, 200, 300],
    ]) {
      relu(x).backward(tensor(dy))
    }
    expect(await gradient(x)).toEqual([111, 0, 333])
  })

  it('names the gradient after its leaf', () => {
    const x = tensor([1], [1], { requiresGrad: true, name: '0.weight' })
    relu(x).backward()
    expect(x.grad!.name).toBe('0.weight.grad')
    relu(x).backward()
    expect(x.grad!.name).toBe('0.weight.grad')
    expect(x.grad!.requiresGrad).toBe(false)
  })

  it('gives gradients to those who require one, and to nobody else', async () => {
    const [x, w] = [tensor([[1, 2]]), parameter([3, 4], [1, 2])]
    linear(x, w).backward()
    expect(x.grad).toBeNull()
    expect(await gradient(w)).toEqual([1, 2])
  })
})

describe('a graph', () => {
  it('in which a tensor is used twice by one operation gets both gradients', async () => {
    const x = leaf(1, 2)
    add(x, x).backward(tensor([1, 10]))
    expect(await gradient(x)).toEqual([2, 20])
    const y = leaf(1, -2)
    const r = relu(y)
    add(r, r).backward(tensor([1, 10]))
    expect(await gradient(y)).toEqual([2, 0])
  })

  it('with a diamond runs each operation once, on the whole of its gradient', async () => {
    let runs = 0
    const counted = identity((_, dy) => {
      runs++
      return [dy.detach()]
    })
    const x = leaf(1, -1)
    const top = counted(x)
    const [left, right] = [relu(top), add(top, top)]
    add(add(left, right), left).backward(tensor([1, 1]))
    expect(runs).toBe(1)
    expect(await gradient(x)).toEqual([4, 2]) // twice through relu where x > 0, twice through top + top
  })

  it('with diamonds leaves nothing behind but the gradient', async () => {
    const x = leaf(1, -1)
    const dy = tensor([1, 1])
    const before = gpu.memory()
    scope(() => {
      const y = relu(x)
      add(add(y, relu(y)), add(y, y)).backward(dy)
    })
    expect(gpu.memory().tensors).toBe(before.tensors + 1)
    expect(gpu.memory().bytes).toBe(before.bytes + 256)
    expect(await gradient(x)).toEqual([4, 0])
  })

  it('with ladders of diamonds is walked once, not once a path', async () => {
    const x = leaf(1)
    scope(() => {
      let y: Tensor = x
      for (let i = 0; i < 30; i++) y = add(y, y)
      y.backward()
    })
    expect(await gradient(x)).toEqual([2 ** 30])
  })

  it('whose gradient goes to two inputs keeps the two apart', async () => {
    // add hands one gradient to both inputs: what is added to the one later must not show in the other.
    const [x, y] = [leaf(1, 1), leaf(1, 1)]
    const [a, b] = [relu(x), relu(y)]
    const sum = add(a, b)
    add(add(sum, a), a).backward(tensor([1, 10]))
    expect(await gradient(x)).toEqual([3, 30])
    expect(await gradient(y)).toEqual([1, 10])
    // And so with leaves, whose gradients share memory until one of them grows.
    const [v, w] = [leaf(1, 1), leaf(1, 1)]
    add(v, w).backward(tensor([1, 10]))
    relu(v).backward(tensor([100, 100]))
    expect(await gradient(v)).toEqual([101, 110])
    expect(await gradient(w)).toEqual([1, 10])
    v.dispose()
    tensor([7, 7])
    expect(await gradient(w)).toEqual([1, 10])
  })

  it('that skips levels waits for the longer path', async () => {
    const x = leaf(2)
    const y = relu(x)
    add(relu(relu(relu(y))), y).backward()
    expect(await gradient(x)).toEqual([2])
  })

  it('is cut by detach and by noGrad', async () => {
    const x = leaf(1, 2)
    const y = relu(x)
    add(
      add(y, y.detach()),
      noGrad(() => relu(y)),
    ).backward(tensor([1, 1]))
    expect(await gradient(x)).toEqual([1, 1])
  })

  it('can be walked from two of its results', async () => {
    const x = leaf(1)
    const shared = identity((_, dy) => [dy.detach()])(x)
    const [a, b] = [relu(shared), add(shared, shared)]
    a.backward(null, { retainGraph: true })
    b.backward()
    expect(await gradient(x)).toEqual([3])
  })

  it('of 10,000 operations needs no deep stack, backward and released', async () => {
    const x = leaf(1, -1)
    const before = gpu.memory()
    const poison = gpu.pool.poison
    gpu.pool.poison = null // it sends every command by itself: too slow for so many
    try {
      scope(() => {
        let y = relu(x)
        for (let i = 0; i < 10_000; i++) y = i % 10 === 0 ? relu(y) : y.reshape([2])
        y.backward(tensor([3, 4]))
      })
      // Views cost no memory: enough of them for a walk by recursion to overflow for certain.
      for (const release of [false, true]) {
        scope(() => {
          let y: Tensor = x
          for (let i = 0; i < 40_000; i++) y = y.reshape([2])
          if (!release) y.backward(tensor([10, 20]))
        })
      }
    } finally {
      gpu.pool.poison = poison
    }
    expect(gpu.memory().tensors).toBe(before.tensors + 1) // the gradient
    expect([...(await x.grad!.data())]).toEqual([13, 20])
  })
})

describe('backward refuses', () => {
  it('a tensor that needs no gradient', () => {
    const text =
      'backward: tensor [1] does not require a gradient, nor does anything it was computed from: all parameters are frozen ' +
      '(requiresGrad is false), or it was computed in noGrad() or from detach(); set requiresGrad to true, before the forward ' +
      'pass, for those that are to be trained'
    expect(messageOf(() => tensor([1]).backward())).toBe(text)
    expect(messageOf(() => noGrad(() => relu(leaf(1))).backward())).toBe(text)
    expect(messageOf(() => relu(leaf(1)).detach().backward())).toBe(text)
  })

  it('to run twice over values it has released, and changes nothing', async () => {
    const x = leaf(1, 2)
    const y = relu(x)
    const dy = tensor([1, 1])
    y.backward(dy)
    const before = gpu.memory()
    expect(messageOf(() => y.backward(dy))).toBe(
      'backward: the values that relu saved were released by an earlier backward; pass { retainGraph: true } to the earlier one',
    )
    expect(gpu.memory()).toEqual({ ...before, peakBytes: gpu.memory().peakBytes })
    expect(await gradient(x)).toEqual([1, 1])
  })

  it('a parameter changed in place since', async () => {
    const w = tensor([[1, 2]], [1, 2], { requiresGrad: true, name: 'w' })
    const sgd = new optim.SGD([w], { lr: 0.5 })
    const y = linear(parameter([3, 4], [1, 2]), w)
    const z = linear(parameter([3, 4], [1, 2]), w)
    y.backward()
    sgd.step()
    const before = gpu.memory()
    expect(messageOf(() => z.backward())).toBe(
      'backward: w [1, 2], saved by linear, was changed in place since; run backward before the update',
    )
    expect(gpu.memory().tensors).toBe(before.tensors)
    expect(await gradient(w)).toEqual([3, 4])
  })

  it('a parameter loaded since', () => {
    const layer = new nn.Linear(2, 1)
    const y = layer.forward(parameter([3, 4], [1, 2]))
    layer.loadStateDict({ weight: tensor([[1, 2]]), bias: tensor([0]) })
    expect(messageOf(() => y.backward())).toContain('weight [1, 2], saved by linear, was changed in place since')
  })

  it('a backward that lacks a gradient, and leaves no memory behind', () => {
    const x = leaf(1)
    const y = add(relu(identity(() => [null])(x)), tensor([1]))
    const before = gpu.memory()
    expect(messageOf(() => y.backward())).toBe('identity: backward returned no gradient for input 0')
    expect(gpu.memory().tensors).toBe(before.tensors)
    expect(gpu.memory().bytes).toBeLessThanOrEqual(before.bytes)
  })
})

describe('what the tape saves', () => {
  it('outlives the tensors it was taken from', async () => {
    const x = leaf(1, -1)
    const y = relu(x)
    const z = relu(y)
    y.dispose()
    tensor([9, 9]) // would take the buffer, were it free
    z.backward(tensor([1, 2]))
    expect(await gradient(x)).toEqual([1, 0])
  })

  it('is released by backward, unless retained', () => {
    const x = parameter(new Float32Array(4096), [4096])
    const dy = tensor(new Float32Array(4096))
    const start = gpu.memory().bytes
    const y = relu(x)
    const z = relu(y)
    y.dispose()
    z.backward(dy, { retainGraph: true })
    expect(gpu.memory().bytes).toBe(start + 3 * 16_384) // y, z, x.grad
    z.backward(dy)
    expect(gpu.memory().bytes).toBe(start + 2 * 16_384)
    z.dispose()
    x.dispose()
    expect(gpu.memory().bytes).toBe(start - 16_384)
  })

  it('can be walked again when retained, with the same result', async () => {
    const x = parameter([1, 2, 3, 4], [2, 2])
    const loss = crossEntropy(relu(x), new Uint8Array([0, 1]))
    loss.backward(null, { retainGraph: true })
    const once = await gradient(x)
    loss.backward(null, { retainGraph: true })
    loss.backward()
    const thrice = await gradient(x)
    // The sum of three equal numbers: 2g is exact, g + 2g is rounded once.
    expect(thrice).toEqual(once.map((g) => Math.fround(g + 2 * g)))
  })

  it('passes over a leaf that was disposed meanwhile', async () => {
    const [x, w] = [parameter([3, 4], [1, 2]), parameter([1, 2], [1, 2])]
    const y = linear(x, w)
    const before = gpu.memory().tensors
    w.dispose()
    y.backward()
    expect(gpu.memory().tensors).toBe(before) // w is gone, x.grad is there; looked at before others' garbage can go
    expect(w.grad).toBeNull()
    expect(await gradient(x)).toEqual([1, 2])
  })
})

it("takes a copy of a gradient that is the leaf's own memory", async () => {
  const p = parameter([1, 2], [2])
  p.backward(p.detach())
  expect(p.grad!.storage).not.toBe(p.storage)
  expect([...(await values(p.grad))]).toEqual([1, 2])
})

it('refuses what is no tensor, and unknown options', () => {
  const y = relu(parameter([1, 2], [2]))
  const loose = y as unknown as { backward(...args: unknown[]): void }
  const text = 'backward: the gradient must be a tensor; options come second: backward(null, { retainGraph: true })'
  expect(messageOf(() => loose.backward([1, 2]))).toBe(text)
  expect(messageOf(() => loose.backward({ retainGraph: true }))).toBe(text)
  expect(messageOf(() => loose.backward(null, { retain_graph: true }))).toBe(
    'backward: unknown option retain_graph; known: retainGraph',
  )
})

it('takes for a gradient only what an update can use', () => {
  const p = parameter([1, 2], [2])
  const text = 'tensor [2]: grad must be float32, of its shape and on its device; it is '
  expect(messageOf(() => (p.grad = tensor([1])))).toBe(`${text}float32 [1]`)
  expect(messageOf(() => (p.grad = tensor(new Int32Array(2))))).toBe(`${text}int32 [2]`)
})

it('a gradient that the user gives stays the user’s: what changes it later leaves the gradients of leaves alone', async () => {
  const [a, b, given] = [parameter([1, 2], [2]), parameter([3, 4], [2]), parameter([5, 6], [2])]
  add(a, b).backward(given)
  given.grad = tensor([1, 1], [2])
  new optim.SGD([given], { lr: 1 }).step()
  expect(await values(given)).toEqual(Float32Array.of(4, 5))
  for (const leaf of [a, b]) expect(await values(leaf.grad!)).toEqual(Float32Array.of(5, 6))
})
