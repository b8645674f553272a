// Runs for adapters of both classes on the one that is there: what is emitted differs, the bits may not.
import { testGpu } from './gpu.ts'

/** What `run` gives where the adapter is taken for one that computes on the processor, and for one with a GPU. */
export async function inBothClasses<T>(run: () => Promise<T>): Promise<{ cpu: T; gpu: T }> {
  const { info } = await testGpu()
  const { adapterClass } = info
  const as = (adapterClass: 'cpu' | 'gpu') => {
    Object.assign(info, { adapterClass })
    return run()
  }
  try {
    return { cpu: await as('cpu'), gpu: await as('gpu') }
  } finally {
    Object.assign(info, { adapterClass })
  }
}
