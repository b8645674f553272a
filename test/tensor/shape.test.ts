import { describe, expect, it } from 'vitest'
import { checkShape, formatShape, pair, ShapeError, sameShape, sizeOf } from '../../src/tensor/shape.ts'
import { messageOf } from '../support/gpu.ts'

describe('shapes', () => {
  it('hold as many elements as the product of their sizes', () => {
    expect([[], [0], [3, 0, 2], [7], [2, 3, 4]].map(sizeOf)).toEqual([1, 0, 0, 7, 24])
  })

  it('are the same when every size is', () => {
    expect(sameShape([], [])).toBe(true)
    expect(sameShape([2, 3], [2, 3])).toBe(true)
    expect(sameShape([2, 3], [3, 2])).toBe(false)
    expect(sameShape([2, 3], [2, 3, 1])).toBe(false)
    expect(sameShape([2, 3, 1], [2, 3])).toBe(false)
  })

  it('are shown in brackets', () => {
    expect(formatShape([])).toBe('[]')
    expect(formatShape([64, 1, 28, 28])).toBe('[64, 1, 28, 28]')
  })

  it.each([[-1], [1.5], [Number.NaN], [Number.POSITIVE_INFINITY], [2 ** 53]])('may not hold the size %s', (n) => {
    expect(messageOf(() => checkShape('empty', [2, n]))).toBe(
      `empty: a size must be a whole number, 0 or more, not ${n}\n  shape [2, ${n}]`,
    )
  })
})

describe('ShapeError', () => {
  it('is a sentence, an aligned line a tensor, and the cure', () => {
    const error = new ShapeError(
      'conv2d',
      'weight takes 3 input channels, input has 1',
      [
        ['input', [64, 1, 28, 28], 'N C H W'],
        ['weight', [6, 3, 5, 5], 'F C KH KW'],
        ['bias', [6]],
      ],
      'The cure.',
    )
    expect(error.message).toBe(
      [
        'conv2d: weight takes 3 input channels, input has 1',
        '  input  [64, 1, 28, 28]  N C H W',
        '  weight [6, 3, 5, 5]     F C KH KW',
        '  bias   [6]',
        'The cure.',
      ].join('\n'),
    )
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe('ShapeError')
  })

  it('is a sentence alone where there is no more to say', () => {
    expect(new ShapeError('relu', 'no').message).toBe('relu: no')
  })
})

describe('pair', () => {
  it('takes a number for both, or two', () => {
    expect(pair('conv2d', 'stride', 2, 1)).toEqual([2, 2])
    expect(pair('conv2d', 'stride', [1, 3], 1)).toEqual([1, 3])
    expect(pair('conv2d', 'padding', 0, 0)).toEqual([0, 0])
  })

  it.each<[number | number[], string]>([
    [0, '0'],
    [1.5, '1.5'],
    [Number.NaN, 'NaN'],
    [[1], '[1]'],
    [[1, 2, 3], '[1, 2, 3]'],
    [[2, 0], '[2, 0]'],
    [[-1, 2], '[-1, 2]'],
  ])('refuses %s where 1 is the least', (value, shown) => {
    expect(messageOf(() => pair('conv2d', 'stride', value, 1))).toBe(
      `conv2d: stride must be a whole number or two of them, 1 or more, not ${shown}`,
    )
  })

  it.each<[unknown, string, string]>([
    [undefined, '1 or more', 'undefined'],
    ['2', '1 or more', "'2'"],
    [65_536, 'at most 65,535', '65536'],
    [[1, 2 ** 31], 'at most 65,535', '[1, 2147483648]'],
  ])('refuses %s', (value, range, shown) => {
    expect(messageOf(() => pair('maxPool2d', 'kernelSize', value as number, 1))).toBe(
      `maxPool2d: kernelSize must be a whole number or two of them, ${range}, not ${shown}`,
    )
  })
})
