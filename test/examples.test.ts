import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { expectPrinted, readExample, root, run } from './support/programs.ts'

const names = readdirSync(new URL('examples/', root)).flatMap((file) => /^(\w+)\.ts$/.exec(file)?.[1] ?? [])

describe('the examples', () => {
  it.each(names)('%s: what it shows, the command and its output in the header, in 60 lines', (name) => {
    const { header, lines, output } = readExample(name)
    expect(header).toEqual([expect.stringMatching(/^\/\/ [A-Z].*\.$/), `// Run: node --import tsx examples/${name}.ts`])
    expect(output).not.toBe('')
    expect(lines).toBeLessThanOrEqual(60)
  })

  it.each(names)('%s prints what its header says', async (name) => {
    expectPrinted(await run(`examples/${name}.ts`), readExample(name).output)
  })
})
