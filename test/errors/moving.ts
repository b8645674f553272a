import {
  cat,
  embedding,
  expand,
  gather,
  indexSelect,
  oneHot,
  pad,
  permute,
  repeat,
  type Shape,
  select,
  slice,
  split,
  stack,
  tensor,
  tril,
} from '../../src/index.ts'
import { sizeOf } from '../../src/tensor/shape.ts'
import { type Area, loose } from './refusal.ts'

const zeros = (...shape: Shape) => tensor(new Float32Array(sizeOf(shape)), shape)
const index = (...values: number[]) => tensor(Int32Array.from(values))

export const moving: Area = {
  title: 'Elements moved and taken',
  refusals: [
    {
      title: 'a number in place of a list',
      error: 'TypeError',
      text: 'permute: dims must be an array, such as [1, 0], not a number',
      cure: 'Write the numbers between brackets.',
      run: () => permute(zeros(2, 3), loose(1)),
    },
    {
      title: 'more dimensions than eight',
      error: 'ShapeError',
      text: `permute: input has 9 dimensions; a tensor may have 8 at most
  input [1, 1, 1, 1, 1, 1, 1, 1, 1]`,
      cure: 'Join dimensions that are not told apart by reshape.',
      run: () => permute(zeros(1, 1, 1, 1, 1, 1, 1, 1, 1), [0]),
    },
    {
      title: 'permute, flip: a dimension twice',
      error: 'ShapeError',
      text: `permute: dimension 1 is given twice: [1, -1]
  input [2, 3]`,
      cure: 'Negative numbers count from the end: -1 is the last dimension.',
      run: () => permute(zeros(2, 3), [1, -1]),
    },
    {
      title: 'permute: dimensions left out',
      error: 'ShapeError',
      text: `permute: dims names 1 dimensions, input has 2
  input [2, 3]`,
      cure: 'Name every dimension once; transpose exchanges two and leaves the others where they are.',
      run: () => permute(zeros(2, 3), [1]),
    },
    {
      title: 'squeeze: null for a dimension',
      error: 'ShapeError',
      text: `squeeze: dim null is not a dimension of the tensor
  tensor [2, 3]`,
      run: () => zeros(2, 3).squeeze(loose(null)),
    },
    {
      title: 'unsqueeze: a place past the last',
      error: 'ShapeError',
      text: `unsqueeze: dim must be a whole number from -3 to 2, not 3
  tensor [2, 3]`,
      run: () => zeros(2, 3).unsqueeze(3),
    },
    {
      title: 'slice: half of a place',
      error: 'RangeError',
      text: 'slice: start must be a whole number, not 0.5',
      run: () => slice(zeros(2, 3), 0, 0.5),
    },
    {
      title: 'slice: a step of 0',
      error: 'RangeError',
      text: 'slice: step must be a whole number, 1 or more, not 0',
      cure: 'For the reverse order there is flip.',
      run: () => slice(zeros(2, 3), 0, 0, 2, 0),
    },
    {
      title: 'select: a place past the end',
      error: 'ShapeError',
      text: `select: index 3 does not exist: dimension 1 has elements -3 to 2
  input [2, 3]`,
      run: () => select(zeros(2, 3), 1, 3),
    },
    {
      title: 'expand: a size that is not 1',
      error: 'ShapeError',
      text: `expand: size 4 of dimension 0 does not fit: only a size of 1 can be expanded
  input [2, 3]
  shape [4, 3]`,
      cure: 'For a tensor again and again there is repeat.',
      run: () => expand(zeros(2, 3), [4, 3]),
    },
    {
      title: 'expand: fewer dimensions',
      error: 'ShapeError',
      text: `expand: the shape must have at least input's 2 dimensions
  input [2, 3]
  shape [3]`,
      run: () => expand(zeros(2, 3), [3]),
    },
    {
      title: 'expand: more dimensions than eight',
      error: 'ShapeError',
      text: `expand: the shape has 9 dimensions; a tensor may have 8 at most
  input [1]
  shape [1, 1, 1, 1, 1, 1, 1, 1, 1]`,
      run: () => expand(zeros(1), [1, 1, 1, 1, 1, 1, 1, 1, 1]),
    },
    {
      title: 'repeat: fewer numbers than dimensions',
      error: 'ShapeError',
      text: `repeat: sizes has 1 numbers, it must have 2 to 8
  input [2, 3]
  sizes [2]`,
      cure: 'Give a number for each dimension; 1 leaves it as it is.',
      run: () => repeat(zeros(2, 3), [2]),
    },
    {
      title: 'repeat: half of a time',
      error: 'ShapeError',
      text: `repeat: each of sizes must be a whole number, 0 or more, not 0.5
  input [2, 3]
  sizes [2, 0.5]`,
      run: () => repeat(zeros(2, 3), [2, 0.5]),
    },
    {
      title: 'cat, stack: no tensors',
      error: 'TypeError',
      text: 'cat: the list of tensors is empty',
      cure: 'Give at least one: from none neither shape nor type follow.',
      run: () => cat([]),
    },
    {
      title: 'cat: two types',
      error: 'TypeError',
      text: 'cat: tensors[1] is int32, tensors[0] is float32; all must be of one type',
      run: () => cat([zeros(2), index(1, 2)]),
    },
    {
      title: 'cat: another size',
      error: 'ShapeError',
      text: `cat: tensors[1] does not fit: only dimension 0 may differ
  tensors[0] [2, 3]
  tensors[1] [2, 4]`,
      cure: 'The second argument is the dimension in which the tensors lie one after another.',
      run: () => cat([zeros(2, 3), zeros(2, 4)]),
    },
    {
      title: 'stack: another shape',
      error: 'ShapeError',
      text: `stack: all tensors must have one shape, tensors[1] has another
  tensors[0] [2, 3]
  tensors[1] [3, 2]`,
      cure: 'Along a dimension that is there already, cat puts together tensors of different sizes.',
      run: () => stack([zeros(2, 3), zeros(3, 2)]),
    },
    {
      title: 'stack: a place past the last',
      error: 'ShapeError',
      text: `stack: dim must be a whole number from -3 to 2, not 3
  tensors[0] [2, 3]`,
      run: () => stack([zeros(2, 3)], 3),
    },
    {
      title: 'stack: more dimensions than eight',
      error: 'ShapeError',
      text: `stack: the result would have 9 dimensions; a tensor may have 8 at most
  tensors[0] [1, 1, 1, 1, 1, 1, 1, 1]`,
      run: () => stack([zeros(1, 1, 1, 1, 1, 1, 1, 1)]),
    },
    {
      title: 'split: pieces of nothing',
      error: 'ShapeError',
      text: `split: the size of a piece must be a whole number, 1 or more, not 0
  input [2, 3]`,
      run: () => split(zeros(2, 3), 0),
    },
    {
      title: 'split: sizes that do not add up',
      error: 'ShapeError',
      text: `split: sizes must be whole numbers that add up to the 3 elements of dimension 1
  input [2, 3]
  sizes [1, 1]`,
      cure: 'A single number gives pieces of that size and a last one with what is left.',
      run: () => split(zeros(2, 3), [1, 1], 1),
    },
    {
      title: 'pad: half in a tensor of integers',
      error: 'RangeError',
      text: 'pad: value must be a whole number from -2147483648 to 2147483647 for an input of int32, not 0.5',
      run: () => pad(index(1, 2), [1, 1], { value: 0.5 }),
    },
    {
      title: 'pad: an unknown mode',
      error: 'TypeError',
      text: "pad: mode must be 'constant', 'reflect' or 'replicate', not 'circular'",
      run: () => pad(zeros(2, 3), [1, 1], { mode: loose('circular') }),
    },
    {
      title: 'pad: a value beside a mode without one',
      error: 'TypeError',
      text: "pad: value is for mode 'constant', not 'reflect'",
      run: () => pad(zeros(2, 3), [1, 1], { mode: 'reflect', value: 1 }),
    },
    {
      title: 'pad: a value that is not a number',
      error: 'TypeError',
      text: 'pad: value must be a number, not a string',
      run: () => pad(zeros(2, 3), [1, 1], { value: loose('1') }),
    },
    {
      title: 'pad: an end left out',
      error: 'ShapeError',
      text: `pad: padding must be whole numbers in pairs, for at most input's 2 dimensions
  input   [2, 3]
  padding [1]`,
      cure: 'The order is left, right, top, bottom: the last dimension comes first.',
      run: () => pad(zeros(2, 3), [1]),
    },
    {
      title: 'pad: more cut off than there is',
      error: 'ShapeError',
      text: `pad: more is cut off than the 3 elements of dimension 1
  input   [2, 3]
  padding [-2, -2]`,
      run: () => pad(zeros(2, 3), [-2, -2]),
    },
    {
      title: 'pad: a reflection of more than there is',
      error: 'ShapeError',
      text: `pad: a padding of 3 needs 4 elements to reflect, dimension 1 has 3
  input [2, 3]`,
      cure: "Take a smaller padding, or mode: 'replicate'.",
      run: () => pad(zeros(2, 3), [1, 3], { mode: 'reflect' }),
    },
    {
      title: 'pad: nothing to repeat',
      error: 'ShapeError',
      text: `pad: dimension 0 has no elements to repeat
  input [0, 3]`,
      run: () => pad(zeros(0, 3), [0, 0, 1, 0], { mode: 'replicate' }),
    },
    {
      title: 'triu, tril: fewer dimensions than a matrix has',
      error: 'ShapeError',
      text: `tril: input has 1 dimensions, it must have 2 or more
  input [3]`,
      run: () => tril(zeros(3)),
    },
    {
      title: 'triu, tril: half of a diagonal',
      error: 'RangeError',
      text: 'tril: diagonal must be a whole number, not 0.5',
      run: () => tril(zeros(2, 3), 0.5),
    },
    {
      title: 'indexSelect, embedding, gather, oneHot: an index that is not there',
      error: 'RangeError',
      text: 'embedding: index 65 does not exist; weight has rows 0 to 64',
      cure: 'Count from 0. An index whose values only the GPU knows cannot be checked: it gives NaN.',
      run: () => embedding(zeros(65, 8), index(0, 65)),
    },
    {
      title: 'indexSelect: an index where there is nothing',
      error: 'RangeError',
      text: 'indexSelect: index 0 does not exist; dimension 0 has none',
      run: () => indexSelect(zeros(0, 3), 0, index(0)),
    },
    {
      title: 'embedding: a padding that is not a row',
      error: 'RangeError',
      text: 'embedding: paddingIdx must be a row of the weight, -2 to 1, not 2',
      run: () => embedding(zeros(2, 3), index(0), { paddingIdx: 2 }),
    },
    {
      title: 'gather: an index of another number of dimensions',
      error: 'ShapeError',
      text: `gather: index must have input's 2 dimensions, it has 1
  input [2, 3]
  index [2]`,
      cure: 'A label for each row is index.unsqueeze(1); whole rows come from indexSelect.',
      run: () => gather(zeros(2, 3), 1, index(0, 1)),
    },
    {
      title: 'gather: a larger index',
      error: 'ShapeError',
      text: `gather: index is larger than input in dimension 0
  input [2, 3]
  index [3, 1]`,
      run: () => gather(zeros(2, 3), 1, index(0, 1, 2).unsqueeze(1)),
    },
    {
      title: 'oneHot: no classes',
      error: 'RangeError',
      text: 'oneHot: classes must be a whole number, 1 or more, not 0',
      run: () => oneHot(index(0), 0),
    },
  ],
}
