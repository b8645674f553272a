// Whether a mutant finds its place, whatever the layout of the source.
import { describe, expect, it } from 'vitest'
import { type Mutant, mutate } from './mutant.ts'
import { tokensOf } from './tokens.ts'

const texts = (source: string) => tokensOf(source).map(({ text }) => text)
const mutant: Mutant = { id: 'm', file: 'f.ts', find: 'x', replace: 'y', breaks: '', tests: { files: [] } }

describe('tokensOf', () => {
  it('drops spaces, line breaks and comments', () => {
    expect(texts('a  =\n\tb // c\n/* d\n e */ + f')).toEqual(['a', '=', 'b', '+', 'f'])
  })

  it('keeps names and numbers whole and takes punctuation apart', () => {
    expect(texts('i32(x_1) += 1.5e-3f * -0x1Fu')).toEqual([
      'i32',
      '(',
      'x_1',
      ')',
      '+',
      '=',
      '1.5e-3f',
      '*',
      '-',
      '0x1Fu',
    ])
    expect(texts('this.#at?.b[0]!')).toEqual(['this', '.', '#', 'at', '?', '.', 'b', '[', '0', ']', '!'])
  })

  it('leaves what a string says as it is, between quotes of either kind', () => {
    expect(texts('"a"')).toEqual(["'a'"])
    expect(texts(`f('a  // b', "it's", '\\'')`)).toEqual(['f', '(', "'a  // b'", ',', `"it's"`, ',', "'\\''", ')'])
  })

  it('reads the holes of templates as source', () => {
    // A hole is written #{…} here.
    const holes = (source: string) => texts(source.replaceAll('#', '$')).map((text) => text.replaceAll('$', '#'))
    expect(holes('`a  #{ b.c } d`; }')).toEqual(['`a  #{', 'b', '.', 'c', '} d`', ';', '}'])
    expect(holes('`a#{`#{b}`}`')).toEqual(['`a#{', '`#{', 'b', '}`', '}`'])
    expect(holes('`#{f({ a })} #`')).toEqual(['`#{', 'f', '(', '{', 'a', '}', ')', '} #`'])
  })

  it('tells a regular expression from a division', () => {
    expect(texts("s.split(/['/]+/g)")).toEqual(['s', '.', 'split', '(', "/['/]+/g", ')'])
    expect(texts("return /'/")).toEqual(['return', "/'/"])
    expect(texts('a / b / c')).toEqual(['a', '/', 'b', '/', 'c'])
    expect(texts('/ 2u')).toEqual(['/', '2u']) // the beginning of a part
  })

  it('drops the comma that a formatter adds where it breaks a line', () => {
    expect(texts('f(\n  a,\n  b,\n)')).toEqual(texts('f(a, b)'))
    expect(texts('[\n  [a,],\n]')).toEqual(texts('[[a]]'))
  })

  it('says where a token stands', () => {
    const source = "/* a */ b('c') "
    expect(tokensOf(source).map(({ start, end }) => source.slice(start, end))).toEqual(texts(source))
  })
})

describe('mutate', () => {
  it('changes one place', () => {
    expect(mutate('a x b', mutant)).toBe('a y b')
    expect(mutate('a x b', { ...mutant, replace: '$&' })).toBe('a $& b')
    expect(mutate('xx = x + x1', mutant)).toBe('xx = y + x1')
  })

  it('finds it after the source was formatted and commented', () => {
    const find = 'if (a && b) f(a, b)'
    expect(
      mutate('g()\nif (a &&\n  b /* both */) {}\nif (a && b) // now\n  f(\n    a,\n    b,\n  )\nh()', {
        ...mutant,
        find,
      }),
    ).toBe('g()\nif (a &&\n  b /* both */) {}\ny\nh()')
  })

  it('changes neither comments nor strings', () => {
    expect(mutate("// x\nf('x', x) /* x */", mutant)).toBe("// x\nf('x', y) /* x */")
  })

  it.each([
    ['an entry point', 'one', 'fn one(p: u32) { { x } }'],
    ['a function', 'one', 'export function one<T>({ p }: { p: number }): { q: T } { x }'],
    ['a method', 'one', 'a = 1\n  async one(p = { q: 1 }): Promise<{ q: number }[]> { x }'],
    ['a method without a type', 'one', `get one() { \`\${p}\` ; x }`],
    ['a private method', 'one', 'this.#one() ? this.#one(x) : 1\n  #one(): void { x } this.#one()'],
    ['a constant', 'one', 'const one = (p: number): number => { return x }'],
    ['a class', 'one', 'class one extends two { three() { x } }'],
    ['a piece of source', 'fn one(', 'fn  one (p: u32) { x }'],
    ['what is called before and after', 'one', 'if (one(x)) {} q ? one(x) : [x]\n  one(): void { x } one(x)'],
  ])('changes one place within %s', (_, where, block) => {
    const at = block.lastIndexOf('x', block.lastIndexOf('}'))
    const expected = `x; two(x) { x } ${block.slice(0, at)}y${block.slice(at + 1)} x { x }`
    const source = `x; two(x) { x } ${block} x { x }`
    expect(mutate(source, { ...mutant, in: where })).toBe(expected)
  })

  it('refuses what is not there exactly once', () => {
    const source = 'a x\nfn one() {\n  x\n}\nfn two() {\n}\nb'
    const refused = (more: Partial<Mutant>) => () => mutate(source, { ...mutant, ...more })
    expect(refused({})).toThrow("mutant m: 'x' must occur exactly once in f.ts, it occurs 2 times")
    expect(refused({ in: 'two' })).toThrow("mutant m: 'x' in 'two' must occur exactly once in f.ts, it occurs 0 times")
    expect(refused({ in: 'fn' })).toThrow("mutant m: 'fn' must occur exactly once in f.ts, it occurs 0 times")
    expect(refused({ in: 'fn two() {} fn' })).toThrow(
      "mutant m: 'fn two() {} fn' must occur exactly once in f.ts, it occurs 0",
    )
    expect(refused({ find: ' // a' })).toThrow("mutant m: ' // a' must occur exactly once in f.ts, it occurs 0 times")
  })
})
