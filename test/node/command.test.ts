import { expect, test } from 'vitest'
import { commandLine } from '../../src/node/command.ts'

test('a command is named as it is run: by npm in a checkout, by npx where the package is built', () => {
  expect(commandLine('setup')).toBe('npm run setup')
  expect(commandLine('train', ['--resume', 'runs/a'])).toBe('npm run train -- --resume runs/a')
  expect(commandLine('train', ['--resume', "my runs/o'b"])).toBe(`npm run train -- --resume 'my runs/o'\\''b'`)
  const built = 'file:///x/node_modules/dawngrad/dist/node/command.js'
  expect(commandLine('setup', [], built)).toBe('npx dawngrad setup')
  expect(commandLine('train', ['--resume', 'runs/a'], built)).toBe('npx dawngrad train --resume runs/a')
})
