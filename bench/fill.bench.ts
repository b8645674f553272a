// Benchmark of fill: every element set to one value.
import { full } from '../src/kernels/fill.ts'
import { scope } from '../src/tensor/scope.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, check, exactly, text } from './support.ts'

const VALUE = 0.75

function bench(set: Case['set'], shape: Shape): Case {
  const size = sizeOf(shape)
  return {
    name: 'fill',
    direction: 'forward',
    shape: text(shape),
    set,
    prepare: (gpu) => ({
      flops: 0,
      bytes: 4 * size,
      run: () =>
        scope(() => {
          full(gpu, shape, VALUE)
        }),
      async verify() {
        const out = full(gpu, shape, VALUE)
        await check('out', out, { cost: 1, at: () => exactly(VALUE) }).finally(() => out.dispose())
      },
      dispose: () => undefined,
    }),
  }
}

// In LeNet's step: the gradient of the loss with which backward starts.
export const cases: readonly Case[] = [bench('lenet', [1]), bench('large', [2 ** 20]), bench('large', [2 ** 22])]
