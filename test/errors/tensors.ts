import { capture, noGrad, permutation, relu, scope, type Tensor, tensor } from '../../src/index.ts'
import { Generator, manualSeed } from '../../src/tensor/random.ts'
import { type Area, loose } from './refusal.ts'

const six = () => tensor([1, 2, 3, 4, 5, 6], [2, 3])

export const tensors: Area = {
  title: 'Tensors and shapes',
  refusals: [
    {
      title: 'tensor: options where the shape belongs',
      error: 'TypeError',
      text: 'tensor: the shape must be an array, such as [2, 3]; options come third',
      run: () => tensor([1, 2], loose({ requiresGrad: true })),
    },
    {
      title: 'tensor: the values do not fill the shape',
      error: 'ShapeError',
      text: `tensor: 5 values do not fill the shape
  shape [2, 3]`,
      cure: 'Give as many values as the product of the sizes, or leave the shape out and nest the arrays.',
      run: () => tensor([1, 2, 3, 4, 5], [2, 3]),
    },
    {
      title: 'a method that tensors do not have, by its name in PyTorch',
      error: 'TypeError',
      text: 'Tensor has no log_softmax; the nearest is logSoftmax',
      cure: '[All operations](operations.md) with their names in PyTorch.',
      run: () => (six() as unknown as { log_softmax(): void }).log_softmax(),
    },
    {
      title: 'tensor: a size that is none',
      error: 'ShapeError',
      text: `tensor: a size must be a whole number, 0 or more, not -1
  shape [-1, 2]`,
      run: () => tensor([1, 2], [-1, 2]),
    },
    {
      title: 'tensor: nested arrays of different lengths',
      error: 'ShapeError',
      text: 'tensor: nested arrays must be of equal length: 2 entries at depth 1, then 1',
      cure: 'Every array of one depth needs as many entries as its neighbours; pad the short ones.',
      run: () => tensor([[1, 2], [3]]),
    },
    {
      title: 'tensor: something among the values that is no number',
      error: 'TypeError',
      text: 'tensor: every element must be a number, found string',
      cure: 'Convert texts by Number(…), and look for holes in the arrays.',
      run: () => tensor(loose([1, '2'])),
    },
    {
      title: 'tensor: another kind of data',
      error: 'TypeError',
      text: 'tensor: data must be numbers, nested arrays, Float32Array, Int32Array or Uint8Array, not Float64Array',
      cure: 'Convert it first, for example by Float32Array.from(values).',
      run: () => tensor(loose(new Float64Array(2))),
    },
    {
      title: 'tensor: an unknown type of elements',
      error: 'TypeError',
      text: "tensor: dtype must be float32, int32 or uint8, not 'float64'",
      run: () => tensor([1], [1], { dtype: loose('float64') }),
    },
    {
      title: 'tensor: a number that the integer type cannot hold',
      error: 'RangeError',
      text: 'tensor: 257 at index 1 does not fit uint8: it must be a whole number from 0 to 255',
      cure: 'Round it before, or use float32.',
      run: () => tensor([1, 257], [2], { dtype: 'uint8' }),
    },
    {
      title: 'an option that the function does not have',
      error: 'TypeError',
      text: 'tensor: unknown option requireGrad; known: dtype, requiresGrad, name, gpu',
      run: () => tensor([1], [1], loose({ requireGrad: true })),
    },
    {
      title: 'options that are no object',
      error: 'TypeError',
      text: 'tensor: options must be an object with any of dtype, requiresGrad, name, gpu, not true',
      cure: 'Give the options by name, as { dtype: … }.',
      run: () => tensor([1], [1], loose(true)),
    },
    {
      title: 'a gradient wanted for integers',
      error: 'TypeError',
      text: 'tensor [2]: only float32 tensors can require a gradient, this one is int32',
      cure: 'Make the tensor float32, or leave requiresGrad out: labels and indices need no gradient.',
      run: () => tensor([1, 2], [2], { dtype: 'int32', requiresGrad: true }),
    },
    {
      title: 'tensor: a requiresGrad that is neither true nor false',
      error: 'TypeError',
      text: "tensor: requiresGrad must be true or false, not 'no'",
      run: () => tensor([1, 2], [2], { requiresGrad: loose('no') }),
    },
    {
      title: 'requiresGrad set to something that is neither true nor false',
      error: 'TypeError',
      text: 'x [1]: requiresGrad must be true or false, not 0',
      run: () => {
        tensor([1], [1], { name: 'x' }).requiresGrad = loose(0)
      },
    },
    {
      title: 'requiresGrad changed on the result of an operation',
      error: 'TypeError',
      text: 'tensor [2] was made by an operation; use detach() for a copy outside the tape',
      run: () => {
        relu(tensor([1, 2], [2], { requiresGrad: true })).requiresGrad = false
      },
    },
    {
      title: 'item() of a tensor of several elements',
      error: 'ShapeError',
      text: `item: one element is needed, the tensor has 6
  tensor [2, 3]`,
      cure: 'Use data() for all of them, or reduce the tensor to one element first.',
      run: () => six().item(),
    },
    {
      title: 'reshape: sizes in place of a shape',
      error: 'TypeError',
      text: 'reshape: the shape must be an array, such as [2, 3]',
      run: () => six().reshape(loose(6)),
    },
    {
      title: 'reshape: two sizes left open',
      error: 'ShapeError',
      text: `reshape: only one size may be -1
  tensor [2, 3]
  shape  [-1, -1]`,
      cure: 'Give all sizes but one.',
      run: () => six().reshape([-1, -1]),
    },
    {
      title: 'reshape: another number of elements',
      error: 'ShapeError',
      text: `reshape: 6 elements do not fill the new shape
  tensor [2, 3]
  shape  [2, 4]`,
      cure: 'The product of the new sizes must be the number of elements; one size may be -1 and is worked out.',
      run: () => six().reshape([2, 4]),
    },
    {
      title: 'flatten: a dimension that the tensor does not have',
      error: 'ShapeError',
      text: `flatten: startDim 1 is not a dimension of the tensor
  tensor [2]`,
      cure: 'Count from 0 for the first, or from -1 for the last; an image without its batch needs reshape([1, …]).',
      run: () => tensor([1, 2]).flatten(),
    },
    {
      title: 'a tensor used after its scope',
      error: 'Error',
      text: "relu: x [1] can't be used any more: its scope ended",
      cure: 'Return it from the scope, or call keep() on it inside; it then lives until dispose().',
      run: () => {
        const escaped: Tensor[] = []
        scope(() => void escaped.push(tensor([1], [1], { name: 'x' })))
        return relu(escaped[0]!)
      },
    },
    {
      title: 'a tensor used after dispose()',
      error: 'Error',
      text: "relu: x [1] can't be used any more: dispose() was called on it",
      cure: 'Dispose of it later, or leave that to scope().',
      run: () => {
        const x = tensor([1], [1], { name: 'x' })
        x.dispose()
        return relu(x)
      },
    },
    {
      title: 'an asynchronous function given to scope()',
      error: 'TypeError',
      text: 'scope(fn) takes a synchronous function; read values outside of it',
      run: () => scope(async () => tensor([1]).item()),
    },
    {
      title: 'an asynchronous function given to capture()',
      error: 'TypeError',
      text: 'capture(fn) takes a synchronous function; read values outside of it',
      run: () => capture(async () => relu(tensor([1]))),
    },
    {
      title: 'an asynchronous function given to noGrad()',
      error: 'TypeError',
      text: 'noGrad(fn) takes a synchronous function; read values outside of it',
      run: () => noGrad(async () => tensor([1]).item()),
    },
    {
      title: 'a seed that is none',
      error: 'RangeError',
      text: 'seed must be an integer from 0 to 9007199254740991, not -1',
      run: () => manualSeed(-1),
    },
    {
      title: 'permutation: an epoch that is none',
      error: 'RangeError',
      text: 'epoch must be an integer from 0 to 4294967295, not 0.5',
      run: () => permutation(0, 0.5, 10),
    },
    {
      title: 'a stream of random numbers that there is not',
      error: 'TypeError',
      text: "unknown random stream 'dropout'; there are init, shuffle, noise, draw, augment",
      run: () => new Generator(0).stream(loose('dropout')),
    },
    {
      title: 'uniform: bounds the wrong way round',
      error: 'RangeError',
      text: 'uniform: low and high must be finite as float32, and low ≤ high, got low 1, high 0',
      run: () => new Generator(0).stream('noise').uniform(1, 0),
    },
    {
      title: 'below: no number to choose from',
      error: 'RangeError',
      text: 'below: n must be an integer from 1 to 4294967295, not 0',
      run: () => new Generator(0).stream('noise').below(0),
    },
  ],
}
