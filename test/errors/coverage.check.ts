// Whether every error of the source has its entry. Run by `npm run test:tables`.
import { describe, expect, test } from 'vitest'
import { coverage, isAt } from './coverage.ts'
import { BY_HAND, INVARIANTS, PASSED_ON } from './exempt.ts'
import type { Refusal } from './refusal.ts'
import { errorClasses, findSites, parse, type Site, sitesIn } from './sites.ts'
import { AREAS } from './table.ts'

const sites = findSites()
const refusals = AREAS.flatMap((area) => area.refusals)
const where = ({ at, code }: Site) => `${at}  ${code.slice(0, 120)}`

const ADVICE = `these places of the source make an error that no entry of test/errors/*.ts holds. Add an entry of this form to
the area that it belongs to, and see CONTRIBUTING.md, "A new error":
  { title: '…', error: 'TypeError', text: '…', cure: '…', run: () => … }`

describe('the table of errors', () => {
  test('holds every error that the source makes', () => {
    const { held } = coverage(sites, refusals)
    const exempt = [...INVARIANTS, ...PASSED_ON]
    const left = sites.filter((site) => !held.has(site) && !exempt.some((place) => isAt(site, place)))
    expect(left.map(where), ADVICE).toEqual([])
  })

  test('holds no error that the source does not make', () => {
    const { idle } = coverage(sites, refusals)
    expect(idle.map(({ title, text }) => `${title}: ${text}`)).toEqual([])
  })

  test('exempts only what is there, and no text that it holds', () => {
    const gone = [...INVARIANTS, ...PASSED_ON, ...BY_HAND].filter((place) => !sites.some((site) => isAt(site, place)))
    expect(gone).toEqual([])
    const { held } = coverage(sites, refusals)
    const twice = [...held].filter((site) => INVARIANTS.some((place) => isAt(site, place)))
    expect(twice.map(where)).toEqual([])
  })

  test('has no two entries of one title or text', () => {
    for (const key of ['title', 'text'] as const) {
      const all = refusals.map((refusal) => refusal[key])
      expect(all.filter((text, i) => all.indexOf(text) !== i)).toEqual([])
    }
  })
})

describe('the search for errors in the source', () => {
  const found = (text: string) => {
    const source = parse('src/new.ts', text)
    return sitesIn(source, errorClasses([source])).map(({ error, text }) => [
      error,
      text?.map((piece) => piece ?? '…').join('') ?? null,
    ])
  }
  const entry = (error: string, text: string): Refusal => ({ title: 't', error, text, run: () => undefined })
  const holds = (text: string, ...entries: Refusal[]) => {
    const source = parse('src/new.ts', text)
    const all = sitesIn(source, errorClasses([source]))
    return coverage(all, entries).held.size === all.length
  }

  test('reads texts, templates, sums, names, choices and functions', () => {
    expect(found("throw new Error('plain text')")).toEqual([['Error', 'plain text']])
    expect(found(`throw new TypeError(\`\${a}: needs \${b}\`)`)).toEqual([['TypeError', '…: needs …']])
    expect(found("function f() { const s = 'some ' + 'text'; throw new RangeError(s) }")).toEqual([
      ['RangeError', 'some text'],
    ])
    expect(found("throw new Error(a ? 'first text' : 'second text')")).toEqual([
      ['Error', 'first text'],
      ['Error', 'second text'],
    ])
    expect(found(`throw new Error(made(1))\nfunction made(n: number) { return \`made of \${n}\` }`)).toEqual([
      ['Error', 'made of …'],
    ])
    expect(found("throw new Error(['one line', ...rest, 'last line'].join('\\n'))")).toEqual([
      ['Error', 'one line\n…\nlast line'],
    ])
  })

  test('knows classes that extend Error, errors that are returned, and helpers', () => {
    expect(
      found("class Odd extends TypeError {}\nclass Own extends Odd {}\nconst f = () => new Own('own text')"),
    ).toEqual([['Own', 'own text']])
    const own = "class Odd extends Error { constructor(n: number) { super('own text' + n) } }"
    expect(found(`${own}\nthrow new Odd(1)`)).toEqual([['Odd', 'own text…']])
    expect(found("this.#fail(at, 'no such thing', right)\nfail('another thing')")).toEqual([
      [null, 'no such thing'],
      [null, 'another thing'],
    ])
    expect(found("function why(x: X): Promise<string | null> { return x ? 'it does not exist' : null }")).toEqual([
      [null, 'it does not exist'],
    ])
    expect(found("function label(x: X): string { return 'no error at all' }")).toEqual([])
    expect(found(`problems.push(\`missing: \${x}\`)`)).toEqual([[null, 'missing: …']])
    expect(found('throw new Error(message)')).toEqual([['Error', null]]) // a text that cannot be read is still a site
  })

  test('finds an error without an entry, and one whose entry has another text or class', () => {
    const source = `throw new RangeError(\`take: n is \${n}, it must be less\`)`
    expect(holds(source)).toBe(false)
    expect(holds(source, entry('RangeError', 'take: n is 4, it must be less'))).toBe(true)
    expect(holds(source, entry('RangeError', 'take: n is 4, it must be fewer'))).toBe(false)
    expect(holds(source, entry('TypeError', 'take: n is 4, it must be less'))).toBe(false)
    expect(holds('throw new Error(message)', entry('Error', 'any text'))).toBe(false)
    const either = "throw new Error(a ? 'first text' : 'second text')"
    expect(holds(either, entry('Error', 'first text'))).toBe(false)
    expect(holds(either, entry('Error', 'first text'), entry('Error', 'second text'))).toBe(true)
  })

  test('counts an entry for the most exact of the texts that it fits', () => {
    const source = `throw new Error(\`\${a} needs \${b}\`)\nthrow new Error(\`\${a} needs \${b} bytes\`)`
    expect(holds(source, entry('Error', 'x needs 4 bytes'))).toBe(false)
    expect(holds(source, entry('Error', 'x needs 4 bytes'), entry('Error', 'x needs y'))).toBe(true)
  })
})
