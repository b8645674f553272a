import { expect, test } from 'vitest'
import { commandLine } from '../../src/node/command.ts'

test('a command is named as it is run: by npm in a checkout, by npx where the package is built', () => {
  expect(commandLine('setup')).toBe('npm run setup')
  expect(commandLine('setup', 'file:///x/node_modules/dawngrad/dist/node/command.js')).toBe('npx dawngrad setup')
})
