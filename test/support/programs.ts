// The examples, and the programs that the pages show: what they are, how they are run, and what they should print.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'vitest'

export const root = new URL('../../', import.meta.url)

export interface Program {
  readonly code: string
  /** What it says it prints. */
  readonly output: string
}

/** What a program prints when a user runs it at the repository's root. Rejects with what it says on stderr if it fails. */
export async function run(path: string): Promise<string> {
  const args = ['--import', 'tsx', path]
  return (await promisify(execFile)(process.execPath, args, { cwd: fileURLToPath(root), timeout: 110_000 })).stdout
}

/** An example: its code, and the output that its header gives after "It prints". */
export function readExample(name: string): Program & { readonly header: readonly string[]; readonly lines: number } {
  const text = readFileSync(new URL(`examples/${name}.ts`, root), 'utf8')
  const lines = text.split('\n')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  const header = lines.slice(0, end)
  const prints = header.indexOf('// It prints')
  const output = header.slice(prints + 1).map((line) => `${line.replace(/^\/\/ {0,3}/, '')}\n`)
  const code = lines.slice(end).join('\n')
  return { header: header.slice(0, prints), code, output: output.join(''), lines: lines.length - 1 }
}

/**
 * The programs of a page. A block of code that opens the device begins one; the blocks after it go on with it, and the
 * blocks of text among them are what it prints.
 */
export function programsOf(page: string): Program[] {
  const programs: { code: string; output: string }[] = []
  for (const [, language, block] of page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)) {
    const isCode = language === 'ts' || language === 'js'
    if (isCode && (programs.length === 0 || block!.includes('await open('))) programs.push({ code: '', output: '' })
    const program = programs.at(-1)
    if (program && isCode) program.code += block
    if (program && language === 'text') program.output += block
  }
  return programs
}

/**
 * Holds what was printed to what should be. Adapters differ in the last bits of exp and of long sums: a decimal may be
 * off by one in the last digit shown, all else is the same.
 */
export function expectPrinted(printed: string, expected: string): void {
  const decimal = /\d+\.\d+/g
  expect(printed.replace(decimal, '#.#')).toBe(expected.replace(decimal, '#.#'))
  const given = printed.match(decimal) ?? []
  const far = (expected.match(decimal) ?? []).flatMap((shown, i) => {
    const unit = 10 ** -shown.split('.')[1]!.length
    return Math.abs(Number(given[i]) - Number(shown)) < 1.5 * unit ? [] : [`${given[i]} instead of ${shown}`]
  })
  expect(far).toEqual([])
}
