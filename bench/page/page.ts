// Writes the page of benchmarks, docs/benchmarks.md, and its figures from the records of runs.
import { digits } from '../report.ts'
import { drawBars } from './bars.ts'
import { marks } from './marks.ts'
import { type Found, find, type Head, type Kind, type PeerKey, type Peers, type ScaleRow } from './records.ts'

/** Files by their path from the root of the repository. */
export type Files = Map<string, string>

const HEAD = `<!-- Written by \`npm run docs:benchmarks\` from bench/results/*.json and bench/page. Do not edit. -->

# Benchmarks

[bench/README.md](../bench/README.md) explains how each figure is measured. Every result below names its adapter, driver, commit, date and command.
The drivers llvmpipe and SwiftShader compute on the processor: their figures show how the libraries compare there, not how fast a GPU is. The machines
are shared, and the same step takes up to twice as long in another run. So compare figures within a table only.`

const MISSING =
  '**No result from a hardware GPU is here yet.** Run the commands below on a machine that has one, with ' +
  '`--json bench/results/KIND-ADAPTER.json`, then `npm run docs:benchmarks`.'

const NAMES: Record<PeerKey, string> = { dawngrad: 'dawngrad', tfjs: 'TensorFlow.js', jaxjs: 'jax-js' }
const KEYS = Object.keys(NAMES) as PeerKey[]

interface Part {
  readonly text: string
  readonly files?: Files
}

/** The page and its figures. */
export function page(results: URL): Files {
  const files: Files = new Map()
  let onGpu = false
  const section = <K extends Kind>(kind: K, title: string, intro: string, part: (found: Found<K>) => Part): string => {
    const all = find(kind, results)
    onGpu ||= all.some(({ record }) => record.adapterClass === 'gpu')
    const parts = all.map((found) => {
      const { text, files: figures } = part(found)
      for (const [path, content] of figures ?? []) files.set(path, content)
      return `### ${found.adapter}\n\n${provenance(kind, found.file, found.record)}\n\n${text}`
    })
    return [`## ${title}`, intro, ...(parts.length > 0 ? parts : ['No result yet.'])].join('\n\n')
  }
  const sections = [
    section('peers', 'Beside other libraries', PEERS, peers),
    section('step', 'The training step', 'All that a training step of LeNet does.', step),
    section('scale', 'Batch size and width', 'The whole training step of LeNet.', scale),
    section('start', 'The start of a training', START, start),
    section('kernels', 'Every kernel', KERNELS, kernels),
  ]
  files.set('docs/benchmarks.md', `${[HEAD, ...(onGpu ? [] : [MISSING]), ...sections].join('\n\n')}\n`)
  return files
}

const COMMANDS: Record<Kind, string> = {
  peers: 'npm run bench:peers',
  step: 'npm run bench:step',
  scale: 'npm run bench:scale',
  kernels: 'npm run bench',
  start: 'npm run bench:start',
}

function provenance(kind: Kind, file: string, head: Head): string {
  const { adapter, driver, adapterClass, version, commit, node, date, method, fast } = head
  const where = driver === '' || adapter.includes(driver) ? adapter : `${adapter}, driver ${driver}`
  return [
    `- adapter: ${where}${adapterClass === 'cpu' ? ' (computes on the processor)' : ''}`,
    `- dawngrad ${version}, commit ${commit ?? 'unknown'}, Node ${node.slice(1)}, ${date.slice(0, 10)}${fast ? ', fast mode' : ''}`,
    `- \`${COMMANDS[kind]} -- --json bench/results/${file}\`: ${method}`,
  ].join('\n')
}

function table(head: readonly string[], rows: readonly (readonly string[])[], texts: number): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = head.map((_, i) => (i < texts ? '---' : '---:'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

const PEERS = `The same network, weights, batch and adapter, in alternating rounds of one run. Before anything is timed, the losses of the first steps and the results
of each kernel must agree. A step of dawngrad does more: it gathers its batch from the bytes of the data set and sums loss and accuracy. The others have
their batch on the device already.`

function peers({ adapter, record }: Found<'peers'>): Part {
  const parts: string[] = []
  const files: Files = new Map()
  if (record.step) {
    const rows = stepRows(record, record.step)
    const own = rows.find(({ label }) => label.startsWith('dawngrad'))!.medianMs
    const path = `docs/img/bench-peers-${adapter}.svg`
    const bars = rows.map(({ label, medianMs }) => ({
      label,
      value: medianMs,
      text: `${digits(medianMs)} ms`,
      own: label.startsWith('dawngrad'),
    }))
    const title = `LeNet's training step, batch ${record.step.batch}`
    files.set(path, drawBars({ title, axis: 'milliseconds a step, median', bars }))
    const cells = rows.map(({ label, minMs, medianMs, dispatches, firstMs }) => [
      label,
      digits(minMs),
      digits(medianMs),
      `${digits(medianMs / own)}×`,
      dispatches === undefined ? '' : String(dispatches),
      firstMs === undefined ? '' : digits(firstMs / 1000),
    ])
    const head = ['step', 'min ms', 'median ms', "of dawngrad's", 'dispatches', 'first step, s']
    parts.push(`![${title}](img/bench-peers-${adapter}.svg)`, table(head, cells, 1))
    if (record.step.details.some(({ rested }) => rested)) parts.push(RESTED)
  }
  if (record.kernels.length > 0) parts.push(peerKernels(record), marks(record))
  return { text: parts.join('\n\n'), files }
}

const RESTED =
  "Rested: the thread sleeps while it waits, as dawngrad's does by itself. Otherwise Node's binding polls, and takes a core from an adapter that " +
  'computes on the processor. All kernels below are measured rested.'

interface PeerRow {
  readonly label: string
  readonly minMs: number
  readonly medianMs: number
  readonly dispatches?: number
  readonly firstMs?: number
}

function stepRows({ versions }: Peers, { details, torch }: NonNullable<Peers['step']>): PeerRow[] {
  const own = details.flatMap(({ key, minMs, medianMs, dispatches, firstMs, rested }): PeerRow[] => {
    const label = `${NAMES[key]} ${versions[key] ?? ''}`.trim()
    const rows = [{ label, minMs, medianMs, dispatches, firstMs }]
    return rested ? [...rows, { label: `${label}, rested`, ...rested }] : rows
  })
  const runs = (torch?.runs ?? []).map(({ name, minMs, medianMs }) => ({
    label: `PyTorch ${torch!.version}, ${name === 'torchCpu' ? 'processor' : `CUDA ${name}`}`,
    minMs,
    medianMs,
  }))
  return [...own, ...runs]
}

function peerKernels({ kernels }: Peers): string {
  const rows = kernels.map(({ name, shape, details }) => {
    const own = details.dawngrad?.medianMs
    const others = KEYS.filter((key) => key !== 'dawngrad').flatMap((key) => {
      const ms = details[key]?.medianMs
      return ms === undefined ? ['–', ''] : [digits(ms), own === undefined ? '' : `${digits(ms / own)}×`]
    })
    return [name, `\`${shape}\``, own === undefined ? '–' : digits(own), ...others]
  })
  const head = ['kernel, median ms', 'shape', NAMES.dawngrad, NAMES.tfjs, '', NAMES.jaxjs, '']
  return table(head, rows, 2)
}

function step({ record: { step: found, modes, replay } }: Found<'step'>): Part {
  const head = ['how', 'dispatches', 'min ms', 'median ms', 'images a second', 'ms of JavaScript', 'bytes of heap']
  const rows = modes.map(({ mode, dispatches, minMs, medianMs, imagesPerSecond, recordMs, heapBytes }) => [
    mode,
    String(dispatches),
    digits(minMs),
    digits(medianMs),
    imagesPerSecond.toFixed(0),
    digits(recordMs),
    heapBytes.toFixed(0),
  ])
  const { encodeUs, aboveUs, aboveEmptyUs, heapBytes } = replay
  const javascript =
    `JavaScript of a captured step: ${digits(encodeUs)} µs a dispatch, ${aboveUs.toFixed(2)} more than its three bare calls and ` +
    `${aboveEmptyUs.toFixed(2)} more than three calls for an empty pipeline; ${heapBytes.toFixed(0)} bytes of heap a step.`
  return { text: [`Batch ${found.batchSize}, ${found.data}.`, table(head, rows, 1), javascript].join('\n\n') }
}

function start({ record }: Found<'start'>): Part {
  const { seconds, driverCache } = record.start
  const parts = Object.entries(seconds)
  const text = table(['', ...parts.map(([part]) => part)], [['seconds', ...parts.map(([, at]) => at.toFixed(2))]], 1)
  return { text: `${driverCache ? 'With' : 'Without'} the driver's cache of kernels on disk.\n\n${text}` }
}

function scale({ adapter, record }: Found<'scale'>): Part {
  const path = `docs/img/bench-scale-${adapter}.svg`
  const bars = record.batch.map(({ batch, imagesPerSecond }) => ({
    label: `batch ${batch}`,
    value: imagesPerSecond,
    text: imagesPerSecond.toFixed(0),
    own: true,
  }))
  const title = 'LeNet in training, by batch size'
  const rows = (name: 'batch' | 'width', found: readonly ScaleRow[]) =>
    table(
      [name, 'parameters', 'dispatches', 'min ms', 'median ms', 'images a second'],
      found.map((row) => [
        String(row[name]),
        String(row.parameters),
        String(row.dispatches),
        digits(row.minMs),
        digits(row.medianMs),
        row.imagesPerSecond.toFixed(0),
      ]),
      0,
    )
  const batch = record.width[0]?.batch ?? 0
  const text = [
    `![${title}](img/bench-scale-${adapter}.svg)`,
    rows('batch', record.batch),
    `LeNet with its channels and features multiplied by the width, batch ${batch}:`,
    rows('width', record.width),
  ].join('\n\n')
  return { text, files: new Map([[path, drawBars({ title, axis: 'images a second', bars })]]) }
}

const START = `When each part was done, in seconds since the process began. Data and kernels are prepared at the same time.`

const KERNELS = `Forward and backward at LeNet's shapes (batch 256) and at larger ones. "Of peak" is the share of the adapter's own peak in the same run, of arithmetic
(multiply-adds in registers) or of bandwidth (a copy of 64 MiB), whichever is nearer. It exceeds 100 % if the data fits in caches.`

function kernels({ record: { peak, rows } }: Found<'kernels'>): Part {
  const head = ['kernel', 'direction', 'shape', 'min ms', 'median ms', 'GFLOP/s', 'GB/s', 'of peak']
  const cells = rows.map(({ name, direction, shape, minMs, medianMs, gflops, gbs, share, bound }) => [
    name,
    direction,
    `\`${shape}\``,
    digits(minMs),
    digits(medianMs),
    gflops === null ? '–' : digits(gflops),
    digits(gbs),
    share === undefined ? '–' : `${(100 * share).toFixed(0)} % ${bound}`,
  ])
  const peaks = peak ? [`Peaks of this adapter: ${digits(peak.gflops)} GFLOP/s, ${digits(peak.gbs)} GB/s.`] : []
  return { text: [...peaks, table(head, cells, 3)].join('\n\n') }
}
