// What a plan computes has no value before its first run: whoever reads it then is told so.
import { beforeAll, describe, expect, it } from 'vitest'
import { add, capture, mul, nn, optim, type Plan, relu, sum, tensor, warmUp } from '../../src/node/index.ts'
import { parameter, type Tensor, testGpu } from '../support/gpu.ts'

beforeAll(async () => void (await testGpu()))

const notYet = (operation: string, label: string) =>
  new Error(`${operation}: ${label} has no value yet: a plan computes it that has not been run; call plan.run() first`)

describe('what a captured function returned', () => {
  let x: Tensor
  let none: Tensor
  beforeAll(() => {
    x = tensor([1, -2]).keep()
    none = tensor(new Float32Array(0), [0]).keep()
  })

  it.each<[string, () => Plan, (result: never) => Tensor, string, number[]]>([
    ['a tensor', () => capture(() => relu(x)), (y: Tensor) => y, 'tensor [2]', [1, 0]],
    ['a view', () => capture(() => relu(x).reshape([2, 1])), (y: Tensor) => y, 'tensor [2, 1]', [1, 0]],
    ['a sum', () => capture(() => sum(x)), (y: Tensor) => y, 'tensor []', [-1]],
    ['an object', () => capture(() => ({ at: [relu(x)] })), (y: { at: [Tensor] }) => y.at[0], 'tensor [2]', [1, 0]],
    ['no elements', () => capture(() => [relu(x), relu(none)]), (y: Tensor[]) => y[1]!, 'tensor [0]', []],
    ['a detached tensor', () => capture(() => relu(x)), (y: Tensor) => y.detach(), 'tensor [2]', [1, 0]],
  ])('%s', async (_, make, of, label, want) => {
    const plan = make()
    const y = of(plan.result as never)
    await expect(y.data()).rejects.toThrow(notYet('data', label))
    if (y.size === 1) await expect(y.item()).rejects.toThrow(notYet('data', label))
    expect(() => add(y, 1)).toThrow(notYet('add', label))
    plan.run(0)
    await expect(y.data()).rejects.toThrow(notYet('data', label))
    plan.run()
    expect([...(await y.data())]).toEqual(want)
    plan.dispose()
  })

  it('what is from outside of the plan has its value, also where the plan changes it', async () => {
    const w = parameter([1, 2], [2])
    w.grad = tensor([1, 1])
    const optimizer = new optim.SGD([w], { lr: 1 })
    const plan = capture(() => {
      optimizer.step()
      return w
    })
    expect([...(await plan.result.data())]).toEqual([1, 2])
    plan.run()
    plan.dispose()
    expect([...(await w.data())]).toEqual([0, 1])
  })

  it('and stays what it was: a plan, and a warm-up, release what was made in the function only', async () => {
    const net = new nn.Linear(2, 1)
    const step = () => ({ net, view: net.weight.reshape([2]), y: net.forward(x.reshape([1, 2])) })
    await warmUp(step)
    const plan = capture(step)
    plan.run()
    const want = await plan.result.view.data()
    plan.dispose()
    expect(await net.weight.data()).toEqual(want)
    expect([plan.result.view.released, plan.result.y.released]).toEqual([true, true])
  })

  it('may be disposed or kept before the run', () => {
    const plan = capture(() => relu(x))
    plan.result.keep()
    plan.result.dispose()
    plan.dispose()
  })

  it('another plan may use it: it is refused when it is run first', async () => {
    const first = capture(() => relu(x))
    const second = capture(() => add(first.result, 1))
    expect(() => second.run()).toThrow(notYet('plan.run', 'tensor [2]'))
    first.run()
    second.run()
    expect([...(await second.result.data())]).toEqual([2, 1])
    second.dispose()
    first.dispose()
  })
})

describe('the gradients that a captured function leaves', () => {
  const made = () => {
    const [w, factors] = [parameter([1, 2], [2]), tensor([3, 5])]
    const optimizer = new optim.SGD([w], { lr: 1 })
    const backward = () => {
      optimizer.zeroGrad()
      sum(mul(w, factors)).backward()
    }
    return { w, factors, optimizer, backward }
  }

  it('where the optimizer keeps them, or in memory of the plan', async () => {
    const { w, factors, optimizer, backward } = made()
    backward() // what lies there is not the plan's
    const plan = capture(() => {
      optimizer.zeroGrad()
      sum(mul(mul(w, w), factors)).backward()
    })
    await expect(w.grad!.data()).rejects.toThrow(notYet('data', 'tensor [2]'))
    plan.run()
    expect([...(await w.grad!.data())]).toEqual([6, 20])
    plan.dispose()
  })

  it('in the place of those of an eager step', async () => {
    const { w, backward } = made()
    backward()
    const plan = capture(backward)
    await expect(w.grad!.data()).rejects.toThrow(notYet('data', 'tensor [2]'))
    plan.run()
    expect([...(await w.grad!.data())]).toEqual([3, 5])
    plan.dispose()
  })

  it('are not what an eager step updates by, nor another plan, before they are computed', async () => {
    const { w, optimizer, backward } = made()
    const plan = capture(backward)
    expect(() => optimizer.step()).toThrow(notYet('optim.SGD', 'tensor [2]'))
    expect(() => optim.clipGradValue([w], 1)).toThrow(notYet('optim.clipGradValue', 'tensor [2]'))
    const update = capture(() => optimizer.step())
    expect(() => update.run()).toThrow(notYet('plan.run', 'tensor [2]'))
    expect([...(await w.data())]).toEqual([1, 2])
    plan.run()
    update.run()
    expect([...(await w.data())]).toEqual([-2, -3])
    for (const made of [update, plan]) made.dispose()
  })

  it('are forgotten with a plan that was never run; an eager step computes its own', async () => {
    const { w, backward } = made()
    capture(backward).dispose()
    expect(w.grad).toBeNull()
    const plan = capture(backward)
    backward()
    expect([...(await w.grad!.data())]).toEqual([3, 5])
    plan.dispose()
  })
})
