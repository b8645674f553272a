// The records of a run, and what is read from them.
/** The records of a training run, and what is read off them: the points of its curves and its closing line. */

import { DataError } from '../errors.ts'
import type { Metrics } from './task.ts'

/** Batches between two batch records: they follow batches i = 49, 99, 149, 199 … of an epoch. */
export const batchesPerRecord = 50

/**
 * The state after batch i of an epoch: the learning rate in force, and the loss and accuracy over the examples seen
 * since the epoch's start, measured while the weights move. `epoch` counts from 0; `step` is the number of updates since
 * the start of the run, so that step = epoch · stepsPerEpoch + i + 1.
 */
export type BatchRecord = {
  kind: 'batch'
  epoch: number
  step: number
  lr: number
  trainLoss: number
  trainAcc: number
  /** By their names, where there are any. */
  metrics?: Metrics
}

/** The state after a whole epoch; `testAcc` is measured with the weights at its end. */
export type EpochRecord = {
  kind: 'epoch'
  epoch: number
  step: number
  lr: number
  trainLoss: number
  trainAcc: number
  testAcc: number
  metrics?: Metrics
  testMetrics?: Metrics
}

/** One line of `history.jsonl`. It holds only what is the same in every run of the same seed: no clock figures. */
export type HistoryRecord = BatchRecord | EpochRecord

/** A point of a curve: x in epochs since the start of the run, and the value there. */
export type CurvePoint = [x: number, y: number]

/** The three curves of a run. */
export type CurvePoints = { trainLoss: CurvePoint[]; trainAcc: CurvePoint[]; testAcc: CurvePoint[] }

/** Whether a batch record follows batch i, counted from 0, of an epoch. */
export function isRecorded(i: number): boolean {
  return (i + 1) % batchesPerRecord === 0
}

/**
 * The points of the chapter's figure: training loss and accuracy at x = epoch + i / stepsPerEpoch for the record after
 * batch i, test accuracy at x = epoch + 1.
 *
 * Epochs of fewer than 50 batches have no batch record. Their means over the whole epoch, which are the running means
 * after its last batch, stand at x = epoch + (stepsPerEpoch − 1) / stepsPerEpoch, so that the figure is not empty.
 *
 * @param records in the order written; values that are not finite are passed on as they are
 * @param stepsPerEpoch updates in one epoch: 235 for 60,000 images in batches of 256
 * @throws Error when stepsPerEpoch is not a positive integer, or a batch record's step is not one of its epoch's
 */
export function curvePoints(records: readonly HistoryRecord[], stepsPerEpoch: number): CurvePoints {
  if (!Number.isInteger(stepsPerEpoch) || stepsPerEpoch < 1) {
    throw new Error(`curvePoints: stepsPerEpoch must be a positive integer, got ${stepsPerEpoch}`)
  }
  const points: CurvePoints = { trainLoss: [], trainAcc: [], testAcc: [] }
  for (const record of records) {
    if (record.kind === 'epoch') points.testAcc.push([record.epoch + 1, record.testAcc])
    if (record.kind === 'epoch' && stepsPerEpoch >= batchesPerRecord) continue
    const i = record.kind === 'batch' ? batchIndex(record, stepsPerEpoch) : stepsPerEpoch - 1
    const x = record.epoch + i / stepsPerEpoch
    points.trainLoss.push([x, record.trainLoss])
    points.trainAcc.push([x, record.trainAcc])
  }
  return points
}

const COUNTS = ['epoch', 'step'] as const
const FIGURES = ['lr', 'trainLoss', 'trainAcc', 'testAcc'] as const

/**
 * Reads the lines of a `history.jsonl`.
 *
 * @param name the file's name, for messages
 * @throws DataError that names the line that is not a record
 */
export function parseHistory(text: string, name: string): HistoryRecord[] {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new DataError(`${name}: cut off: its last line has no end`)
  return lines.map((line, i) => {
    const record = parseLine(line)
    if (!isRecord(record)) throw new DataError(`${name}: line ${i + 1} is not a record of a run`)
    return record
  })
}

/** Whether a value is what a record must be. */
export function isRecord(value: unknown): value is HistoryRecord {
  if (typeof value !== 'object' || value === null) return false
  const record = value as Readonly<Record<string, unknown>>
  const isEpoch = record.kind === 'epoch'
  const figures = FIGURES.filter((figure) => isEpoch || figure !== 'testAcc')
  return (
    (isEpoch || record.kind === 'batch') &&
    COUNTS.every((count) => Number.isSafeInteger(record[count]) && (record[count] as number) >= 0) &&
    figures.every((figure) => typeof record[figure] === 'number')
  )
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown
  } catch {
    return null
  }
}

/** The chapter's closing line, three decimals each: `train loss 0.128, train acc 0.951, test acc 0.885`. */
export function summaryLine(result: { trainLoss: number; trainAcc: number; testAcc: number }): string {
  const [loss, train, test] = [result.trainLoss, result.trainAcc, result.testAcc].map((value) => value.toFixed(3))
  return `train loss ${loss}, train acc ${train}, test acc ${test}`
}

function batchIndex(record: BatchRecord, stepsPerEpoch: number): number {
  const first = record.epoch * stepsPerEpoch + 1
  const i = record.step - first
  if (Number.isInteger(i) && i >= 0 && i < stepsPerEpoch) return i
  throw new Error(
    `curvePoints: a batch record of epoch ${record.epoch} has step ${record.step}; with ${stepsPerEpoch} steps an epoch it has ${first} to ${first + stepsPerEpoch - 1}`,
  )
}
