import { beforeAll, describe, expect, it } from 'vitest'
import { conv2d, crossEntropy, linear, matmul, maxPool2d, relu, type Tensor } from '../../src/node/index.ts'
import { expectClose, SMALLEST_NORMAL, UNIT_ROUNDOFF } from '../support/close.ts'
import { parameter, tensor, testGpu, values } from '../support/gpu.ts'
import * as reference from '../support/reference.ts'
import { type Pair, type Ref, type Result, ref } from '../support/reference.ts'
import { float32Of, int32Of, readSafetensors } from '../support/safetensors.ts'

beforeAll(testGpu)

interface Args {
  stride: number | Pair
  padding: number | Pair
  dilation: number | Pair
  kernelSize: number | Pair
  reduction: reference.Reduction
}

interface OpCase {
  kind: string
  name: string
  args: Args
  inputs: string[]
}

const ops = readSafetensors(new URL('../reference/ops.safetensors', import.meta.url))
const cases = JSON.parse(ops.metadata.cases!) as OpCase[]
const pair = (value: number | Pair): Pair => (typeof value === 'number' ? [value, value] : value)

/** Our operation on a case's inputs, and the oracle's results under the names that PyTorch's are stored under. */
interface Both {
  run: (inputs: Record<string, Tensor>) => Tensor
  expected: (get: (name: string) => Ref) => Record<string, Result>
}

const operations: Record<string, (c: OpCase) => Both> = {
  conv2d: ({ args: { stride, padding, dilation }, inputs }) => {
    const options = { stride: pair(stride), padding: pair(padding), dilation: pair(dilation) }
    return {
      run: ({ input, weight, bias }) => conv2d(input!, weight!, bias ?? null, options),
      expected: (get) => {
        const bias = inputs.includes('bias') ? get('bias') : null
        const grads = reference.conv2dBackward(get('grad_out'), get('input'), get('weight'), options)
        const out = reference.conv2d(get('input'), get('weight'), bias, options)
        return { out, grad_input: grads.input, grad_weight: grads.weight, ...(bias && { grad_bias: grads.bias }) }
      },
    }
  },
  max_pool2d: ({ args: { kernelSize, stride, padding } }) => {
    const options = { kernelSize: pair(kernelSize), stride: pair(stride), padding: pair(padding) }
    return {
      run: ({ input }) => maxPool2d(input!, options),
      expected: (get) => {
        const out = reference.maxPool2d(get('input'), options)
        return { out, grad_input: reference.maxPool2dBackward(get('grad_out'), out.indices, get('input').shape) }
      },
    }
  },
  matmul: () => ({
    run: ({ a, b }) => matmul(a!, b!),
    expected: (get) => {
      const grads = reference.matmulBackward(get('grad_out'), get('a'), get('b'))
      return { out: reference.matmul(get('a'), get('b')), grad_a: grads.a, grad_b: grads.b }
    },
  }),
  linear: () => ({
    run: ({ input, weight, bias }) => linear(input!, weight!, bias!),
    expected: (get) => {
      const grads = reference.linearBackward(get('grad_out'), get('input'), get('weight'))
      const out = reference.linear(get('input'), get('weight'), get('bias'))
      return { out, grad_input: grads.input, grad_weight: grads.weight, grad_bias: grads.bias }
    },
  }),
  relu: () => ({
    run: ({ input }) => relu(input!),
    expected: (get) => ({
      out: reference.relu(get('input')),
      grad_input: reference.reluBackward(get('grad_out'), get('input')),
    }),
  }),
  cross_entropy: ({ name, args: { reduction } }) => {
    const target = int32Of(ops, `${name}.target`).data
    return {
      run: ({ input }) => crossEntropy(input!, target, { reduction }),
      expected: (get) => ({
        out: reference.crossEntropy(get('input'), target, reduction),
        grad_input: reference.crossEntropyBackward(get('grad_out'), get('input'), target, reduction),
      }),
    }
  },
}

/** PyTorch's value is rounded to float32 once; ours may be as far from the unrounded one as the oracle says. */
async function expectStored(t: Tensor | null | undefined, name: string, { bound }: Result): Promise<void> {
  const { shape, data } = float32Of(ops, name)
  expect(t?.shape, name).toEqual(shape)
  const allowed = bound.map((b, i) => b + UNIT_ROUNDOFF * Math.abs(data[i]!) + SMALLEST_NORMAL)
  expectClose(await values(t ?? null), Float64Array.from(data), allowed, name)
}

describe('our operations give PyTorch’s values', () => {
  it.each(cases.map((c) => [c.name, c] as const))('%s', async (name, c) => {
    const stored = (input: string) => float32Of(ops, `${name}.${input}`)
    const inputs: Record<string, Tensor> = {}
    for (const input of c.inputs) {
      if (input !== 'target') inputs[input] = parameter(stored(input).data, stored(input).shape)
    }
    const { run, expected } = operations[c.kind]!(c)
    const out = run(inputs)
    out.backward(tensor(stored('grad_out').data, stored('grad_out').shape))
    const results = expected((input) => ref(stored(input).shape, stored(input).data))
    const keys = [...ops.tensors.keys()]
      .filter((key) => key.startsWith(`${name}.`))
      .map((k) => k.slice(name.length + 1))
    const given = keys.filter((key) => key === 'out' || (key.startsWith('grad_') && key !== 'grad_out'))
    expect(Object.keys(results).sort()).toEqual(given.sort())
    for (const [key, result] of Object.entries(results)) {
      await expectStored(key === 'out' ? out : inputs[key.slice(5)]?.grad, `${name}.${key}`, result)
    }
  })

  it('covers every operation that has values', () => {
    expect(new Set(cases.map((c) => c.kind))).toEqual(new Set(Object.keys(operations)))
  })
})
