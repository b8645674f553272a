// The kernels of updates that depend on the norms of whole parameters.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './generated/wgsl.ts'
import { withScratch } from './support.ts'
import type { EmitUpdate } from './update.ts'

const file = new KernelFile('layer_wise', wgsl.layer_wise)

export const larsStep = file.entry('lars')
export const larsStepMomentum = file.entry('lars_momentum')
export const lambStep = file.entry('lamb')

const larsNorms = file.entry('lars_norms')
const lambNorms = file.entry('lamb_norms')
const totals = file.entry('totals')

/**
 * Lends memory for two numbers a row of an updates' table: sums of squares, which `layerNorms` makes the norms of the row's
 * parameter.
 */
export function withSums(gpu: Gpu, rows: number, use: (sums: Storage) => void): void {
  withScratch(gpu, 'layer_wise', 2 * rows, use)
}

/** Makes the sums of squares of all rows of a table the norms of their parameters, each in every row. */
export function layerNorms(gpu: Gpu, table: Storage, sums: Storage, rows: number): void {
  gpu.emit(totals, { params: { rows, which: 0, watched: 0 }, table, sums }, rows)
}

/** The update of LARS, in three dispatches. */
export function emitLars(kernel: typeof larsStep): EmitUpdate {
  return (gpu, { table, settings, parameters: p, gradients: dp, states, watch }, rows, use) => {
    const params = { rows, which: use, watched: watch ? 1 : 0 }
    withSums(gpu, rows, (sums) => {
      gpu.emit(larsNorms, { params, table, dp, p, sums }, rows)
      layerNorms(gpu, table, sums, rows)
      gpu.emit(kernel, { params, settings, table, dp, p, watch, sums, ...states }, rows)
    })
  }
}

/** The update of LAMB, in three dispatches. */
export const emitLamb: EmitUpdate = (gpu, storages, rows, use) => {
  const { table, settings, parameters: p, gradients: dp, states, watch } = storages
  const params = { rows, which: use, watched: watch ? 1 : 0 }
  withSums(gpu, rows, (sums) => {
    gpu.emit(lambNorms, { params, settings, table, dp, p, watch, sums, ...states }, rows)
    layerNorms(gpu, table, sums, rows)
    gpu.emit(lambStep, { params, settings, table, p, watch, sums, ...states }, rows)
  })
}
