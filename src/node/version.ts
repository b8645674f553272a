// The version of this package.
import { readFileSync } from 'node:fs'

/** The package's version, from its package.json, which is two folders up both in the sources and in `dist/`. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
