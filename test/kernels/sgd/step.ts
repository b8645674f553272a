// One update of one parameter by the kernel of SGD.
import { sgdStep as dispatch, NO_MOMENTUM, type SgdUpdate, sgdSettings, sgdTable } from '../../../src/kernels/sgd.ts'
import { type Tensor, tensor } from '../../support/gpu.ts'

/** Codes and the watch they are noted in. */
export interface SgdWatch {
  readonly watch: Tensor
  readonly gradientCode: number
  readonly parameterCode: number
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
  if (buffer && first) gpu.write(buffer.storage, new Uint32Array(size).fill(NO_MOMENTUM))
  const codes = { gradientCode: watched?.gradientCode ?? 0, parameterCode: watched?.parameterCode ?? 0 }
  const { words, rows } = sgdTable([{ at: 0, gradientAt: 0, size, ...codes }])
  const table = tensor(new Int32Array(words.buffer))
  const [settings, copies] = [tensor(sgdSettings(update)), tensor([0])]
  const storages = {
    table,
    settings,
    parameters: p,
    gradients: gradient,
    momentum: buffer,
    sums: null,
    copies,
    watch: watched?.watch ?? null,
  }
  const entries = Object.entries(storages).map(([name, t]) => [name, t?.storage ?? null])
  dispatch(gpu, Object.fromEntries(entries), rows)
  for (const t of [table, settings, copies]) t.dispose()
}
