// The table of differentiable operations. A row here is all that the generic suites need to test an operation: against
// the float64 reference, for its algebra, its refusals and its limits. Adding an operation to the table adds its tests.
import { attentionRow } from '../kernels/attention/row.ts'
import { avgPool2dRows } from '../kernels/avg_pool2d/row.ts'
import { batchNormRow } from '../kernels/batch_norm/row.ts'
import { binaryRows } from '../kernels/binary/row.ts'
import { convTranspose2dRow } from '../kernels/conv_transpose2d/row.ts'
import { conv1dRow } from '../kernels/conv1d/row.ts'
import { conv2dRow } from '../kernels/conv2d/row.ts'
import { conv2dReluMaxPool2dRow } from '../kernels/conv2d_relu_max_pool2d/row.ts'
import { copyRows } from '../kernels/copy/row.ts'
import { crossEntropyRow } from '../kernels/cross_entropy/row.ts'
import { interpolateRows } from '../kernels/interpolate/row.ts'
import { linearReluRow, linearRow } from '../kernels/linear/row.ts'
import { classLossRows } from '../kernels/losses/class_row.ts'
import { lossRows } from '../kernels/losses/row.ts'
import { matmulRow } from '../kernels/matmul/row.ts'
import { maxPool2dRow } from '../kernels/max_pool2d/row.ts'
import { normRows } from '../kernels/norm/row.ts'
import { pixelShuffleRow } from '../kernels/pixel_shuffle/row.ts'
import { dropoutRow } from '../kernels/random/row.ts'
import { cumsumRow, reduceRows } from '../kernels/reduce/row.ts'
import { reshapeRow } from '../kernels/reshape/row.ts'
import { recurrenceRow } from '../kernels/rnn_gates/row.ts'
import { softmaxRows } from '../kernels/softmax/row.ts'
import { takeRows } from '../kernels/take/row.ts'
import { unaryRows } from '../kernels/unary/row.ts'
import type { Row } from './row.ts'

export const table: readonly Row[] = [
  ...binaryRows,
  matmulRow,
  linearRow,
  linearReluRow,
  ...unaryRows,
  conv2dRow,
  conv1dRow,
  convTranspose2dRow,
  conv2dReluMaxPool2dRow,
  maxPool2dRow,
  ...avgPool2dRows,
  batchNormRow,
  ...normRows,
  crossEntropyRow,
  ...lossRows,
  ...classLossRows,
  ...reduceRows,
  cumsumRow,
  ...softmaxRows,
  attentionRow,
  reshapeRow,
  ...copyRows,
  pixelShuffleRow,
  ...interpolateRows,
  ...takeRows,
  dropoutRow,
  recurrenceRow,
]
