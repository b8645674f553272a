// A property that tensors do not have: who asks for one that is almost there, or that PyTorch has, is told its name here.

/** PyTorch's names for what has another one here. */
const OTHERWISE: Readonly<Record<string, string>> = {
  view: 'reshape',
  dim: 'shape.length',
  ndim: 'shape.length',
  numel: 'size',
  mm: 'matmul',
  bmm: 'matmul',
  t: 'transpose',
  T: 'transpose',
  narrow: 'slice',
  amax: 'max',
  amin: 'min',
  logsumexp: 'logSumExp',
  numpy: 'data',
  tolist: 'data',
  cpu: 'data',
}

/** What the language and those who print or compare values look for in anything. */
const ASKED_OF_ANYTHING = ['then', 'toJSON', 'inspect', 'length', 'nodeType', 'tagName', 'message', 'stack', 'cause']

/** Letters that differ, are missing or too many, or change places, between two names. */
function distance(a: string, b: string): number {
  let [before, row]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      next[j] = Math.min(row![j]! + 1, next[j - 1]! + 1, row![j - 1]! + same)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) next[j] = Math.min(next[j]!, before![j - 2]! + 1)
    }
    ;[before, row] = [row!, next]
  }
  return row![b.length]!
}

/** The name among `names` that is meant; null where none is near. @internal */
export function nearestName(name: string, names: readonly string[]): string | null {
  const camel = name.replace(/_+$/, '').replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  if (names.includes(camel)) return camel
  if (Object.hasOwn(OTHERWISE, name)) return OTHERWISE[name]!
  const far = name.length < 5 ? 1 : 2
  const found = names.map((one) => [distance(camel, one), one] as const).filter(([d]) => d <= far)
  return found.sort(([a], [b]) => a - b)[0]?.[1] ?? null
}

/** Puts a last place to look at behind a class's prototype: a TypeError for names that are near one of it. */
export function refuseUnknownNames(prototype: object, what: string): void {
  const last = new Proxy(Object.prototype, {
    get(target, name, receiver) {
      if (typeof name === 'string' && !(name in target) && !ASKED_OF_ANYTHING.includes(name)) {
        const own = Object.getOwnPropertyNames(receiver as object)
        const nearest = nearestName(name, [...Object.getOwnPropertyNames(prototype), ...own])
        if (nearest !== null) throw new TypeError(`${what} has no ${name}; the nearest is ${nearest}`)
      }
      return Reflect.get(target, name, receiver)
    },
  })
  Object.setPrototypeOf(prototype, last)
}
