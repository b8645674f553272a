// Checkpoints of loops that are written by hand: networks, optimizers, batches and values in one file.
import { Batches } from '../data/batches.ts'
import { toDevice, toHost } from '../data/host_tensors.ts'
import { decodeSafetensors, encodeSafetensors, type HostTensor } from '../data/safetensors.ts'
import { DataError } from '../errors.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { kindOf } from '../kernels/support.ts'
import { Module } from '../nn/index.ts'
import { Optimizer } from '../optim/index.ts'
import { shown, tooMany } from '../tensor/options.ts'
import { defaultGenerator } from '../tensor/random.ts'
import { Tensor } from '../tensor/tensor.ts'
import { modesOf, restoreModes, restoreRandom, type SavedRandom } from './saved_state.ts'

const FORMAT = 'dawngrad parts 1'

/** What has a state: an optimizer, an average of weights, a scheduler, or an object of your own. */
interface Stateful {
  stateDict(): unknown
  loadStateDict(state: never): void
}

/** What a file says of a part, beside its tensors. */
interface About {
  readonly kind: 'network' | 'batches' | 'state' | 'value'
  readonly frozen?: readonly string[]
  readonly evaluated?: readonly string[]
  readonly batches?: ReturnType<typeof aboutBatches>
  readonly value?: unknown
}

const KINDS: ReadonlySet<unknown> = new Set(['network', 'batches', 'state', 'value'])

interface Content {
  readonly random: SavedRandom
  readonly parts: Readonly<Record<string, About>>
}

/**
 * The bytes of a safetensors file with the state of all parts, from which {@link restore} continues with the same bits: networks
 * (parameters, buffers, modes, what is frozen), optimizers and whatever else has `stateDict()` and `loadStateDict()`, batches (epoch,
 * position, an order that was set), and plain values: null, booleans, numbers, texts, and arrays and objects of these. The
 * default random generator is among them by itself. A sync point.
 *
 *     await writeFile('last.safetensors', await checkpoint.save({ net, optimizer, data, step }))
 *     const { step } = checkpoint.restore(await readFile('last.safetensors'), { net, optimizer, data })
 *
 * Rejects with TypeError for a part that a file can't hold.
 */
export async function save(parts: Readonly<Record<string, unknown>>): Promise<Uint8Array<ArrayBuffer>> {
  if (arguments.length > 1) throw tooMany(arguments, 'checkpoint.save(parts)')
  requireParts('checkpoint.save', parts)
  const generator = defaultGenerator()
  const { seed, draws, positions: streams } = generator
  const tensors = new Map<string, Tensor>()
  const host = new Map<string, HostTensor>()
  const about = Object.entries(parts).map(([name, part]): [string, About] => {
    if (part instanceof Module) {
      for (const [path, t] of part.stateDict()) tensors.set(`${name}.${path}`, t)
      return [name, { kind: 'network', ...modesOf(part) }]
    }
    if (part instanceof Batches) {
      const { order } = part.place
      if (order) host.set(`${name}.order`, { dtype: 'int32', shape: [order.length], data: Int32Array.from(order) })
      return [name, { kind: 'batches', batches: aboutBatches(part) }]
    }
    const value = isStateful(part) ? part.stateDict() : part
    return [name, { kind: isStateful(part) ? 'state' : 'value', value: packed(value, name, tensors, []) }]
  })
  const json = JSON.stringify({ random: { seed, draws, streams }, parts: Object.fromEntries(about) })
  const all = new Map([...(await toHost(tensors)), ...host])
  return encodeSafetensors(all, new Map(Object.entries({ format: FORMAT, parts: json })))
}

/**
 * Puts parts into the state that {@link save} kept, and returns its plain values. Networks come first, so that optimizers find what
 * belongs to them. `parts` has every part of the file that is not a plain value, under its name. Throws DataError for bytes that
 * are not such a file, or do not fit the parts: names, kinds and batches are compared before anything is changed.
 */
export function restore(bytes: Uint8Array, parts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (arguments.length > 2) throw tooMany(arguments, 'checkpoint.restore(bytes, parts)')
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`checkpoint.restore: the bytes of a file are needed, a Uint8Array, not ${kindOf(bytes)}`)
  }
  requireParts('checkpoint.restore', parts)
  const { tensors, metadata } = decodeSafetensors(bytes, 'checkpoint.restore')
  const content = contentOf(metadata)
  const entries = Object.entries(content.parts)
  checkKinds(content, parts)
  const gpu = deviceOf(Object.values(parts))
  const made = toDevice(tensors, gpu)
  const own = (name: string) => {
    const prefix = `${name}.`
    return new Map(
      [...made].flatMap(([key, t]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), t] as const] : [])),
    )
  }
  const naming = (name: string, load: () => void) => {
    try {
      load()
    } catch (error) {
      if (error instanceof DataError) throw error
      throw new DataError(`checkpoint.restore: ${name}: ${(error as Error).message}`)
    }
  }
  try {
    const networks = entries.flatMap(([name, about]) => {
      const part = parts[name]
      return part instanceof Module ? [[name, part, about] as const] : []
    })
    for (const [name, network] of networks) naming(name, () => network.loadStateDict(own(name)))
    for (const [, network, { frozen = [], evaluated = [] }] of networks) {
      for (const [path, p] of network.namedParameters()) p.requiresGrad = !frozen.includes(path)
      restoreModes(network, { evaluated })
    }
    for (const [name, about] of entries) {
      const part = parts[name]
      if (part instanceof Batches) {
        part.place = {
          ...about.batches!,
          order: (tensors.get(`${name}.order`)?.data as Int32Array | undefined) ?? null,
        }
      } else if (about.kind === 'state') {
        naming(name, () => (part as Stateful).loadStateDict(unpacked(about.value, made) as never))
      }
    }
  } finally {
    for (const t of made.values()) t.dispose()
  }
  restoreRandom(content.random)
  const values = entries.filter(([, { kind }]) => kind === 'value')
  return Object.fromEntries(values.map(([name, { value }]) => [name, unpacked(value, new Map())]))
}

function isStateful(part: unknown): part is Stateful {
  if (typeof part !== 'object' || part === null) return false
  const { stateDict, loadStateDict } = part as Partial<Stateful>
  return typeof stateDict === 'function' && typeof loadStateDict === 'function'
}

function aboutBatches(batches: Batches) {
  const { size, epochSize, batchSize, ordering, changedBy, place } = batches
  const { epoch, position, drawnBy } = place
  return {
    epoch,
    position,
    drawnBy,
    size,
    epochSize,
    batchSize,
    seed: ordering?.seed ?? null,
    rule: ordering?.rule ?? null,
    changes: changedBy === '' ? null : changedBy,
  }
}

function requireParts(operation: string, parts: unknown): void {
  const isRecord =
    typeof parts === 'object' && parts !== null && [Object.prototype, null].includes(Object.getPrototypeOf(parts))
  if (!isRecord) {
    const right = 'an object of parts by names, such as { net, optimizer, data, epoch }'
    throw new TypeError(`${operation}: the parts must be ${right}, not ${shown(parts)}`)
  }
  const wrong = Object.keys(parts as object).find((name) => !/^[\w$]+$/.test(name))
  if (wrong === undefined) return
  throw new TypeError(
    `${operation}: a part can't be called ${JSON.stringify(wrong)}; a name has letters, digits and _ alone`,
  )
}

/** Throws DataError where the parts are not those of the file. */
function checkKinds({ parts: saved }: Content, parts: Readonly<Record<string, unknown>>): void {
  const kindOfPart = (part: unknown) =>
    part instanceof Module ? 'network' : part instanceof Batches ? 'batches' : isStateful(part) ? 'state' : 'value'
  for (const name of Object.keys(parts)) {
    if (Object.hasOwn(saved, name)) continue
    throw new DataError(`checkpoint.restore: there is no ${name} in the file, only ${Object.keys(saved).join(', ')}`)
  }
  for (const [name, { kind, batches }] of Object.entries(saved)) {
    const part = parts[name]
    if (kind === 'value') continue
    if (!Object.hasOwn(parts, name)) {
      throw new DataError(
        `checkpoint.restore: the file has ${name}, a part of the kind ${kind}; give it among the parts`,
      )
    }
    if (kindOfPart(part) !== kind) {
      throw new DataError(
        `checkpoint.restore: ${name} is a part of the kind ${kind} in the file, not ${kindOfPart(part)}`,
      )
    }
    if (!(part instanceof Batches)) continue
    const own = aboutBatches(part)
    for (const key of ['size', 'epochSize', 'batchSize', 'seed', 'rule', 'changes'] as const) {
      if (own[key] === (batches?.[key] ?? null)) continue
      const what = { rule: 'order', changes: 'augment and normalize' }[key as string] ?? key
      throw new DataError(
        `checkpoint.restore: the ${what} of ${name} was ${String(batches?.[key] ?? 'none')}, and is ${String(own[key] ?? 'none')}; make batches like the saved ones`,
      )
    }
  }
}

/** The device that the parts lie on. */
function deviceOf(parts: readonly unknown[]): Gpu | undefined {
  for (const part of parts) {
    if (part instanceof Optimizer) return part.gpu
    if (part instanceof Module) {
      const [first] = part.stateDict().values()
      if (first) return first.gpu
    }
  }
  return undefined
}

/** A value as JSON has it, its tensors by names. `around` are the objects that it lies in. */
function packed(value: unknown, place: string, tensors: Map<string, Tensor>, around: readonly unknown[]): unknown {
  if (value instanceof Tensor) {
    tensors.set(place, value)
    return { $tensor: place }
  }
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return { $number: '-0' }
    return Number.isFinite(value) ? value : { $number: String(value) }
  }
  const isList = Array.isArray(value)
  const isPlain = typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value))
  if ((isList || isPlain) && !around.includes(value)) {
    const inside = [...around, value]
    const pack = (one: unknown, key: string | number) => packed(one, `${place}.${key}`, tensors, inside)
    if (isList) return value.map(pack)
    const entries = Object.entries(value as object).filter(([, one]) => one !== undefined)
    if (entries.every(([key]) => !key.startsWith('$')))
      return Object.fromEntries(entries.map(([key, one]) => [key, pack(one, key)]))
  }
  throw new TypeError(
    `checkpoint.save: ${place} is ${shown(value)}, which a file can't hold; give networks, batches, what has stateDict() and ` +
      'loadStateDict(), or null, booleans, numbers, texts, arrays and plain objects',
  )
}

function unpacked(value: unknown, tensors: ReadonlyMap<string, Tensor>): unknown {
  if (Array.isArray(value)) return value.map((one) => unpacked(one, tensors))
  if (typeof value !== 'object' || value === null) return value
  const { $tensor, $number } = value as { $tensor?: string; $number?: string }
  if ($number !== undefined) return Number($number)
  if ($tensor === undefined) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, unpacked(one, tensors)]))
  }
  const found = tensors.get($tensor)
  if (found) return found
  throw new DataError(`checkpoint.restore: the file has no tensor ${$tensor}`)
}

function contentOf(metadata: ReadonlyMap<string, string>): Content {
  if (metadata.get('format') === FORMAT) {
    try {
      const content = JSON.parse(metadata.get('parts') ?? '') as Partial<Content> | null
      const { seed, draws } = content?.random ?? {}
      const parts = Object.values(content?.parts ?? { none: null })
      if (Number.isSafeInteger(seed) && Number.isSafeInteger(draws) && parts.every((about) => KINDS.has(about?.kind))) {
        return content as Content
      }
    } catch {
      // as any other file
    }
  }
  throw new DataError('checkpoint.restore: the bytes are not a file that checkpoint.save has made')
}
