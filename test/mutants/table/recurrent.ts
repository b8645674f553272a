// Mutants of recurrent layers.
import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const kernel = mutantsOf('wgsl/rnn_gates.wgsl', tests.recurrence, [
  {
    id: 'gates-guard',
    in: 'forward',
    find: 'min(start + WG * PER, params.N * params.H)',
    replace: 'start + WG * PER',
    breaks: 'A step writes rows of other steps.',
  },
  {
    id: 'gates-nan',
    in: 'sigmoid_of',
    find: 'if (is_nan(v)) { return v; }',
    replace: '',
    breaks: 'A NaN closes a gate.',
  },
  {
    id: 'gates-row',
    in: 'in_sequence',
    find: 'params.stride * n',
    replace: 'n',
    breaks: 'With the batch first a step takes the rows of the next steps.',
  },
  {
    id: 'gates-lstm-order',
    in: 'forward',
    find: 'f * c0 + a * g',
    replace: 'a * c0 + f * g',
    breaks: 'The gates i and f are exchanged.',
  },
  {
    id: 'gates-gru-reset',
    in: 'forward',
    find: 'of_input[in_sequence(e, 3u, 2u)] + r * s',
    replace: 'r * (of_input[in_sequence(e, 3u, 2u)] + s)',
    breaks: 'The reset gate scales what comes from the input too.',
  },
  {
    id: 'gates-lstm-carry',
    in: 'backward',
    find: 'carry[e] = dc * f;',
    replace: 'carry[e] = dc;',
    breaks: 'The gradient of c passes the forget gate as if it were open.',
  },
  {
    id: 'gates-gru-carry',
    in: 'backward',
    find: 'carry[e] = d * z;',
    replace: 'carry[e] = 0.0;',
    breaks: 'The gradient does not go along the state that is kept.',
  },
  {
    id: 'gates-gru-state',
    in: 'backward',
    find: 'd_state[in_sequence(e, 3u, 2u)] = dn * r;',
    replace: 'd_state[in_sequence(e, 3u, 2u)] = dn;',
    breaks: 'The gradient of W_hn lacks the reset gate.',
  },
])

const host = mutantsOf('src/kernels/rnn_gates.ts', tests.recurrence, [
  {
    id: 'recurrence-backwards',
    in: 'rowsOf',
    find: 'backwards ? rows.reverse() : rows',
    replace: 'rows',
    breaks: 'The backward direction goes forwards.',
  },
  {
    id: 'recurrence-first-gradient',
    find: 'if (t === 0 && !ofH) break',
    replace: 'if (t === 0) break',
    breaks: 'The initial state has the gradient of the state after the first step.',
  },
  {
    id: 'recurrence-gru-start',
    find: "attributes.kind === 'gru' ? add(dh, carry) : dh",
    replace: 'dh',
    breaks: 'The gradient of a GRU’s initial state lacks the part that is kept.',
  },
])

const layers = mutantsOf('src/nn/recurrent.ts', tests.recurrentLayers, [
  {
    id: 'recurrent-last-backwards',
    find: 'backwards ? 0 : -1',
    replace: '-1',
    breaks: 'The last state of the backward direction is that after its first step.',
  },
  {
    id: 'recurrent-last-dropout',
    find: 'if (layer > 0) y = dropout(y, { p, training })',
    replace: 'y = dropout(y, { p, training })',
    breaks: 'The input of the first layer is dropped too.',
  },
  {
    id: 'recurrent-input-size',
    find: 'k < this.#directions ? inputSize : hiddenSize * this.#directions',
    replace: 'k < this.#directions ? inputSize : hiddenSize',
    breaks: 'A second layer takes one of two directions.',
  },
  {
    id: 'recurrent-state-place',
    find: 'select(state, 0, last.length)',
    replace: 'select(state, 0, 0)',
    breaks: 'All layers begin with the state of the first.',
  },
])

export const recurrent: Area = {
  title: 'Recurrent layers',
  mutants: [...kernel, ...host, ...layers],
}
