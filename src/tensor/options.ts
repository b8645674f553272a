// Refuses options that an operation does not have, and shows values in errors.
/** Throws TypeError for an option that the operation does not have: an accepted option is an implemented one. */
export function requireOptions(operation: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(
      `${operation}: options must be an object with any of ${known.join(', ')}, not ${shown(options)}`,
    )
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new TypeError(`${operation}: unknown option ${key}; known: ${known.join(', ')}`)
  }
}

/** Throws TypeError for one of these options that is there and neither true nor false: any other value would count as one. */
export function requireFlags(operation: string, options: object, names: readonly string[]): void {
  for (const name of names) {
    const value = (options as Readonly<Record<string, unknown>>)[name]
    if (value === undefined || typeof value === 'boolean') continue
    throw new TypeError(`${operation}: ${name} must be true or false, not ${shown(value)}`)
  }
}

/** The error for more arguments than a function has, given as its name and their names, `sum(x, dim, options)`: they would be ignored. */
export function tooMany(given: IArguments, signature: string): TypeError {
  const [name, names] = signature.split(/[()]/) as [string, string]
  const most = names === '' ? 0 : names.split(', ').length
  return new TypeError(`${name}: ${shown(given[most])} is an argument too many; it is ${signature}`)
}

/** Throws RangeError for what is not a number from 0 to 1. */
export function requireShare(operation: string, name: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= 1) return
  throw new RangeError(`${operation}: ${name} must be a number from 0 to 1, not ${shown(value)}`)
}

/** A value as errors show it: a text in quotes, so that '3' is not taken for 3. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  const name: unknown = value.constructor?.name
  const kind = typeof name === 'string' && name !== 'Object' ? name : 'object'
  return `${/^[aeio]/i.test(kind) ? 'an' : 'a'} ${kind}`
}
