import { type Binding, reflect } from './reflect.ts'

/** What a kernel is compiled with. */
export interface KernelOptions {
  /** New numbers for the file's `const NAME: u32 = 4u; // tune` lines. */
  readonly tune?: Readonly<Record<string, number>>
  /** Values of the file's `override` declarations, such as workgroup sizes. */
  readonly constants?: Readonly<Record<string, number>>
}

/** One entry point of one WGSL file, with the numbers it is compiled with. Independent of any device. */
export class Kernel {
  /** `file.entryPoint`, the name that errors and benchmarks show. */
  readonly name: string
  readonly code: string
  readonly entryPoint: string
  /** @internal */
  readonly bindings: readonly Binding[]
  readonly constants: Readonly<Record<string, number>>

  /** Throws an Error for an entry point, a tune line or a binding style that the file does not have. */
  constructor(file: string, code: string, entryPoint: string, options: KernelOptions = {}) {
    const bindings = reflect(file, code).entryPoints.get(entryPoint)
    if (!bindings) throw new Error(`${file}.wgsl has no entry point ${entryPoint}`)
    this.name = `${file}.${entryPoint}`
    this.code = tuned(file, code, options.tune ?? {})
    this.entryPoint = entryPoint
    this.bindings = bindings
    this.constants = options.constants ?? {}
  }
}

/** Replaces the numbers, and only the numbers, of `// tune` lines, so that the file stays valid as it stands. */
function tuned(file: string, code: string, tune: Readonly<Record<string, number>>): string {
  let result = code
  for (const [name, value] of Object.entries(tune)) {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new Error(`${file}.wgsl: ${name} = ${value} is no whole number`)
    const line = new RegExp(`^(const ${name}: u32 = )\\d+(u; // tune)`, 'm')
    if (!line.test(result)) throw new Error(`${file}.wgsl has no line "const ${name}: u32 = …u; // tune"`)
    result = result.replace(line, `$1${value}$2`)
  }
  return result
}
