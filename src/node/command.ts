// How a command is typed here: `npm run …` in a checkout, `npx dawngrad …` in an installed package.

/**
 * The command line for a command of this package: `npm run setup` in a checkout, which runs from its sources and has no
 * `dawngrad` executable, and `npx dawngrad setup` where the package is installed.
 */
export function commandLine(name: string, options: readonly string[] = [], here = import.meta.url): string {
  const checkout = here.endsWith('.ts')
  const words = [checkout ? `npm run ${name}` : `npx dawngrad ${name}`, ...options.map(quoted)]
  if (checkout && options.length > 0) words.splice(1, 0, '--') // without it npm would read the options itself
  return words.join(' ')
}

/** A word, quoted for a shell. */
function quoted(word: string): string {
  return /^[\w./:=,@%+\\-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
