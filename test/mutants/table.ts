// All mutants, area by area. A new area is a file in table/ and a line here.

import type { Area } from './mutant.ts'
import { augmentation } from './table/augmentation.ts'
import { averaging } from './table/averages.ts'
import { checkpoints } from './table/checkpoints.ts'
import { conv2d } from './table/conv2d.ts'
import { conv2dReluMaxPool2d } from './table/conv2d_relu_max_pool2d.ts'
import { data } from './table/data.ts'
import { device } from './table/device.ts'
import { elementwise } from './table/elementwise.ts'
import { exercises } from './table/exercises.ts'
import { initialValues } from './table/initial_values.ts'
import { interpolation } from './table/interpolation.ts'
import { losses } from './table/losses.ts'
import { matrices } from './table/matrices.ts'
import { moreOptimizers } from './table/more_optimizers.ts'
import { moving } from './table/moving.ts'
import { norm } from './table/norm.ts'
import { optimisation } from './table/optimizers.ts'
import { poolAndLoss } from './table/pool_and_loss.ts'
import { random } from './table/random.ts'
import { recurrent } from './table/recurrent.ts'
import { reductions } from './table/reductions.ts'
import { schedules } from './table/schedules.ts'
import { sources } from './table/sources.ts'
import { tensors } from './table/tensors.ts'
import { training } from './table/training.ts'
import { transformers } from './table/transformers.ts'
import { tuning } from './table/tuning.ts'

export const areas: readonly Area[] = [
  conv2d,
  conv2dReluMaxPool2d,
  matrices,
  poolAndLoss,
  interpolation,
  augmentation,
  losses,
  norm,
  transformers,
  elementwise,
  moving,
  reductions,
  random,
  initialValues,
  recurrent,
  tuning,
  tensors,
  optimisation,
  moreOptimizers,
  averaging,
  schedules,
  exercises,
  data,
  sources,
  device,
  training,
  checkpoints,
]
