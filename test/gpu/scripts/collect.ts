// Collects garbage all the time while it computes: what the binding holds must survive. Run with --expose-gc.
import { setTimeout as sleep } from 'node:timers/promises'
import { add, open, scope, tensor } from '../../../src/node/index.ts'

await open()
const one = tensor(new Float32Array(256).fill(1))
let sum = tensor(new Float32Array(256))
let count = 0
const end = performance.now() + 3000
while (count < 5000 || performance.now() < end) {
  const before = sum
  sum = scope(() => {
    let s = before
    for (let i = 0; i < 500; i++) s = add(s, one)
    return s
  })
  before.dispose()
  count += 500
  const garbage = Array.from({ length: 2000 }, (_, i) => new Float32Array(i))
  if (garbage.length > 0) globalThis.gc!()
  await sleep(1)
  const values = await sum.data()
  // Sums of ones are exact up to 2²⁴.
  if (values.some((v) => v !== count)) throw new Error(`${values[0]} instead of ${count}`)
}
console.log(count)
