// Layers that hold a function of each element, or of each row.
import { softmax } from '../kernels/softmax.ts'
import { requireNumber } from '../kernels/support.ts'
import { elu, type GeluOptions, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from '../kernels/unary.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Module } from './module.ts'

/** relu as a layer. */
export class ReLU extends Module {
  override forward(x: Tensor): Tensor {
    return relu(x)
  }
}

/** leakyRelu as a layer, of the given slope on the left. */
export class LeakyReLU extends Module {
  readonly #negativeSlope: number

  /** Throws TypeError for a slope that is not a number. */
  constructor(negativeSlope = 0.01) {
    super()
    requireNumber('nn.LeakyReLU', 'negativeSlope', negativeSlope)
    this.#negativeSlope = negativeSlope
  }

  override forward(x: Tensor): Tensor {
    return leakyRelu(x, this.#negativeSlope)
  }
}

/** elu as a layer. */
export class ELU extends Module {
  readonly #alpha: number

  /** Throws TypeError for an alpha that is not a number. */
  constructor(alpha = 1) {
    super()
    requireNumber('nn.ELU', 'alpha', alpha)
    this.#alpha = alpha
  }

  override forward(x: Tensor): Tensor {
    return elu(x, this.#alpha)
  }
}

/** gelu as a layer, with its options. */
export class GELU extends Module {
  readonly #approximate: 'none' | 'tanh'

  /** Throws TypeError for an option that gelu does not have. */
  constructor(options: GeluOptions = {}) {
    super()
    requireOptions('nn.GELU', options, ['approximate'])
    const { approximate = 'none' } = options
    if (!['none', 'tanh'].includes(approximate)) {
      throw new TypeError(`nn.GELU: approximate must be 'none' or 'tanh', not ${shown(approximate)}`)
    }
    this.#approximate = approximate
  }

  override forward(x: Tensor): Tensor {
    return gelu(x, { approximate: this.#approximate })
  }
}

/** silu as a layer. */
export class SiLU extends Module {
  override forward(x: Tensor): Tensor {
    return silu(x)
  }
}

/** sigmoid as a layer. */
export class Sigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return sigmoid(x)
  }
}

/** tanh as a layer. */
export class Tanh extends Module {
  override forward(x: Tensor): Tensor {
    return tanh(x)
  }
}

/** softplus as a layer. */
export class Softplus extends Module {
  override forward(x: Tensor): Tensor {
    return softplus(x)
  }
}

/** softmax as a layer, along the given dimension; negative ones count from the end. */
export class Softmax extends Module {
  readonly #dim: number

  /** Throws TypeError for a dimension that is not a whole number. */
  constructor(dim = -1) {
    super()
    if (!Number.isInteger(dim)) throw new TypeError(`nn.Softmax: dim must be a whole number, not ${shown(dim)}`)
    this.#dim = dim
  }

  override forward(x: Tensor): Tensor {
    return softmax(x, this.#dim)
  }
}

/** The input itself: takes the place of a layer that is left out. */
export class Identity extends Module {
  override forward(x: Tensor): Tensor {
    return x
  }
}
