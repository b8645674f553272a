import type { Storage } from '../gpu/pool.ts'
import { Tensor } from './tensor.ts'

/** What an optimiser provides for a parameter of its: memory where it finds what belongs to it beside that of others. */
export class ParameterPlace {
  readonly #gradients: Tensor
  readonly #offset: number
  #taken = false
  /** Memory for a packed copy of the parameter; null where there is none left. */
  readonly copy: (bytes: number) => Storage | null
  /** Memory for partial sums of its gradient that the optimiser adds up; null where there is none left. */
  readonly sums: (bytes: number) => Storage | null

  /** @param offset in bytes, a multiple of 256 */
  constructor(gradients: Tensor, offset: number, { copy, sums }: Pick<ParameterPlace, 'copy' | 'sums'>) {
    this.#gradients = gradients
    this.#offset = offset
    this.copy = copy
    this.sums = sums
  }

  /**
   * Memory of a parameter's shape for its gradient; null while somebody has it: the next gradient then lies elsewhere. Its
   * content is whatever was there.
   */
  gradient({ gpu, shape, size }: Tensor): Tensor | null {
    if (this.#taken || this.#gradients.released) return null
    this.#taken = true
    const part = this.#gradients.storage.part(this.#offset, 4 * size, () => {
      this.#taken = false
    })
    return new Tensor(gpu, part, shape, 'float32')
  }
}
