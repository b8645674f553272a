import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const backward = mutantsOf('src/tensor/autograd.ts', tests.autograd, [
  {
    id: 'autograd-leaf-accumulates',
    find: 'before ? arithmetic!.add(before, dx) : borrowed',
    replace: 'borrowed',
    breaks: 'A second backward replaces the gradient instead of adding to it.',
  },
  {
    id: 'autograd-diamond',
    find: 'before ? arithmetic!.add(before, dx) : dx.detach()).keep()',
    replace: 'dx.detach()).keep()',
    breaks: 'Where two paths meet, one of the gradients is lost.',
  },
  {
    id: 'autograd-order',
    find: 'return order.reverse()',
    replace: 'return order',
    breaks: 'Operations are walked from the leaves.',
  },
  {
    id: 'autograd-version',
    find: 'storage.version !== version',
    replace: 'storage.version < version',
    breaks: 'Backward computes from values that were changed in place since.',
  },
  {
    id: 'autograd-frees-saved',
    find: 'if (!retainGraph) node.releaseSaved()',
    replace: '',
    breaks: 'What the tape saved is kept after backward, and a second backward is not refused.',
  },
  {
    id: 'autograd-retains',
    find: 'if (!retainGraph) node.releaseSaved()',
    replace: 'node.releaseSaved()',
    breaks: 'retainGraph retains nothing.',
  },
  {
    id: 'autograd-frees-intermediate',
    find: "dy.release('it was an intermediate gradient')",
    replace: '',
    breaks: 'Intermediate gradients are never released.',
  },
  {
    id: 'autograd-failure-frees',
    find: "for (const dy of waiting.values()) dy.release('backward failed')",
    replace: '',
    breaks: 'A backward that fails leaves its intermediate gradients behind.',
  },
  {
    id: 'autograd-walks-once',
    find: " && 'node' in edge && !seen.has(edge.node)",
    replace: " && 'node' in edge",
    breaks: 'An operation is walked once for every path that leads to it.',
  },
  {
    id: 'autograd-copies-own-memory',
    find: 'dx.storage === leaf.storage || dx.storage === given',
    replace: 'dx.storage === given',
    breaks: 'A gradient may share the memory of its leaf.',
  },
  {
    id: 'autograd-keeps-gradient',
    find: 'leaf.grad = sum.keep()',
    replace: 'leaf.grad = sum',
    breaks: 'nothing',
    equivalent: 'Setting `grad` takes the gradient out of every scope by itself.',
  },
])

const starts = mutantsOf('src/tensor/tensor.ts', tests.autogradRefusals, [
  {
    id: 'autograd-shape-of-gradient',
    find: 'gradient && !sameShape(gradient.shape, root.shape)',
    replace: 'gradient && gradient.size !== root.size',
    breaks: 'A gradient of another shape is accepted if it has as many elements.',
  },
  {
    id: 'autograd-needs-gradient',
    find: '!gradient && root.size !== 1',
    replace: '!gradient && root.size === 0',
    breaks: 'Backward from many elements starts with ones.',
  },
])

const one = [
  ...mutantsOf('src/tensor/one.ts', tests.crossEntropy, [
    {
      id: 'one-recognized',
      find: 'dy.storage === ones.get(dy.gpu)',
      replace: 'false',
      breaks: 'The gradient that cross-entropy computed forward is computed again.',
    },
  ]),
  ...mutantsOf('src/tensor/autograd.ts', tests.autograd, [
    {
      id: 'autograd-copies-one',
      find: ' || dx.storage === given',
      replace: '',
      breaks: 'The gradient of a leaf may be the 1 that all share.',
    },
  ]),
]

const tape = [
  ...mutantsOf('src/tensor/autograd.ts', tests.autograd, [
    {
      id: 'tape-no-grad',
      find: 'gradEnabled() && present.some',
      replace: 'present.some',
      breaks: 'noGrad records operations all the same.',
    },
    {
      id: 'tape-saves-memory',
      find: 'storage: storage.retain()',
      replace: 'storage',
      breaks: 'The tape does not hold the memory of what it saved.',
    },
    {
      id: 'tape-edges',
      find: 't?.requiresGrad ? (t.node',
      replace: 't ? (t.node',
      breaks: 'Leaves that require no gradient get one.',
    },
  ]),
  ...mutantsOf('src/tensor/autograd.ts', tests.scope, [
    {
      id: 'tape-node-references',
      find: 'edge.node.#references++',
      replace: 'edge.node.#references += 2',
      breaks: 'A tape that nobody holds is never released.',
      tests: tests.only('tape|a loss returned', tests.scope),
    },
    {
      id: 'tape-node-forgets',
      find: 'this.saved = null',
      replace: '',
      breaks: 'What was released once can be read, and is released, once more.',
      tests: tests.autograd,
    },
  ]),
  ...mutantsOf('src/tensor/modes.ts', tests.view, [
    {
      id: 'no-grad-nested',
      find: 'enabled = before',
      replace: 'enabled = true',
      breaks: 'A noGrad inside another ends the outer one.',
    },
  ]),
]

const shortScope = tests.only('^scope|^keep', tests.scope)
const memory = [
  ...mutantsOf('src/tensor/scope.ts', shortScope, [
    {
      id: 'scope-objects',
      find: 'ArrayBuffer.isView(value) ? [] : Object.values(value)',
      replace: '[]',
      breaks: 'Tensors in a returned object are released.',
    },
  ]),
  ...mutantsOf('src/tensor/owned.ts', shortScope, [
    {
      id: 'scope-hands-on',
      find: 'if (kept?.has(tensor)) register(tensor)',
      replace: 'if (kept?.has(tensor)) continue',
      breaks: 'What a nested scope returns is never released by the one around it.',
    },
    {
      id: 'scope-keep-outer',
      find: 'for (const tensors of open) tensors.delete(tensor)',
      replace: 'open.at(-1)?.delete(tensor)',
      breaks: 'keep() takes a tensor out of the innermost scope only.',
    },
    {
      id: 'scope-after-error',
      find: 'open.pop()',
      replace: 'if (kept) open.pop()',
      breaks: 'A scope whose function throws stays open.',
    },
  ]),
  ...mutantsOf('src/tensor/tensor.ts', tests.tensor, [
    {
      id: 'tensor-dispose-gradient',
      find: "forgetGradients([this], 'the tensor it belongs to was released')",
      replace: '',
      breaks: 'The gradient of a released tensor keeps its memory.',
    },
    {
      id: 'tensor-counts',
      find: 'held.gpu.tensors--',
      replace: '',
      breaks: 'Released tensors count as alive.',
    },
    {
      id: 'tensor-detach-type',
      in: 'detach',
      find: 'this.dtype)',
      replace: "'float32')",
      breaks: 'detach() turns integers into floats.',
      tests: tests.view,
    },
  ]),
]

const values = [
  ...mutantsOf('src/tensor/create.ts', tests.tensor, [
    {
      id: 'tensor-integer-check',
      find: 'typed[i] !== values[i]',
      replace: 'typed[i] === undefined',
      breaks: 'Numbers that an integer type cannot hold wrap around in silence.',
    },
    {
      id: 'tensor-range',
      find: 'high = Math.max(high, values[i]!)',
      replace: 'high = Math.max(0, values[i]!)',
      breaks: 'The largest label that is remembered is the last one.',
    },
    {
      id: 'tensor-ragged',
      find: '!Array.isArray(data) || data.length !== natural[depth]',
      replace: '!Array.isArray(data)',
      breaks: 'Nested arrays of unequal length are accepted if they hold the right number in all.',
    },
    {
      id: 'tensor-dtype',
      find: "data instanceof Uint8Array ? 'uint8' : 'float32'",
      replace: "data instanceof Uint8Array ? 'int32' : 'float32'",
      breaks: 'Bytes become int32.',
    },
  ]),
  ...mutantsOf('src/tensor/view.ts', tests.view, [
    {
      id: 'reshape-gradient',
      find: '[view(dy, from)]',
      replace: '[dy]',
      breaks: 'The gradient of a reshaped tensor keeps the new shape.',
      tests: tests.reshape,
    },
    {
      id: 'reshape-open-size',
      find: 'n === -1 ? x.size / known : n',
      replace: 'n === -1 ? x.size : n',
      breaks: 'A size of -1 is not divided by the others.',
    },
    {
      id: 'flatten-start',
      find: '[...x.shape.slice(0, start), sizeOf(x.shape.slice(start))]',
      replace: '[...x.shape.slice(0, start), sizeOf(x.shape)]',
      breaks: 'flatten counts the leading dimensions twice.',
    },
  ]),
]

export const tensors: Area = {
  title: 'Tensors and autograd',
  mutants: [...backward, ...starts, ...one, ...tape, ...memory, ...values],
}
