// A page as blocks, whose texts are Markdown with no more than code, bold, italics and links; written as Markdown and as HTML.

export type Block =
  | { readonly kind: 'heading'; readonly level: 2 | 3; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'table'; readonly head: readonly string[]; readonly rows: Rows; readonly texts: number }
  | { readonly kind: 'figures'; readonly figures: readonly PageFigure[] }

type Rows = readonly (readonly string[])[]

export interface PageFigure {
  /** The file's name without its ending. */
  readonly name: string
  /** What it shows, for those who do not see it. */
  readonly alt: string
  readonly svg: string
}

export interface Page {
  readonly title: string
  /** What the page is, in a sentence or two. */
  readonly lead: string
  readonly blocks: readonly Block[]
}

export const heading = (text: string, level: 2 | 3 = 2): Block => ({ kind: 'heading', level, text })
export const text = (...sentences: readonly string[]): Block => ({ kind: 'text', text: sentences.join(' ') })
export const list = (items: readonly string[]): Block => ({ kind: 'list', items })
export const code = (lines: readonly string[]): Block => ({ kind: 'code', text: lines.join('\n') })
/** The first `texts` columns are set to the left, the others, of numbers, to the right. */
export const table = (head: readonly string[], rows: Rows, texts = 1): Block => ({ kind: 'table', head, rows, texts })
export const figures = (...figures: readonly PageFigure[]): Block => ({ kind: 'figures', figures })

/** `a, b and c` */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** The anchor of a heading, as GitHub makes it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-')
}

export function figuresIn({ blocks }: Page): PageFigure[] {
  return blocks.flatMap((block) => (block.kind === 'figures' ? block.figures : []))
}

/** @param fileOf the address of a figure's file, from the page */
export function toMarkdown({ title, lead, blocks }: Page, note: string, fileOf: (name: string) => string): string {
  const parts = blocks.map((block) => markdown(block, fileOf))
  return `${[`<!-- ${note} -->`, `# ${title}`, lead, ...parts].join('\n\n')}\n`
}

function markdown(block: Block, fileOf: (name: string) => string): string {
  const image = ({ name, alt }: PageFigure, width: string) =>
    `<img src="${fileOf(name)}" alt="${alt.replaceAll('"', '&quot;')}"${width}>`
  switch (block.kind) {
    case 'heading':
      return `${'#'.repeat(block.level)} ${block.text}`
    case 'text':
      return block.text
    case 'list':
      return block.items.map((item) => `- ${item}`).join('\n')
    case 'code':
      return `\`\`\`sh\n${block.text}\n\`\`\``
    case 'table':
      return markdownTable(block)
    case 'figures': {
      const half = block.figures.length > 1
      const images = block.figures.map((one) => image(one, half ? ' width="49%"' : ''))
      return half ? `<p>\n${images.join('\n')}\n</p>` : images.join('')
    }
  }
}

function markdownTable({ head, rows, texts }: Extract<Block, { kind: 'table' }>): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const rule = head.map((_, i) => (i < texts ? '---' : '---:'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}
