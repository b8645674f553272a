/**
 * How a command of this package is run where this file lies: `npm run setup` in a checkout, which runs from its sources
 * and has no `dawngrad` to find, and `npx dawngrad setup` where the package is built.
 */
export function commandLine(name: string, here = import.meta.url): string {
  return here.endsWith('.ts') ? `npm run ${name}` : `npx dawngrad ${name}`
}
