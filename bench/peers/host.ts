// Makes Node look like a browser with WebGPU to the other libraries, and counts their dispatches.
import process from 'node:process'
import { globals } from 'webgpu'
import { openAdapter } from '../../src/provision/adapters.ts'

/**
 * Gives this process what the peers look for in a browser: `navigator.gpu` and WebGPU's classes and constants. They get
 * the adapter that dawngrad gets, from the same instance of the same binding, which src/provision/adapters.ts keeps.
 */
export function lendNavigator(): void {
  const gpu = { requestAdapter: async () => (await openAdapter()).adapter }
  const value = { gpu, userAgent: `Node.js ${process.version}`, hardwareConcurrency: 1 }
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true })
  Object.assign(globalThis, globals)
}

/** How many dispatches `fn` makes, whoever makes them. */
export async function countDispatches(fn: () => Promise<unknown>): Promise<number> {
  const { prototype } = (globalThis as unknown as { GPUComputePassEncoder: { prototype: GPUComputePassEncoder } })
    .GPUComputePassEncoder
  const { dispatchWorkgroups } = prototype
  let count = 0
  prototype.dispatchWorkgroups = function (...args) {
    count++
    return dispatchWorkgroups.apply(this, args)
  }
  try {
    await fn()
  } finally {
    prototype.dispatchWorkgroups = dispatchWorkgroups
  }
  return count
}
