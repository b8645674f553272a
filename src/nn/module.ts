import { empty } from '../tensor/create.ts'
import { scope } from '../tensor/scope.ts'
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import { isParameter } from './init.ts'
import { noteClass } from './running.ts'
import { type Summary, summarize } from './summary.ts'

/** Tensors by the names of parameters, as `stateDict` gives them. */
export type StateDict = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>

/** Copies values into parameters, by way of memory of their own where a value is itself a parameter written to. */
function copyInto(pairs: readonly (readonly [value: Tensor, parameter: Tensor])[]): void {
  const written = new Set(pairs.map(([, parameter]) => parameter.storage))
  scope(() => {
    const sources = pairs.map(([value, parameter]) => {
      if (value.storage === parameter.storage || !written.has(value.storage)) return value
      const copy = empty(value.gpu, value.shape, 'float32', 'loadStateDict')
      value.gpu.copy(value.storage, copy.storage, 4 * value.size)
      return copy
    })
    pairs.forEach(([, parameter], i) => {
      const source = sources[i]!
      if (source.storage === parameter.storage) return
      parameter.gpu.copy(source.storage, parameter.storage, 4 * parameter.size)
      parameter.storage.version++
    })
  })
}

/**
 * A part of a network. Its parameters are its own properties that are tensors requiring a gradient, its children its own
 * properties that are modules, both in the order in which they were set: `this.conv1 = new nn.Conv2d(…)` is enough.
 */
export abstract class Module {
  constructor() {
    noteClass(new.target.prototype, Module.prototype)
  }

  /** What the module computes; shapes are those of its layers. */
  abstract forward(x: Tensor): Tensor

  /** The modules directly inside, by the names that parameters are prefixed with. */
  namedChildren(): [string, Module][] {
    return Object.entries(this).filter((entry): entry is [string, Module] => entry[1] instanceof Module)
  }

  /** Every parameter with its path, as in PyTorch: '0.weight'. A parameter used in two places is listed once. */
  namedParameters(): Map<string, Tensor> {
    const found = new Map<string, Tensor>()
    const seen = new Set<Tensor>()
    const walk = (module: Module, prefix: string) => {
      for (const [name, value] of Object.entries(module)) {
        if (isParameter(value) && !seen.has(value)) {
          seen.add(value)
          found.set(prefix + name, value)
        }
      }
      for (const [name, child] of module.namedChildren()) walk(child, `${prefix}${name}.`)
    }
    walk(this, '')
    return found
  }

  /** Every parameter once, in the order of `namedParameters`. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()]
  }

  /**
   * A table of the layers, in the order in which they run, for an input of this shape: output shape, parameters and
   * multiply-adds. It is found by one forward without gradients, layer by layer, on zeros. `String(net.summary([1, 1, 28, 28]))`
   * is the table as text. A layer that runs and is no property, such as one in an array, is shown as not registered, and its
   * parameters, which `parameters()` has not either, are not counted. Throws ShapeError where the input does not fit.
   */
  summary(inputShape: Shape): Summary {
    return summarize(this, inputShape)
  }

  /** The parameters by name: the tensors themselves, not copies. */
  stateDict(): Map<string, Tensor> {
    return this.namedParameters()
  }

  /**
   * Copies values into the parameters. Throws an Error that lists every parameter that is missing, unknown or of another
   * shape or type; nothing is changed then.
   */
  loadStateDict(state: StateDict): void {
    if (typeof state !== 'object' || state === null)
      throw new TypeError('loadStateDict: the state must be a map or an object of tensors')
    const given = state instanceof Map ? (state as ReadonlyMap<string, Tensor>) : new Map(Object.entries(state))
    const own = this.namedParameters()
    const problems: string[] = []
    for (const [name, parameter] of own) {
      parameter.checkUsable('loadStateDict')
      const value = given.get(name)
      if (!value) problems.push(`missing: ${name} ${formatShape(parameter.shape)}`)
      else if (!(value instanceof Tensor)) problems.push(`type: ${name} is given as something that is no tensor`)
      else if (!sameShape(value.shape, parameter.shape)) {
        problems.push(`shape: ${name} is ${formatShape(parameter.shape)}, given ${formatShape(value.shape)}`)
      } else if (value.gpu !== parameter.gpu) problems.push(`device: ${name} lives on another device`)
      else if (value.dtype !== 'float32') problems.push(`type: ${name} is float32, given ${value.dtype}`)
      else value.checkUsable('loadStateDict')
    }
    for (const [name, value] of given) {
      if (!own.has(name))
        problems.push(`unknown: ${name}${value instanceof Tensor ? ` ${formatShape(value.shape)}` : ''}`)
    }
    if (problems.length > 0) {
      throw new Error(`loadStateDict: the state does not fit this module\n${problems.map((p) => `  ${p}`).join('\n')}`)
    }
    copyInto([...own].map(([name, parameter]) => [given.get(name)!, parameter]))
  }

  /** Releases the parameters and their gradients. */
  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose()
  }
}
