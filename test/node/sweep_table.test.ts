import { describe, expect, it } from 'vitest'
import { xTicks } from '../../src/figures/svg.ts'
import { pointsOf } from '../../src/node/sweep_grid.ts'
import { groupsOf, median, type Outcome, sweepFigure, tableLines } from '../../src/node/sweep_table.ts'

/** Outcomes of a grid in its order, by their test accuracies; null is not finished, NaN has diverged. */
function outcomesOf(axes: Parameters<typeof pointsOf>[0], accuracies: readonly (number | null)[]): Outcome[] {
  return pointsOf(axes).map((point, i) => {
    const testAcc = accuracies[i] ?? null
    return {
      point,
      folder: `f${i}`,
      diverged: Number.isNaN(testAcc),
      result: testAcc === null || Number.isNaN(testAcc) ? null : { testAcc, trainAcc: testAcc / 2, trainLoss: 1 },
    }
  })
}

const lr = { name: 'lr', values: [0.3, 0.01, 1] }
const seeds = { name: 'seed', values: [0, 1] }
const schedule = { name: 'schedule', values: ['constant', 'cosine(5)'] }

describe('median', () => {
  it.each([
    [[3], 3],
    [[1, 2], 1.5],
    [[9, 1, 10], 9],
    [[4, 1, 3, 2], 2.5],
  ])('of %j is %d', (values, middle) => {
    expect(median(values)).toBe(middle)
  })
})

describe('the table', () => {
  it('is sorted by test accuracy, what is not finished last', () => {
    const lines = tableLines(groupsOf(outcomesOf([lr], [0.5, null, 0.75])))
    expect(lines).toEqual([
      'test acc  train acc  train loss  lr    folder',
      '0.750     0.375      1.000       1     f2',
      '0.500     0.250      1.000       0.3   f0',
      'none                             0.01  f1',
    ])
  })

  it('has medians over the seeds, and their range', () => {
    const lines = tableLines(groupsOf(outcomesOf([lr, seeds], [0.5, 0.6, 0.9, null, null, null])))
    expect(lines).toEqual([
      'test acc  from   to     seeds  train acc  train loss  lr',
      '0.900     0.900  0.900  1/2    0.450      1.000       0.01',
      '0.550     0.500  0.600  2/2    0.275      1.000       0.3',
      'none                    0/2                           1',
    ])
  })
})

describe('points that diverged', () => {
  it('are told, where no seed of theirs has figures', () => {
    const lines = tableLines(groupsOf(outcomesOf([lr], [0.5, null, Number.NaN])))
    expect(lines.slice(1)).toEqual([
      '0.500     0.250      1.000       0.3   f0',
      'none                             0.01  f1',
      'diverged                         1     f2',
    ])
  })

  it('are counted, where some have', () => {
    const { NaN: lost } = Number
    const lines = tableLines(groupsOf(outcomesOf([lr, seeds], [0.5, 0.75, lost, 0.25, lost, lost])))
    expect(lines).toEqual([
      'test acc  from   to     seeds            train acc  train loss  lr',
      '0.625     0.500  0.750  2/2              0.313      1.000       0.3',
      '0.250     0.250  0.250  1/2, 1 diverged  0.125      1.000       0.01',
      'diverged                0/2                                     1',
    ])
  })
})

describe('the figure', () => {
  it('has the option with numbers on its axis, and a line for each of the others', () => {
    const axes = [schedule, lr]
    const figure = sweepFigure(groupsOf(outcomesOf(axes, [0.1, 0.2, null, 0.4, 0.5, 0.6])), axes)!
    expect(figure).toMatchObject({
      xLabel: 'log10 of lr',
      yLabel: 'test accuracy',
      x: [-2, 0],
      y: [0.1, 0.6],
      notes: [],
    })
    const points = Object.fromEntries(figure.lines.map(({ label, points }) => [label, points]))
    expect(points).toEqual({
      'schedule=constant': [
        [-2, 0.2],
        [Math.log10(0.3), 0.1],
      ],
      'schedule=cosine(5)': [
        [-2, 0.5],
        [Math.log10(0.3), 0.4],
        [0, 0.6],
      ],
    })
  })

  it('has a plain axis where the numbers are of one size, and medians over seeds', () => {
    const axes = [{ name: 'momentum', values: [0, 0.9] }, seeds]
    const figure = sweepFigure(groupsOf(outcomesOf(axes, [0.1, 0.3, 0.5, 0.5])), axes)!
    expect(figure).toMatchObject({ xLabel: 'momentum', x: [0, 1], y: [0.1, 0.5], wholeX: false })
    expect(figure.notes).toEqual(['medians; pale in sweep.svg: from the worst to the best seed'])
    expect(figure.bands!.map(({ low, high }) => ({ low, high }))).toEqual([
      {
        low: [
          [0, 0.1],
          [0.9, 0.5],
        ],
        high: [
          [0, 0.3],
          [0.9, 0.5],
        ],
      },
    ])
    expect(figure.lines.map(({ label, points }) => ({ label, points }))).toEqual([
      {
        label: 'test accuracy',
        points: [
          [0, 0.2],
          [0.9, 0.5],
        ],
      },
    ])
  })

  it('numbers what are no numbers, in the order of the grid', () => {
    const figure = sweepFigure(groupsOf(outcomesOf([schedule], [0.1, 0.3])), [schedule])!
    expect(figure).toMatchObject({
      xLabel: 'schedule, by its number',
      notes: ['1: constant', '2: cosine(5)'],
      bands: [],
    })
    expect(xTicks(figure, 6)).toEqual([1, 2])
    expect(figure.lines[0]!.points).toEqual([
      [1, 0.1],
      [2, 0.3],
    ])
  })

  it('draws the best six of many lines and says so; nothing where nothing is finished', () => {
    const axes = [
      { name: 'lr', values: [1, 2] },
      { name: 'schedule', values: [...'abcdefgh'] },
    ]
    const accuracies = Array.from({ length: 16 }, (_, i) => i / 16)
    const figure = sweepFigure(groupsOf(outcomesOf(axes, accuracies)), axes)!
    expect(figure.lines.map(({ label }) => label)).toEqual([...'hgfedc'].map((name) => `schedule=${name}`))
    expect(figure.notes).toEqual(['2 more combinations are not drawn'])
    expect(sweepFigure(groupsOf(outcomesOf(axes, [])), axes)).toBeNull()
  })

  it('of one point has axes with room around it', () => {
    const axes = [{ name: 'lr', values: [0.5] }]
    const figure = sweepFigure(groupsOf(outcomesOf(axes, [0.95])), axes)!
    expect(figure.x).toEqual([-0.5, 1.5])
    expect(figure.y[1]).toBe(1)
  })
})
