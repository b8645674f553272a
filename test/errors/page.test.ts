// The page of errors, as `npm run docs:errors` writes it, of a small table.
import { expect, test } from 'vitest'
import { page } from './page.ts'

const run = () => undefined

test('the page of errors has a list of its areas, then every entry: class, text and cure', () => {
  const text = page([
    {
      title: 'Tensors and shapes',
      refusals: [
        { title: 'add: other shapes', error: 'ShapeError', text: 'add: b must fit\n  b [4]', cure: 'Reshape b.', run },
        { title: 'no adapter', error: 'GpuError', kind: 'unavailable', text: 'no adapter', run },
      ],
    },
    { title: 'Files (damaged)', refusals: [{ title: 'a rate', error: 'UsageError', text: '--lr: not a number', run }] },
  ])
  expect(text.slice(text.indexOf('\n- ') + 1)).toBe(`- [Tensors and shapes](#tensors-and-shapes): 2
- [Files (damaged)](#files-damaged): 1

## Tensors and shapes

### add: other shapes

\`ShapeError\`:

\`\`\`text
add: b must fit
  b [4]
\`\`\`

→ Reshape b.

### no adapter

\`GpuError\` of kind \`unavailable\`:

\`\`\`text
no adapter
\`\`\`

## Files (damaged)

### a rate

Exit code 2, behind \`error: \`:

\`\`\`text
--lr: not a number
\`\`\`
`)
})
