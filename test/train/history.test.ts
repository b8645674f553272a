import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataError } from '../../src/errors.ts'
import {
  type BatchRecord,
  curvePoints,
  type EpochRecord,
  isRecorded,
  parseHistory,
  summaryLine,
} from '../../src/train/history.ts'

const batch = (epoch: number, step: number, trainLoss = 1, trainAcc = 0.5): BatchRecord => ({
  kind: 'batch',
  epoch,
  step,
  lr: 0.3,
  trainLoss,
  trainAcc,
})

const whole = (epoch: number, step: number, testAcc = 0.75): EpochRecord => ({
  kind: 'epoch',
  epoch,
  step,
  lr: 0.3,
  trainLoss: 0.25,
  trainAcc: 0.875,
  testAcc,
})

describe('isRecorded', () => {
  test('an epoch of 235 batches has records after batches 49, 99, 149 and 199', () => {
    expect(Array.from({ length: 235 }, (_, i) => i).filter(isRecorded)).toEqual([49, 99, 149, 199])
  })
})

describe('curvePoints', () => {
  test('puts the means at epoch + i / 235 and the test accuracy at the end of the epoch', () => {
    const records = [
      batch(0, 50, 2.25, 0.125),
      batch(0, 200, 1.5, 0.5),
      whole(0, 235, 0.7),
      batch(1, 285, 0.75, 0.625),
      whole(1, 470, 0.8),
    ]
    expect(curvePoints(records, 235)).toEqual({
      trainLoss: [
        [49 / 235, 2.25],
        [199 / 235, 1.5],
        [1 + 49 / 235, 0.75],
      ],
      trainAcc: [
        [49 / 235, 0.125],
        [199 / 235, 0.5],
        [1 + 49 / 235, 0.625],
      ],
      testAcc: [
        [1, 0.7],
        [2, 0.8],
      ],
    })
  })

  test('an epoch of exactly 50 batches is drawn from its batch record alone', () => {
    expect(curvePoints([batch(0, 50), whole(0, 50)], 50).trainLoss).toEqual([[49 / 50, 1]])
  })

  test('epochs too short for a batch record are drawn from their own means', () => {
    expect(curvePoints([whole(0, 4), whole(1, 8)], 4)).toEqual({
      trainLoss: [
        [0.75, 0.25],
        [1.75, 0.25],
      ],
      trainAcc: [
        [0.75, 0.875],
        [1.75, 0.875],
      ],
      testAcc: [
        [1, 0.75],
        [2, 0.75],
      ],
    })
  })

  test('finds i again from the step, whatever the lengths', () => {
    const positions = fc
      .record({ epoch: fc.nat(500), steps: fc.integer({ min: 1, max: 1000 }) })
      .chain((run) =>
        fc.record({ epoch: fc.constant(run.epoch), steps: fc.constant(run.steps), i: fc.nat(run.steps - 1) }),
      )
    fc.assert(
      fc.property(positions, ({ epoch, steps, i }) => {
        const [point] = curvePoints([batch(epoch, epoch * steps + i + 1)], steps).trainLoss
        expect(point).toEqual([epoch + i / steps, 1])
      }),
      { seed: 1 },
    )
  })

  test('no records, no points', () => {
    expect(curvePoints([], 235)).toEqual({ trainLoss: [], trainAcc: [], testAcc: [] })
  })

  test.each([
    [0, 236],
    [1, 235],
    [1, 471],
    [0, 0],
    [0, 49.5],
  ])('refuses a record of epoch %i with step %d', (epoch, step) => {
    const first = epoch * 235 + 1
    expect(() => curvePoints([batch(epoch, step)], 235)).toThrow(
      new Error(
        `curvePoints: a batch record of epoch ${epoch} has step ${step}; with 235 steps an epoch it has ${first} to ${first + 234}`,
      ),
    )
  })

  test.each([0, -1, 2.5, Number.NaN])('refuses %d steps an epoch', (steps) => {
    expect(() => curvePoints([], steps)).toThrow(
      new Error(`curvePoints: stepsPerEpoch must be a positive integer, got ${steps}`),
    )
  })
})

describe('summaryLine', () => {
  test("is the chapter's line", () => {
    expect(summaryLine({ trainLoss: 0.1284, trainAcc: 0.9511, testAcc: 0.8849 })).toBe(
      'train loss 0.128, train acc 0.951, test acc 0.885',
    )
  })

  test('keeps three decimals of round numbers and shows what is not a number', () => {
    expect(summaryLine({ trainLoss: Number.NaN, trainAcc: 1, testAcc: 0.1 })).toBe(
      'train loss NaN, train acc 1.000, test acc 0.100',
    )
  })
})

describe('parseHistory', () => {
  const text = [batch(0, 50), whole(0, 60)].map((record) => `${JSON.stringify(record)}\n`).join('')

  test('gives back the records', () => {
    expect(parseHistory(text, 'h')).toEqual([batch(0, 50), whole(0, 60)])
    expect(parseHistory('', 'h')).toEqual([])
  })

  test.each([
    [text.slice(0, -1), 'h: cut off: its last line has no end'],
    [`${text}\n`, 'h: line 3 is not a record of a run'],
    ['null\n', 'h: line 1 is not a record of a run'],
    [text.replace('"epoch":0', '"epoch":-1'), 'h: line 1 is not a record of a run'],
    [text.replace('"batch"', '"other"'), 'h: line 1 is not a record of a run'],
    [text.replace('0.75', '"0.75"'), 'h: line 2 is not a record of a run'],
    [text.replace('"testAcc"', '"__proto__"'), 'h: line 2 is not a record of a run'],
  ])('refuses %j', (damaged, message) => {
    expect(() => parseHistory(damaged, 'h')).toThrow(new DataError(message))
  })
})
