// A mutant is one small fault put into the sources. The tests named beside it should notice; where none does, a test is
// missing.

/** Which tests should notice: whole files, or of these the tests whose full names match a pattern. */
export interface Witness {
  readonly files: readonly string[]
  /** For Vitest's `-t`: a regular expression. It makes a slow file narrow. */
  readonly name?: string
}

export interface Mutant {
  /** Unique: file, place and fault in a few words, such as 'relu-backward-sign'. */
  readonly id: string
  /** The source that is changed, from the root of the repository. */
  readonly file: string
  /**
   * Where in the file `find` stands, if it stands there more than once: a text that occurs exactly once. What is meant is
   * from its line to the next line that closes a brace at the same indentation: a function, a method, a table.
   */
  readonly in?: string
  /** The exact text that is replaced; it must occur exactly once. */
  readonly find: string
  readonly replace: string
  /** One sentence: what goes wrong. */
  readonly breaks: string
  readonly tests: Witness
  /** The fault makes a loop endless: that the tests run out of time is then how it is noticed. */
  readonly hangs?: true
  /** Why no test can notice: the mutant is listed and not run. */
  readonly equivalent?: string
}

/** A mutant of a file whose tests are named once for all of it. */
export type Row = Omit<Mutant, 'file' | 'tests'> & { readonly tests?: Witness }

export function mutantsOf(file: string, tests: Witness, rows: readonly Row[]): Mutant[] {
  return rows.map((row) => ({ file, tests, ...row }))
}

/** Mutants of one area, under the heading that the report gives them. */
export interface Area {
  readonly title: string
  readonly mutants: readonly Mutant[]
}

/** The text of the file with the fault in it. Throws an Error that names the mutant where `in` or `find` is not there once. */
export function mutate(text: string, mutant: Mutant): string {
  const { id, file, find, replace } = mutant
  const refuse = (what: string, times: number) =>
    new Error(`mutant ${id}: ${what} must occur exactly once in ${file}, it occurs ${times} times`)
  let [start, end] = [0, text.length]
  if (mutant.in !== undefined) {
    const times = occurrences(text, mutant.in)
    if (times !== 1) throw refuse(`the text '${mutant.in}'`, times)
    ;[start, end] = section(text, text.indexOf(mutant.in))
  }
  const part = text.slice(start, end)
  const times = occurrences(part, find)
  if (times !== 1)
    throw refuse(`the text to be replaced${mutant.in === undefined ? '' : ` after '${mutant.in}'`}`, times)
  const at = start + part.indexOf(find)
  return text.slice(0, at) + replace + text.slice(at + find.length)
}

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1
}

/** From the line of `at` to the end of the next line that closes a brace at its indentation, or the end of the text. */
function section(text: string, at: number): [number, number] {
  const start = text.lastIndexOf('\n', at) + 1
  const indentation = /^ */.exec(text.slice(start))![0]
  const closing = new RegExp(`^${indentation}\\}.*$`, 'm').exec(text.slice(start))
  return [start, closing ? start + closing.index + closing[0].length : text.length]
}
