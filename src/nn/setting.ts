// A number of a layer that its forward reads: a plan that was captured with another one is refused.
import { dependingOn } from '../capture/current.ts'

/** The number of this name. `layer` is how errors name the layer, such as 'nn.ELU'. */
export function setting<K extends string>(layer: string, from: Readonly<Record<K, number>>, name: K): number {
  return dependingOn(
    () => from[name],
    (then) => `the ${name} of an ${layer} is ${from[name]} now, and was ${then}`,
  )
}
