import {
  add,
  argmax,
  avgPool2d,
  batchNorm,
  clamp,
  conv1d,
  conv2d,
  conv2dReluMaxPool2d,
  convTranspose2d,
  eq,
  gelu,
  groupNorm,
  instanceNorm,
  interpolate,
  layerNorm,
  leakyRelu,
  linear,
  matmul,
  max,
  maxPool2d,
  mean,
  mul,
  nn,
  pixelShuffle,
  relu,
  rmsNorm,
  type Shape,
  scaledDotProductAttention,
  sum,
  tensor,
  where,
} from '../../src/index.ts'
import { sizeOf } from '../../src/tensor/shape.ts'
import { type Area, loose } from './refusal.ts'

const zeros = (...shape: Shape) => tensor(new Float32Array(sizeOf(shape)), shape)

export const operations: Area = {
  title: 'Operations',
  refusals: [
    {
      title: 'eq, ne, lt, le, gt, ge: a number beside integers that they can not be',
      error: 'RangeError',
      text: 'eq: the number beside integers must be a whole one of 32 bits, not 0.5',
      run: () => eq(tensor(Int32Array.of(1)), 0.5),
    },
    {
      title: 'operations, methods, layers, optimizers, fit and others: an argument too many',
      error: 'TypeError',
      text: 'add: 2 is an argument too many; it is add(a, b)',
      cure: 'It would be ignored. In x.add(b) the tensor x is the first one; in a list, map((x) => relu(x)) gives relu one argument, map(relu) three.',
      run: () => add(tensor([1]), 1, ...([2] as unknown as [])),
    },
    {
      title: 'something that is not a tensor',
      error: 'TypeError',
      text: 'relu: input must be a tensor, not an array',
      cure: 'Make one of it by tensor(…).',
      run: () => relu(loose([1, 2])),
    },
    {
      title: 'a tensor of another type of elements',
      error: 'TypeError',
      text: 'relu: input must be float32, it is int32',
      cure: 'Make it of the type named; images in bytes become float32 by tensor(Float32Array.from(bytes, (b) => b / 255), shape).',
      run: () => relu(tensor(new Int32Array(2))),
    },
    {
      title: 'another number of dimensions',
      error: 'ShapeError',
      text: `conv2d: input has 3 dimensions, it must have 4 (N C H W)
  input [1, 28, 28]`,
      cure: 'Add the missing dimension by reshape: one image [C, H, W] becomes a batch [1, C, H, W].',
      run: () => conv2d(zeros(1, 28, 28), zeros(6, 1, 5, 5)),
    },
    {
      title: 'tensors of two devices in one operation',
      error: 'Error',
      text: 'add: its tensors are on two devices',
      cure: 'Make all of them on one device: give tensor() the option gpu, or open() only once.',
      run: async ({ gpu, ownGpu }) => {
        const near = tensor([1], [1], { gpu })
        return add(near, tensor([1], [1], { gpu: await ownGpu() }))
      },
    },
    {
      title: 'shapes that do not broadcast',
      error: 'ShapeError',
      text: `add: the shapes do not broadcast: dimension -1 has sizes 3 and 2
  a [2, 3]
  b [2]
Sizes of a dimension must be equal, or one of them 1.`,
      run: () => add(zeros(2, 3), zeros(2)),
    },
    {
      title: 'more dimensions than broadcasting takes',
      error: 'ShapeError',
      text: `mul: tensors of 9 dimensions; at most 8 are possible
  a [1, 1, 1, 1, 1, 1, 1, 1, 2]`,
      cure: 'Join dimensions by reshape or flatten.',
      run: () => mul(zeros(1, 1, 1, 1, 1, 1, 1, 1, 2), 2),
    },
    {
      title: 'sum: a dimension twice',
      error: 'ShapeError',
      text: `sum: dim 1 appears twice
  input [2, 3]`,
      cure: 'Name each dimension once; -1 is the last one.',
      run: () => sum(zeros(2, 3), [1, -1]),
    },
    {
      title: 'sum: options in the place of the dimension',
      error: 'TypeError',
      text: 'sum: dim must be a number or a list of numbers, not an object',
      cure: 'Options come third: sum(x, undefined, { keepDim: true }) sums up all dimensions.',
      run: () => sum(zeros(2, 3), loose({ keepDim: true })),
    },
    {
      title: 'sum: more dimensions than a reduction takes',
      error: 'ShapeError',
      text: `sum: the input has 9 dimensions; at most 8 are possible
  input [1, 1, 1, 1, 1, 1, 1, 1, 2]`,
      cure: 'Join neighbouring dimensions by reshape.',
      run: () => sum(zeros(1, 1, 1, 1, 1, 1, 1, 1, 2)),
    },
    {
      title: 'max: nothing to take the largest of',
      error: 'ShapeError',
      text: `max: the input has no elements along the dimensions that are reduced
  input [2, 0]`,
      cure: 'A sum of nothing is 0 and a product 1, but there is no largest or smallest of it.',
      run: () => max(zeros(2, 0), 1),
    },
    {
      title: 'an operand that is neither a tensor nor a number',
      error: 'TypeError',
      text: 'add: b must be a tensor or a number, not an array',
      cure: 'Make one of it by tensor(…).',
      run: () => add(zeros(2), loose([1, 2])),
    },
    {
      title: 'two numbers',
      error: 'TypeError',
      text: 'add: a or b must be a tensor, both are numbers',
      cure: "Use JavaScript's arithmetic.",
      run: () => add(1, 2),
    },
    {
      title: 'where: a condition that is not a tensor',
      error: 'TypeError',
      text: 'where: the condition must be a tensor, not a boolean',
      cure: 'Make one by a comparison, such as gt(x, 0).',
      run: () => where(loose(true), zeros(2), 0),
    },
    {
      title: 'where: a condition of another type',
      error: 'TypeError',
      text: 'where: condition must be uint8, it is float32',
      cure: 'Make one by a comparison, such as ne(x, 0).',
      run: () => where(zeros(2), zeros(2), 0),
    },
    {
      title: 'an option that is not a number',
      error: 'TypeError',
      text: 'leakyRelu: negativeSlope must be a number, not a string',
      cure: 'Give a number.',
      run: () => leakyRelu(zeros(2), loose('0.1')),
    },
    {
      title: 'clamp without bounds',
      error: 'TypeError',
      text: 'clamp: give min, max or both',
      cure: 'Such as clamp(x, { min: 0 }).',
      run: () => clamp(zeros(2), {}),
    },
    {
      title: 'gelu: an approximation that there is not',
      error: 'TypeError',
      text: "gelu: approximate must be 'none' or 'tanh', not 'erf'",
      cure: 'Leave it out for the exact function.',
      run: () => gelu(zeros(2), loose({ approximate: 'erf' })),
    },
    {
      title: 'matmul: a transpose that is neither true nor false',
      error: 'TypeError',
      text: "matmul: transposeB must be true or false, not 'no'",
      run: () => matmul(zeros(2, 3), zeros(3, 2), { transposeB: loose('no') }),
    },
    {
      title: 'mean: a keepDim that is neither true nor false',
      error: 'TypeError',
      text: 'mean: keepDim must be true or false, not 1',
      run: () => mean(zeros(2, 3), 0, { keepDim: loose(1) }),
    },
    {
      title: 'argmax: a keepDim that is neither true nor false',
      error: 'TypeError',
      text: "argmax: keepDim must be true or false, not 'yes'",
      run: () => argmax(zeros(2, 3), 0, { keepDim: loose('yes') }),
    },
    {
      title: 'matmul: inner sizes that differ',
      error: 'ShapeError',
      text: `matmul: a sums over 3 elements, b over 2
  a [2, 3]  M K
  b [2, 3]  K N`,
      cure: 'The columns of the first must be as many as the rows of the second; transposeA and transposeB read them the other way.',
      run: () => matmul(zeros(2, 3), zeros(2, 3)),
    },
    {
      title: 'matmul: a tensor of less than two dimensions',
      error: 'ShapeError',
      text: `matmul: b has 1 dimensions, it must have 2 (K N) or more
  b [3]`,
      cure: 'Make a column of it by unsqueeze(1), or a row by unsqueeze(0).',
      run: () => matmul(zeros(2, 3), zeros(3)),
    },
    {
      title: 'matmul: batches that do not broadcast',
      error: 'ShapeError',
      text: `matmul: the shapes do not broadcast: dimension -3 has sizes 2 and 5
  a [2, 4, 3]  … M K
  b [5, 3, 6]  … K N
Sizes of a dimension must be equal, or one of them 1.`,
      run: () => matmul(zeros(2, 4, 3), zeros(5, 3, 6)),
    },
    {
      title: 'scaledDotProductAttention: a tensor of less than two dimensions',
      error: 'ShapeError',
      text: `scaledDotProductAttention: k must have two dimensions or more
  q [4, 3]  … L E
  k [3]     … S E
  v [5, 6]  … S V`,
      run: () => scaledDotProductAttention(zeros(4, 3), zeros(3), zeros(5, 6)),
    },
    {
      title: 'scaledDotProductAttention: queries and keys of two lengths',
      error: 'ShapeError',
      text: `scaledDotProductAttention: q and k must have vectors of one length, not 3 and 2
  q [4, 3]  … L E
  k [5, 2]  … S E
  v [5, 6]  … S V`,
      run: () => scaledDotProductAttention(zeros(4, 3), zeros(5, 2), zeros(5, 6)),
    },
    {
      title: 'scaledDotProductAttention: another number of values than keys',
      error: 'ShapeError',
      text: `scaledDotProductAttention: there must be a value for each key, not 6 for 5
  q [4, 3]  … L E
  k [5, 3]  … S E
  v [6, 6]  … S V`,
      run: () => scaledDotProductAttention(zeros(4, 3), zeros(5, 3), zeros(6, 6)),
    },
    {
      title: 'scaledDotProductAttention: a mask of more elements than scores',
      error: 'ShapeError',
      text: `scaledDotProductAttention: mask must broadcast to the scores, it has more elements
  mask   [2, 4, 5]
  scores [4, 5]`,
      run: () => scaledDotProductAttention(zeros(4, 3), zeros(5, 3), zeros(5, 6), { mask: zeros(2, 4, 5) }),
    },
    {
      title: 'scaledDotProductAttention: a mask beside isCausal',
      error: 'TypeError',
      text: 'scaledDotProductAttention: mask and isCausal exclude each other; leave out one of them',
      cure: 'A float32 mask can hold both: minus infinity where a pair takes no part.',
      run: () =>
        scaledDotProductAttention(zeros(4, 3), zeros(4, 3), zeros(4, 3), { mask: zeros(4, 4), isCausal: true }),
    },
    {
      title: 'linear: input features that differ',
      error: 'ShapeError',
      text: `linear: weight takes 2 input features, input has 3
  input  [4, 3]  N I
  weight [3, 2]  O I`,
      cure: 'The weight is [output features, input features], as in PyTorch; nn.Linear takes (input, output).',
      run: () => linear(zeros(4, 3), zeros(3, 2)),
    },
    {
      title: 'linear: a bias of another size',
      error: 'ShapeError',
      text: `linear: bias must have one value for each of the 2 output features
  weight [2, 3]  O I
  bias   [3]     O`,
      cure: 'Give one value an output feature, the first size of the weight, or null.',
      run: () => linear(zeros(4, 3), zeros(2, 3), zeros(3)),
    },
    {
      title: 'linearRelu: images of another size than the network is made for',
      error: 'ShapeError',
      text: `linearRelu: weight takes 400 input features, input has 576
  input  [1, 576]    N I
  weight [120, 400]  O I`,
      cure: 'nn.lenet() takes images of 28 × 28; for others, change the first nn.Linear to the number of features given.',
      run: () => nn.lenet().forward(zeros(1, 1, 32, 32)),
    },
    {
      title: 'conv2d: the channels differ',
      error: 'ShapeError',
      text: `conv2d: weight takes 1 input channels, input has 3
  input  [1, 3, 28, 28]  N C H W
  weight [6, 1, 5, 5]    F C KH KW`,
      cure: 'The weight is [filters, channels, height, width]; colour images have 3 channels, grey ones 1.',
      run: () => conv2d(zeros(1, 3, 28, 28), zeros(6, 1, 5, 5)),
    },
    {
      title: 'conv2d: the channels of a group differ',
      error: 'ShapeError',
      text: `conv2d: weight takes 4 input channels in each of 2 groups, input has 4
  input  [1, 4, 8, 8]  N C H W
  weight [6, 4, 3, 3]  F C/groups KH KW`,
      cure: 'The second size of the weight is the channels of one group: of 4 channels in 2 groups, 2.',
      run: () => conv2d(zeros(1, 4, 8, 8), zeros(6, 4, 3, 3), null, { groups: 2 }),
    },
    {
      title: 'conv2d: groups that do not divide the channels or filters',
      error: 'ShapeError',
      text: `conv2d: 4 groups do not divide the 6 filters
  input  [1, 4, 8, 8]  N C H W
  weight [6, 1, 3, 3]  F C/groups KH KW`,
      cure: 'Each group has as many channels, and as many filters, as the others: give a number that divides both.',
      run: () => conv2d(zeros(1, 4, 8, 8), zeros(6, 1, 3, 3), null, { groups: 4 }),
    },
    {
      title: 'a number of groups that is none',
      error: 'ShapeError',
      text: 'conv2d: groups must be a whole number, 1 or more, not 0',
      run: () => conv2d(zeros(1, 4, 8, 8), zeros(6, 4, 3, 3), null, { groups: 0 }),
    },
    {
      title: 'conv1d: a stride of two numbers',
      error: 'ShapeError',
      text: 'conv1d: stride must be a whole number, 1 or more, not [1, 1]',
      run: () => conv1d(zeros(1, 4, 8), zeros(6, 4, 3), null, { stride: loose([1, 1]) }),
    },
    {
      title: 'conv1d: a stride, padding, dilation or number of groups far too large',
      error: 'ShapeError',
      text: 'conv1d: padding must be a whole number, at most 65,535, not 1048576',
      run: () => conv1d(zeros(1, 4, 8), zeros(6, 4, 3), null, { padding: 2 ** 20 }),
    },
    {
      title: 'convTranspose2d: the channels differ',
      error: 'ShapeError',
      text: `convTranspose2d: weight takes 6 input channels, input has 4
  input  [1, 4, 8, 8]  N C H W
  weight [6, 4, 3, 3]  C F KH KW`,
      cure: 'The weight of a transposed convolution is [channels, filters, height, width].',
      run: () => convTranspose2d(zeros(1, 4, 8, 8), zeros(6, 4, 3, 3)),
    },
    {
      title: 'convTranspose2d: a kernel without elements',
      error: 'ShapeError',
      text: `convTranspose2d: the kernel has no elements
  input  [1, 4, 8, 8]  N C H W
  weight [4, 6, 0, 3]  C F KH KW`,
      cure: 'Height and width of the weight must be 1 or more.',
      run: () => convTranspose2d(zeros(1, 4, 8, 8), zeros(4, 6, 0, 3)),
    },
    {
      title: 'convTranspose2d: an input without rows',
      error: 'ShapeError',
      text: `convTranspose2d: the input has no rows or no columns
  input  [1, 4, 0, 8]  N C H W
  weight [4, 6, 3, 3]  C F KH KW`,
      cure: 'Give images of a row and a column at least.',
      run: () => convTranspose2d(zeros(1, 4, 0, 8), zeros(4, 6, 3, 3)),
    },
    {
      title: 'convTranspose2d: a bias of another size',
      error: 'ShapeError',
      text: `convTranspose2d: bias must have one value for each of the 6 filters
  input  [1, 4, 8, 8]  N C H W
  weight [4, 6, 3, 3]  C F KH KW
  bias   [4]           F`,
      cure: 'Give one value a filter, the second size of the weight times the groups, or null.',
      run: () => convTranspose2d(zeros(1, 4, 8, 8), zeros(4, 6, 3, 3), zeros(4)),
    },
    {
      title: 'convTranspose2d: padding that leaves nothing',
      error: 'ShapeError',
      text: `convTranspose2d: with padding 2 nothing is left of the output's height
  input  [1, 4, 1, 8]  N C H W
  weight [4, 6, 3, 3]  C F KH KW`,
      cure: 'Padding makes the output of a transposed convolution smaller: give less, or a larger stride or kernel.',
      run: () => convTranspose2d(zeros(1, 4, 1, 8), zeros(4, 6, 3, 3), null, { padding: [2, 0] }),
    },
    {
      title: 'convTranspose2d: output padding of a whole step',
      error: 'ShapeError',
      text: 'convTranspose2d: outputPadding 2 must be less than the stride 2 or the dilation 1',
      cure: 'It chooses among the sizes that the convolution would make the input of: give the size modulo the stride.',
      run: () => convTranspose2d(zeros(1, 4, 8, 8), zeros(4, 6, 3, 3), null, { stride: 2, outputPadding: 2 }),
    },
    {
      title: 'interpolate: neither a scale nor a size, or both',
      error: 'TypeError',
      text: 'interpolate: give either a scale or a size, not both',
      run: () => interpolate(zeros(1, 2, 3, 4), { scale: 2, size: 6 }),
    },
    {
      title: 'interpolate: an unknown mode',
      error: 'TypeError',
      text: "interpolate: mode must be 'nearest' or 'bilinear', not 'bicubic'",
      run: () => interpolate(zeros(1, 2, 3, 4), { size: 6, mode: loose('bicubic') }),
    },
    {
      title: 'interpolate: a scale that is none',
      error: 'RangeError',
      text: 'interpolate: scale must be a number above 0, or two of them, not [2, 0]',
      run: () => interpolate(zeros(1, 2, 3, 4), { scale: [2, 0] }),
    },
    {
      title: 'interpolate: an input without columns',
      error: 'ShapeError',
      text: `interpolate: the input has no rows or no columns
  input [1, 2, 3, 0]  N C H W`,
      cure: 'Give images of a row and a column at least.',
      run: () => interpolate(zeros(1, 2, 3, 0), { size: 6 }),
    },
    {
      title: 'interpolate: a scale that leaves nothing',
      error: 'ShapeError',
      text: `interpolate: scale [0.2, 0.2] makes 0 × 0 of the image; its sides must be from 1 to 65,535
  input [1, 2, 3, 4]  N C H W`,
      cure: 'Give the size instead, or a larger scale.',
      run: () => interpolate(zeros(1, 2, 3, 4), { scale: 0.2 }),
    },
    {
      title: 'conv2dReluMaxPool2d: nothing to pool',
      error: 'ShapeError',
      text: `conv2dReluMaxPool2d: the convolution's 1 × 4 cells are too few for a 2 × 2 window
  input  [1, 1, 5, 8]  N C H W
  weight [6, 1, 5, 5]  F C KH KW`,
      cure: 'The images are too small for this many layers: pad them, or take a smaller kernel or a network with less pooling.',
      run: () => conv2dReluMaxPool2d(zeros(1, 1, 5, 8), zeros(6, 1, 5, 5)),
    },
    {
      title: 'conv2d: a kernel without elements',
      error: 'ShapeError',
      text: `conv2d: the kernel has no elements
  input  [1, 1, 4, 4]  N C H W
  weight [1, 1, 0, 3]  F C KH KW`,
      cure: 'Height and width of the weight must be 1 or more.',
      run: () => conv2d(zeros(1, 1, 4, 4), zeros(1, 1, 0, 3)),
    },
    {
      title: 'conv2d: a bias of another size',
      error: 'ShapeError',
      text: `conv2d: bias must have one value for each of the 6 filters
  input  [1, 1, 4, 4]  N C H W
  weight [6, 1, 3, 3]  F C KH KW
  bias   [3]           F`,
      cure: 'Give one value a filter, the first size of the weight, or null.',
      run: () => conv2d(zeros(1, 1, 4, 4), zeros(6, 1, 3, 3), zeros(3)),
    },
    {
      title: 'conv2d: a kernel larger than the image',
      error: 'ShapeError',
      text: `conv2d: the window's height 5 (3 at dilation 2) exceeds the input's 4
  input  [1, 1, 4, 4]  N C H W
  weight [1, 1, 3, 3]  F C KH KW`,
      cure: 'Give padding, a smaller kernel or dilation, or leave out a pooling layer before.',
      run: () => conv2d(zeros(1, 1, 4, 4), zeros(1, 1, 3, 3), null, { dilation: 2 }),
    },
    {
      title: 'a stride, padding, dilation or kernel size that is none',
      error: 'ShapeError',
      text: 'conv2d: stride must be a whole number or two of them, 1 or more, not [1, 0]',
      run: () => conv2d(zeros(1, 1, 4, 4), zeros(1, 1, 3, 3), null, { stride: [1, 0] }),
    },
    {
      title: 'a stride, padding, dilation or kernel size far too large',
      error: 'ShapeError',
      text: 'conv2d: padding must be a whole number or two of them, at most 65,535, not 1048576',
      run: () => conv2d(zeros(1, 1, 4, 4), zeros(1, 1, 3, 3), null, { padding: 2 ** 20 }),
    },
    {
      title: 'maxPool2d: images without rows or columns',
      error: 'ShapeError',
      text: `maxPool2d: the input has no rows or no columns to pool
  input [1, 1, 0, 4]  N C H W`,
      cure: 'Look at the shape before this layer: the layers before have left nothing of the image.',
      run: () => maxPool2d(zeros(1, 1, 0, 4), { kernelSize: 2, padding: 1 }),
    },
    {
      title: 'maxPool2d: a window larger than the image',
      error: 'ShapeError',
      text: `maxPool2d: the window's width 8 exceeds the input's 5 with padding 1
  input [1, 6, 4, 5]  N C H W`,
      cure: 'Give a smaller kernelSize, or leave out a pooling layer before.',
      run: () => maxPool2d(zeros(1, 6, 4, 5), { kernelSize: [2, 8], padding: [0, 1] }),
    },
    {
      title: 'maxPool2d: too much padding',
      error: 'ShapeError',
      text: 'maxPool2d: padding 2 is more than half of the kernel size 3: a window could be empty',
      cure: 'Padding may be at most half of the kernel size.',
      run: () => maxPool2d(zeros(1, 1, 4, 4), { kernelSize: 3, padding: 2 }),
    },
    {
      title: 'batchNorm: a vector, which has no channels',
      error: 'ShapeError',
      text: `batchNorm: input has 1 dimensions, 2 or more are needed (N C …)
  input [3]`,
      run: () => batchNorm(zeros(3), { training: true }),
    },
    {
      title: 'batchNorm: one value a channel',
      error: 'ShapeError',
      text: `batchNorm: in training every channel needs more than one value; the input has one
  input [1, 3]  N C
Take larger batches, or net.eval() to use the running ones.`,
      run: () => batchNorm(zeros(1, 3), { training: true }),
    },
    {
      title: 'batchNorm: a weight for other channels',
      error: 'ShapeError',
      text: `batchNorm: weight must have one value for each of the input's 3 channels
  input  [2, 3]  N C
  weight [2]`,
      run: () => batchNorm(zeros(2, 3), { weight: zeros(2), training: true }),
    },
    {
      title: 'batchNorm: a count that is more than one number',
      error: 'ShapeError',
      text: `batchNorm: numBatchesTracked must be one number
  numBatchesTracked [2]`,
      run: () => {
        const numBatchesTracked = tensor(new Int32Array(2))
        return batchNorm(zeros(2, 3), { runningMean: zeros(3), runningVar: zeros(3), numBatchesTracked })
      },
    },
    {
      title: 'batchNorm: running statistics that require a gradient',
      error: 'TypeError',
      text: 'batchNorm: runningVar requires a gradient, and gets none',
      cure: 'Make them without requiresGrad, or give x.detach().',
      run: () => {
        const runningVar = tensor([1, 1, 1], [3], { requiresGrad: true })
        return batchNorm(zeros(2, 3), { runningMean: zeros(3), runningVar })
      },
    },
    {
      title: 'avgPool2d: an image without rows',
      error: 'ShapeError',
      text: `avgPool2d: the input has no rows or no columns to pool
  input [1, 1, 0, 4]  N C H W`,
      run: () => avgPool2d(zeros(1, 1, 0, 4), { kernelSize: 2 }),
    },
    {
      title: 'avgPool2d: padding over half of the window',
      error: 'ShapeError',
      text: 'avgPool2d: padding 2 is more than half of the kernel size 3',
      run: () => avgPool2d(zeros(1, 1, 4, 4), { kernelSize: 3, padding: 2 }),
    },
    {
      title: 'avgPool2d: a choice that is neither true nor false',
      error: 'TypeError',
      text: 'avgPool2d: countIncludePad must be true or false, not 1',
      run: () => avgPool2d(zeros(1, 1, 4, 4), { kernelSize: 2, countIncludePad: loose(1) }),
    },
    {
      title: 'pixelShuffle: channels that the square does not divide',
      error: 'ShapeError',
      text: `pixelShuffle: r must be a whole number whose square divides the 6 channels, not 2
  input [1, 6, 2, 2]  N C H W`,
      run: () => pixelShuffle(zeros(1, 6, 2, 2), 2),
    },
    {
      title: 'layerNorm: sizes that the input does not end with',
      error: 'ShapeError',
      text: `layerNorm: the last sizes of the input must be those of normalizedShape
  input           [2, 3]
  normalizedShape [2]`,
      run: () => layerNorm(zeros(2, 3), 2),
    },
    {
      title: 'layerNorm: sizes that are not',
      error: 'ShapeError',
      text: 'layerNorm: normalizedShape must be a size or a list of one or more sizes, not []',
      run: () => layerNorm(zeros(2, 3), []),
    },
    {
      title: 'rmsNorm: a weight of another shape',
      error: 'ShapeError',
      text: `rmsNorm: weight must have the shape normalizedShape
  weight          [2]
  normalizedShape [3]`,
      run: () => rmsNorm(zeros(2, 3), 3, zeros(2)),
    },
    {
      title: 'groupNorm: groups that do not divide the channels',
      error: 'ShapeError',
      text: `groupNorm: the number of groups must be whole and divide the 4 channels, not 3
  input [2, 4, 3]  N C H`,
      run: () => groupNorm(zeros(2, 4, 3), 3),
    },
    {
      title: 'groupNorm: a single group of one value',
      error: 'ShapeError',
      text: `groupNorm: a group needs more than one value; those of the input have one
  input [1, 2]  N C`,
      cure: 'Take fewer groups. What is alone in its group would become 0 whatever it is.',
      run: () => groupNorm(zeros(1, 2), 2),
    },
    {
      title: 'instanceNorm: channels of one value',
      error: 'ShapeError',
      text: `instanceNorm: a channel needs more than one value; those of the input have one
  input [4, 2, 1]  N C H`,
      cure: 'What is alone in its channel would become 0 whatever it is. groupNorm joins channels.',
      run: () => instanceNorm(zeros(4, 2, 1)),
    },
    {
      title: 'batchNorm: no statistics to normalise by',
      error: 'TypeError',
      text: 'batchNorm: without training runningMean and runningVar must be given',
      run: () => batchNorm(zeros(2, 3)),
    },
    {
      title: 'batchNorm: one running statistic of two',
      error: 'TypeError',
      text: 'batchNorm: runningMean and runningVar are given together or not at all',
      run: () => batchNorm(zeros(2, 3), { runningMean: zeros(3) }),
    },
    {
      title: 'batchNorm: the average of all batches without their count',
      error: 'TypeError',
      text: 'batchNorm: with momentum null numBatchesTracked must be given, which counts the batches',
      run: () => {
        const statistics = { runningMean: zeros(3), runningVar: zeros(3) }
        return batchNorm(zeros(2, 3), { ...statistics, training: true, momentum: null })
      },
    },
    {
      title: 'batchNorm: a mode that is neither true nor false',
      error: 'TypeError',
      text: 'batchNorm: training must be true or false, not 1',
      run: () => batchNorm(zeros(2, 3), { training: loose(1) }),
    },
    {
      title: 'batchNorm, nn.BatchNorm2d: a momentum that is not a number',
      error: 'RangeError',
      text: 'batchNorm: momentum must be a number, or null for the average of all batches, not NaN',
      run: () => batchNorm(zeros(2, 3), { training: true, momentum: Number.NaN }),
    },
    {
      title: 'batchNorm, nn.BatchNorm2d: a negative eps',
      error: 'RangeError',
      text: 'nn.BatchNorm2d: eps must be a number, 0 or more, not -1',
      run: () => new nn.BatchNorm2d(3, { eps: -1 }),
    },
    {
      title: 'nn.BatchNorm1d, nn.BatchNorm2d: an input of another rank',
      error: 'ShapeError',
      text: `nn.BatchNorm2d: the layer is for inputs N C H W, this one has 2 dimensions
  input [2, 3]`,
      cure: 'nn.BatchNorm1d takes [N, C] and [N, C, L].',
      run: () => new nn.BatchNorm2d(3).forward(zeros(2, 3)),
    },
    {
      title: 'nn.BatchNorm1d, nn.BatchNorm2d: other channels',
      error: 'ShapeError',
      text: `nn.BatchNorm1d: the layer is for 3 channels, the input has 4
  input [2, 4]  N C`,
      run: () => new nn.BatchNorm1d(3).forward(zeros(2, 4)),
    },
    {
      title: 'nn.BatchNorm1d, nn.BatchNorm2d: an option that is neither true nor false',
      error: 'TypeError',
      text: 'nn.BatchNorm2d: affine must be true or false, not 1',
      run: () => new nn.BatchNorm2d(3, { affine: loose(1) }),
    },
  ],
}
