import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { DataError } from '../../src/index.ts'
import { chapterCommand, reportOf } from '../../tools/chapter/command.ts'
import { chapterPoints, type Figures, FULL, trainArguments } from '../../tools/chapter/plan.ts'
import { Browser, findBrowser } from '../support/browser.ts'
import { writeRuns } from '../support/chapter_runs.ts'

const docs = fileURLToPath(new URL('../../docs', import.meta.url))
const kept = join(docs, 'results/chapter')
const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-chapter-'))
afterAll(() => rmSync(scratch, { recursive: true }))
let made = 0
const newFolder = () => join(scratch, String(made++))

const pageOf = async (runs: string, length = FULL) => {
  const files = await reportOf(runs, runs, length)
  return { files, markdown: files.get('chapter.md')!, html: files.get('chapter.html')! }
}
const rowOf = (markdown: string, start: string) =>
  markdown.split('\n').filter((line) => line.startsWith(`| ${start} |`))

it('names itself in its help as one types it', () => {
  expect(chapterCommand().helpInformation()).toMatch(/^Usage: npm run chapter -- \[options\]\n/)
})

describe('the plan', () => {
  it('has the arguments of every run', () => {
    const after = '--lr-timing after-epoch'
    const cosine = '--schedule cosine(maxUpdate=20, baseLr=0.3, finalLr=0.01)'
    const warmup = '--schedule cosine(maxUpdate=20, baseLr=0.3, finalLr=0.01, warmupSteps=5)'
    const five = [
      ['constant', ''],
      ['square-root', `--lr 0.1 --schedule squareRoot(lr=0.1) ${after}`],
      ['multi-step-as-printed', '--lr 0.125'],
      ['cosine', `${cosine} ${after}`],
      ['warmup-cosine', `${warmup} ${after}`],
    ]
    const two = [
      ['multi-step-as-meant', '--lr 0.5 --schedule multiStep(lr=0.5, milestones=[15, 30], gamma=0.5)'],
      ['warmup-cosine-from-first-epoch', warmup],
    ]
    const begunAtFullRate = five.filter(([name]) => /^(constant|cosine|warmup-cosine)$/.test(name!))
    const ofSeed = (seed: number) => {
      if (seed < 3) return seed === 0 ? [...five, ...two] : five
      return seed < 6 ? begunAtFullRate : five.slice(0, 1)
    }
    const expected = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap((seed) =>
      ofSeed(seed).map(([name, options]) => {
        const words = ['--epochs 30', options, seed === 0 ? '' : `--seed ${seed}`]
        const inOrder = words.filter((word) => word !== '').join(' ')
        return [
          `runs/${name}-seed-${seed}`,
          inOrder.replace(/^(.*) (--schedule .*?)( --lr-timing.*?)?( --seed \d)?$/, '$1 $2$3$4'),
        ]
      }),
    )
    expect(
      chapterPoints('runs', FULL).map(({ folder, options }) => [folder, trainArguments(options).join(' ')]),
    ).toEqual(expected)
  })

  it('numbers the points, and passes on what shortens them', () => {
    const points = chapterPoints('runs', { epochs: 2, limitTrain: 8, limitTest: 4 })
    expect(points.map(({ index }) => index)).toEqual(points.map((_, i) => i))
    expect(trainArguments(points[1]!.options).slice(-4)).toEqual(['--limit-train', '8', '--limit-test', '4'])
  })
})

describe('the page in docs', () => {
  it('is what `npm run chapter -- --report` writes', async () => {
    const files = await reportOf(kept, docs, FULL)
    for (const [path, text] of files) {
      const same = readFileSync(join(docs, path), 'utf8') === text
      expect(same, `docs/${path}: run \`npm run chapter -- --report\``).toBe(true)
    }
    const figures = readdirSync(join(docs, 'img/chapter')).map((name) => `img/chapter/${name}`)
    expect(figures.filter((path) => !files.has(path))).toEqual([])
  })

  it('is made of runs of the plan alone', () => {
    const planned = chapterPoints(kept, FULL).map(({ folder }) => folder)
    const found = readdirSync(kept, { withFileTypes: true })
    expect(found.map(({ name }) => join(kept, name)).filter((folder) => !planned.includes(folder))).toEqual([])
  })

  it('asks nobody for anything, and says the same in both forms', async () => {
    const { markdown, html } = await pageOf(kept)
    expect(html.replace(/<a [^>]*>/g, '')).not.toMatch(/src=|href=|url\(|@import|<link|<script/)
    const words = (text: string) =>
      text
        .replaceAll('’', "'")
        .split(/\s+/)
        .filter((word) => word !== '')
    const inHtml = html
      .replace(/<head>[\s\S]*<\/head>|<nav>[\s\S]*?<\/nav>|<figure>[\s\S]*?<\/figure>/g, '')
      .replace(/<[^>]*>/g, (tag) => (/^<\/?(code|em|strong|a)\b/.test(tag) ? '' : ' '))
      .replace(
        /&(amp|lt|gt|quot|#39);/g,
        (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" })[name]!,
      )
    const inMarkdown = markdown
      .replace(/<!--.*-->|<[^>]*>|^#+ |^- |^\|( ---:? \|)+$|```(sh)?/gm, '')
      .replace(/^\| (.*) \|$/gm, (_, row: string) => row.replaceAll(' | ', ' '))
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[`*]/g, '')
    expect(words(inHtml.replace('<!doctype html>', ''))).toEqual(words(inMarkdown))
  })

  const browser = findBrowser()
  it.skipIf(browser === null)('fits a telephone and a desk', { timeout: 60_000 }, async () => {
    const opened = new Browser(browser!)
    try {
      for (const width of [360, 1200]) {
        const page = await opened.page(width, 800)
        await page.open(pathToFileURL(join(docs, 'chapter.html')).href)
        await page.until("document.readyState === 'complete' && document.querySelectorAll('figure svg').length > 15")
        expect(await page.value('document.documentElement.scrollWidth')).toBe(width)
        expect(page.problems).toEqual([])
      }
    } finally {
      await opened.close()
    }
  })
})

/** Inside of what PyTorch has for every policy, but for those that a test puts outside. */
const GOOD: Record<string, Figures> = {
  constant: { trainLoss: 0.15, trainAcc: 0.94, testAcc: 0.88 },
  'square-root': { trainLoss: 0.28, trainAcc: 0.9, testAcc: 0.875 },
  'multi-step-as-printed': { trainLoss: 0.2, trainAcc: 0.92, testAcc: 0.885 },
  cosine: { trainLoss: 0.18, trainAcc: 0.93, testAcc: 0.899 },
  'warmup-cosine': { trainLoss: 0.19, trainAcc: 0.93, testAcc: 0.897 },
  'multi-step-as-meant': { trainLoss: 0.12, trainAcc: 0.95, testAcc: 0.885 },
  'warmup-cosine-from-first-epoch': { trainLoss: 0.19, trainAcc: 0.93, testAcc: 0.898 },
}

describe('a page of other runs', () => {
  it('without any has the ten figures and PyTorch, and says that all are missing', async () => {
    const { files, markdown, html } = await pageOf(newFolder())
    expect(markdown).toContain(
      '**0 of 29 runs are here.** Not finished: *constant 0.3*, seeds 0, 1, 2, 3, 4, 5, 6, 7 and 8; *square root*',
    )
    expect([...files.keys()].filter((path) => /schedule-|run-/.test(path))).toHaveLength(5 + 7)
    expect(markdown + html + [...files.values()].join('')).not.toMatch(/NaN|Infinity|undefined|\[object/)
    expect(rowOf(markdown, 'printed')[0]).toBe('| printed | 0.128 | 0.270 | 0.191 | 0.207 | 0.261 | – | – |')
    expect(rowOf(markdown, 'PyTorch seed 1')[2]).toBe(
      '| PyTorch seed 1 | 0.871 | 0.880 | 0.880 | 0.895 | 0.893 | 0.882 | 0.900 |',
    )
    expect(rowOf(markdown, 'dawngrad mean')[0]).toBe('| dawngrad mean | – | – | – | – | – | – | – |')
  })

  it('with all of them says where each lies, and hides none that lies outside', async () => {
    const folder = newFolder()
    writeRuns(folder, FULL, (run, seed) => {
      const good = GOOD[run]!
      return run === 'constant' ? { ...good, testAcc: 0.83 + seed / 500 } : good
    })
    const { files, markdown, html } = await pageOf(folder)
    expect(files.get('img/chapter/run-constant.svg')).toContain('dawngrad: seeds 0 to 8 ·')
    expect(files.get('img/chapter/run-square-root.svg')).toContain('dawngrad: seeds 0, 1 and 2 ·')
    expect(markdown).toContain('- All 29 runs are here.')
    expect(markdown).toContain("agrees with PyTorch's range in 6 of 7 settings. **Outside: *constant 0.3* (9 seeds).**")
    expect(rowOf(markdown, 'constant 0.3')).toContain(
      '| constant 0.3 | 0, 1, 2, 3, 4, 5, 6, 7, 8 | 0.1500 | 0.1104 … 0.1934 | inside | 0.8380 | 0.8613 … 0.8974 | **outside** |',
    )
    expect(html.match(/<strong>outside<\/strong>/g)).toHaveLength(1)
    expect(rowOf(markdown, 'dawngrad seed 3')[2]).toBe('| dawngrad seed 3 | 0.836 | – | – | 0.899 | 0.897 | – | – |')
    expect(rowOf(markdown, 'dawngrad mean')[2]).toBe(
      '| dawngrad mean | 0.838 | 0.875 | 0.885 | 0.899 | 0.897 | 0.885 | 0.898 |',
    )
    expect(markdown).toContain('Ours is inside those too.')
    expect(markdown).toContain("**PyTorch's 3 seeds.**")
    expect(markdown).toContain('**Our 3 to 9 seeds.**')
  })

  it('tells of a run on the plateau, and that a range with one allows nearly anything', async () => {
    const folder = newFolder()
    writeRuns(folder, FULL, (run) =>
      run === 'multi-step-as-meant' ? { trainLoss: 2.3027, trainAcc: 0.099, testAcc: 0.1 } : GOOD[run]!,
    )
    const { markdown } = await pageOf(folder)
    expect(markdown).toContain(
      "That happened to 1 of PyTorch's 3 (seed 2: train loss 2.303) and 1 of our 1 (seed 0: train loss 2.303).",
    )
    expect(markdown).toContain('**Ours is outside those.**')
    expect(rowOf(markdown, 'MultiStep as meant')).toContain(
      '| MultiStep as meant | 0 | 2.3027 | 0.0665 … 2.3229 | inside | 0.1000 | 0.0900 … 0.9041 | inside |',
    )
  })

  it('of shortened ones says so, and compares nothing', async () => {
    const folder = newFolder()
    const length = { epochs: 1, limitTrain: 8, limitTest: 4 }
    writeRuns(
      folder,
      length,
      (run) => GOOD[run]!,
      (run) => run === 'cosine',
    )
    const { markdown } = await pageOf(folder, length)
    expect(markdown).toContain(
      '**These runs are shortened**: 1 epoch of 8 training images instead of 30 of all, 4 test images.',
    )
    expect(markdown).toContain('**6 of 29 runs are here.**')
    expect(markdown).not.toMatch(/allowed|\| printed|PyTorch seed/)
    expect(rowOf(markdown, 'dawngrad seed 5')[0]).toBe('| dawngrad seed 5 | – | – | – | 0.180 | – | – | – |')
  })
})

describe('a run that can not be read', () => {
  const start = () => {
    const folder = newFolder()
    writeRuns(
      folder,
      FULL,
      (run) => GOOD[run]!,
      (run, seed) => run === 'cosine' && seed === 1,
    )
    return { folder, run: join(folder, 'cosine-seed-1') }
  }
  const history = (run: string) => readFileSync(join(run, 'history.jsonl'), 'utf8')

  it.each([
    [
      'result.json',
      () => '{',
      /result\.json: damaged; remove it to continue the run from its newest checkpoint, or remove its folder to start the run again$/,
    ],
    [
      'result.json',
      (text: string) => text.replace('after-epoch', 'before-epoch'),
      /result\.json: it belongs to another run: its lrTiming is "before-epoch", not "after-epoch"; choose another --out$/,
    ],
    ['history.jsonl', (text: string) => text.slice(0, -1), /history\.jsonl: cut off: its last line has no end$/],
    [
      'history.jsonl',
      (text: string) => text.split('\n').slice(1).join('\n'),
      /history\.jsonl: it must hold the ends of 30 epochs in their order, and does not$/,
    ],
    [
      'history.jsonl',
      (text: string) => text.replace(/.*\n$/, ''),
      /history\.jsonl: it must hold the ends of 30 epochs in their order, and does not$/,
    ],
    [
      'history.jsonl',
      (text: string) => text.replaceAll('0.899', '0.898'),
      /history\.jsonl: its last epoch is not what result\.json beside it says$/,
    ],
  ])('%s %#', async (name, change, message) => {
    const { folder, run } = start()
    const path = join(run, name)
    writeFileSync(path, change(readFileSync(path, 'utf8')))
    const error = await pageOf(folder).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(DataError)
    expect((error as Error).message).toMatch(message)
    expect((error as Error).message.startsWith(path)).toBe(true)
  })

  it('no history beside its result', async () => {
    const { folder, run } = start()
    expect(history(run)).not.toBe('')
    rmSync(join(run, 'history.jsonl'))
    await expect(pageOf(folder)).rejects.toThrow(
      new DataError(`${join(run, 'history.jsonl')}: can't be read (ENOENT); result.json lies beside it`),
    )
  })
})
