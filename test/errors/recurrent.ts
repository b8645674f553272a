import { nn, tensor } from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

const zeros = (...shape: number[]) => tensor(new Float32Array(shape.reduce((n, size) => n * size, 1)), shape)

export const recurrent: Area = {
  title: 'Recurrent layers',
  refusals: [
    {
      title: 'nn.LSTM: an input with a dimension too many',
      error: 'ShapeError',
      text: 'nn.LSTM: input has 4 dimensions, it must have 3 (N L I) or 2 (L I)\n  input [1, 2, 3, 4]',
      run: () => new nn.LSTM(4, 2, { batchFirst: true }).forward(zeros(1, 2, 3, 4)),
    },
    {
      title: 'nn.GRU: other features than the layer takes',
      error: 'ShapeError',
      text: 'nn.GRU: the layer takes 4 input features, input has 3\n  input [5, 2, 3]  L N I',
      run: () => new nn.GRU(4, 2).forward(zeros(5, 2, 3)),
    },
    {
      title: 'nn.RNN: a sequence of no steps',
      error: 'ShapeError',
      text: 'nn.RNN: the sequence has no steps\n  input [0, 2, 3]',
      run: () => new nn.RNN(3, 2).forward(zeros(0, 2, 3)),
    },
    {
      title: 'nn.LSTM: one tensor where h and c belong',
      error: 'TypeError',
      text: 'nn.LSTM: the state must be [h, c], two tensors, not one',
      run: () => new nn.LSTM(3, 2).forward(zeros(1, 1, 3), loose(zeros(1, 1, 2))),
    },
    {
      title: 'nn.LSTMCell: h alone',
      error: 'TypeError',
      text: 'nn.LSTMCell: the state must be [h, c], two tensors, not a list of 1',
      run: () => new nn.LSTMCell(3, 2).forward(zeros(1, 3), loose([zeros(1, 2)])),
    },
    {
      title: 'nn.GRUCell: the state of an LSTM',
      error: 'TypeError',
      text: 'nn.GRUCell: h must be a tensor, not an array',
      run: () => new nn.GRUCell(3, 2).forward(zeros(1, 3), loose([zeros(1, 2), zeros(1, 2)])),
    },
    {
      title: 'nn.GRU: a state of another shape',
      error: 'ShapeError',
      text: 'nn.GRU: h must have the shape [2, 4, 2] for this input\n  input [5, 4, 3]\n  h     [1, 4, 2]',
      run: () => new nn.GRU(3, 2, { numLayers: 2 }).forward(zeros(5, 4, 3), zeros(1, 4, 2)),
    },
    {
      title: 'nn.GRU: a weight of another shape in the place of its own',
      error: 'ShapeError',
      text:
        'recurrence: weight does not fit gru with 2 hidden units\n  ofInput [1, 1, 6]\n  weight  [4, 2]\n  bias    [6]\n' +
        '  h       [1, 2]',
      run: () => Object.assign(new nn.GRU(3, 2), { weight_hh_l0: zeros(4, 2) }).forward(zeros(1, 1, 3)),
    },
    {
      title: 'nn.RNN: an unknown nonlinearity',
      error: 'TypeError',
      text: "nn.RNN: nonlinearity must be 'tanh' or 'relu', not 'gelu'",
      run: () => new nn.RNN(3, 2, { nonlinearity: loose('gelu') }),
    },
    {
      title: 'nn.LSTM: a dropout above 1',
      error: 'RangeError',
      text: 'nn.LSTM: dropout must be a number from 0 to 1, not 2',
      run: () => new nn.LSTM(3, 2, { dropout: 2 }),
    },
    {
      title: 'nn.LSTM: no layers',
      error: 'ShapeError',
      text: 'nn.LSTM: numLayers must be a whole number, 1 or more, not 0',
      run: () => new nn.LSTM(3, 2, { numLayers: 0 }),
    },
    {
      title: 'nn.LSTM: the number of layers in place of options',
      error: 'TypeError',
      text: 'nn.LSTM: options must be an object with any of numLayers, bias, batchFirst, dropout, bidirectional, not 2',
      run: () => new nn.LSTM(3, 2, loose(2)),
    },
  ],
}
