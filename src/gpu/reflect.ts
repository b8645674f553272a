// Reads from a WGSL file what binding by name needs: the variables, the members of its uniform structs, the entry
// points and which variables each one reaches. It reads the project's own style (one declaration a statement, scalar
// struct members), not every legal WGSL program; what it cannot read it refuses.

export type ScalarType = 'u32' | 'i32' | 'f32'

export interface Binding {
  readonly name: string
  readonly binding: number
  readonly type: 'uniform' | 'read-only-storage' | 'storage'
  /** Members of the struct that a uniform variable holds, in order; null for arrays. */
  readonly members: readonly { name: string; type: ScalarType }[] | null
  /** Bytes that a uniform binding must cover; 0 for storage. */
  readonly minBytes: number
  /** For `var<uniform> replay`, which the device fills in: the number of the step in the run of a plan, 0 outside one. */
  readonly perStep: boolean
}

/** For each entry point, the bindings it reaches, by binding number. */
export type Reflection = ReadonlyMap<string, readonly Binding[]>

const cache = new Map<string, Reflection>()

/** The bindings of every entry point of a WGSL source. Throws an Error that names the file for what it cannot read. */
export function reflect(file: string, code: string): Reflection {
  const found = cache.get(code) ?? read(file, code.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ' '))
  cache.set(code, found)
  return found
}

function read(file: string, code: string): Reflection {
  const bindings = readBindings(file, code)
  const functions = readFunctions(file, code)
  const entryPoints = new Map<string, readonly Binding[]>()
  for (const [name, fn] of functions) {
    if (!fn.entry) continue
    const words = reachableWords(name, functions)
    entryPoints.set(
      name,
      bindings.filter((b) => words.has(b.name)),
    )
  }
  if (entryPoints.size === 0) throw new Error(`${file}.wgsl has no @compute entry point`)
  return entryPoints
}

/** The members of the struct that a uniform variable holds, or null when its type is not a struct in this file. */
function readMembers(file: string, code: string, type: string): { name: string; type: ScalarType }[] | null {
  const body = new RegExp(`\\bstruct\\s+${type}\\s*\\{([^}]*)\\}`).exec(code)?.[1]
  const lines = body?.split(',').map((line) => line.trim())
  if (!lines) return null
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const member = /^(\w+)\s*:\s*(u32|i32|f32)$/.exec(line)
      if (!member) throw new Error(`${file}.wgsl: struct ${type} may hold u32, i32 and f32 only, found "${line}"`)
      return { name: member[1]!, type: member[2] as ScalarType }
    })
}

function readBindings(file: string, code: string): Binding[] {
  const found: Binding[] = []
  const pattern =
    /@group\((\d+)\)\s*@binding\((\d+)\)\s*var<\s*(uniform|storage)\s*(?:,\s*(\w+)\s*)?>\s*(\w+)\s*:\s*([^;]+);/g
  for (const [, group, binding, space, access, name, type] of code.matchAll(pattern)) {
    if (group !== '0') throw new Error(`${file}.wgsl: ${name} is in group ${group}; kernels use group 0`)
    const uniform = space === 'uniform'
    const array = uniform ? /^array<\s*vec4<?\w+>?\s*,\s*(\d+)u?\s*>$/.exec(type!.trim()) : null
    const members = uniform && !array ? readMembers(file, code, type!.trim()) : null
    if (uniform && !members && !array) {
      throw new Error(`${file}.wgsl: uniform ${name} must be a struct or array<vec4f, COUNT>`)
    }
    found.push({
      name: name!,
      binding: Number(binding),
      type: uniform ? 'uniform' : access === 'read_write' ? 'storage' : 'read-only-storage',
      members,
      minBytes: members ? Math.ceil((members.length * 4) / 16) * 16 : Number(array?.[1] ?? 0) * 16,
      perStep: uniform && name === 'replay',
    })
  }
  return found.sort((a, b) => a.binding - b.binding)
}

interface FunctionText {
  readonly entry: boolean
  readonly words: ReadonlySet<string>
}

function readFunctions(file: string, code: string): Map<string, FunctionText> {
  const functions = new Map<string, FunctionText>()
  for (const match of code.matchAll(/((?:@\w+(?:\([^)]*\))?\s*)*)\bfn\s+(\w+)/g)) {
    const open = code.indexOf('{', match.index)
    let depth = 0
    let end = open
    do {
      const c = code[end++]
      if (c === '{') depth++
      else if (c === '}') depth--
      else if (c === undefined) throw new Error(`${file}.wgsl: unbalanced braces in fn ${match[2]}`)
    } while (depth > 0)
    const words = new Set(code.slice(open, end).match(/(?<![.\w])[A-Za-z_]\w*/g))
    functions.set(match[2]!, { entry: match[1]!.includes('@compute'), words })
  }
  return functions
}

/** Every identifier in the function and in what it calls, however deep. */
function reachableWords(start: string, functions: ReadonlyMap<string, FunctionText>): Set<string> {
  const words = new Set<string>()
  const queue = [start]
  const seen = new Set(queue)
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    for (const word of functions.get(name)?.words ?? []) {
      words.add(word)
      if (functions.has(word) && !seen.has(word)) {
        seen.add(word)
        queue.push(word)
      }
    }
  }
  return words
}
