import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { makeFolder } from '../../src/node/files.ts'

const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-files-'))
afterAll(() => rmSync(scratch, { recursive: true }))

it('makes a folder and those above it, and leaves one alone that is there', () => {
  const path = join(scratch, 'a/b/c')
  makeFolder(path)
  const { ino } = statSync(path)
  for (const again of [path, `${path}/`, join(scratch, 'a')]) makeFolder(again)
  expect(statSync(path).ino).toBe(ino)
})

it.each([
  ['a file is in its place', 'file', /EEXIST.*file'$/],
  ['a file is above it', 'file/below', /ENOTDIR|EEXIST/],
  ['a link leads nowhere', 'link', /EEXIST.*link'$/],
])('throws where %s', (_, name, message) => {
  writeFileSync(join(scratch, 'file'), '')
  if (name === 'link') symlinkSync(join(scratch, 'nowhere'), join(scratch, 'link'))
  expect(() => makeFolder(join(scratch, name))).toThrow(message)
})

it.skipIf(!existsSync('/proc/self'))('throws where the system makes none, and does not hang', () => {
  expect(() => makeFolder('/proc/dawngrad/below')).toThrow(/ENOENT.*mkdir '\/proc\/dawngrad'/)
})
