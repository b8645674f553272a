// One update by the kernel of SGD, as the tests of it need it.
import { perStepWords } from '../../../src/capture/per_step.ts'
import type { Storage } from '../../../src/gpu/pool.ts'
import { emitUpdate, UNSET, updateTable } from '../../../src/kernels/update.ts'
import type { SGDOptions } from '../../../src/optim/index.ts'
import { sgdStep as kernel, sgdStepMomentum } from '../../../src/optim/sgd.ts'
import { type Tensor, tensor } from '../../support/gpu.ts'

export type SgdUpdate = Required<SGDOptions>

/** Codes and the watch they are noted in. */
export interface SgdWatch {
  readonly watch: Tensor
  readonly gradientCode: number
  readonly parameterCode: number
}

/** The kernel's settings for one update. */
export function sgdWords({ lr, momentum, dampening, weightDecay, nesterov, maximize }: SgdUpdate): Int32Array {
  const row = Float32Array.of(lr, momentum, dampening, weightDecay, nesterov ? 1 : 0, maximize ? 1 : 0)
  return Int32Array.from(perStepWords([row], 6))
}

/** One update of one parameter by the kernel; `first`: its buffer is filled with what says that it holds nothing yet. */
export function sgdStep(
  p: Tensor,
  gradient: Tensor,
  buffer: Tensor | null,
  first: boolean,
  update: SgdUpdate,
  watched: SgdWatch | null = null,
): void {
  const { gpu, size } = p
  if (buffer && first) gpu.write(buffer.storage, new Uint32Array(size).fill(UNSET))
  const codes = { gradientCode: watched?.gradientCode ?? 0, parameterCode: watched?.parameterCode ?? 0 }
  const { words, rows } = updateTable([{ at: 0, gradientAt: 0, size, ...codes }])
  const [table, settings] = [tensor(new Int32Array(words.buffer)), tensor(sgdWords(update))]
  const states: Record<string, Storage> = buffer ? { momentum: buffer.storage } : {}
  const storages = {
    table: table.storage,
    settings: settings.storage,
    parameters: p.storage,
    gradients: gradient.storage,
    states,
    watch: watched?.watch.storage ?? null,
  }
  emitUpdate(gpu, buffer ? sgdStepMomentum : kernel, storages, rows, 0)
  for (const t of [table, settings]) t.dispose()
}
