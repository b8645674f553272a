import { at, currentPlace, detector, layerOf } from '../tensor/anomaly.ts'
import { Tensor } from '../tensor/tensor.ts'
import type { Module } from './module.ts'

/** The module whose forward runs, and its path in the outermost one, which has none. */
let running: { readonly module: Module; readonly path: string } | null = null

const traced = new WeakSet<object>()

/**
 * Lets every forward of a class say which layer runs, while anomalies are looked for. It is done once a class, by
 * replacing `forward` on its prototype, since users' modules call `forward` themselves.
 */
export function traceForward(prototype: Module, base: Module): void {
  for (let p = prototype; p !== base && !traced.has(p); p = Object.getPrototypeOf(p) as Module) {
    traced.add(p)
    if (!Object.hasOwn(p, 'forward')) continue
    const forward = p.forward as (...inputs: unknown[]) => Tensor
    p.forward = function (this: Module, ...inputs: unknown[]): Tensor {
      return runAs(this, () => forward.apply(this, inputs))
    }
  }
}

/** Looks at the modules of a network as they run. */
export interface Watcher {
  /** A module's forward begins; what is returned is called at its end. */
  enter(module: Module): (out: unknown) => void
}

let watcher: Watcher | null = null

/** Whether modules are looked at one by one, so that none may be computed along with others. */
export function isWatched(): boolean {
  return watcher !== null
}

/** Runs `fn` while `given` looks on. */
export function watchModules<T>(given: Watcher, fn: () => T): T {
  const before = watcher
  watcher = given
  try {
    return fn()
  } finally {
    watcher = before
  }
}

/** Runs what computes in a layer's place, so that what is found in it is said of the layer. */
export function runAs(module: Module, forward: () => Tensor): Tensor {
  return detector() || watcher ? inLayer(module, forward) : forward()
}

function inLayer(module: Module, forward: () => Tensor): Tensor {
  const outer = running
  if (outer?.module === module) return forward() // its own forward calls that of its superclass
  const name = outer?.module.namedChildren().find(([, child]) => child === module)?.[0]
  const path = name === undefined ? '' : outer!.path === '' ? name : `${outer!.path}.${name}`
  const layer = path === '' ? module.constructor.name : `layer ${path} (${module.constructor.name})`
  for (const value of Object.values(module)) if (value instanceof Tensor) layerOf.set(value, layer)
  running = { module, path }
  const leave = watcher?.enter(module)
  try {
    const out = at({ direction: currentPlace().direction, layer }, forward)
    leave?.(out)
    return out
  } finally {
    running = outer
  }
}
