import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './generated/wgsl.ts'

const update = new KernelFile('average', wgsl.average).entry('update')

export interface AverageStorages {
  /** A row for each workgroup, as rows.ts has them: the place in the averages, that in the parameters, how many. */
  readonly table: Storage
  /** What `averageWeights` gives. */
  readonly weights: Storage
  readonly parameters: Storage
  readonly averages: Storage
}

/** Weights as the kernel reads them, one for each step of a run and at least one; rounded to float32. */
export function averageWeights(weights: readonly number[]): Float32Array<ArrayBuffer> {
  return Float32Array.of(weights.length, ...weights)
}

/** a += weight · (p − a), in place; a = p where the weight is 1. `rows` of the table. */
export function averageUpdate(gpu: Gpu, storages: AverageStorages, rows: number): void {
  const { table, weights, parameters, averages } = storages
  gpu.emit(update, { params: { rows }, weights, table, p: parameters, a: averages }, rows)
}
