// Checks the text of a safetensors header for what JSON.parse would let through.

/** A header is an object of objects with lists; nothing is deeper. */
const MAX_DEPTH = 3
const ALLOWED = /[\s[\],:0-9]/

/**
 * The error in a safetensors header that JSON.parse would not report, or null: an object with a name twice (the last would
 * win), `__proto__`, a depth that only an attack has, or a value that is not an object, text, list or whole number. It
 * reads from left to right in one pass, so no text can make it slow or deep.
 */
export function checkHeaderText(text: string): string | null {
  if (text[0] !== '{') return 'must start with {'
  /** The names in every open object; null for a list. */
  const open: (Set<string> | null)[] = []
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!
    if (c === '"') {
      const end = endOfText(text, at)
      const key = open.at(-1) && text[pastSpace(text, end)] === ':' ? parsed(text.slice(at, end)) : null
      if (key === '__proto__') return `names __proto__ at character ${at}`
      if (key !== null && open.at(-1)!.has(key)) return `names ${shown(key)} twice`
      if (key !== null) open.at(-1)!.add(key)
      at = end - 1
    } else if (c === '{' || c === '[') {
      if (open.push(c === '{' ? new Set() : null) > MAX_DEPTH) return `is nested more than ${MAX_DEPTH} deep`
    } else if (c === '}' || c === ']') open.pop()
    else if (!ALLOWED.test(c)) {
      return `has ${shown(c)} at character ${at}; only objects, strings, lists and whole numbers are allowed`
    }
  }
  return null
}

/** The position after the text that starts at `start`; the end of the header if the text does not end. */
function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at + 1
  }
  return text.length
}

function pastSpace(text: string, start: number): number {
  let at = start
  while (/\s/.test(text[at] ?? '')) at++
  return at
}

/** The value of a text in JSON; null if it is invalid, which JSON.parse of the whole will report. */
function parsed(json: string): string | null {
  try {
    return JSON.parse(json) as string
  } catch {
    return null
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}
