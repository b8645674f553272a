import {
  bceLoss,
  crossEntropy,
  huberLoss,
  klDivLoss,
  mseLoss,
  nllLoss,
  type Shape,
  smoothL1Loss,
  tensor,
} from '../../src/index.ts'
import { sizeOf } from '../../src/tensor/shape.ts'
import { type Area, loose } from './refusal.ts'

const zeros = (...shape: Shape) => tensor(new Float32Array(sizeOf(shape)), shape)
const labels = (...values: number[]) => Uint8Array.from(values)

export const losses: Area = {
  title: 'Losses',
  refusals: [
    {
      title: 'an input and a target of two shapes',
      error: 'ShapeError',
      text: `mseLoss: input and target must have the same shape
  input  [4, 1]
  target [4]
Nothing is broadcast here: reshape or expand one of them.`,
      cure: 'A column beside a list would be 16 differences; squeeze(1) makes a list of the column.',
      run: () => mseLoss(zeros(4, 1), zeros(4)),
    },
    {
      title: 'a weight that is larger than the input',
      error: 'ShapeError',
      text: `bceLoss: weight must broadcast to the input's shape, and is larger
  input  [3]
  weight [2, 3]`,
      run: () => bceLoss(zeros(3), zeros(3), { weight: zeros(2, 3) }),
    },
    {
      title: 'smoothL1Loss: a negative beta',
      error: 'RangeError',
      text: 'smoothL1Loss: beta must be a number, 0 or more, not -1',
      run: () => smoothL1Loss(zeros(3), zeros(3), { beta: -1 }),
    },
    {
      title: 'huberLoss: a delta of 0',
      error: 'RangeError',
      text: 'huberLoss: delta must be a positive number, not 0',
      cure: 'l1Loss is what huberLoss / delta comes near to.',
      run: () => huberLoss(zeros(3), zeros(3), { delta: 0 }),
    },
    {
      title: 'klDivLoss: a logTarget that is neither true nor false',
      error: 'TypeError',
      text: 'klDivLoss: logTarget must be true or false, not 1',
      run: () => klDivLoss(zeros(3), zeros(3), { logTarget: loose(1) }),
    },
    {
      title: 'crossEntropy: a target that is neither tensor nor integers',
      error: 'TypeError',
      text: 'crossEntropy: target must be an int32 or uint8 tensor, an Int32Array or a Uint8Array, not an array',
      cure: 'For labels give Int32Array.from(labels), for probabilities a float32 tensor of their shape.',
      run: () => crossEntropy(zeros(2, 3), loose([0, 1])),
    },
    {
      title: 'crossEntropy: labels that are not integers',
      error: 'ShapeError',
      text: `crossEntropy: a float32 target holds probabilities and must have the logits' shape
  logits [2, 3]
  target [2]
Labels are int32 or uint8.`,
      cure: "Give labels as tensor(labels, [n], { dtype: 'int32' }), or Int32Array.from(labels).",
      run: () => crossEntropy(zeros(2, 3), zeros(2)),
    },
    {
      title: 'crossEntropy: an ignoreIndex beside probabilities',
      error: 'RangeError',
      text: 'crossEntropy: ignoreIndex 1 has no meaning for a target of probabilities',
      cure: 'Leave it out; rows of zeros in the target have a loss of 0.',
      run: () => crossEntropy(zeros(2, 3), zeros(2, 3), { ignoreIndex: 1 }),
    },
    {
      title: 'crossEntropy: more smoothing than all',
      error: 'RangeError',
      text: 'crossEntropy: labelSmoothing must be a number from 0 to 1, not 10',
      run: () => crossEntropy(zeros(2, 3), labels(0, 1), { labelSmoothing: 10 }),
    },
    {
      title: 'crossEntropy, nllLoss: weights that are not one a class',
      error: 'ShapeError',
      text: `crossEntropy: weight must have one value for each of the 3 classes
  logits [2, 3]
  weight [2]`,
      run: () => crossEntropy(zeros(2, 3), labels(0, 1), { weight: zeros(2) }),
    },
    {
      title: 'crossEntropy, nllLoss: scores of one row alone',
      error: 'ShapeError',
      text: `nllLoss: input has 1 dimensions, it must have 2 or more (N C …)
  input [3]`,
      cure: 'One row [C] becomes a batch by unsqueeze(0).',
      run: () => nllLoss(zeros(3), labels(0)),
    },
    {
      title: 'crossEntropy, nllLoss: labels of other sizes',
      error: 'ShapeError',
      text: `crossEntropy: target must have the sizes of logits without the classes
  logits [2, 3, 4]  N C …
  target [2, 5]     N …`,
      run: () => crossEntropy(zeros(2, 3, 4), tensor(new Int32Array(10), [2, 5])),
    },
    {
      title: 'crossEntropy: not one label a row',
      error: 'ShapeError',
      text: `crossEntropy: target has 2 labels, logits have 3 rows
  logits [3, 10]  N C
  target [2]      N`,
      cure: 'Give a label for each row of the logits.',
      run: () => crossEntropy(zeros(3, 10), labels(1, 2)),
    },
    {
      title: 'crossEntropy: a label that is no class',
      error: 'RangeError',
      text: 'crossEntropy: label 3 is not a class; logits have 3 classes, 0 to 2',
      cure: 'Labels count from 0; the network needs as many outputs as there are classes.',
      run: () => crossEntropy(zeros(2, 3), labels(0, 3)),
    },
    {
      title: 'crossEntropy: an ignoreIndex that no label can be',
      error: 'RangeError',
      text: 'crossEntropy: ignoreIndex must be a 32-bit whole number, not 0.5',
      run: () => crossEntropy(zeros(2, 3), labels(0, 1), { ignoreIndex: 0.5 }),
    },
    {
      title: 'crossEntropy: an unknown reduction',
      error: 'TypeError',
      text: "crossEntropy: reduction must be 'mean', 'sum' or 'none', not 'avg'",
      run: () => crossEntropy(zeros(2, 3), labels(0, 1), { reduction: loose('avg') }),
    },
  ],
}
