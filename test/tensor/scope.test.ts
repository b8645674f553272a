import { beforeAll, describe, expect, it } from 'vitest'
import { crossEntropy, manualSeed, nn, noGrad, optim, relu, scope, type Tensor } from '../../src/node/index.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const alive = () => gpu.memory().tensors

/** Tensors that are alive after `fn` and were not before. */
function left(fn: () => unknown): number {
  const before = alive()
  fn()
  return alive() - before
}

describe('scope', () => {
  it('releases what it made and returns what fn returns', () => {
    expect(left(() => expect(scope(() => [tensor([1]), 7].length)).toBe(2))).toBe(0)
    expect(scope(() => undefined)).toBeUndefined()
  })

  it('leaves alone what was made before', async () => {
    const x = tensor([1, 2])
    scope(() => relu(x))
    expect([...(await values(x))]).toEqual([1, 2])
  })

  it.each<[string, (a: Tensor, b: Tensor) => unknown]>([
    ['in an array', (a, b) => [a, b]],
    ['in an object', (a, b) => ({ a, b })],
    ['in a map', (a, b) => new Map(Object.entries({ a, b }))],
    ['in a set', (a, b) => new Set([a, b])],
    ['deep inside', (a, b) => ({ list: [{ a }, new Map([[1, [b]]])], none: null, text: 'x' })],
    ['twice', (a, b) => [a, b, a, { b }]],
    ['beside more values than a call has arguments', (a, b) => [a, Array.from({ length: 300_000 }, () => 0), b]],
  ])('keeps what it returns %s', async (_, wrap) => {
    let made: Tensor[] = []
    const count = left(() =>
      scope(() => {
        made = [tensor([1]), tensor([2]), tensor([3])]
        return wrap(made[0]!, made[1]!)
      }),
    )
    expect(count).toBe(2)
    expect([await made[0]!.item(), await made[1]!.item()]).toEqual([1, 2])
    expect(made[2]!.released).toBe(true)
  })

  it('keeps a tensor returned alone, and in a structure that holds itself', () => {
    expect(left(() => scope(() => tensor([1])))).toBe(1)
    const ring = () => {
      const list: unknown[] = [tensor([1])]
      list.push(list)
      return list
    }
    expect(left(() => scope(ring))).toBe(1)
  })

  it('releases all when fn throws, in nested scopes too, and scopes work as before', () => {
    const stop = () => {
      throw new Error('stop')
    }
    expect(
      left(() =>
        expect(() =>
          scope(() => {
            tensor([1])
            scope(() => [tensor([2]), stop()])
          }),
        ).toThrow('stop'),
      ),
    ).toBe(0)
    expect(left(() => tensor([1]))).toBe(1)
  })

  it('releases what it makes after a nested scope threw', () => {
    const stop = () => {
      throw new Error('stop')
    }
    const run = () =>
      scope(() => {
        expect(() => scope(stop)).toThrow('stop')
        tensor([1])
      })
    expect(left(run)).toBe(0)
  })

  it('hands what a nested scope returns to the one around it', () => {
    let inner: Tensor | undefined
    const count = left(() =>
      scope(() => {
        inner = scope(() => relu(tensor([1])))
        expect(inner.released).toBe(false)
      }),
    )
    expect(count).toBe(0)
    expect(inner!.released).toBe(true)
    expect(left(() => scope(() => scope(() => scope(() => tensor([1])))))).toBe(1)
  })

  it('refuses an asynchronous function, and releases what it made until its first await', async () => {
    const text = 'scope(fn) takes a synchronous function; read values outside of it'
    expect(
      left(() =>
        expect(
          messageOf(() =>
            scope(async () => {
              tensor([1])
              throw new Error('late')
            }),
          ),
        ).toBe(text),
      ),
    ).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 0)) // the rejection goes nowhere: it must not end the process
    expect(left(() => tensor([1]))).toBe(1)
  })
})

describe('keep', () => {
  it('lets a tensor outlive every scope around it', async () => {
    let kept: Tensor | undefined
    scope(() => {
      scope(() => {
        const x = tensor([5])
        kept = x.keep()
        expect(kept).toBe(x)
      })
    })
    expect(await kept!.item()).toBe(5)
    kept!.dispose()
    expect(kept!.released).toBe(true)
  })

  it('holds for a tensor of an outer scope, kept in an inner one', () => {
    let kept: Tensor | undefined
    scope(() => {
      const x = tensor([5])
      scope(() => {
        kept = x.keep()
      })
    })
    expect(kept!.released).toBe(false)
    kept!.dispose()
  })

  it('holds when fn throws, and for a tensor that a nested scope returned', () => {
    const kept: Tensor[] = []
    expect(
      left(() => {
        expect(() =>
          scope(() => {
            kept.push(scope(() => tensor([1])).keep())
            throw new Error('stop')
          }),
        ).toThrow('stop')
      }),
    ).toBe(1)
    expect(kept[0]!.released).toBe(false)
  })

  it('is what parameters, their gradients and momentum do by themselves', () => {
    const { layer, sgd } = scope(() => {
      const layer = new nn.Linear(2, 1)
      const sgd = new optim.SGD(layer.parameters(), { lr: 0.1, momentum: 0.9 })
      scope(() => layer.forward(tensor([[1, 2]])).backward())
      sgd.step()
      return { layer, sgd }
    })
    const all = [layer.weight, layer.bias!, layer.weight.grad!, layer.bias!.grad!, ...sgd.stateDict().state.momentum!]
    expect(all.map((t) => t!.released)).toEqual([false, false, false, false, false, false])
    expect(
      left(() => {
        layer.dispose()
        sgd.dispose()
      }),
    ).toBe(-11) // with the buffers of all parameters, gradients and momentum, the settings and the table
  })
})

describe('a loss returned from a scope', () => {
  it('can still run backward: the tape holds what it needs', async () => {
    const x = parameter([1, -2, 3, 4], [2, 2])
    const inside = scope(() => crossEntropy(relu(relu(x)), new Uint8Array([0, 1])))
    tensor([9, 9, 9, 9]) // would take a released buffer
    inside.backward()
    const y = parameter([1, -2, 3, 4], [2, 2])
    crossEntropy(relu(relu(y)), new Uint8Array([0, 1])).backward()
    expect(await values(x.grad)).toEqual(await values(y.grad))
  })

  it('holds the tape until it is disposed, when it never ran', () => {
    const x = parameter(fill(4096, 1, 'normal'), [64, 64])
    const before = gpu.memory()
    const loss = scope(() => crossEntropy(relu(x), new Uint8Array(64)))
    expect(alive()).toBe(before.tensors + 1)
    expect(gpu.memory().bytes).toBeGreaterThanOrEqual(before.bytes + 16_384)
    loss.dispose()
    expect(gpu.memory().bytes).toBe(before.bytes)
  })
})

describe('memory in training', () => {
  /**
   * Runs `steps` training steps, without an await: what other tests forgot cannot come back in between. The network is
   * small, since whoever reads next waits for all of it.
   */
  function train(steps: number, step: (net: nn.Sequential, x: Tensor, i: number) => void): string[] {
    const { poison } = gpu.pool
    gpu.pool.poison = null
    manualSeed(1)
    const net = new nn.Sequential(
      new nn.Conv2d(1, 2, 3, { padding: 1 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(32, 8),
    )
    const x = tensor(fill(8 * 64, 1, 'normal'), [8, 1, 8, 8])
    const seen: string[] = []
    try {
      for (let i = 0; i < steps; i++) {
        step(net, x, i)
        const { tensors, bytes, pooledBytes, peakBytes } = gpu.memory()
        seen.push(`${tensors} tensors, ${bytes} bytes, ${pooledBytes} pooled, peak ${peakBytes}`)
      }
    } finally {
      gpu.pool.poison = poison
      net.dispose()
      x.dispose()
    }
    return seen
  }

  const labels = Uint8Array.from({ length: 8 }, (_, i) => i)

  it.each([0, 0.9])('is flat from the second step on, with momentum %s', (momentum) => {
    const before = gpu.memory()
    let sgd: optim.SGD | undefined
    const seen = train(200, (net, x) => {
      sgd ??= new optim.SGD(net.parameters(), { lr: 0.01, momentum })
      scope(() => {
        const loss = crossEntropy(net.forward(x), labels)
        sgd!.zeroGrad()
        loss.backward()
        sgd!.step()
      })
    })
    sgd!.dispose()
    expect(new Set(seen.slice(1)).size, seen.slice(0, 3).join('; ')).toBe(1)
    expect([alive(), gpu.memory().bytes]).toEqual([before.tensors, before.bytes])
  })

  it('is flat when every third step throws, before, in or after backward', () => {
    const before = gpu.memory()
    let sgd: optim.SGD | undefined
    const seen = train(60, (net, x, i) => {
      sgd ??= new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 })
      const stopAt = i >= 3 && i % 3 === 0 ? (i / 3) % 3 : null
      const stop = (at: number) => {
        if (at === stopAt) throw new Error('stop')
      }
      const step = () =>
        scope(() => {
          const loss = crossEntropy(net.forward(x), labels)
          stop(0)
          if (stopAt === 1) loss.backward(tensor([1, 2])) // of another shape
          sgd!.zeroGrad()
          loss.backward()
          stop(2)
          sgd!.step()
        })
      if (stopAt === null) step()
      else expect(step).toThrow()
    })
    sgd!.dispose()
    // From where each kind of step has been taken once: the first of a kind may take a buffer more.
    expect(new Set(seen.slice(9)).size, seen.slice(0, 12).join('; ')).toBe(1)
    expect([alive(), gpu.memory().bytes]).toEqual([before.tensors, before.bytes])
  })

  it('is flat in evaluation, which saves nothing', () => {
    const seen = train(20, (net, x) => {
      scope(() => {
        noGrad(() => crossEntropy(net.forward(x), labels))
      })
    })
    expect(new Set(seen.slice(1)).size, seen.slice(0, 3).join('; ')).toBe(1)
  })
})
