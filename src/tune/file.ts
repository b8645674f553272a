// The result of `dawngrad tune`: its format, its check, and how it is applied to a device.
import { DataError } from '../errors.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { keyOf, setTuned } from '../kernels/tuned.ts'
import type { Numbers } from '../kernels/tuning.ts'
import { sameNumbers, TUNABLES, type Tunable } from './spaces.ts'

export const TUNING_FORMAT = 'dawngrad tuning 1'

/** The settings found for one kernel at one shape. */
export interface TuningEntry {
  /** Its name in errors and benchmarks: `conv2d.forward`. */
  readonly kernel: string
  readonly shape: Readonly<Record<string, number>>
  /** SHA-256 of the kernel's text, in hexadecimal. */
  readonly kernelHash: string
  readonly tune: Readonly<Record<string, number>>
  /** Measured milliseconds with these settings, and with those of the table. */
  readonly ms: number
  readonly defaultMs: number
}

/** The file of `dawngrad tune`, as JSON. */
export interface Tuning {
  readonly format: typeof TUNING_FORMAT
  readonly adapter: string
  readonly driver: string
  /** The version of dawngrad that wrote it. */
  readonly version: string
  readonly entries: readonly TuningEntry[]
}

const hashes = new Map<string, Promise<string>>()

/** The hash of a kernel's text, to which its entries are bound. */
export function kernelHash({ code }: Pick<Tunable, 'code'>): Promise<string> {
  const found = hashes.get(code)
  if (found) return found
  const made = crypto.subtle
    .digest('SHA-256', new TextEncoder().encode(code))
    .then((digest) => Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join(''))
  hashes.set(code, made)
  return made
}

/** The adapter and driver to which a tuning is bound. */
export function machineOf({ info }: Pick<Gpu, 'info'>): Pick<Tuning, 'adapter' | 'driver'> {
  return { adapter: info.name, driver: info.description }
}

type Fields = Readonly<Record<string, unknown>>

function requireFields(value: unknown, fields: Readonly<Record<string, string>>, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DataError(`${where}: not an object`)
  const given = value as Fields
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(fields, key))
  if (unknown !== undefined) throw new DataError(`${where}: ${JSON.stringify(unknown)} is unknown`)
  for (const [name, kind] of Object.entries(fields)) {
    const found = given[name]
    const fits =
      kind === 'time' ? typeof found === 'number' && Number.isFinite(found) && found > 0 : typeof found === kind
    if (!Object.hasOwn(given, name) || !fits || found === null) {
      const wanted = kind === 'time' ? 'a time above 0' : `${kind === 'object' ? 'an' : 'a'} ${kind}`
      throw new DataError(`${where}: ${name} must be ${wanted}, it is ${JSON.stringify(found) ?? 'missing'}`)
    }
  }
  return given
}

function numbersOf(value: unknown, where: string): Numbers {
  if (Array.isArray(value)) throw new DataError(`${where} must be an object of numbers, it is an array`)
  for (const [name, number] of Object.entries(value as Fields)) {
    if (!Number.isSafeInteger(number) || (number as number) < 0) {
      throw new DataError(`${where}.${name} must be a whole number, it is ${JSON.stringify(number)}`)
    }
  }
  return value as Numbers
}

const FILE = { format: 'string', adapter: 'string', driver: 'string', version: 'string', entries: 'object' } as const
const ENTRY = {
  kernel: 'string',
  shape: 'object',
  kernelHash: 'string',
  tune: 'object',
  ms: 'time',
  defaultMs: 'time',
} as const

/** Checks the format. Throws DataError that says what is wrong, and where; `name` is the name of the file. */
export function checkTuning(value: unknown, name: string): Tuning {
  const format = (value as { format?: unknown } | null)?.format
  if (format !== TUNING_FORMAT) {
    const found = format === undefined ? 'missing' : JSON.stringify(format)
    throw new DataError(`${name}: its format is ${found}, this version reads "${TUNING_FORMAT}"`)
  }
  const file = requireFields(value, FILE, name)
  if (!Array.isArray(file.entries)) throw new DataError(`${name}: entries must be an array`)
  for (const [i, one] of file.entries.entries()) {
    const where = `${name}: entries[${i}]`
    const entry = requireFields(one, ENTRY, where)
    numbersOf(entry.shape, `${where}: shape`)
    numbersOf(entry.tune, `${where}: tune`)
  }
  return value as Tuning
}

/**
 * Lets a device use the entries of a file that were found on it: for this adapter and driver, and for kernels whose text
 * is the same. Other entries are ignored, with one line of `notice` for each reason. An entry applies to operations of its
 * shape. Throws DataError for a malformed file, and for settings that `tune` would not have tried.
 *
 * @returns the number of entries that may apply
 */
export async function applyTuning(
  gpu: Gpu,
  value: unknown,
  { name = 'tuning', notice }: { name?: string; notice: (line: string) => void },
): Promise<number> {
  const tuning = checkTuning(value, name)
  const { adapter, driver } = machineOf(gpu)
  if (tuning.adapter !== adapter || tuning.driver !== driver) {
    const of = ({ adapter, driver }: Pick<Tuning, 'adapter' | 'driver'>) =>
      `${adapter} with driver ${driver || 'unnamed'}`
    notice(`${name}: ignored: it is for ${of(tuning)}, this is ${of({ adapter, driver })}`)
    return 0
  }
  const chosen = new Map<string, Numbers>()
  const ignored = new Map<string, string>()
  for (const [i, { kernel, shape, tune, kernelHash: hash }] of tuning.entries.entries()) {
    const tunable = TUNABLES.find((one) => one.kernel === kernel)
    if (!tunable) ignored.set(kernel, 'this version has no such kernel')
    else if (hash !== (await kernelHash(tunable)))
      ignored.set(kernel, 'it was found for a different text of this kernel')
    else {
      const where = `${name}: entries[${i}]`
      const known = requireShape(tunable, shape, where)
      const allowed = tunable.candidates(known, gpu.info.adapterClass)
      if (!allowed.some((candidate) => sameNumbers(candidate, tune))) {
        throw new DataError(`${where}: tune ${JSON.stringify(tune)} is not a candidate of ${kernel} at this shape`)
      }
      chosen.set(keyOf(kernel, known), tune)
    }
  }
  for (const [kernel, why] of ignored) notice(`${name}: ignored for ${kernel}: ${why}`)
  setTuned(gpu, chosen)
  return chosen.size
}

/** The shape, with its sizes in the order of the kernel. */
function requireShape({ kernel, sizes }: Tunable, shape: Numbers, where: string): Numbers {
  if (Object.keys(shape).length !== sizes.length || !sizes.every((size) => Object.hasOwn(shape, size))) {
    throw new DataError(`${where}: shape must have the sizes ${sizes.join(', ')} of ${kernel}`)
  }
  return Object.fromEntries(sizes.map((size) => [size, shape[size]!]))
}
