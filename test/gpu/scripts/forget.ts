// Forgets tensors outside of any scope, with and without a tape, and waits for their memory. Run with --expose-gc.
import { setTimeout as sleep } from 'node:timers/promises'
import { open, relu, tensor } from '../../../src/node/index.ts'

const gpu = await open()
const kept = tensor([1, 2, 3])
const parameter = tensor(new Float32Array(1000), [1000], { requiresGrad: true })
const before = gpu.memory()

function forget(): void {
  for (let i = 0; i < 300; i++) tensor(new Float32Array(1000))
  for (let i = 0; i < 100; i++) relu(relu(parameter)).reshape([10, 100])
  tensor(new Float32Array(1000)).dispose()
}
forget()
const most = gpu.memory()
const end = performance.now() + 10_000
while (gpu.memory().tensors > before.tensors && performance.now() < end) {
  globalThis.gc!()
  await sleep(10)
}
const after = gpu.memory()
console.log(JSON.stringify({ before, most, after, kept: [...(await kept.data())] }))
