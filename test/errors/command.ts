// Runs the command line with one list of arguments after the other, and prints how each ended. The command's module runs
// when it is loaded, and is loaded anew under another address.
import process from 'node:process'
import type { Ended } from './provoke.ts'

const main = new URL('../../src/cli/main.ts', import.meta.url).href
const ended: Ended[] = []
const write = process.stdout.write.bind(process.stdout)
let [stdout, stderr] = ['', '']
process.stdout.write = (text: string | Uint8Array) => {
  stdout += String(text)
  return true
}
process.stderr.write = (text: string | Uint8Array) => {
  stderr += String(text)
  return true
}
for (const [i, args] of (JSON.parse(process.argv[2] ?? '[]') as string[][]).entries()) {
  process.argv = [process.execPath, main, ...args]
  stdout = ''
  stderr = ''
  await import(`${main}?run=${i}`)
  ended.push({ code: Number(process.exitCode), stdout, stderr })
}
process.exitCode = 0
write(JSON.stringify(ended))
