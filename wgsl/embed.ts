// Writes src/kernels/generated/wgsl.ts: the shaders as strings, so that they reach every bundler and runtime alike.
// Run by `npm run embed`; a test holds the two equal.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = new URL('.', import.meta.url)
const target = new URL('../src/kernels/generated/wgsl.ts', import.meta.url)

/** The text of src/kernels/generated/wgsl.ts. */
export function embedded(): string {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.wgsl'))
    .sort()
  const parts = names.map((name) => {
    const text = readFileSync(new URL(name, folder), 'utf8').replace(/[`\\]|\$\{/g, '\\$&')
    return `export const ${name.replace('.wgsl', '')} = \`${text}\`\n`
  })
  return `// Written by \`npm run embed\` from wgsl/*.wgsl. Do not edit.\n\n${parts.join('\n')}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, embedded())
