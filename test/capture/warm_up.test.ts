import { beforeAll, expect, it } from 'vitest'
import {
  capture,
  crossEntropy,
  type GpuError,
  KernelFile,
  linear,
  optim,
  relu,
  scope,
  warmUp,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, openMinimal, tensor, testGpu } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const INCREMENT = `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() { out[0] += 1.0; }`
/** A kernel that no device has seen. */
const increment = (code = INCREMENT) => new KernelFile('increment', code).entry('main')

/** How many pipelines are made by the call that waits for each, while `fn` runs. */
function waitedFor({ device }: Gpu, fn: () => unknown): number {
  let count = 0
  const { createComputePipeline } = device
  device.createComputePipeline = (descriptor) => {
    count++
    return createComputePipeline.call(device, descriptor)
  }
  try {
    fn()
  } finally {
    delete (device as { createComputePipeline?: unknown }).createComputePipeline // the one of its class again
  }
  return count
}

function training(on: Gpu) {
  const tensorOf = (count: number, seed: number) => Float32Array.from(fill(count, seed, 'normal'))
  const w = tensor(tensorOf(15, 1), [5, 3], { gpu: on, requiresGrad: true })
  const x = tensor(tensorOf(12, 2), [4, 3], { gpu: on })
  const labels = tensor(Int32Array.of(0, 2, 1, 1), [4], { gpu: on })
  const optimizer = new optim.SGD([w], { lr: 0.1, momentum: 0.9 })
  const step = () => {
    const loss = crossEntropy(relu(linear(x, w)), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
  return { step, w }
}

it('compiles all that a step needs, so that capturing it or taking it waits for no kernel', async () => {
  const own = await openMinimal()
  try {
    const { step } = training(own)
    await warmUp(step, { gpu: own })
    expect(waitedFor(own, () => capture(step, { gpu: own }))).toBe(0)
    expect(waitedFor(own, () => scope(() => void step()))).toBe(0)
    await warmUp(() => waitedFor(own, step), { gpu: own }) // nothing is left to do
  } finally {
    await own.close()
  }
})

it('does nothing else: values, gradients, memory and the bits of the training that follows are what they were', async () => {
  const [warm, cold] = [training(gpu), training(gpu)]
  const before = await bitsOf(warm.w)
  await warmUp(warm.step) // from here on the optimizer has its momentum
  const { tensors, bytes } = gpu.memory()
  const { dispatches } = gpu
  await warmUp(warm.step)
  expect(gpu.dispatches).toBe(dispatches)
  expect(await bitsOf(warm.w)).toEqual(before)
  expect(warm.w.grad).toBe(null)
  expect(gpu.memory().tensors).toBeLessThanOrEqual(tensors)
  expect(gpu.memory().bytes).toBeLessThanOrEqual(bytes)
  for (const { step } of [warm, cold]) for (let i = 0; i < 3; i++) scope(() => void step())
  expect(await bitsOf(warm.w)).toEqual(await bitsOf(cold.w))
})

it('dispatches no workgroup of a kernel, not even where the driver is made to compile it', async () => {
  const out = tensor([5])
  const kernel = increment()
  await warmUp(() => gpu.emit(kernel, { out: out.storage }, 1))
  expect(await out.item()).toBe(5)
  expect(waitedFor(gpu, () => gpu.emit(kernel, { out: out.storage }, 1))).toBe(0)
  expect(await out.item()).toBe(6)
})

it('gives way to a kernel that is dispatched meanwhile', async () => {
  const out = tensor([5])
  const kernel = increment()
  const warming = warmUp(() => gpu.emit(kernel, { out: out.storage }, 1))
  gpu.emit(kernel, { out: out.storage }, 1)
  await warming
  gpu.emit(kernel, { out: out.storage }, 1)
  expect(await out.item()).toBe(7)
})

it('takes values from the host as they come', async () => {
  await warmUp(() => relu(tensor([1, -2])))
})

it('rejects with the name of a kernel that does not compile, and leaves the device usable', async () => {
  const out = tensor([5])
  for (const [code, what] of [
    [INCREMENT.replace('1.0', 'one'), /unresolved value 'one'/],
    [INCREMENT.replace('workgroup_size(1)', 'workgroup_size(2048)'), /2048/],
  ] as const) {
    const error = await warmUp(() => gpu.emit(increment(code), { out: out.storage }, 1)).then(
      () => expect.fail('no error came'),
      (reason: GpuError) => reason,
    )
    expect(error).toMatchObject({ name: 'GpuError', kind: 'validation' })
    expect(error.message).toMatch(/^increment\.main: /)
    expect(error.message).toMatch(what)
    expect(await out.item()).toBe(5)
  }
})
