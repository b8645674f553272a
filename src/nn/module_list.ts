// Modules in a list, named by their places in it.
import { shown, tooMany } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Module } from './module.ts'

/**
 * A list of modules, whose parameters are named '0.weight', '1.weight', …. It computes nothing by itself: a module that has
 * one goes through it with `for (const block of this.blocks)`. A property that is a plain array of modules is as good.
 */
export class ModuleList<T extends Module<unknown> = Module> extends Module implements Iterable<T> {
  readonly #modules: T[] = []

  /** Throws TypeError for an element that is not a module. */
  constructor(modules: Iterable<T> = []) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.ModuleList(modules)')
    super()
    if (typeof modules?.[Symbol.iterator] !== 'function') {
      throw new TypeError('nn.ModuleList: the modules must be in an array, such as [new nn.Linear(2, 3)]')
    }
    for (const module of modules) this.append(module)
  }

  get length(): number {
    return this.#modules.length
  }

  /** The module at a place; negative places count from the end. Throws RangeError if there is no such module. */
  at(place: number): T {
    const module = this.#modules.at(place)
    if (module && Number.isInteger(place)) return module
    throw new RangeError(`nn.ModuleList: there is no module ${shown(place)}; the list has ${this.length}`)
  }

  /** Adds a module at the end. */
  append(module: T): this {
    if (!(module instanceof Module)) throw new TypeError(`nn.ModuleList: element ${this.length} is not a module`)
    this.#modules.push(module)
    return this
  }

  /** The modules in their order. */
  [Symbol.iterator](): Iterator<T> {
    return this.#modules[Symbol.iterator]()
  }

  override namedChildren(): [string, Module<unknown>][] {
    return [
      ...this.#modules.map((module, i): [string, Module<unknown>] => [String(i), module]),
      ...super.namedChildren(),
    ]
  }

  /** Throws an Error: a list does not say how its modules follow each other. */
  override forward(_: Tensor): Tensor {
    throw new Error('nn.ModuleList: a list has no forward; call its modules one by one, or use nn.Sequential')
  }
}
