// The table of differentiable operations. A row here is all that the generic suites need to test an operation: against
// the float64 reference, for its algebra, its refusals and its limits. Adding an operation to the table adds its tests.
import { addRow } from './add.ts'
import { batchNormRow } from './batch_norm.ts'
import { conv2dRow } from './conv2d.ts'
import { conv2dReluMaxPool2dRow } from './conv2d_relu_max_pool2d.ts'
import { crossEntropyRow } from './cross_entropy.ts'
import { linearReluRow, linearRow } from './linear.ts'
import { matmulRow } from './matmul.ts'
import { maxPool2dRow } from './max_pool2d.ts'
import { reluRow } from './relu.ts'
import { reshapeRow } from './reshape.ts'
import type { Row } from './row.ts'

export const table: readonly Row[] = [
  addRow,
  matmulRow,
  linearRow,
  linearReluRow,
  reluRow,
  conv2dRow,
  conv2dReluMaxPool2dRow,
  maxPool2dRow,
  batchNormRow,
  crossEntropyRow,
  reshapeRow,
]
