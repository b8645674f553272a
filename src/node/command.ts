// How a command is typed here: `npm run …` in a checkout, `npx dawngrad …` in an installed package.

/**
 * How a command of this package is run where this file lies: `npm run setup` in a checkout, which runs from its sources
 * and has no `dawngrad` to find, and `npx dawngrad setup` where the package is built.
 */
export function commandLine(name: string, options: readonly string[] = [], here = import.meta.url): string {
  const checkout = here.endsWith('.ts')
  const words = [checkout ? `npm run ${name}` : `npx dawngrad ${name}`, ...options.map(quoted)]
  if (checkout && options.length > 0) words.splice(1, 0, '--') // npm would take the options for its own
  return words.join(' ')
}

/** A word as a shell takes it whole. */
function quoted(word: string): string {
  return /^[\w./:=,@%+\\-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
