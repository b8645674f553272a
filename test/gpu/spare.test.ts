// The memory behind null bindings; what `emit` does with it is in kernel.test.ts.
import { expect, it } from 'vitest'
import { BufferPool } from '../../src/gpu/pool.ts'
import { Spare } from '../../src/gpu/spare.ts'
import { testGpu } from '../support/gpu.ts'

it('Spare makes each buffer once, and others once it was told to forget them', async () => {
  const { device } = await testGpu()
  const pool = new BufferPool(device)
  const spare = new Spare(device, pool)
  const filled: GPUBuffer[] = []
  pool.poison = (buffer) => filled.push(buffer)
  const buffers = () => [spare.read, spare.written(1), spare.written(0)].map(({ buffer }) => buffer)
  const first = buffers()
  expect(buffers()).toEqual(first)
  expect(first[0]?.size).toBe(device.limits.maxUniformBufferBindingSize)
  expect(new Set(filled)).toEqual(new Set(first))
  expect(pool.stats().bytes).toBe(0)
  spare.forget()
  expect(new Set([...first, ...buffers()]).size).toBe(6)
  for (const buffer of filled) buffer.destroy()
})
