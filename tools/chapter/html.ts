// Writes a page as one HTML file with its style and figures inside, so that it loads nothing else.
import { readFileSync } from 'node:fs'
import { DARK, escapeXml } from '../../src/figures/svg.ts'
import { anchorOf, type Block, type Page, type PageFigure } from './document.ts'

const STYLE = readFileSync(new URL('page.css', import.meta.url), 'utf8')

export function toHtml({ title, lead, blocks }: Page, note: string): string {
  const sections = blocks.flatMap((block) => (block.kind === 'heading' && block.level === 2 ? [block.text] : []))
  const links = sections.map((text) => `<a href="#${anchorOf(text)}">${inline(text)}</a>`)
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeXml(title)}</title>`,
    `<!-- ${note} -->`,
    // Once for all of the figures.
    `${DARK}`,
    `<style>\n${STYLE}</style>`,
    '</head>',
    '<body>',
    `<header>\n<h1>${inline(title)}</h1>\n<p class="lead">${inline(lead)}</p>\n<nav>${links.join('\n')}</nav>\n</header>`,
    '<main>',
    ...blocks.map(block),
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n')
}

function block(one: Block): string {
  switch (one.kind) {
    case 'heading':
      return `<h${one.level} id="${anchorOf(one.text)}">${inline(one.text)}</h${one.level}>`
    case 'text':
      return `<p>${inline(one.text)}</p>`
    case 'list':
      return `<ul>\n${one.items.map((item) => `<li>${inline(item)}</li>`).join('\n')}\n</ul>`
    case 'code':
      return `<pre><code>${escapeXml(one.text)}</code></pre>`
    case 'table':
      return table(one)
    case 'figures':
      return `<div class="figures${one.figures.length === 1 ? ' one' : ''}">\n${one.figures.map(figure).join('\n')}\n</div>`
  }
}

function figure({ svg, alt }: PageFigure): string {
  return `<figure>${svg
    .replace(DARK, '')
    .replace('<svg ', `<svg aria-label="${escapeXml(alt)}" `)
    .trim()}</figure>`
}

/** Columns of a table, and characters of a cell, for which a column of text has no room. */
const MANY = 7
const LONG = 60

function table({ head, rows, texts }: Extract<Block, { kind: 'table' }>): string {
  const cells = (tag: 'th' | 'td', row: readonly string[]) =>
    row.map((cell, i) => `<${tag}${i < texts ? '' : ' class="n"'}>${inline(cell)}</${tag}>`).join('')
  const body = rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n')
  const columns = `<thead><tr>${cells('th', head)}</tr></thead>`
  const wide = head.length > MANY || rows.some((row) => row.some((cell) => cell.length > LONG))
  return `<div class="scroll${wide ? ' wide' : ''}" tabindex="0"><table>\n${columns}\n<tbody>\n${body}\n</tbody>\n</table></div>`
}

/** Code of so many characters is kept on one line. */
const UNBROKEN = 36

/** Code, bold, italics and links, as the page's Markdown has them. */
function inline(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => {
      if (part.startsWith('`')) {
        return `<code${part.length < UNBROKEN ? ' class="short"' : ''}>${escapeXml(part.slice(1, -1))}</code>`
      }
      return escapeXml(part.replace(/(?<=\p{L})'/gu, '’'))
        .replace(/\[([^\]]*)\]\(([^)]*)\)/g, '<a href="$2">$1</a>')
        .replace(/\*\*(.+?)\*\*/g, '<strong>$1</strong>')
        .replace(/\*([^*]+)\*/g, '<em>$1</em>')
    })
    .join('')
}
