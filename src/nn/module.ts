// A part of a network: its parameters, buffers and children, its mode, and its state by name.
import { dependingOn } from '../capture/current.ts'
import { copyInto } from '../tensor/copy_into.ts'
import { shown } from '../tensor/options.ts'
import { formatShape, sameShape } from '../tensor/shape.ts'
import { checkInPlace } from '../tensor/standing_in.ts'
import { Tensor } from '../tensor/tensor.ts'
import { noteClass } from './running.ts'
import { isBuffer, isParameter, partsOf, tensorsOf } from './state.ts'

/** Modules whose mode was asked for since they were taken out of here. @internal */
export const modeRead = new WeakSet<object>()

/** Tensors by the names of parameters and buffers, as `stateDict` gives them. */
export type StateDict = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>

/**
 * A part of a network. Its parameters are its properties that are tensors requiring a gradient, its buffers those that
 * `nn.buffer` has marked, its children those that are modules, in the order in which they were set: `this.conv1 = new
 * nn.Conv2d(…)` is enough. What is in a property that is an array, a plain object, a Map or a Set counts as properties, called
 * 'layers.0', 'layers.1', …, or by its keys, 'blocks.head'. What is in a private field (`#name`), in another kind of object
 * or in a variable is not part of the module: it is neither trained nor saved, and `fit` and `lrFind` refuse to train with it.
 * `Out` is what it computes where that is not one tensor.
 */
export abstract class Module<Out = Tensor> {
  #training = true

  constructor() {
    noteClass(new.target.prototype, Module.prototype)
  }

  /** What the module computes; shapes are those of its layers. */
  abstract forward(x: Tensor): Out

  /** Whether the module is in training mode, as it is until `eval()`. Layers such as batch norm compute differently in each. */
  get training(): boolean {
    modeRead.add(this)
    const mode = (training: boolean) => `${training ? 'training' : 'evaluation'} mode`
    return dependingOn(
      () => this.#training,
      (then) => `a ${this.constructor.name} is in ${mode(!then)} now, and was in ${mode(then)}`,
    )
  }

  /** Puts the module and all modules inside into training mode, or with false into evaluation mode. */
  train(mode = true): this {
    if (typeof mode !== 'boolean') throw new TypeError(`train: mode must be true or false, not ${shown(mode)}`)
    this.#training = mode
    for (const [, child] of this.namedChildren()) child.train(mode)
    return this
  }

  /** Puts the module and all modules inside into evaluation mode. */
  eval(): this {
    return this.train(false)
  }

  /** The modules directly inside, by the names that parameters are prefixed with. */
  namedChildren(): [string, Module<unknown>][] {
    return partsOf(this).flatMap(([name, value]) => (value instanceof Module ? [[name, value]] : []))
  }

  /** Every module with its path, this one first, at ''. A module used in two places is listed once. */
  namedModules(): Map<string, Module<unknown>> {
    return firstOfEach(paths(this))
  }

  /** Every parameter with its path, as in PyTorch: '0.weight'. A parameter used in two places is listed once. */
  namedParameters(): Map<string, Tensor> {
    return firstOfEach(stateOf(this, [isParameter]))
  }

  /** Every parameter once, in the order of `namedParameters`. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()]
  }

  /** Every buffer with its path, as in PyTorch: '1.running_mean'. A buffer used in two places is listed once. */
  namedBuffers(): Map<string, Tensor> {
    return firstOfEach(stateOf(this, [isBuffer]))
  }

  /** Every buffer once, in the order of `namedBuffers`. */
  buffers(): Tensor[] {
    return [...this.namedBuffers().values()]
  }

  /** Calls `fn` for every module inside, then for this one: children first. */
  apply(fn: (module: Module<unknown>) => void): this {
    for (const [, child] of this.namedChildren()) child.apply(fn)
    fn(this)
    return this
  }

  /**
   * Parameters and buffers by name: the tensors themselves, not copies. As in PyTorch, a tensor used in two places is there
   * under both names.
   */
  stateDict(): Map<string, Tensor> {
    return new Map(stateOf(this, [isParameter, isBuffer]))
  }

  /**
   * Copies values into parameters and buffers. Of a tensor used in two places one name is enough; the last one given counts.
   * Throws an Error that lists everything that is missing, unknown or of another shape or type, and where averages are swapped
   * in; nothing is changed then.
   */
  loadStateDict(state: StateDict): void {
    if (typeof state !== 'object' || state === null)
      throw new TypeError('loadStateDict: the state must be a map or an object of tensors')
    const given = state instanceof Map ? (state as ReadonlyMap<string, Tensor>) : new Map(Object.entries(state))
    const own = this.stateDict()
    const found = new Set([...own].flatMap(([name, tensor]) => (given.has(name) ? [tensor] : [])))
    const problems: string[] = []
    const pairs: [value: Tensor, own: Tensor][] = []
    for (const [name, tensor] of own) {
      tensor.checkUsable('loadStateDict')
      const value = given.get(name)
      if (!value) {
        if (!found.has(tensor)) problems.push(`missing: ${name} ${formatShape(tensor.shape)}`)
        found.add(tensor)
        continue
      }
      pairs.push([value, tensor])
      const { shape, dtype, gpu } = tensor
      if (!(value instanceof Tensor)) problems.push(`type: ${name} is given as something that is not a tensor`)
      else if (!sameShape(value.shape, shape)) {
        problems.push(`shape: ${name} is ${formatShape(shape)}, given ${formatShape(value.shape)}`)
      } else if (value.gpu !== gpu) problems.push(`device: ${name} lives on another device`)
      else if (value.dtype !== dtype) problems.push(`type: ${name} is ${dtype}, given ${value.dtype}`)
      else value.checkUsable('loadStateDict')
    }
    for (const [name, value] of given) {
      if (!own.has(name))
        problems.push(`unknown: ${name}${value instanceof Tensor ? ` ${formatShape(value.shape)}` : ''}`)
    }
    if (problems.length > 0) {
      throw new Error(`loadStateDict: the state does not fit this module\n${problems.map((p) => `  ${p}`).join('\n')}`)
    }
    checkInPlace('loadStateDict', [...own.values()], 'overwritten')
    copyInto(pairs)
  }

  /** Releases the parameters, their gradients, and the buffers. */
  dispose(): void {
    for (const tensor of [...this.parameters(), ...this.buffers()]) tensor.dispose()
  }
}

/** Puts a network into a mode. What is returned puts every module back into the mode that it had. @internal */
export function setMode(net: Module<unknown>, training: boolean): () => void {
  const before = [...net.namedModules().values()].map((module) => [module, module.training] as const)
  net.train(training)
  return () => {
    for (const [module, mode] of before) module.train(mode)
  }
}

/** A module and those inside, by every path that leads to one. */
function paths(module: Module<unknown>): [path: string, module: Module<unknown>][] {
  const found: [string, Module<unknown>][] = []
  const walk = (path: string, inner: Module<unknown>, around: readonly Module<unknown>[]) => {
    if (around.includes(inner)) {
      throw new Error(`nn.Module: ${path} is a module that contains it; keep that one in a private property (#name)`)
    }
    found.push([path, inner])
    const children = new Map<string, Module<unknown>>()
    for (const [name, child] of inner.namedChildren()) {
      if (children.has(name) && children.get(name) !== child) {
        throw new Error(`nn.Module: two modules in ${inner.constructor.name} are called ${name}; rename one of them`)
      }
      children.set(name, child)
      walk(path === '' ? name : `${path}.${name}`, child, [...around, inner])
    }
  }
  walk('', module, [])
  return found
}

/** The tensors of some kinds in a module and those inside, by every path that leads to one: kind by kind in each module. */
function stateOf(module: Module<unknown>, kinds: readonly (typeof isParameter)[]): [name: string, tensor: Tensor][] {
  return paths(module).flatMap(([path, inner]) => {
    const own = kinds.flatMap((isOne) => tensorsOf(inner, isOne))
    const twice = own.find(([name], i) => own.findIndex((other) => other[0] === name) !== i)
    if (twice)
      throw new Error(`nn.Module: two tensors of ${inner.constructor.name} are called ${twice[0]} in its state`)
    return own.map(([name, tensor]): [string, Tensor] => [path === '' ? name : `${path}.${name}`, tensor])
  })
}

/** Each value once, under its first name. */
function firstOfEach<T>(named: readonly (readonly [string, T])[]): Map<string, T> {
  const seen = new Set<T>()
  return new Map(named.filter(([, value]) => !seen.has(value) && seen.add(value)))
}
