import { apply, gradcheck, type Op, relu, type Tensor, tensor } from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

const x = (...data: number[]) => tensor(data, [data.length], { requiresGrad: true, name: 'x' })

/** Hands its input on, and its gradient doubled. */
const wrong: Op<readonly [Tensor], null> = {
  name: 'wrong',
  shape: ([t]) => t.shape,
  forward: (_, [t]) => ({ out: t.detach(), saved: [] }),
  backward: (gpu, dy) => [tensor([0], dy.shape, { gpu })],
}

const twice: Op<readonly [Tensor], null> = {
  ...wrong,
  name: 'twice',
  forward: (gpu, [t]) => ({ out: tensor([5], t.shape, { gpu }), saved: [] }),
}

export const gradchecks: Area = {
  title: 'Gradcheck',
  refusals: [
    {
      title: 'gradcheck: a gradient that is wrong',
      error: 'GradcheckError',
      text: 'gradcheck: the gradient of output 0 [1] at [0] by input 0, x [1], at [0] is 0 by backward and 1 by differences; they may differ by at most <numbers>. 1 of 1 comparisons are out of bounds.',
      cure: 'Look for the fault in the backward of what fn calls; near kinks such as that of relu, take other inputs.',
      varies: { '<numbers>': /.+/ },
      run: () => gradcheck((t) => apply(wrong, [t], null), [x(1)]),
    },
    {
      title: 'gradcheck: no function',
      error: 'TypeError',
      text: 'gradcheck: fn must be a function, not number',
      run: () => gradcheck(loose(1), [x(1)]),
    },
    {
      title: 'gradcheck: no inputs',
      error: 'TypeError',
      text: 'gradcheck: inputs must be an array of at least one tensor',
      run: () => gradcheck(relu, []),
    },
    {
      title: 'gradcheck: an input that is not a tensor',
      error: 'TypeError',
      text: 'gradcheck: input 0 must be a tensor, not number',
      cure: 'Make one of it by tensor(…, …, { requiresGrad: true }).',
      run: () => gradcheck(relu, [loose(1)]),
    },
    {
      title: 'gradcheck: an input of integers',
      error: 'TypeError',
      text: 'gradcheck: input 0, tensor [1], must be float32, it is int32',
      cure: 'Use it inside of fn.',
      run: () => gradcheck(relu, [tensor(new Int32Array(1))]),
    },
    {
      title: 'gradcheck: an input without a gradient',
      error: 'TypeError',
      text: 'gradcheck: input 0, tensor [1], does not require a gradient; let fn use it directly if it needs no check',
      run: () => gradcheck(relu, [tensor([1])]),
    },
    {
      title: 'gradcheck: an input without elements',
      error: 'TypeError',
      text: 'gradcheck: input 0, x [0], has no elements to check',
      run: () => gradcheck(relu, [x()]),
    },
    {
      title: 'gradcheck: an option out of its range',
      error: 'RangeError',
      text: 'gradcheck: step must be a number above 0, not 0',
      run: () => gradcheck(relu, [x(1)], { step: 0 }),
    },
    {
      title: 'gradcheck: an asynchronous function',
      error: 'TypeError',
      text: 'gradcheck: fn must be synchronous, it returned a promise',
      cure: 'Return the tensor itself, without reading values.',
      run: () =>
        gradcheck(
          loose(async (t: Tensor) => relu(t)),
          [x(1)],
        ),
    },
    {
      title: 'gradcheck: a function that returns nothing',
      error: 'TypeError',
      text: 'gradcheck: fn must return at least one tensor',
      cure: 'Return the result, or a list of results.',
      run: () => gradcheck(() => [], [x(1)]),
    },
    {
      title: 'gradcheck: a function that returns no tensor',
      error: 'TypeError',
      text: 'gradcheck: output 0 must be a tensor, not number',
      cure: 'Return the tensor itself, without reading values.',
      run: () =>
        gradcheck(
          loose(() => 1),
          [x(1)],
        ),
    },
    {
      title: 'gradcheck: a function that returns integers',
      error: 'TypeError',
      text: 'gradcheck: output 0 must be float32, it is int32',
      cure: 'Only float32 has a gradient.',
      run: () => gradcheck(() => tensor(new Int32Array(1)), [x(1)]),
    },
    {
      title: 'gradcheck: a result that needs no gradient',
      error: 'TypeError',
      text: 'gradcheck: output 0, tensor [1], does not require a gradient: it was not computed from the inputs',
      cure: 'Compute it from the tensors that fn is given, outside of noGrad().',
      run: () => gradcheck((t) => t.detach(), [x(1)]),
    },
    {
      title: 'gradcheck: a result of other tensors',
      error: 'TypeError',
      text: 'gradcheck: output 0, tensor [1], was not computed from the tensors that fn was given',
      cure: 'Compute it from the arguments of fn: they are copies of the inputs.',
      run: () => {
        const t = x(1)
        return gradcheck(() => relu(t), [t])
      },
    },
    {
      title: 'gradcheck: a result that is not finite',
      error: 'Error',
      text: 'gradcheck: output 0 at [0] is Infinity; differences need finite values',
      cure: 'Take smaller inputs.',
      run: () => gradcheck((t) => relu(t), [x(Number.POSITIVE_INFINITY)]),
    },
    {
      title: 'gradcheck: a function of more than its inputs',
      error: 'Error',
      text: 'gradcheck: fn gives different values when it is run again: output 0 at [0] is 1, then 5',
      cure: 'fn must give the same bits each time: draw random numbers before.',
      run: () => {
        let n = 0
        return gradcheck(
          (t) => (n++ === 1 ? relu(relu(t.reshape([1]))).flatten(0) : n > 1 ? apply(twice, [t], null) : relu(t)),
          [x(1)],
        )
      },
    },
  ],
}
