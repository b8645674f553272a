// Whether every mutant of the table can be made. Run by `npm run test:tables`.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { testGpu } from '../support/gpu.ts'
import { root } from './copy.ts'
import { mutate } from './mutant.ts'
import { areas } from './table.ts'
import { type Token, tokensOf } from './tokens.ts'

const mutants = areas.flatMap((area) => area.mutants)
const text = (token: Token) => token.text
const read = (path: string) => readFileSync(join(root, path), 'utf8')

describe('the table of mutants', () => {
  it('has at least eighty to run, each under a name of its own, and touches every shader', () => {
    expect(mutants.filter(({ equivalent }) => equivalent === undefined).length).toBeGreaterThanOrEqual(80)
    expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length)
    const shaders = readdirSync(join(root, 'wgsl')).filter((name) => name.endsWith('.wgsl'))
    expect(shaders.filter((name) => !mutants.some(({ file }) => file === `wgsl/${name}`))).toEqual([])
  })

  it.each(mutants.map((mutant) => [mutant.id, mutant] as const))('%s is there to be made', (id, mutant) => {
    expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
    const source = read(mutant.file)
    expect(tokensOf(mutate(source, mutant)).map(text)).not.toEqual(tokensOf(source).map(text))
    expect(mutant.tests.files.filter((file) => !existsSync(join(root, file)))).toEqual([])
    // It holds the embedded shaders equal to their files, and would notice any change.
    expect(mutant.tests.files).not.toContain('test/kernels/names.test.ts')
  })
})

describe('a mutant of a shader', () => {
  let device: GPUDevice
  beforeAll(async () => {
    ;({ device } = await testGpu())
  })

  it.each(mutants.filter(({ file }) => file.endsWith('.wgsl')).map((mutant) => [mutant.id, mutant] as const))(
    '%s compiles: any test would notice one that does not',
    async (_, mutant) => {
      device.pushErrorScope('validation')
      device.createShaderModule({ code: mutate(read(mutant.file), mutant) })
      expect((await device.popErrorScope())?.message).toBeUndefined()
    },
  )
})
