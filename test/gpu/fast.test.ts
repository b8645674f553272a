import { expect, it } from 'vitest'
import { capture, crossEntropy, linear, open, optim, scope } from '../../src/node/index.ts'
import { defaultGpu, setDefaultGpu } from '../../src/tensor/default.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, tensor, testGpu } from '../support/gpu.ts'

/** Parameters after some steps of training. */
async function train(gpu: Gpu) {
  const w = tensor(fill(12, 1, 'normal'), [3, 4], { requiresGrad: true, gpu })
  const [x, labels] = [
    tensor(fill(20, 2, 'normal'), [5, 4], { gpu }),
    tensor(Int32Array.of(0, 1, 2, 1, 0), [5], { gpu }),
  ]
  const optimizer = new optim.SGD([w], { lr: 0.1, momentum: 0.9 })
  const step = () => {
    const loss = crossEntropy(linear(x, w), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
  }
  scope(step)
  const plan = capture(step, { gpu })
  plan.run(3)
  const bits = new Uint32Array((await w.data()).buffer as ArrayBuffer)
  plan.dispose()
  return bits
}

it('open({ fast: true }) says so, and gives the same bits', async () => {
  const usual = await testGpu()
  const bits = await train(usual)
  const fast = await open({ fast: true })
  try {
    expect([fast.info.fast, fast.info.name, defaultGpu() === fast]).toEqual([true, usual.info.name, true])
    fast.pool.poison = null
    expect(await train(fast)).toEqual(bits)
  } finally {
    await fast.close()
    setDefaultGpu(usual)
  }
})

it('open refuses options that it does not have', async () => {
  const message = await open({ quick: true } as never).catch((error: Error) => error.message)
  expect(message).toBe('open: unknown option quick; known: fast, tuning, notice')
})
