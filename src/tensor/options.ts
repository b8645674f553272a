// Refuses options that an operation does not have.
/** Throws TypeError for an option that the operation does not have: an accepted option is an implemented one. */
export function requireOptions(operation: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(
      `${operation}: options must be an object with any of ${known.join(', ')}, not ${String(options)}`,
    )
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new TypeError(`${operation}: unknown option ${key}; known: ${known.join(', ')}`)
  }
}
