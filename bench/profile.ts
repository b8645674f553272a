// Times each kernel of a step by the device's own clock.
import type { BindingValues } from '../src/gpu/bind.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import type { Kernel } from '../src/gpu/kernel.ts'
import { Storage } from '../src/gpu/pool.ts'
import { type Fence, measure } from './timing.ts'

export interface ProfileRow {
  readonly kernel: string
  readonly workgroups: number
  /** Dispatches of this kernel with this many workgroups in a step. */
  readonly dispatches: number
  /** Milliseconds of all of them in a step. */
  readonly ms: number
}

interface Dispatch {
  readonly kernel: Kernel
  readonly values: BindingValues
  readonly groups: number
}

/** The time of every dispatch of one execution of `step`, each repeated alone, the largest first. */
export async function profile(gpu: Gpu, step: () => void, fence: Fence): Promise<ProfileRow[]> {
  const dispatches = capture(gpu, step)
  const rows = new Map<string, ProfileRow>()
  try {
    for (const { kernel, values, groups } of dispatches) {
      const run = () => gpu.emit(kernel, values, groups)
      const { medianMs } = await measure(run, fence, { samples: 5, sampleMs: 5, warmUp: true })
      const key = `${kernel.name} ${groups}`
      const { dispatches: count, ms } = rows.get(key) ?? { dispatches: 0, ms: 0 }
      rows.set(key, { kernel: kernel.name, workgroups: groups, dispatches: count + 1, ms: ms + medianMs })
    }
  } finally {
    for (const { values } of dispatches) for (const storage of storages(values)) storage.release()
  }
  return [...rows.values()].sort((a, b) => b.ms - a.ms)
}

/** Runs the step and notes its dispatches. Their memory is held, so that each finds its inputs when it is repeated. */
function capture(gpu: Gpu, step: () => void): Dispatch[] {
  const found: Dispatch[] = []
  const emit = gpu.emit
  gpu.emit = (kernel, values, groups) => {
    for (const storage of storages(values)) storage.retain()
    found.push({ kernel, values, groups })
    emit.call(gpu, kernel, values, groups)
  }
  try {
    step()
  } finally {
    gpu.emit = emit
  }
  return found.filter(({ groups }) => groups > 0)
}

function storages(values: BindingValues): Storage[] {
  return Object.values(values).filter((value): value is Storage => value instanceof Storage)
}
