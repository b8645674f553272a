// The kernel of running averages of parameters.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './generated/wgsl.ts'
import type { Piece } from './rows.ts'
import type { TableCache } from './table_cache.ts'
import { inWindows, type Place, type Window } from './windows.ts'

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

/** The same of pieces, whose places are those in the averages and in the parameters, however large these are. */
export function averagePieces(
  gpu: Gpu,
  tables: TableCache,
  pieces: readonly Piece[],
  { weights, parameters, averages }: Omit<AverageStorages, 'table'>,
): void {
  const at: Place<Piece> = [averages, (piece) => piece.at]
  const other: Place<Piece> = [parameters, (piece) => piece.other]
  const cut = (_: Piece, { count }: Window): Piece => ({ at: 0, other: 0, size: count })
  inWindows(gpu, pieces, [at, other], cut, (own, [a, p]) => {
    const { tensor, rows } = tables.ofPieces(own)
    averageUpdate(gpu, { table: tensor.storage, weights, parameters: p!, averages: a! }, rows)
  })
}
