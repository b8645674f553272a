// Lines of code of a program: those that are not empty and hold more than a comment. `node --import tsx test/tutorials/lines.ts FILE…` counts.
import { readFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

/** Of a text in Python, or in JavaScript or TypeScript. Texts in triple quotes that are statements count as comments. */
export function linesOfCode(text: string, language: 'python' | 'script'): number {
  const bare =
    language === 'python'
      ? text.replaceAll(/^[ \t]*(?:[rR])?("""|''')[\s\S]*?\1[ \t]*$/gm, '').replaceAll(/^[ \t]*#.*$/gm, '')
      : text.replaceAll(/^[ \t]*\/\*[\s\S]*?\*\/[ \t]*$/gm, '').replaceAll(/^[ \t]*\/\/.*$/gm, '')
  return bare.split('\n').filter((line) => line.trim() !== '').length
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of argv.slice(2)) {
    process.stdout.write(
      `${linesOfCode(readFileSync(file, 'utf8'), file.endsWith('.py') ? 'python' : 'script')} ${file}\n`,
    )
  }
}
