// A fingerprint of a network's state.
import type { Module } from '../nn/index.ts'

/**
 * SHA-256, in hexadecimal, over the bytes of a module's parameters in the order of namedParameters, then over those of its
 * buffers in the order of namedBuffers. A sync point.
 */
export async function parameterHash(module: Module): Promise<string> {
  const parts = await Promise.all([...module.parameters(), ...module.buffers()].map((tensor) => tensor.data()))
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), offset)
    offset += part.byteLength
  }
  const digest = await crypto.subtle.digest('SHA-256', bytes)
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
