// A name that tensors do not have is refused with the nearest that they have; what anything is asked for is not.
import { inspect } from 'node:util'
import { beforeAll, expect, it } from 'vitest'
import { nearestName } from '../../src/tensor/unknown_names.ts'
import { tensor, testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

it.each([
  ['sofmax', 'softmax'],
  ['log_softmax', 'logSoftmax'],
  ['add_', 'add'],
  ['index_select', 'indexSelect'],
  ['view', 'reshape'],
  ['requires_grad', 'requiresGrad'],
  ['bakcward', 'backward'],
  ['bmm', 'matmul'],
  ['numel', 'size'],
])('x.%s: the nearest is %s', (name, nearest) => {
  const x = tensor([1, 2], [2]) as unknown as Record<string, unknown>
  expect(() => x[name]).toThrow(new TypeError(`Tensor has no ${name}; the nearest is ${nearest}`))
})

it('of a name that is near none nothing is said', () => {
  expect(nearestName('quantize', ['exp', 'expand', 'softmax'])).toBe(null)
  expect((tensor([1], [1]) as unknown as Record<string, unknown>).quantize).toBe(undefined)
})

it('a tensor can be awaited, printed, compared, spread and written as JSON', async () => {
  const x = tensor([1, 2], [2])
  expect(await x).toBe(x)
  expect(inspect(x)).toContain('Tensor')
  expect(() => JSON.stringify({ ...x }.shape)).not.toThrow()
  expect(x).toEqual(x)
  expect(`${Object.keys(x).length > 0} ${'quantize' in x} ${String(Object.prototype.toString.call(x))}`).toBe(
    'true false [object Object]',
  )
})
