// Finds what a network computes with and does not have: parameters that would silently not be trained, and modules whose mode
// nobody would set.
import { type Module, modeRead, setMode } from '../nn/module.ts'
import { noGrad } from '../tensor/modes.ts'
import { type Observer, observe } from '../tensor/observe.ts'
import type { Tensor } from '../tensor/tensor.ts'

const CURE =
  'a module must be in a property of the module that uses it, or in an array, a plain object, a Map or a Set that is one, not ' +
  'in a private field (#name) or a variable'

/**
 * Takes a step, which is given `call`, the forward of the network. Throws an Error that names the tensor and its layer where a
 * gradient is computed for one that is not a parameter of the network; it has no gradient then.
 */
export function withoutMissing<T, In, Out>(
  operation: string,
  net: Module<unknown>,
  call: (input: In) => Out,
  step: (forward: (input: In) => Out) => T,
): T {
  const own = new Set(net.parameters())
  let again: (() => unknown) | null = null
  const forward = (input: In) => {
    again = () => call(input)
    return call(input)
  }
  const leaf = (found: Tensor) => {
    if (own.has(found)) return
    const what = `${found.label}${again ? placeOf(found, net, again) : ''}`
    throw new Error(`${operation}: ${what} is not a parameter of the network, so it would not be trained: ${CURE}`)
  }
  return withoutForeign(operation, net, () => observe({ leaf }, () => step(forward)))
}

/**
 * Takes a step. Throws an Error afterwards that names a module which ran in it, depends on its mode, and is not part of the
 * network: it would stay in the mode that it is in.
 */
export function withoutForeign<T>(operation: string, net: Module<unknown>, step: () => T): T {
  const own = new Set<object>(net.namedModules().values())
  const foreign: object[] = []
  const module = (found: object) => {
    modeRead.delete(found)
    return () => {
      if (!own.has(found) && modeRead.has(found)) foreign.push(found)
    }
  }
  const made = observe({ module }, step)
  const [first] = foreign
  if (!first) return made
  const what = `a ${first.constructor.name} that it computes with is not part of the network`
  throw new Error(`${operation}: ${what}, so its mode would not be set, nor its buffers be saved: ${CURE}`)
}

/** Where a tensor is used, in words: found by one forward more, in evaluation mode, so that nothing changes. */
function placeOf(tensor: Tensor, net: Module<unknown>, call: () => unknown): string {
  const paths = new Map([...net.namedModules()].map(([path, module]) => [module as object, path]))
  const running: object[] = []
  let users: object[] = []
  const observer: Observer = {
    layerByLayer: true,
    module: (module) => {
      running.push(module)
      return () => void running.pop()
    },
    operation: (_, inputs) => {
      if (users.length === 0 && inputs.includes(tensor)) users = [...running]
    },
  }
  const restoreModes = setMode(net, false)
  try {
    noGrad(() => observe(observer, call))
  } catch {
    return '' // a network that varies: what is known is said
  } finally {
    restoreModes()
  }
  const names = users.reverse().map((module) => {
    const [kind, path] = [module.constructor.name, paths.get(module)]
    return path === undefined ? `a ${kind}` : path === '' ? `the network (${kind})` : `layer ${path} (${kind})`
  })
  const known = users.findIndex((module) => paths.has(module))
  return names
    .slice(0, known < 0 ? names.length : known + 1)
    .map((name) => ` in ${name}`)
    .join('')
}
