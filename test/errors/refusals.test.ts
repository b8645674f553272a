import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { GpuError } from '../../src/node/index.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'
import { answers, type Ended, provoke } from './provoke.ts'
import { fixedParts, pattern, type Refusal } from './refusal.ts'
import { AREAS } from './table.ts'

let gpu: Gpu
let ended: Ended[] = []
const refusals = AREAS.flatMap((area) => area.refusals)
const lists = refusals.flatMap((refusal) => ('args' in refusal ? [refusal.args] : []))
beforeAll(async () => {
  gpu = await testGpu()
  ended = await answers(lists)
})

/** Holds a text to that of an entry, whole. */
function expectText(text: string, refusal: Refusal): void {
  if (refusal.varies === undefined) expect(text).toBe(refusal.text)
  else if (!pattern(refusal).test(text)) expect(text, 'it varies otherwise than `varies` says').toBe(refusal.text)
}

/** What is fixed of a text, clause by clause: tests put theirs together of such. */
function clausesOf(refusal: Refusal): string[] {
  const clauses = fixedParts(refusal).flatMap((part) => part.split(/\n|[:;] /))
  return clauses.map((clause) => clause.trim()).filter((clause) => /[a-z]{2}/i.test(clause))
}

/** The source of a test, with sums of texts put together and without escapes. */
function textsIn(file: string): string {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
  return source
    .replace(/(['"`])\s*\+\s*(['"`])/g, '')
    .replace(/\\n/g, '\n')
    .replace(/\\(.)/g, '$1')
}

describe.each(AREAS.map((area) => [area.title, area.refusals] as const))('%s', (_, entries) => {
  test.each(entries.map((refusal) => [refusal.title, refusal] as const))('%s', async (_, refusal) => {
    if ('run' in refusal) {
      const error = (await provoke(refusal.run, gpu)) as Error
      expect(error).toBeInstanceOf(Error)
      expectText(error.message, refusal)
      expect(error.name).toBe(refusal.error)
      if (error instanceof GpuError) expect(error.kind).toBe(refusal.kind)
    } else if ('args' in refusal) {
      const { code, stdout, stderr } = ended[lists.indexOf(refusal.args)]!
      expectText(stderr, { ...refusal, text: `${refusal.text}\n` })
      expect([`exit code ${code}`, stdout]).toEqual([refusal.error, ''])
    } else {
      const source = textsIn(refusal.pinnedBy)
      expect(clausesOf(refusal).filter((clause) => !source.includes(clause))).toEqual([])
    }
  })
})

describe('an entry', () => {
  test('has every placeholder that it declares, declares every one that it has, and a cure that is a sentence', () => {
    const wrong = refusals.flatMap(({ title, text, varies = {}, cure = 'None.' }) => {
      const unused = Object.keys(varies).filter((name) => !text.includes(name))
      const own = text.replace(/'--[^']*'/g, '') // commander quotes options with their own <n>
      const undeclared = (own.match(/<[a-z][a-z0-9-]*>/g) ?? []).filter((name) => !(name in varies))
      const problems = [...unused, ...undeclared, ...(/^\S.*\.$/.test(cure) ? [] : [cure])]
      return problems.map((problem) => `${title}: ${problem}`)
    })
    expect(wrong).toEqual([])
  })

  test('holds the whole text: a word more, less or other is found', () => {
    const refusal: Refusal = {
      title: 't',
      error: 'Error',
      text: '<n> of <n>, <m>',
      varies: { '<n>': /\d+/, '<m>': /\w+/ },
      run: () => 0,
    }
    const matches = (text: string) => pattern(refusal).test(text)
    expect(['12 of 12, x', '12 of 13, x', 'a of a, x', '12 of 12, x y', ' 12 of 12, x'].map(matches)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ])
    expect(fixedParts(refusal)).toEqual(['', ' of ', ', ', ''])
  })
})
