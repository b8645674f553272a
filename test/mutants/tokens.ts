// TypeScript and WGSL as a list of tokens, so that a mutant finds its place whatever the spaces, line breaks and comments are.

export interface Token {
  readonly text: string
  /** Where it starts and ends in the source. */
  readonly start: number
  readonly end: number
}

const SKIPPED = /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\//y
const STRING = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/y
/** What may as well stand between single quotes. */
const DOUBLE_QUOTED = /^"([^'\\]*)"$/
const REGEXP = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/\w*/y
const NUMBER = /0x[\da-f_]+[iu]?|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?\w*/iy
const NAME = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy
/** From a backtick, or the brace that closes a hole of a template, to the next hole or the closing backtick. */
const TEMPLATE = /[`}](?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/y

/** After these a slash divides; after anything else, and after the keywords, it starts a regular expression. */
const OPERAND = /[\p{ID_Continue}$)\]}'"`]$/u
const KEYWORD = /^(?:return|typeof|case|in|of|await|yield|void|delete|throw|new|else|do)$/

/**
 * The tokens of a source, or of a part of one. Every punctuation character is a token, so that a part may end within an
 * operator. A comma before a closing bracket is left out: formatters add one where they break a line.
 */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  /** For every open brace whether it is the hole of a template. */
  const holes: boolean[] = []
  let at = 0
  const match = (pattern: RegExp): number => {
    pattern.lastIndex = at
    return pattern.exec(source)?.[0].length ?? 0
  }
  while (at < source.length) {
    const skipped = match(SKIPPED)
    if (skipped > 0) {
      at += skipped
      continue
    }
    const first = source[at]!
    const before = tokens.at(-1)?.text
    const divides = before === undefined || (OPERAND.test(before) && !KEYWORD.test(before))
    let length = 1
    if (first === '`' || (first === '}' && holes.at(-1) === true)) length = match(TEMPLATE)
    else if (first === '/' && !divides) length = match(REGEXP)
    else length = match(STRING) || match(NUMBER) || match(NAME)
    const text = source.slice(at, at + Math.max(length, 1))
    if (/[)\]}]/.test(text) && text.length === 1 && before === ',') tokens.pop()
    if (first === '}') holes.pop()
    if (text === '{') holes.push(false)
    else if (text.endsWith('${')) holes.push(true)
    tokens.push({ text: text.replace(DOUBLE_QUOTED, "'$1'"), start: at, end: at + text.length })
    at += text.length
  }
  return tokens
}

/** Where `part` stands in `tokens`: the indices of its first tokens. */
export function placesOf(part: readonly Token[], tokens: readonly Token[]): number[] {
  if (part.length === 0) return []
  const isAt = (at: number) => part.every(({ text }, i) => tokens[at + i]?.text === text)
  return [...tokens.keys()].filter(isAt)
}
