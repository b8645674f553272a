// Mutants of nn.init.
import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

export const initialValues: Area = {
  title: 'Initial values',
  mutants: mutantsOf('src/nn/initializers.ts', tests.initializers, [
    {
      id: 'init-version',
      in: 'write',
      find: 't.storage.version++',
      replace: '',
      breaks: 'A backward computes with values that were changed after its forward.',
    },
    {
      id: 'init-eye',
      in: 'eye',
      find: 'i * columns + i',
      replace: 'i * rows + i',
      breaks: 'The diagonal of a matrix that is not square is askew.',
    },
    {
      id: 'init-fans',
      in: 'fansOf',
      find: '[inputs * field, out * field]',
      replace: '[inputs * field, out]',
      breaks: 'The fan of the outputs does not count the places of a window.',
    },
    {
      id: 'init-leaky-gain',
      find: 'Math.sqrt(2 / (1 + slope ** 2))',
      replace: 'Math.sqrt(2 / (1 + slope))',
      breaks: 'The gain of leakyRelu takes its slope for the square of it.',
    },
    {
      id: 'init-xavier',
      in: 'xavierDeviation',
      find: 'fanIn + fanOut',
      replace: '2 * fanIn',
      breaks: 'Glorot values do not depend on the outputs.',
    },
    {
      id: 'init-kaiming-mode',
      in: 'kaimingDeviation',
      find: "mode === 'fanIn' ? fanIn : fanOut",
      replace: 'fanIn',
      breaks: "The mode 'fanOut' is ignored.",
    },
    {
      id: 'init-truncated-tail',
      in: 'placeOf',
      find: 'share < 0.5 ? place : -place',
      replace: 'place',
      breaks: 'The upper tail of a normal distribution that is cut lies below.',
    },
    {
      id: 'init-truncated-mean',
      in: 'truncNormal',
      find: '(edge - mean) / std',
      replace: 'edge / std',
      breaks: 'What is cut off does not depend on the mean.',
    },
    {
      id: 'init-orthogonal-others',
      in: 'orthogonal',
      find: 'vectors.slice(0, k)',
      replace: 'vectors.slice(0, k - 1)',
      breaks: 'A row is not orthogonal to the one before it.',
    },
  ]),
}
