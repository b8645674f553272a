// Numbers that a file of tunings has chosen for a device.
import type { Gpu } from '../gpu/gpu.ts'
import type { Numbers } from './tuning.ts'

/** What was chosen for devices that were given a file of tunings, by `keyOf`. */
const choices = new WeakMap<Gpu, ReadonlyMap<string, Numbers>>()

/** A kernel's use at one shape, in words. The order of the sizes counts. */
export function keyOf(kernel: string, shape: Numbers): string {
  const sizes = Object.entries(shape).map(([name, size]) => `${name}=${size}`)
  return `${kernel} ${sizes.join(' ')}`
}

/** From here on these numbers are used on the device, where kernel and shape match; what was set before is forgotten. */
export function setTuned(gpu: Gpu, chosen: ReadonlyMap<string, Numbers>): void {
  choices.set(gpu, chosen)
}

/** What was chosen for a kernel at a shape, if anything was. */
export function tunedFor(gpu: Gpu, kernel: string, shape: () => Numbers): Numbers | undefined {
  const chosen = choices.get(gpu)
  return chosen && chosen.size > 0 ? chosen.get(keyOf(kernel, shape())) : undefined
}
