// Writes docs/operations.md: every operation, what PyTorch calls it, and what it promises. Run by `npm run docs:operations`;
// a test holds it current.
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import * as dawngrad from '../../src/index.ts'
import type { Row, Seeded } from './row.ts'
import { table } from './table.ts'

const target = new URL('../../docs/operations.md', import.meta.url)

const HEAD = `<!-- Written by \`npm run docs:operations\` from test/operations. Do not edit. -->

# Operations

What each operation is called in PyTorch, whether it has a gradient, what types it takes, and how exact it is. [Formulas](concepts.md#all-operations) and
\`npm run docs:api\` have the rest. A name of Tensor that is not there fails with the nearest that is.

- **gradient**: –, none; yes: held to PyTorch's or to differences in float64, in every test of the table of operations.
- **captured**: everything here can be captured, with the bits of the eager run; what looks across the rows of a batch is refused where a plan's last
  batch is filled up.
- **types**: float32 unless named. An index is int32 or uint8.
- **fused with**: the operation that computes it together with others, and who picks that.
- **error**: the largest error that the tests allow any element of the output, by the bound derived for it, in units of 2⁻²⁴ of the output's largest
  element, over 20 random cases; 0: exact. It grows with the sizes.`

/** What the code does not say of an operation; the name in PyTorch is the one in snake_case unless given. */
interface About {
  readonly pytorch?: string
  readonly types?: string
  readonly fused?: string
}

const F = (name: string) => `nn.functional.${name}`
const MOVED = 'float32, int32; uint8 forward'

const ABOUT: Readonly<Record<string, About>> = {
  eq: { types: 'float32, int32, uint8 → uint8' },
  ne: { types: 'float32, int32, uint8 → uint8' },
  lt: { types: 'float32, int32, uint8 → uint8' },
  le: { types: 'float32, int32, uint8 → uint8' },
  gt: { types: 'float32, int32, uint8 → uint8' },
  ge: { types: 'float32, int32, uint8 → uint8' },
  where: { types: 'uint8 condition' },
  linear: { pytorch: F('linear'), fused: '`linearRelu`, by `nn.Sequential`' },
  linearRelu: { pytorch: '–' },
  relu: { fused: '`linearRelu`, `conv2dReluMaxPool2d`, by `nn.Sequential`' },
  leakyRelu: { pytorch: F('leaky_relu') },
  elu: { pytorch: F('elu') },
  gelu: { pytorch: F('gelu') },
  silu: { pytorch: F('silu') },
  softplus: { pytorch: F('softplus') },
  conv2d: { pytorch: F('conv2d'), fused: '`conv2dReluMaxPool2d`, by `nn.Sequential`' },
  conv1d: { pytorch: F('conv1d') },
  convTranspose2d: { pytorch: F('conv_transpose2d') },
  conv2dReluMaxPool2d: { pytorch: '–' },
  maxPool2d: { pytorch: F('max_pool2d'), fused: '`conv2dReluMaxPool2d`, by `nn.Sequential`' },
  avgPool2d: { pytorch: F('avg_pool2d') },
  adaptiveAvgPool2d: { pytorch: F('adaptive_avg_pool2d') },
  interpolate: { pytorch: F('interpolate') },
  pixelShuffle: { pytorch: F('pixel_shuffle') },
  batchNorm: { pytorch: F('batch_norm') },
  layerNorm: { pytorch: F('layer_norm') },
  groupNorm: { pytorch: F('group_norm') },
  instanceNorm: { pytorch: F('instance_norm') },
  rmsNorm: { pytorch: F('rms_norm') },
  crossEntropy: { pytorch: F('cross_entropy'), types: 'float32; labels int32, uint8' },
  nllLoss: { pytorch: F('nll_loss'), types: 'float32; labels int32, uint8' },
  mseLoss: { pytorch: F('mse_loss') },
  l1Loss: { pytorch: F('l1_loss') },
  smoothL1Loss: { pytorch: F('smooth_l1_loss') },
  huberLoss: { pytorch: F('huber_loss') },
  bceLoss: { pytorch: F('binary_cross_entropy') },
  bceWithLogitsLoss: { pytorch: F('binary_cross_entropy_with_logits') },
  klDivLoss: { pytorch: F('kl_div') },
  max: { pytorch: 'amax' },
  min: { pytorch: 'amin' },
  argmax: { types: 'float32 → int32' },
  argmin: { types: 'float32 → int32' },
  logSumExp: { pytorch: 'logsumexp' },
  norm: { pytorch: 'linalg.vector_norm' },
  scaledDotProductAttention: { pytorch: F('scaled_dot_product_attention'), types: 'float32; mask uint8 too' },
  permute: { types: MOVED },
  transpose: { types: MOVED },
  flip: { types: MOVED },
  slice: { pytorch: 'x[start:end:step]', types: MOVED },
  select: { types: MOVED },
  split: { types: MOVED },
  expand: { pytorch: 'Tensor.expand', types: MOVED },
  repeat: { pytorch: 'Tensor.repeat', types: MOVED },
  cat: { types: MOVED },
  stack: { types: MOVED },
  pad: { pytorch: F('pad'), types: MOVED },
  triu: { types: 'float32, int32' },
  tril: { types: 'float32, int32' },
  indexSelect: { types: 'float32, int32; an index' },
  embedding: { pytorch: F('embedding'), types: 'float32; an index' },
  gather: { types: 'float32, int32; an index' },
  oneHot: { pytorch: F('one_hot'), types: 'an index → float32' },
  bernoulli: { pytorch: 'bernoulli(full(shape, p))' },
  dropout: { pytorch: F('dropout') },
}

const FAMILIES: readonly (readonly [title: string, names: string])[] = [
  ['Arithmetic and comparisons', 'add sub mul div pow maximum minimum eq ne lt le gt ge where'],
  [
    'Functions of one element',
    'neg abs sign square sqrt rsqrt reciprocal exp expm1 log log1p sin cos tanh sigmoid relu leakyRelu elu gelu silu softplus erf clamp',
  ],
  ['Products', 'matmul linear linearRelu scaledDotProductAttention'],
  [
    'Images and sequences',
    'conv2d conv1d convTranspose2d conv2dReluMaxPool2d maxPool2d avgPool2d adaptiveAvgPool2d interpolate pixelShuffle',
  ],
  ['Norms', 'batchNorm layerNorm groupNorm instanceNorm rmsNorm'],
  ['Losses', 'crossEntropy nllLoss mseLoss l1Loss smoothL1Loss huberLoss bceLoss bceWithLogitsLoss klDivLoss'],
  ['Reductions', 'sum mean max min prod var std norm logSumExp argmax argmin cumsum softmax logSoftmax'],
  ['Moving elements', 'permute transpose flip slice select split expand repeat cat stack pad triu tril'],
  ['By an index', 'indexSelect embedding gather oneHot'],
  ['Random numbers', 'rand randn bernoulli dropout'],
]

/** Functions that the package exports besides: they make tensors, train, or say how. */
export const NOT_OPERATIONS =
  'apply bytesOf capture csvLogger decodeImage decodeSafetensors detectAnomaly earlyStopping empty encodeNpy encodeSafetensors evaluate fit gradcheck isAnomalyEnabled lrFind lrMonitor manualSeed modelCheckpoint noGrad open parseCsv parseNpy parseNpz permutation readCsv readIdx readNpy readNpz readParquet scope setDetectAnomaly standardize take tensor updateBatchNorm warmUp weightedSampler'.split(
    ' ',
  )

export const NAMES: readonly string[] = FAMILIES.flatMap(([, names]) => names.split(' '))

/** The largest bound of a row's outputs over their largest element, in units of 2^-24. */
function errorOf(row: Row<Seeded>): number {
  const largest = fc.sample(row.cases, { seed: 1, numRuns: 20 }).map((given) => {
    const { data, bound } = row.forward(row.inputs(given, 'normal'), given)
    const scale = data.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
    const error = bound.reduce((most, v) => Math.max(most, v), 0)
    return scale > 0 && Number.isFinite(error) ? error / scale : 0
  })
  return Math.max(...largest) * 2 ** 24
}

function lineOf(name: string): string {
  const rows = table.filter((row) => row.name === name)
  const about = ABOUT[name] ?? {}
  const pytorch = about.pytorch ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  const error = rows.length === 0 ? '–' : Math.max(...rows.map(errorOf)).toPrecision(2)
  const cells = [
    `\`${name}\``,
    pytorch === '–' ? pytorch : `\`${pytorch}\``,
    rows.length > 0 ? 'yes' : '–',
    'yes',
    about.types ?? 'float32',
    about.fused ?? '',
    /^0\.0*$/.test(error) ? '0' : String(error === '–' ? error : Number(error)),
  ]
  return `| ${cells.join(' | ')} |`
}

export function page(): string {
  const sections = FAMILIES.map(([title, names]) =>
    [
      `## ${title}`,
      '',
      '| operation | PyTorch | gradient | captured | types | fused with | error |',
      '|---|---|---|---|---|---|---|',
      ...names.split(' ').map(lineOf),
    ].join('\n'),
  )
  return `${[HEAD, ...sections].join('\n\n')}\n`
}

/** Functions by their names, as the package exports them. */
export const exported: readonly string[] = Object.entries(dawngrad).flatMap(([name, value]) =>
  typeof value === 'function' && /^[a-z]/.test(name) ? [name] : [],
)

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, page())
