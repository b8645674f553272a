// Tests that the float64 reference gives PyTorch's values.
import { describe, expect, it } from 'vitest'
import { expectClose } from './close.ts'
import {
  conv2d,
  conv2dBackward,
  crossEntropy,
  crossEntropyBackward,
  linear,
  linearBackward,
  matmul,
  matmulBackward,
  maxPool2d,
  maxPool2dBackward,
  type Pair,
  type Reduction,
  type Ref,
  type Result,
  ref,
  relu,
  reluBackward,
} from './reference.ts'
import { float32Of, int32Of, readSafetensors, type StoredFile } from './safetensors.ts'

interface OpCase {
  kind: string
  name: string
  args: Record<string, number | Pair>
  inputs: string[]
}

const directory = new URL('../reference/', import.meta.url)
const ops = readSafetensors(new URL('ops.safetensors', directory))
const cases = JSON.parse(ops.metadata.cases!) as OpCase[]

function stored(file: StoredFile, name: string): Ref {
  const { shape, data } = float32Of(file, name)
  return ref(shape, data)
}

function pair(value: number | Pair | undefined): Pair {
  if (value === undefined) throw new Error('an argument is missing')
  return typeof value === 'number' ? [value, value] : value
}

/** Float64 on both sides: only the rounding to float32 at the end and the order of float64 additions may differ. */
function expectStored(file: StoredFile, name: string, result: Result): void {
  const { shape, data } = float32Of(file, name)
  expect(result.shape, name).toEqual(shape)
  const bound = result.data.map((v, i) => 2 ** -24 * Math.abs(v) + 1e-13 * result.magnitude[i]! + 2 ** -149)
  expectClose(data, result, bound, name)
}

/** Output and gradients of one case, by the names they are stored under. */
const compute: Record<string, (c: OpCase, get: (name: string) => Ref) => Record<string, Result>> = {
  conv2d: ({ args, inputs }, get) => {
    const options = { stride: pair(args.stride), padding: pair(args.padding), dilation: pair(args.dilation) }
    const bias = inputs.includes('bias') ? get('bias') : null
    const out = conv2d(get('input'), get('weight'), bias, options)
    const grads = conv2dBackward(get('grad_out'), get('input'), get('weight'), options)
    return { out, grad_input: grads.input, grad_weight: grads.weight, ...(bias && { grad_bias: grads.bias }) }
  },
  max_pool2d: ({ args }, get) => {
    const options = { kernelSize: pair(args.kernelSize), stride: pair(args.stride), padding: pair(args.padding) }
    const out = maxPool2d(get('input'), options)
    return { out, grad_input: maxPool2dBackward(get('grad_out'), out.indices, get('input').shape) }
  },
  matmul: (_, get) => {
    const grads = matmulBackward(get('grad_out'), get('a'), get('b'))
    return { out: matmul(get('a'), get('b')), grad_a: grads.a, grad_b: grads.b }
  },
  linear: (_, get) => {
    const grads = linearBackward(get('grad_out'), get('input'), get('weight'))
    const out = linear(get('input'), get('weight'), get('bias'))
    return { out, grad_input: grads.input, grad_weight: grads.weight, grad_bias: grads.bias }
  },
  relu: (_, get) => ({ out: relu(get('input')), grad_input: reluBackward(get('grad_out'), get('input')) }),
  cross_entropy: ({ name, args }, get) => {
    const reduction = args.reduction as unknown as Reduction
    const target = int32Of(ops, `${name}.target`).data
    const grad = crossEntropyBackward(get('grad_out'), get('input'), target, reduction)
    return { out: crossEntropy(get('input'), target, reduction), grad_input: grad }
  },
}

describe('the reference gives PyTorch’s values', () => {
  it.each(cases.map((c) => [c.name, c] as const))('%s', (name, c) => {
    const results = compute[c.kind]!(c, (input) => stored(ops, `${name}.${input}`))
    const names = [...ops.tensors.keys()].filter((key) => /\.(out|grad_(?!out).*)$/.test(key.replace(name, '')))
    const own = names.filter((key) => key.startsWith(`${name}.`)).map((key) => key.slice(name.length + 1))
    expect(Object.keys(results).sort()).toEqual(own.sort())
    for (const [key, result] of Object.entries(results)) expectStored(ops, `${name}.${key}`, result)
  })
})
