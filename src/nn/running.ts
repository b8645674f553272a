// Tells observers which layer runs.
import { modulesObserved, observing, provideTrace } from '../tensor/observe.ts'
import type { Module } from './module.ts'

type Forward = (...inputs: unknown[]) => unknown

/** The module whose forward runs, and its path in the outermost one, which has none. */
let running: { readonly module: Module<unknown>; readonly path: string } | null = null

/** Classes of modules that were made, by their prototypes. */
const classes = new Set<Module<unknown>>()
/** What `forward` was on the prototypes where it is replaced. */
const replaced = new Map<Module<unknown>, Forward>()

/**
 * Notes the class of a module. While modules are observed, every forward of it says which layer runs: by replacing
 * `forward` on the prototypes, since users' modules call `forward` themselves. At other times nothing is replaced.
 */
export function noteClass(prototype: Module<unknown>, base: Module<unknown>): void {
  for (let p = prototype; p !== base && !classes.has(p); p = Object.getPrototypeOf(p) as Module<unknown>) {
    classes.add(p)
    if (modulesObserved()) replace(p)
  }
}

provideTrace((observed) => {
  if (observed) for (const prototype of classes) replace(prototype)
  else for (const [prototype, forward] of replaced) prototype.forward = forward
  if (!observed) replaced.clear()
})

function replace(prototype: Module<unknown>): void {
  if (!Object.hasOwn(prototype, 'forward') || replaced.has(prototype)) return
  const forward = prototype.forward as Forward
  replaced.set(prototype, forward)
  prototype.forward = function (this: Module<unknown>, ...inputs: unknown[]): unknown {
    return runAs(this, () => forward.apply(this, inputs))
  }
}

/** Runs what computes in a layer's place, so that what is found in it is said of the layer. */
export function runAs<Out>(module: Module<unknown>, forward: () => Out): Out {
  const outer = running
  // Its own forward may call that of its superclass.
  if (!modulesObserved() || outer?.module === module) return forward()
  const name = outer?.module.namedChildren().find(([, child]) => child === module)?.[0]
  const path = name === undefined ? '' : outer!.path === '' ? name : `${outer!.path}.${name}`
  const layer = path === '' ? module.constructor.name : `layer ${path} (${module.constructor.name})`
  running = { module, path }
  const leave = observing().map((observer) => observer.module?.(module, layer))
  let out: Out | null = null
  try {
    out = forward()
    return out
  } finally {
    for (const each of leave.reverse()) each?.(out)
    running = outer
  }
}
