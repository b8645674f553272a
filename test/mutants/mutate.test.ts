import { describe, expect, it } from 'vitest'
import { type Mutant, mutate } from './mutant.ts'

describe('mutate', () => {
  const mutant: Mutant = { id: 'm', file: 'f.ts', find: 'x', replace: 'y', breaks: '', tests: { files: [] } }
  const text = 'a x\nfn one(\n  p\n) {\n  {\n    x\n  }\n}\nfn two() {\n}\nb'

  it('changes one place, which `in` narrows down to a block', () => {
    expect(mutate('a x b', mutant)).toBe('a y b')
    expect(mutate(text, { ...mutant, in: 'fn one(' })).toBe(text.replace('    x', '    y'))
    expect(mutate(text, { ...mutant, find: 'b', replace: '$&' })).toBe(`${text.slice(0, -1)}$&`)
  })

  it('refuses a text that is not there exactly once', () => {
    const refused = (more: Partial<Mutant>) => () => mutate(text, { ...mutant, ...more })
    expect(refused({})).toThrow('mutant m: the text to be replaced must occur exactly once in f.ts, it occurs 2 times')
    expect(refused({ in: 'fn two(' })).toThrow(
      "mutant m: the text to be replaced after 'fn two(' must occur exactly once in f.ts, it occurs 0 times",
    )
    expect(refused({ in: 'fn' })).toThrow("mutant m: the text 'fn' must occur exactly once in f.ts, it occurs 2 times")
  })
})
