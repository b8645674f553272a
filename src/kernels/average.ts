// The kernel of running averages of parameters.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './generated/wgsl.ts'

const update = new KernelFile('average', wgsl.average).entry('update')

export interface AverageStorages {
  /** A row for each workgroup, as rows.ts has them: the place in the averages, that in the parameters, how many. */
  readonly table: Storage
  /** Rows of one weight, as per_step.ts has them. */
  readonly weights: Storage
  readonly parameters: Storage
  readonly averages: Storage
}

/** a += weight · (p − a), in place; a = p where the weight is 1. `rows` of the table. */
export function averageUpdate(gpu: Gpu, storages: AverageStorages, rows: number): void {
  const { table, weights, parameters, averages } = storages
  gpu.emit(update, { params: { rows }, weights, table, p: parameters, a: averages }, rows)
}
