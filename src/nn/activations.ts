// Layers that hold a function of each element, or of each row.
import { softmax } from '../kernels/softmax.ts'
import { requireNumber } from '../kernels/support.ts'
import { elu, type GeluOptions, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from '../kernels/unary.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Module } from './module.ts'
import { setting } from './setting.ts'

/** A function of each element as a layer, without options. */
abstract class Plain extends Module {
  /** Throws TypeError for arguments: there are none, such as PyTorch's `inplace`. */
  constructor() {
    super()
    if (arguments.length > 0) throw tooMany(arguments, `nn.${new.target.name}()`)
  }
}

/** relu as a layer. */
export class ReLU extends Plain {
  override forward(x: Tensor): Tensor {
    return relu(x)
  }
}

/** leakyRelu as a layer, of the given slope on the left. */
export class LeakyReLU extends Module {
  /** What negative elements are multiplied by. */
  negativeSlope: number

  /** Throws TypeError for a slope that is not a number. */
  constructor(negativeSlope = 0.01) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.LeakyReLU(negativeSlope)')
    super()
    requireNumber('nn.LeakyReLU', 'negativeSlope', negativeSlope)
    this.negativeSlope = negativeSlope
  }

  override forward(x: Tensor): Tensor {
    return leakyRelu(x, setting('nn.LeakyReLU', this, 'negativeSlope'))
  }
}

/** elu as a layer. */
export class ELU extends Module {
  /** Minus what elements far below 0 become. */
  alpha: number

  /** Throws TypeError for an alpha that is not a number. */
  constructor(alpha = 1) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.ELU(alpha)')
    super()
    requireNumber('nn.ELU', 'alpha', alpha)
    this.alpha = alpha
  }

  override forward(x: Tensor): Tensor {
    return elu(x, setting('nn.ELU', this, 'alpha'))
  }
}

/** gelu as a layer, with its options. */
export class GELU extends Module {
  readonly #approximate: 'none' | 'tanh'

  /** Throws TypeError for an option that gelu does not have. */
  constructor(options: GeluOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.GELU(options)')
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
export class SiLU extends Plain {
  override forward(x: Tensor): Tensor {
    return silu(x)
  }
}

/** sigmoid as a layer. */
export class Sigmoid extends Plain {
  override forward(x: Tensor): Tensor {
    return sigmoid(x)
  }
}

/** tanh as a layer. */
export class Tanh extends Plain {
  override forward(x: Tensor): Tensor {
    return tanh(x)
  }
}

/** softplus as a layer. */
export class Softplus extends Plain {
  override forward(x: Tensor): Tensor {
    return softplus(x)
  }
}

/** softmax as a layer, along the given dimension; negative ones count from the end. */
export class Softmax extends Module {
  readonly #dim: number

  /** Throws TypeError for a dimension that is not a whole number. */
  constructor(dim = -1) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.Softmax(dim)')
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
