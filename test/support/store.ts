// Checkpoints in memory.
import type { CheckpointStore, SavedState } from '../../src/train/index.ts'

/** A store in memory; `states` are those that it has, in the order in which they were saved. */
export function memoryStore(): CheckpointStore & { readonly states: Map<string, SavedState> } {
  const states = new Map<string, SavedState>()
  return {
    states,
    save: async (name, state) => void states.set(name, state),
    load: async (name) => states.get(name)!,
    list: async () => [...states.keys()],
    remove: async (name) => void states.delete(name),
  }
}
