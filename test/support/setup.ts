// Vitest's globalSetup: brings what the tests need, once, before the first of them.
import process from 'node:process'
import { SetupError } from '../../src/provision/errors.ts'
import { ensureSetup } from '../../src/provision/setup.ts'

export async function setup(): Promise<void> {
  try {
    await ensureSetup()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    // Most tests need neither the network nor the data: those that lack something fail by themselves, and say why.
    process.stderr.write(`error: ${error.message}\nThe tests go on without.\n`)
  }
}
