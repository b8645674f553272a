import {
  add,
  apply,
  detectAnomaly,
  linear,
  nn,
  type Op,
  optim,
  relu,
  setDetectAnomaly,
  type Tensor,
  tensor,
} from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

const leaf = (...data: number[]) => tensor(data, [data.length], { requiresGrad: true })

const careless: Op<readonly [Tensor], null> = {
  name: 'careless',
  shape: ([x]) => x.shape,
  forward: (_, [x]) => ({ out: x.detach(), saved: [] }),
  backward: () => [null],
}

export const autograd: Area = {
  title: 'Autograd',
  refusals: [
    {
      title: 'detectAnomaly: the first NaN or infinity',
      error: 'AnomalyError',
      text: 'add, forward: its result [1] is the first tensor with a NaN or infinite value',
      cure: 'Look at what this operation was given: what lies before it was finite.',
      run: () => detectAnomaly(() => void add(tensor([3e38]), tensor([3e38]))),
    },
    {
      title: 'detectAnomaly: a switch where a function belongs',
      error: 'TypeError',
      text: 'detectAnomaly: fn must be a function, not true; setDetectAnomaly takes true or false',
      run: () => detectAnomaly(loose(true)),
    },
    {
      title: 'setDetectAnomaly: a function where a switch belongs',
      error: 'TypeError',
      text: 'setDetectAnomaly: mode must be true or false, not 1; detectAnomaly takes a function',
      run: () => setDetectAnomaly(loose(1)),
    },
    {
      title: 'backward of a tensor of several elements',
      error: 'ShapeError',
      text: `backward: a tensor of 2 elements needs a gradient
  tensor [2]
Pass the gradient of this tensor, or reduce it to one element first.`,
      run: () => relu(leaf(1, 2)).backward(),
    },
    {
      title: 'backward: a gradient of another shape',
      error: 'ShapeError',
      text: `backward: the gradient must have the tensor's shape
  tensor   [2]
  gradient [1, 2]`,
      cure: 'Reshape the gradient; it has one value for each of the tensor.',
      run: () => relu(leaf(1, 2)).backward(tensor([[1, 2]])),
    },
    {
      title: 'backward: a gradient of integers',
      error: 'TypeError',
      text: 'backward: the gradient must be float32, it is int32',
      cure: 'Leave the dtype out: tensor([1, 1]) is float32.',
      run: () => relu(leaf(1, 2)).backward(tensor(new Int32Array(2))),
    },
    {
      title: 'backward: options where the gradient belongs',
      error: 'TypeError',
      text: 'backward: the gradient must be a tensor; options come second: backward(null, { retainGraph: true })',
      run: () => relu(leaf(1)).backward(loose({ retainGraph: true })),
    },
    {
      title: 'backward: a retainGraph that is neither true nor false',
      error: 'TypeError',
      text: 'backward: retainGraph must be true or false, not 1',
      run: () => relu(leaf(1)).backward(null, { retainGraph: loose(1) }),
    },
    {
      title: 'backward: a gradient of another device',
      error: 'Error',
      text: 'backward: its tensors are on two devices',
      cure: 'Make the gradient on the device of the tensor, by the option gpu.',
      run: async ({ ownGpu, gpu }) => {
        const y = relu(tensor([1], [1], { requiresGrad: true, gpu }))
        y.backward(tensor([1], [1], { gpu: await ownGpu() }))
      },
    },
    {
      title: 'backward of what depends on no parameter',
      error: 'Error',
      text:
        'backward: tensor [1] does not require a gradient, nor does anything it was computed from: all parameters are frozen ' +
        '(requiresGrad is false), or it was computed in noGrad() or from detach(); set requiresGrad to true, before the forward ' +
        'pass, for those that are to be trained',
      run: () => relu(tensor([1])).backward(),
    },
    {
      title: 'backward a second time',
      error: 'Error',
      text: 'backward: the values that relu saved were released by an earlier backward; pass { retainGraph: true } to the earlier one',
      run: () => {
        const loss = relu(leaf(1))
        loss.backward()
        loss.backward()
      },
    },
    {
      title: 'backward after a parameter was changed',
      error: 'Error',
      text: 'backward: w [1, 2], saved by linear, was changed in place since; run backward before the update',
      run: () => {
        const w = tensor([[1, 2]], [1, 2], { requiresGrad: true, name: 'w' })
        const x = tensor([[3, 4]], [1, 2], { requiresGrad: true })
        const [first, second] = [linear(x, w), linear(x, w)]
        first.backward()
        new optim.SGD([w], { lr: 0.5 }).step()
        second.backward()
      },
    },
    {
      title: "backward through one's own operation that gives no gradient",
      error: 'Error',
      text: 'careless: backward returned no gradient for input 0',
      cure: 'The backward of an Op returns a tensor for every input that `needs` names.',
      run: () => apply(careless, [leaf(1)], null).backward(),
    },
    {
      title: 'grad set to something that is not a tensor',
      error: 'TypeError',
      text: 'tensor [1]: grad must be a tensor or null',
      run: () => {
        leaf(1).grad = loose(0)
      },
    },
    {
      title: 'grad set to a tensor that no update can use',
      error: 'TypeError',
      text: 'weight [1, 2]: grad must be float32, of its shape and on its device; it is float32 [1]',
      cure: 'Give a float32 tensor of the same shape, made on the same device.',
      run: () => {
        new nn.Linear(2, 1).weight.grad = tensor([1])
      },
    },
  ],
}
