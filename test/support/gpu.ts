// The device that all tests share, and what they do with its tensors.
import process from 'node:process'
import { expect } from 'vitest'
import { adapterInfo } from '../../src/gpu/info.ts'
import { Gpu, open, type Shape, Tensor, tensor } from '../../src/node/index.ts'
import { openAdapter } from '../../src/provision/adapters.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'

let opened: Promise<Gpu> | null = null

/**
 * The device that all tests share, so that every pipeline compiles once. Whatever memory it hands out is full of NaN, up
 * to the end of the buffer: an element that a kernel forgets, or reads without writing it first, shows.
 * With DAWNGRAD_TEST_LIMITS=minimum its limits are the lowest that the specification allows; with DAWNGRAD_TEST_FAST=1 it
 * is open({ fast: true }).
 */
export function testGpu(): Promise<Gpu> {
  opened ??= (limitsAreMinimal() ? openMinimal() : open({ fast: process.env.DAWNGRAD_TEST_FAST === '1' })).then(
    (gpu) => {
      setDefaultGpu(gpu)
      return poisoned(gpu)
    },
  )
  return opened
}

/** A device of its own whose limits are WebGPU's defaults, which every adapter has; the default device stays as it is. */
export async function openMinimal(): Promise<Gpu> {
  const { adapter, adapterSource } = await openAdapter()
  return poisoned(new Gpu(await adapter.requestDevice(), { ...adapterInfo(adapter.info), adapterSource }))
}

function limitsAreMinimal(): boolean {
  const limits = process.env.DAWNGRAD_TEST_LIMITS ?? ''
  if (!['', 'minimum'].includes(limits)) throw new Error(`DAWNGRAD_TEST_LIMITS may be 'minimum', not '${limits}'`)
  return limits === 'minimum'
}

function poisoned(gpu: Gpu): Gpu {
  gpu.pool.poison = (buffer) => poison(gpu, buffer)
  return gpu
}

const POISON = 0x7fc0dead
const pattern = new Uint32Array(1 << 18).fill(POISON)

function poison(gpu: Gpu, buffer: GPUBuffer): void {
  gpu.flush() // commands already recorded may still read what the buffer held before
  for (let at = 0; at < buffer.size; at += pattern.byteLength) {
    gpu.device.queue.writeBuffer(buffer, at, pattern, 0, Math.min(pattern.length, (buffer.size - at) / 4))
  }
}

/** Runs `use` while a kernel of the device may be bound to so many bytes at a time, and a buffer may have so many. */
export async function withLimits<T>(
  { device }: Gpu,
  limits: { readonly binding: number; readonly buffer: number },
  use: () => T | Promise<T>,
): Promise<T> {
  const value = { maxStorageBufferBindingSize: limits.binding, maxBufferSize: limits.buffer }
  const own = Object.getOwnPropertyDescriptor(device, 'limits')!
  Object.defineProperty(device, 'limits', { value, configurable: true })
  try {
    return await use()
  } finally {
    Object.defineProperty(device, 'limits', own)
  }
}

/** A float32 tensor that requires a gradient. */
export function parameter(data: ArrayLike<number>, shape: Shape): Tensor {
  return tensor(Float32Array.from(data), shape, { requiresGrad: true })
}

/** The values of a float32 tensor, after a look behind its end: what lies there must still be the poison. */
export async function values(t: Tensor | null): Promise<Float32Array> {
  if (!t) throw new Error('there is no tensor')
  const { storage, size, gpu } = t
  const words = new Uint32Array(await gpu.read(storage, storage.capacity))
  for (let i = size; i < words.length; i++) {
    if (words[i] !== POISON) throw new Error(`${t.label}: element ${i}, past the end, was overwritten`)
  }
  return new Float32Array(words.buffer, 0, size)
}

/** The whole text of the error that `fn` throws. */
export function messageOf(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return expect.fail('no error was thrown')
}

export { Gpu, Tensor, tensor }
