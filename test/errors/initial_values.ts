import { capture, nn, tensor } from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

const matrix = () => tensor([[1, 2]])

export const initialValues: Area = {
  title: 'Initial values',
  refusals: [
    {
      title: 'nn.init: a layer where its weight belongs',
      error: 'TypeError',
      text: 'nn.init.ones: tensor must be a tensor, not an object',
      run: () => nn.init.ones(loose(new nn.ReLU())),
    },
    {
      title: 'nn.init: integers',
      error: 'TypeError',
      text: 'nn.init.uniform: tensor must be float32, it is int32',
      run: () => nn.init.uniform(tensor(new Int32Array(2))),
    },
    {
      title: 'nn.init in a captured function',
      error: 'Error',
      text: 'nn.init.zeros: a captured function is not called in the runs of its plan; call it before the capture',
      run: () => {
        const t = matrix()
        capture(() => void nn.init.zeros(t))
      },
    },
    {
      title: 'nn.init: a bound that is not finite',
      error: 'RangeError',
      text: 'nn.init.uniform: b must be finite, not Infinity',
      run: () => nn.init.uniform(matrix(), 0, Number.POSITIVE_INFINITY),
    },
    {
      title: 'nn.init: bounds in the wrong order',
      error: 'RangeError',
      text: 'nn.init.uniform: a must be at most b, not 1 with b 0',
      run: () => nn.init.uniform(matrix(), 1, 0),
    },
    {
      title: 'nn.init: a negative deviation',
      error: 'RangeError',
      text: 'nn.init.normal: std must be a number, 0 or more, not -1',
      run: () => nn.init.normal(matrix(), 0, -1),
    },
    {
      title: 'nn.init: a constant that is not a number',
      error: 'TypeError',
      text: 'nn.init.constant: value must be a number, not NaN',
      run: () => nn.init.constant(matrix(), Number.NaN),
    },
    {
      title: 'nn.init.eye: not a matrix',
      error: 'ShapeError',
      text: 'nn.init.eye: tensor has 1 dimensions, it must have 2 (rows columns)\n  tensor [2]',
      run: () => nn.init.eye(tensor([1, 2])),
    },
    {
      title: 'nn.init: a bias where fans are needed',
      error: 'ShapeError',
      text: 'nn.init.xavierUniform: tensor has 1 dimension, it must have 2 or more (out in …)\n  tensor [2]',
      cure: 'A bias has no fans: give it zeros, constant or uniform.',
      run: () => nn.init.xavierUniform(tensor([1, 2])),
    },
    {
      title: 'nn.init: an unknown nonlinearity',
      error: 'TypeError',
      text:
        "nn.init.calculateGain: unknown nonlinearity 'leaky_relu'; known: linear, conv1d, conv2d, convTranspose2d, sigmoid, tanh, " +
        'relu, leakyRelu, selu',
      run: () => nn.init.calculateGain(loose('leaky_relu')),
    },
    {
      title: 'nn.init: a slope that is not a number',
      error: 'TypeError',
      text: 'nn.init.calculateGain: slope must be a number, not a string',
      run: () => nn.init.calculateGain('leakyRelu', loose('0.2')),
    },
    {
      title: 'nn.init: an unknown mode',
      error: 'TypeError',
      text: "nn.init.kaimingNormal: mode must be 'fanIn' or 'fanOut', not 'fan_in'",
      run: () => nn.init.kaimingNormal(matrix(), { mode: loose('fan_in') }),
    },
    {
      title: 'nn.init: a gain in place of options',
      error: 'TypeError',
      text: 'nn.init.orthogonal: options must be an object with any of gain, not 2',
      run: () => nn.init.orthogonal(matrix(), loose(2)),
    },
    {
      title: 'nn.init.truncNormal: no deviation',
      error: 'RangeError',
      text: 'nn.init.truncNormal: std must be a number above 0, not 0',
      run: () => nn.init.truncNormal(matrix(), { std: 0 }),
    },
    {
      title: 'nn.init.truncNormal: bounds in the wrong order',
      error: 'RangeError',
      text: 'nn.init.truncNormal: a must be below b, not 2 with b 2',
      run: () => nn.init.truncNormal(matrix(), { a: 2 }),
    },
    {
      title: 'nn.init.truncNormal: nothing between the bounds',
      error: 'RangeError',
      text: 'nn.init.truncNormal: less than 0.000001 of the distribution with mean 0 and std 1 lies between 7 and 8',
      run: () => nn.init.truncNormal(matrix(), { a: 7, b: 8 }),
    },
  ],
}
