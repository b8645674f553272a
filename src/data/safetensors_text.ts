// Checks the text of a safetensors header for what JSON.parse would let through.

/** Objects in an object, and a list in those: no header needs more. */
const MAX_DEPTH = 3
const ALLOWED = /[\s[\],:0-9]/

/**
 * What is wrong with a safetensors header that JSON.parse would not tell, or null: an object that names something twice
 * (the last would win), `__proto__`, a depth that only an attack has, or anything but objects, texts, lists and whole
 * numbers. Read from left to right in one pass: no text can make it slow, or deep.
 */
export function checkHeaderText(text: string): string | null {
  if (text[0] !== '{') return 'must start with {'
  /** The names of every object that is open; null for a list. */
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
      return `has ${shown(c)} at character ${at}; there may be objects, texts, lists and whole numbers alone`
    }
  }
  return null
}

/** The place after the text that starts at `start`; the end where it has none. */
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

/** What a text in JSON says; null for one that is wrong, which JSON.parse of the whole will tell. */
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
