// Modules one after the other.
import { observing } from '../tensor/observe.ts'
import { requireFlags, requireOptions } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { fusionAt } from './fusion.ts'
import { Module } from './module.ts'

/** Options of {@link Sequential}. */
export interface SequentialOptions {
  /** Whether neighbours that one operation can compute are computed by it; true unless given. */
  readonly fuse?: boolean
}

function isOptions(value: Module | SequentialOptions | undefined): value is SequentialOptions {
  return typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype
}

/**
 * The modules one after the other; parameters are named '0.weight', '0.bias', … Where neighbours match a rule of fusion.ts one
 * operation takes their place, whose results are theirs up to rounding; `{ fuse: false }` as the last argument runs each.
 */
export class Sequential extends Module {
  readonly #modules: readonly Module[]
  readonly #fuse: boolean

  constructor(...modules: Module[] | [...Module[], SequentialOptions]) {
    super()
    const last = modules.at(-1)
    const options = isOptions(last) ? last : {}
    requireOptions('nn.Sequential', options, ['fuse'])
    requireFlags('nn.Sequential', options, ['fuse'])
    const { fuse = true } = options
    this.#fuse = fuse
    this.#modules = (isOptions(last) ? modules.slice(0, -1) : modules).map((module, i) => {
      if (!(module instanceof Module)) throw new TypeError(`nn.Sequential: argument ${i} is not a module`)
      return module
    })
  }

  override namedChildren(): [string, Module<unknown>][] {
    return [
      ...this.#modules.map((module, i): [string, Module<unknown>] => [String(i), module]),
      ...super.namedChildren(),
    ]
  }

  override forward(x: Tensor): Tensor {
    const fuse = this.#fuse && !observing().some(({ layerByLayer }) => layerByLayer)
    let y = x
    for (let i = 0; i < this.#modules.length; ) {
      const fusion = fuse ? fusionAt(this.#modules, i) : null
      y = fusion ? fusion.forward(y) : this.#modules[i]!.forward(y)
      i += fusion?.length ?? 1
    }
    return y
  }
}
