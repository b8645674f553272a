// Mutants of embeddings, attention layers and the models made of them.
import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const layers = [
  ...mutantsOf('src/nn/embedding.ts', tests.transformers, [
    {
      id: 'embedding-padding',
      find: '? 0 : drawn',
      replace: '? 1 : drawn',
      breaks: 'The row that is not trained is not 0.',
    },
  ]),
  ...mutantsOf('src/nn/attention.ts', tests.transformers, [
    {
      id: 'attention-layer-padding',
      find: 'keyPaddingMask.reshape([N, 1, 1, S]), hides: 1',
      replace: 'keyPaddingMask.reshape([N, 1, 1, S]), hides: 0',
      breaks: 'The keys that are hidden are those that should be seen.',
    },
    {
      id: 'attention-layer-scale',
      find: '1 / Math.sqrt(this.embedDim / this.numHeads)',
      replace: '1 / Math.sqrt(this.embedDim)',
      breaks: 'The scores of a head are scaled as those of one head of all features.',
    },
    {
      id: 'attention-layer-mode',
      find: 'this.training ? this.dropout : 0',
      replace: 'this.dropout',
      breaks: 'Weights are dropped in evaluation mode too.',
    },
    {
      id: 'attention-layer-biases',
      find: 'bias && rows(bias, i)',
      replace: 'bias && rows(bias, 0)',
      breaks: 'Keys and values have the bias of the queries.',
    },
    {
      id: 'attention-layer-joined',
      find: 'this.batchFirst ? [0, 2, 1, 3] : [2, 0, 1, 3]',
      replace: '[0, 2, 1, 3]',
      breaks: 'Places and examples are exchanged where the batch does not come first.',
    },
  ]),
  ...mutantsOf('src/nn/transformer.ts', tests.transformers, [
    {
      id: 'encoder-norm-first',
      find: 'this.#attention(this.norm1.forward(x), masks)',
      replace: 'this.#attention(x, masks)',
      breaks: 'With normFirst the attention sees what was not normalised.',
    },
    {
      id: 'encoder-dropout',
      find: 'this.dropout2.forward(this.linear2',
      replace: 'this.dropout2.eval().forward(this.linear2',
      breaks: 'Nothing is dropped after the second linear layer.',
    },
  ]),
]

const models = [
  ...mutantsOf('src/nn/gpt.ts', tests.transformers, [
    {
      id: 'gpt-causal',
      find: '{ isCausal: true }',
      replace: '{ isCausal: false }',
      breaks: 'Tokens see those that come after them.',
    },
    {
      id: 'gpt-residual',
      find: 'normal(weight, 0, residual)',
      replace: 'normal(weight, 0, DEVIATION)',
      breaks: 'The weights before sums begin as large as the others.',
    },
  ]),
  ...mutantsOf('src/nn/vit.ts', tests.transformers, [
    {
      id: 'vit-token',
      find: 'x.select(1, 0)',
      replace: 'x.select(1, 1)',
      breaks: 'The logits are computed of the first patch instead of the token.',
    },
  ]),
]

export const transformers: Area = { title: 'attention layers and transformers', mutants: [...layers, ...models] }
