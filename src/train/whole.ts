// Several networks as one module.
import { Module } from '../nn/index.ts'
import { checkNet } from './check.ts'

/** What is trained together: a module, or several by names or in a list. */
export type Network = Module<unknown> | Readonly<Record<string, Module<unknown>>> | readonly Module<unknown>[]

/** Networks that are trained together: their parameters are called by the names of both, 'g.0.weight'. */
class Several extends Module<unknown> {
  readonly #parts: [string, Module<unknown>][]

  constructor(parts: [string, Module<unknown>][]) {
    super()
    this.#parts = parts
  }

  override namedChildren(): [string, Module<unknown>][] {
    return this.#parts
  }

  override forward(): never {
    throw new Error('fit: several networks have no forward of their own')
  }
}

/** A network as it is, or several as one. Throws TypeError for anything else, and where there are no parameters. */
export function wholeOf(operation: string, net: Network): Module<unknown> {
  const isSeveral = typeof net === 'object' && net !== null && !(net instanceof Module)
  const parts = isSeveral ? Object.entries(net as Readonly<Record<string, unknown>>) : []
  const areModules =
    parts.length > 0 && parts.every((part): part is [string, Module<unknown>] => part[1] instanceof Module)
  const whole: unknown = areModules ? new Several(parts) : net
  checkNet(operation, whole)
  return whole
}
