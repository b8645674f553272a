// Every error that a user can meet. See CONTRIBUTING.md, "A new error".
import { augmentations } from './augment.ts'
import { autograd } from './autograd.ts'
import { averages } from './averages.ts'
import { captures } from './capture.ts'
import { checkpoints } from './checkpoints.ts'
import { cli } from './cli.ts'
import { data } from './data.ts'
import { dataTables } from './data_tables.ts'
import { device } from './device.ts'
import { exercises } from './exercises.ts'
import { gradchecks } from './gradcheck.ts'
import { images } from './images.ts'
import { initialValues } from './initial_values.ts'
import { kernels } from './kernels.ts'
import { layers } from './layers.ts'
import { loop } from './loop.ts'
import { losses } from './losses.ts'
import { moving } from './moving.ts'
import { operations } from './operations.ts'
import { optimizers } from './optimizers.ts'
import { random } from './random.ts'
import { recurrent } from './recurrent.ts'
import type { Area } from './refusal.ts'
import { safetensors } from './safetensors.ts'
import { schedules } from './schedules.ts'
import { setups } from './setup.ts'
import { sources } from './sources.ts'
import { tensors } from './tensors.ts'
import { transformers } from './transformers.ts'
import { tunings } from './tuning.ts'

export const AREAS: readonly Area[] = [
  tensors,
  operations,
  losses,
  moving,
  random,
  autograd,
  gradchecks,
  layers,
  transformers,
  initialValues,
  recurrent,
  optimizers,
  averages,
  captures,
  loop,
  schedules,
  data,
  augmentations,
  sources,
  dataTables,
  images,
  safetensors,
  checkpoints,
  device,
  kernels,
  tunings,
  setups,
  cli,
  exercises,
]
