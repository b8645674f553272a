import { nn, relu, tensor } from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

export const layers: Area = {
  title: 'Layers and modules',
  refusals: [
    {
      title: 'a number of channels or features that is none',
      error: 'ShapeError',
      text: 'nn.Linear: inFeatures must be a whole number, 1 or more, not 0',
      run: () => new nn.Linear(0, 10),
    },
    {
      title: 'nn.Linear: a bias that is neither true nor false',
      error: 'TypeError',
      text: "nn.Linear: bias must be true or false, not 'no'",
      run: () => new nn.Linear(3, 10, { bias: loose('no') }),
    },
    {
      title: 'nn.resnet: blocks that are not whole numbers',
      error: 'ShapeError',
      text: 'nn.resnet: blocks must be whole numbers, 1 or more, such as [2, 2, 2, 2], not [2, 0]',
      run: () => nn.resnet({ blocks: [2, 0] }),
    },
    {
      title: 'nn.resnet: an unknown stem',
      error: 'TypeError',
      text: "nn.resnet: stem must be 'small' or 'imagenet', not 'large'",
      run: () => nn.resnet({ stem: loose('large') }),
    },
    {
      title: 'nn.Sequential: a function where a module belongs',
      error: 'TypeError',
      text: 'nn.Sequential: argument 1 is not a module',
      cure: 'Give layers, such as new nn.ReLU(), not functions; several in a list need nn.Sequential(...list).',
      run: () => new nn.Sequential(new nn.Linear(2, 3), loose(relu)),
    },
    {
      title: 'nn.Sequential: a choice that is neither true nor false',
      error: 'TypeError',
      text: 'nn.Sequential: fuse must be true or false, not 1',
      run: () => new nn.Sequential(new nn.ReLU(), { fuse: loose(1) }),
    },
    {
      title: 'nn.GELU: an unknown approximation',
      error: 'TypeError',
      text: "nn.GELU: approximate must be 'none' or 'tanh', not true",
      run: () => new nn.GELU({ approximate: loose(true) }),
    },
    {
      title: 'nn.Softmax: a dimension that is not a whole number',
      error: 'TypeError',
      text: 'nn.Softmax: dim must be a whole number, not 0.5',
      run: () => new nn.Softmax(0.5),
    },
    {
      title: 'nn.Flatten: a dimension that is none',
      error: 'TypeError',
      text: 'nn.Flatten: startDim must be a whole number, not 0.5',
      run: () => new nn.Flatten(0.5),
    },
    {
      title: 'summary: no shape',
      error: 'ShapeError',
      text: "summary: the input's shape is needed, such as [1, 1, 28, 28], not 28",
      run: () => nn.lenet().summary(loose(28)),
    },
    {
      title: 'summary: no network',
      error: 'TypeError',
      text: 'summary: the network must be a module, such as nn.Sequential',
      run: () => nn.summary(loose(relu), [1, 4]),
    },
    {
      title: 'nn.buffer: no tensor',
      error: 'TypeError',
      text: 'nn.buffer: a tensor is needed',
      run: () => nn.buffer(loose([0, 0])),
    },
    {
      title: 'nn.buffer: a parameter',
      error: 'TypeError',
      text: 'nn.buffer: scale [1] is a parameter: a buffer never requires a gradient',
      cure: 'A property that requires a gradient is a parameter by itself; leave nn.buffer out.',
      run: () => nn.buffer(tensor([1], [1], { requiresGrad: true, name: 'scale' })),
    },
    {
      title: 'nn.buffer: a name that a state dict cannot have',
      error: 'TypeError',
      text: "nn.buffer: the name must be a text without dots, such as 'running_mean', not 'bn.running_mean'",
      run: () => nn.buffer(tensor([0]), 'bn.running_mean'),
    },
    {
      title: 'a module with two tensors of one name',
      error: 'Error',
      text: 'nn.Module: two tensors of Linear are called bias in its state',
      run: () => Object.assign(new nn.Linear(1, 1), { mean: nn.buffer(tensor([0]), 'bias') }).stateDict(),
    },
    {
      title: 'a module with two modules of one name',
      error: 'Error',
      text: 'nn.Module: two modules in ReLU are called layers.0; rename one of them',
      cure: "Such as one in an array `layers`, and one in a property 'layers.0'.",
      run: () => Object.assign(new nn.ReLU(), { layers: [new nn.ReLU()], 'layers.0': new nn.ReLU() }).parameters(),
    },
    {
      title: 'a module that lies in itself',
      error: 'Error',
      text: 'nn.Module: net.0 is a module that contains it; keep that one in a private property (#name)',
      run: () => {
        const layer = new nn.ReLU()
        Object.assign(layer, { net: new nn.Sequential(layer) })
        return layer.parameters()
      },
    },
    {
      title: 'train: a mode that is neither true nor false',
      error: 'TypeError',
      text: 'train: mode must be true or false, not 1',
      run: () => new nn.ReLU().train(loose(1)),
    },
    {
      title: 'nn.ModuleList: no list',
      error: 'TypeError',
      text: 'nn.ModuleList: the modules must be in an array, such as [new nn.Linear(2, 3)]',
      run: () => new nn.ModuleList(loose(new nn.ReLU())),
    },
    {
      title: 'nn.ModuleList: a function where a module belongs',
      error: 'TypeError',
      text: 'nn.ModuleList: element 1 is not a module',
      cure: 'Give layers, such as new nn.ReLU(), not functions.',
      run: () => new nn.ModuleList([new nn.Linear(2, 3), loose(relu)]),
    },
    {
      title: 'nn.ModuleList: a place that it does not have',
      error: 'RangeError',
      text: 'nn.ModuleList: there is no module 1; the list has 1',
      run: () => new nn.ModuleList([new nn.ReLU()]).at(1),
    },
    {
      title: 'nn.ModuleList: called like a layer',
      error: 'Error',
      text: 'nn.ModuleList: a list has no forward; call its modules one by one, or use nn.Sequential',
      run: () => new nn.ModuleList([new nn.ReLU()]).forward(tensor([1])),
    },
    {
      title: 'loadStateDict: no state',
      error: 'TypeError',
      text: 'loadStateDict: the state must be a map or an object of tensors',
      run: () => new nn.Linear(1, 1).loadStateDict(loose('weights.bin')),
    },
    {
      title: 'loadStateDict: the state of another network',
      error: 'Error',
      text: `loadStateDict: the state does not fit this module
  shape: weight is [2, 3], given [2, 1]
  missing: bias [2]
  unknown: scale [1]
  unknown: other`,
      cure: 'Build the network as it was when the state was taken: same layers, same sizes, same order. Nothing was changed.',
      run: () =>
        new nn.Linear(3, 2).loadStateDict({ weight: tensor([1, 2], [2, 1]), scale: tensor([1]), other: loose(1) }),
    },
    {
      title: 'loadStateDict: values of another type or device',
      error: 'Error',
      text: `loadStateDict: the state does not fit this module
  type: 0.weight is float32, given int32
  type: 1.weight is given as something that is not a tensor
  device: 2.weight lives on another device`,
      cure: 'Make tensors of the values, of the type that is named and on the device of the module.',
      run: async ({ ownGpu, gpu }) => {
        const state = { '0.weight': tensor(new Int32Array(1), [1, 1], { gpu }), '1.weight': loose([1]) }
        const net = new nn.Sequential(new nn.Linear(1, 1), new nn.Linear(1, 1), new nn.Linear(1, 1))
        const bias = () => tensor([0], [1], { gpu })
        const far = tensor([1], [1, 1], { gpu: await ownGpu() })
        net.loadStateDict({ ...state, '0.bias': bias(), '1.bias': bias(), '2.weight': far, '2.bias': bias() })
      },
    },
  ],
}
