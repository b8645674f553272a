// Checkpoints of format 1, as version 0.1.0 wrote them.
import { createHash } from 'node:crypto'
import { encodeSafetensors } from '../../src/data/safetensors.ts'
import { lossIn } from '../../src/kernels/totals.ts'
import type { Checkpoint } from '../../src/node/checkpoint.ts'

/** The totals of a meter with their sum as the bits of a float32. */
function fiveWords(words: Int32Array): number[] {
  const [correct, count, , upTo, code] = words
  const [sum] = new Int32Array(Float32Array.of(lossIn(words)).buffer)
  return [correct!, count!, sum!, upTo!, code!]
}

/** The bytes that version 0.1.0 wrote for a run with SGD that stands where `checkpoint` does. */
export function encodeFormat1({ network, optimizer, position, files, ...rest }: Checkpoint): Uint8Array {
  const { seconds, plateau, version, adapter } = rest
  const { optimizer: _, ...options } = rest.options
  const state = JSON.stringify({
    position: { ...position, words: fiveWords(position.words) },
    files,
    seconds,
    options,
    ...(plateau && { plateau }),
    version,
    adapter,
  })
  const metadata = new Map([
    ['sha256', '0'.repeat(64)],
    ['format', 'dawngrad checkpoint 1'],
    ['state', state],
  ])
  const tensors = new Map(network)
  for (const [name, buffer] of optimizer.state.get('momentum') ?? []) tensors.set(`momentum.${name}`, buffer)
  const bytes = encodeSafetensors(tensors, metadata)
  const at = 8 + '{"__metadata__":{"sha256":"'.length
  bytes.set(new TextEncoder().encode(createHash('sha256').update(bytes).digest('hex')), at)
  return bytes
}
