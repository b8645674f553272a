// The report of `dawngrad doctor` as text for people.
import type { ExpError, NumberFact } from '../provision/diagnose.ts'
import type { AdapterReport, Examination, SourceReport } from '../provision/examine.ts'

const WIDTH = 100

/** The report as lines of at most 100 columns, in aligned tables under headings. */
export function examinationText(report: Examination): string {
  const { versions, adapter, adapterSources, data } = report
  const { dawngrad, node, webgpu, platform } = versions
  const sections = [
    section('Versions', [
      ['dawngrad', dawngrad],
      ['Node', node],
      ['webgpu', webgpu],
      ['system', platform],
      ['cache folder', report.cacheFolder],
    ]),
    section('Adapter', adapter ? identity(adapter) : [['none', firstSentence(report.adapterError ?? '')]]),
    section('Adapter sources, best first', adapterSources.map(sourceRow)),
    ...(adapter ? measured(adapter) : []),
    section('Data', data ? [dataRow(data)] : (report.dataError ?? '').split('\n').map((line) => [line])),
    section('Missing', missingRows(report)),
  ]
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

function identity({ name, vendor, architecture, source, driver, class: kind }: AdapterReport): string[][] {
  return [
    ['name', name],
    ['vendor', [vendor, architecture].filter((s) => s !== '').join(', ')],
    ['source', source],
    ['driver', driver ?? "found by the system's loader"],
    ['class', kind === 'cpu' ? 'cpu: computes on the processor' : 'gpu'],
  ]
}

function sourceRow({ label, state, detail }: SourceReport): string[] {
  return [label, state, detail]
}

function measured({ limits, features, subgroupSizes, ...rest }: AdapterReport): string[][] {
  const { numbers, exp, selfTest, speed } = rest
  const lanes = new Set(subgroupSizes)
  const yes = (name: keyof AdapterReport['features']) => (features[name] ? 'yes' : 'no')
  return [
    section('Limits', [
      ['storage buffer binding', bytes(limits.maxStorageBufferBindingSize)],
      ['buffer', bytes(limits.maxBufferSize)],
      ['workgroup memory', bytes(limits.maxComputeWorkgroupStorageSize)],
      ['threads in a workgroup', count(limits.maxComputeInvocationsPerWorkgroup)],
      ['workgroups in a dimension', count(limits.maxComputeWorkgroupsPerDimension)],
      ['storage buffers in a kernel', count(limits.maxStorageBuffersPerShaderStage)],
    ]),
    section('Features', [
      ['shader-f16', yes('shader-f16')],
      ['subgroups', features.subgroups ? `yes, of ${[...lanes].join(' to ')}` : 'no'],
      ['timestamp-query', yes('timestamp-query')],
    ]),
    section('Numbers', [['', 'here', 'IEEE 754', ''], ...numbers.map(numberRow), ...exp.map(expRow)]),
    section(
      'Self-test, against float64',
      selfTest.map(({ name, passed, share }) => {
        return [name, passed ? 'passed' : 'FAILED', `largest error ${share.toPrecision(2)} of its bound`]
      }),
    ),
    section('Speed, by the wall clock, best of 4', [
      ['matmul 512×512×512', `${speed.matmulGflops.toPrecision(3)} GFLOP/s`],
      [`copy of ${bytes(speed.copyBytes)}`, `${speed.copyGigabytes.toPrecision(3)} GB/s read and written`],
    ]),
  ]
}

function numberRow({ expression, here, ieee, needed }: NumberFact): string[] {
  return [expression, here, ieee, !needed ? '' : here === ieee ? 'relied on' : 'WRONG, and the kernels rely on it']
}

function expRow({ range: [low, high], ulp, at, allowed }: ExpError): string[] {
  const place = `of exp in ${low} to ${high}, at ${at.toPrecision(4)}`.replace(/-/g, '−')
  return [`largest error ${place}`, `${ulp.toPrecision(3)} ULP`, '', `WGSL allows ${Math.floor(allowed)}`]
}

function dataRow({ dir, train, test }: { dir: string; train: number; test: number }): string[] {
  return ['Fashion-MNIST', `${count(train)} training and ${count(test)} test images, verified, in ${dir}`]
}

function missingRows({ missing }: Examination): string[][] {
  return missing.length === 0 ? [['nothing']] : missing.map(({ what, command }) => [what, command ?? ''])
}

/** The first sentence of a message, without the list that follows it. */
function firstSentence(message: string): string {
  return message.split('\n')[0]!.replace(/[.,] Tried.*:$/, '')
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function bytes(value: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, value)) / 10))
  return `${Number((value / 1024 ** power).toFixed(1))} ${units[power]}`
}

/** A heading, and rows with aligned columns; the last column is folded at the edge of the page. */
function section(heading: string, rows: readonly (readonly string[])[]): string[] {
  const last = Math.max(...rows.map((row) => row.length)) - 1
  const widths = Array.from({ length: last }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)))
  const indent = 2 + widths.reduce((sum, width) => sum + width + 2, 0)
  const lines = rows.flatMap((row) => {
    const cells = widths.map((width, i) => `${(row[i] ?? '').padEnd(width)}  `)
    const [first = '', ...more] = fold(row[last] ?? '', WIDTH - indent)
    return [`  ${cells.join('')}${first}`.trimEnd(), ...more.map((line) => ' '.repeat(indent) + line)]
  })
  return [heading, ...lines]
}

/** Lines of at most `width` characters, broken at spaces, or inside a word that is longer than a line. */
function fold(text: string, width: number): string[] {
  const lines: string[] = []
  let rest = text
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const end = space > 0 ? space : width
    lines.push(rest.slice(0, end))
    rest = rest.slice(end).trimStart()
  }
  return [...lines, rest]
}
