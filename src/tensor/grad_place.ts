import { Tensor } from './tensor.ts'

/**
 * Where the gradient of a parameter lies, beside the gradients of others: so an optimiser finds them all in one buffer.
 * Whoever holds a gradient keeps the place; the next one then lies elsewhere.
 */
export class GradPlace {
  readonly #gradients: Tensor
  readonly #offset: number
  #taken = false

  /** @param offset in bytes, a multiple of 256 */
  constructor(gradients: Tensor, offset: number) {
    this.#gradients = gradients
    this.#offset = offset
  }

  /** Memory of a parameter's shape at this place; null while somebody has it. Its content is whatever was there. */
  take({ gpu, shape, size }: Tensor): Tensor | null {
    if (this.#taken || this.#gradients.released) return null
    this.#taken = true
    const part = this.#gradients.storage.part(this.#offset, 4 * size, () => {
      this.#taken = false
    })
    return new Tensor(gpu, part, shape, 'float32')
  }
}
