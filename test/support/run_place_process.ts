// A process that takes folders as `train` does, at the word of a test. A line of its input is a word of JSON: what to take; a
// line of its output is what came of it. Run by Node.
import process from 'node:process'
import { createInterface } from 'node:readline'
import { takeDefault, takeOut, takeResumed } from '../../src/cli/run_place.ts'
import type { HeldFolder } from '../../src/node/held_folder.ts'

const take = {
  default: (now: string) => takeDefault(new Date(now)),
  out: takeOut,
  resumed: takeResumed,
}
let held: HeldFolder | null = null

for await (const line of createInterface({ input: process.stdin })) {
  const [how, what] = JSON.parse(line) as [keyof typeof take | 'release', string]
  let answer: string
  if (how === 'release') {
    await held?.release()
    held = null
    answer = 'released'
  } else {
    try {
      held = await take[how](what)
      answer = `took ${held.path}`
    } catch (error) {
      answer = `${(error as Error).name}: ${(error as Error).message}`
    }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
