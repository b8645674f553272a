// A WGSL file and its kernels: an entry point with the numbers it is compiled with. A device compiles a kernel when it is first
// dispatched (pipelines.ts), so nothing here needs one.
import { type Binding, reflect } from './reflect.ts'

/** Numbers by name. */
export type Numbers = Readonly<Record<string, number>>

/** What a kernel is compiled with. */
export interface KernelOptions {
  /** New numbers for the file's `const NAME: u32 = 4u; // tune` lines. */
  readonly tune?: Numbers
  /** Values of the file's `override` declarations, such as workgroup sizes. */
  readonly constants?: Numbers
}

/**
 * A WGSL file, whose entry points are kernels:
 *
 *     const file = new KernelFile('silu', code)
 *     const forward = file.entry('forward')
 */
export class KernelFile {
  /** The name that errors and benchmarks show, without `.wgsl`. */
  readonly name: string
  readonly code: string
  readonly #kernels = new Map<string, Kernel>()

  constructor(name: string, code: string) {
    this.name = name
    this.code = code
  }

  /**
   * The kernel of an entry point: `tune` has new numbers for the file's `const NAME: u32 = 4u; // tune` lines, `constants`
   * values for its `override` declarations. The same numbers give the same kernel, so each device compiles it once.
   * Throws an Error for an entry point, a tune line or a binding style that the file does not have.
   */
  entry(entryPoint: string, tune: Numbers = {}, constants: Numbers = {}): Kernel {
    const key = `${entryPoint} ${inOrder(tune)} ${inOrder(constants)}`
    let kernel = this.#kernels.get(key)
    if (!kernel) {
      kernel = new Kernel(this.name, this.code, entryPoint, { tune, constants })
      this.#kernels.set(key, kernel)
    }
    return kernel
  }
}

/** Numbers by name, in the order of their names. */
function inOrder(numbers: Numbers): string {
  const names = Object.keys(numbers).sort()
  return names.map((name) => `${name}=${numbers[name]}`).join()
}

/**
 * One entry point of one WGSL file, with the numbers it is compiled with. Independent of any device. `KernelFile` makes each
 * once; one that is made by hand is compiled for itself.
 */
export class Kernel {
  /** `file.entryPoint`, the name that errors and benchmarks show. */
  readonly name: string
  readonly code: string
  readonly entryPoint: string
  /** @internal */
  readonly bindings: readonly Binding[]
  readonly constants: Numbers

  /** Throws an Error for an entry point, a tune line or a binding style that the file does not have. */
  constructor(file: string, code: string, entryPoint: string, options: KernelOptions = {}) {
    const bindings = reflect(file, code).get(entryPoint)
    if (!bindings) throw new Error(`${file}.wgsl has no entry point ${entryPoint}`)
    this.name = `${file}.${entryPoint}`
    this.code = tuned(file, code, options.tune ?? {})
    this.entryPoint = entryPoint
    this.bindings = bindings
    this.constants = { ...options.constants }
  }
}

/** Replaces the numbers, and only the numbers, of `// tune` lines, so that the file stays valid as it stands. */
function tuned(file: string, code: string, tune: Numbers): string {
  let result = code
  for (const [name, value] of Object.entries(tune)) {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new Error(`${file}.wgsl: ${name} = ${value} is not a whole number`)
    const line = new RegExp(`^(const ${name}: u32 = )\\d+(u; // tune)`, 'm')
    if (!line.test(result)) throw new Error(`${file}.wgsl has no line "const ${name}: u32 = …u; // tune"`)
    result = result.replace(line, `$1${value}$2`)
  }
  return result
}
