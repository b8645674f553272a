// Finds batches that do not fit a network before anything is computed.
import { rehearse } from '../capture/capture.ts'
import type { Batches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import { setMode } from '../nn/module.ts'
import { noGrad } from '../tensor/modes.ts'
import { type AnyBatch, anyBatch } from './task.ts'

/** What the batches go through. */
interface Rehearsed {
  readonly net: Module<unknown>
  readonly loss: (batch: AnyBatch) => unknown
}

/**
 * Throws an Error where the last batch of an epoch, if it has fewer rows than the others, can't be trained on, such as one row
 * with batch norm: that would be found at the end of an epoch.
 */
export function checkLastBatch(operation: string, train: Batches, rehearsed: Rehearsed): void {
  const last = train.length - 1
  const rows = train.sizeOf(last)
  if (rows === train.batchSize) return
  const wrong = wrongWith(train, last, rehearsed)
  if (!wrong) return
  const wrongEverywhere = last > 0 ? wrongWith(train, 0, rehearsed) : null
  if (wrongEverywhere) throw wrongEverywhere
  throw new Error(
    `${operation}: the last batch, of ${rows} of ${train.batchSize} rows, can't be trained on; leave it out by ` +
      `${train.ordering ? 'dropLast: true' : `take(set, ${train.size - rows})`}, or take another batchSize: ${wrong.message}`,
    { cause: wrong },
  )
}

/** Throws an Error where a set can't be evaluated: that would be found after an epoch of training. */
export function checkTestSet(operation: string, test: Batches, rehearsed: Rehearsed): void {
  const restoreMode = setMode(rehearsed.net, false)
  try {
    for (const i of new Set([0, test.length - 1])) {
      const wrong = wrongWith(test, i, rehearsed)
      if (!wrong) continue
      throw new Error(`${operation}: the test set does not fit the network: ${wrong.message}`, { cause: wrong })
    }
  } finally {
    restoreMode()
  }
}

/** What the network says of a batch of these without computing anything; null where nothing, or where only computing would tell. */
function wrongWith(batches: Batches, i: number, { net, loss }: Rehearsed): Error | null {
  const step = () => loss(anyBatch(batches.batch(i)))
  return rehearse(() => noGrad(step), net.parameters()[0]!.gpu)
}
