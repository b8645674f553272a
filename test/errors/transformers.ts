import { nn, type Shape, tensor } from '../../src/index.ts'
import { sizeOf } from '../../src/tensor/shape.ts'
import { type Area, loose } from './refusal.ts'

const zeros = (...shape: Shape) => tensor(new Float32Array(sizeOf(shape)), shape)
const attention = (options = {}) => new nn.MultiheadAttention(8, 2, options)
const gpt = () => nn.gpt({ vocab: 5, context: 4, layers: 1, heads: 2, width: 8 })
const image = { patchSize: 4, channels: 1, width: 8, layers: 1, heads: 2, classes: 3 }

export const transformers: Area = {
  title: 'Embeddings, attention and transformers',
  refusals: [
    {
      title: 'nn.Embedding: a row that is not there',
      error: 'RangeError',
      text: 'nn.Embedding: paddingIdx must be a row of the weight, -10 to 9, not 10',
      run: () => new nn.Embedding(10, 4, { paddingIdx: 10 }),
    },
    {
      title: 'nn.MultiheadAttention: heads that do not divide the features',
      error: 'ShapeError',
      text: 'nn.MultiheadAttention: numHeads must divide the 8 features of embedDim, 3 does not',
      run: () => new nn.MultiheadAttention(8, 3),
    },
    {
      title: 'nn.MultiheadAttention: a probability above 1',
      error: 'RangeError',
      text: 'nn.MultiheadAttention: dropout must be a number from 0 to 1, not 2',
      run: () => attention({ dropout: 2 }),
    },
    {
      title: 'nn.MultiheadAttention: another number of dimensions',
      error: 'ShapeError',
      text: `nn.MultiheadAttention: query, key and value must have three dimensions, or two without a batch
  query [5, 3, 8]  L N features
  key   [5, 8]     S N features
  value [5, 8]     S N features`,
      run: () => attention().forward(zeros(5, 3, 8), zeros(5, 8)),
    },
    {
      title: 'nn.MultiheadAttention: features that differ',
      error: 'ShapeError',
      text: `nn.MultiheadAttention: key must have 6 features, it has 8
  query [3, 5, 8]  N L features
  key   [3, 5, 8]  N S features
  value [3, 5, 8]  N S features`,
      run: () => attention({ kdim: 6, batchFirst: true }).forward(zeros(3, 5, 8)),
    },
    {
      title: 'nn.MultiheadAttention: batches of two sizes',
      error: 'ShapeError',
      text: `nn.MultiheadAttention: query, key and value must have one batch size
  query [5, 3, 8]  L N features
  key   [5, 2, 8]  S N features
  value [5, 2, 8]  S N features`,
      cure: 'Without batchFirst the batch is dimension 1.',
      run: () => attention().forward(zeros(5, 3, 8), zeros(5, 2, 8)),
    },
    {
      title: 'nn.MultiheadAttention: another number of values than keys',
      error: 'ShapeError',
      text: `nn.MultiheadAttention: there must be a value for each key, not 6 for 5
  query [4, 8]  L features
  key   [5, 8]  S features
  value [6, 8]  S features`,
      run: () => attention().forward(zeros(4, 8), zeros(5, 8), zeros(6, 8)),
    },
    {
      title: 'nn.MultiheadAttention: a mask of another shape',
      error: 'ShapeError',
      text: `nn.MultiheadAttention: keyPaddingMask must have the shape [3, 5] here
  keyPaddingMask [5, 3]`,
      run: () => attention().forward(zeros(5, 3, 8), undefined, undefined, { keyPaddingMask: zeros(5, 3) }),
    },
    {
      title: 'nn.MultiheadAttention: a mask of integers',
      error: 'TypeError',
      text: 'nn.MultiheadAttention: attnMask must be uint8 or float32, it is int32',
      run: () => {
        const attnMask = tensor(new Int32Array(25), [5, 5])
        return attention().forward(zeros(5, 3, 8), undefined, undefined, { attnMask })
      },
    },
    {
      title: 'nn.TransformerEncoderLayer: an activation that there is not',
      error: 'TypeError',
      text: "nn.TransformerEncoderLayer: activation must be 'relu' or 'gelu', not 'tanh'",
      run: () => new nn.TransformerEncoderLayer(8, 2, { activation: loose('tanh') }),
    },
    {
      title: 'nn.gpt: more tokens than it reads at once',
      error: 'ShapeError',
      text: `nn.gpt: 6 tokens are more than the context of 4
  tokens [2, 6]  N T`,
      cure: 'Give it the last ones alone: tokens.slice(1, -context).',
      run: () => gpt().forward(tensor(new Int32Array(12), [2, 6])),
    },
    {
      title: 'nn.gpt: an option that is missing',
      error: 'ShapeError',
      text: 'nn.gpt: width must be a whole number, 1 or more, not undefined',
      run: () => nn.gpt(loose({ vocab: 5, context: 4, layers: 1, heads: 2 })),
    },
    {
      title: 'nn.vit: patches that do not divide the image',
      error: 'ShapeError',
      text: `nn.vit: the patches must divide the image
  imageSize [30, 30]
  patchSize [4, 4]`,
      run: () => nn.vit({ ...image, imageSize: 30 }),
    },
    {
      title: 'nn.vit: images of another shape',
      error: 'ShapeError',
      text: `nn.vit: the network is for images of another shape
  images   [2, 1, 8, 12]  N C H W
  expected [2, 1, 8, 8]`,
      run: () => nn.vit({ ...image, imageSize: 8 }).forward(zeros(2, 1, 8, 12)),
    },
  ],
}
