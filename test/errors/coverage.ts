// Which entries of the table hold which places of the source.
import { BY_HAND } from './exempt.ts'
import type { Refusal } from './refusal.ts'
import type { Site } from './sites.ts'

/** How an error of a class presents itself, where that is not by the class's own name. */
const SHOWN: Readonly<Record<string, string>> = {
  DownloadError: 'SetupError',
  BrokenOff: 'SetupError',
  UsageError: 'exit code 2',
  InvalidArgumentError: 'exit code 2',
}

interface Candidate {
  readonly site: Site
  readonly pattern: RegExp
  /** How many of its characters are fixed. */
  readonly fixed: number
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Whether a text of this place may be a part of a longer one: what setup could not do is told in lists. */
const isPart = ({ error }: Site) => error === null || ['exit code 2', 'SetupError'].includes(SHOWN[error] ?? error)

export function isAt(site: Site, place: { readonly file: string; readonly code: string }): boolean {
  return site.file === place.file && site.code.startsWith(place.code)
}

function candidates(site: Site): Candidate[] {
  const byHand = BY_HAND.filter((place) => isAt(site, place)).flatMap(({ texts }) => texts)
  const texts = byHand.map((text) => text.split(/(…)/).map((piece) => (piece === '…' ? null : piece)))
  return (site.text ? [site.text] : texts).map((pieces) => {
    const hole = isPart(site) && !pieces.join('').includes('\n') ? '[^\\n]*' : '[\\s\\S]*'
    const body = pieces.map((piece) => (piece === null ? hole : escaped(piece))).join('')
    return { site, pattern: new RegExp(isPart(site) ? body : `^${body}$`), fixed: pieces.join('').length }
  })
}

/** Of the candidates with a class of their own that fit a text, those with the most fixed characters. */
function best(fitting: readonly Candidate[], text: string): Candidate[] {
  const fits = fitting.filter(({ site, pattern }) => site.error !== null && pattern.test(text))
  const most = Math.max(...fits.map(({ fixed }) => fixed))
  return fits.filter(({ fixed }) => fixed === most)
}

/**
 * The sites that entries hold: of those whose texts fit an entry, or one of its lines where it is a list, the ones with the
 * most fixed characters; and every one whose text is a part of it. Beside them the entries that fit none.
 */
export function coverage(sites: readonly Site[], refusals: readonly Refusal[]): { held: Set<Site>; idle: Refusal[] } {
  const all = sites.flatMap(candidates)
  const held = new Set<Site>()
  const idle: Refusal[] = []
  for (const refusal of refusals) {
    const { text } = refusal
    const fits = all.filter(({ site: { error }, pattern }) => {
      const known = error === null || [error, SHOWN[error]].includes(refusal.error)
      return known && pattern.test(text)
    })
    const parts = fits.filter(({ site }) => site.error === null)
    const inLines = fits.filter(({ site }) => isPart(site)).length === 0 ? [] : text.split('\n')
    const hit = [...parts, ...best(fits, text), ...inLines.flatMap((line) => best(fits, line))]
    for (const { site } of hit) held.add(site)
    if (hit.length === 0 && refusal.by === undefined) idle.push(refusal)
  }
  return { held, idle }
}
