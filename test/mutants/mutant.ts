// A mutant is one small fault put into the sources. The tests named beside it should notice; where none does, a test is
// missing.

import { placesOf, type Token, tokensOf } from './tokens.ts'

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
   * Where `find` stands, if it stands in the file more than once: the name of the enclosing function, method, entry point or
   * class, or a piece of source that occurs once. The place is from there to the end of the block that follows.
   */
  readonly in?: string
  /** The source that is replaced. Its tokens must occur exactly once; spaces, line breaks and comments do not count. */
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

/**
 * The source with the fault in it. Throws an Error that names the mutant if `in` or `find` does not occur exactly once.
 */
export function mutate(source: string, mutant: Mutant): string {
  const { id, file, replace } = mutant
  const once = (what: string, places: readonly number[]): number => {
    if (places.length === 1) return places[0]!
    throw new Error(`mutant ${id}: ${what} must occur exactly once in ${file}, it occurs ${places.length} times`)
  }
  let tokens: readonly Token[] = tokensOf(source)
  const find = tokensOf(mutant.find)
  let what = `'${mutant.find}'`
  if (mutant.in !== undefined) {
    tokens = blockAt(tokens, once(`'${mutant.in}'`, startsOf(mutant.in, tokens)))
    what += ` in '${mutant.in}'`
  }
  const first = once(what, placesOf(find, tokens))
  const [start, end] = [tokens[first]!.start, tokens[first + find.length - 1]!.end]
  return source.slice(0, start) + replace + source.slice(end)
}

/** Where what `text` names is declared; where the tokens of `text` stand if it is more than a name. */
function startsOf(text: string, tokens: readonly Token[]): number[] {
  const part = tokensOf(text)
  const places = placesOf(part, tokens)
  return part.length === 1 ? places.filter((at) => isDeclaration(tokens, at)) : places
}

const DECLARES = /^(?:fn|function|class|const|let)$/
/** What stands before a call in an expression, and never before a method. */
const BEFORE_CALL = /^(?:await|case|new|return|throw|typeof|void|yield|[^\w\s{};,)\]'"`])$/

function isDeclaration(tokens: readonly Token[], at: number): boolean {
  // The name of a private method follows '#', that of a call to one another '.'.
  const before = tokens[tokens[at - 1]?.text === '#' ? at - 2 : at - 1]?.text ?? ''
  if (DECLARES.test(before)) return true
  let next = at + 1
  if (tokens[next]?.text === '<') next = closing(tokens, next) + 1
  if (tokens[next]?.text !== '(') return false
  const after = tokens[closing(tokens, next) + 1]?.text
  return after === '{' || (after === ':' && !BEFORE_CALL.test(before))
}

const CLOSES: Record<string, string> = { '(': ')', '[': ']', '{': '}', '<': '>' }

/** The token that closes what the token at `open` opens, or the last one. */
function closing(tokens: readonly Token[], open: number): number {
  const opens = tokens[open]!.text
  const closes = CLOSES[opens]!
  let depth = 0
  for (let at = open; at < tokens.length; at++) {
    const { text } = tokens[at]!
    // A hole of a template opens and closes with a brace too, within the tokens of its text.
    if (text === opens || (opens === '{' && text.endsWith('${'))) depth++
    if (text.startsWith(closes) && !(closes === '>' && tokens[at - 1]!.text === '=')) depth--
    if (depth === 0) return at
  }
  return tokens.length - 1
}

/** From the token at `start` to the end of the block that follows it: the body of a function, a class or a table. */
function blockAt(tokens: readonly Token[], start: number): readonly Token[] {
  for (let at = start; at < tokens.length; at++) {
    const { text } = tokens[at]!
    if (text === '(' || text === '[') at = closing(tokens, at)
    if (text !== '{') continue
    at = closing(tokens, at)
    const [next, afterNext] = [tokens[at + 1]?.text ?? '', tokens[at + 2]?.text]
    // After the braces of a type its other parts or the body follow.
    const isType = /^[{|&>]$/.test(next) || (next === '[' && afterNext === ']')
    if (!isType) return tokens.slice(start, at + 1)
  }
  return tokens.slice(start)
}
