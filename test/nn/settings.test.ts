// The numbers of layers: a plan that was captured with others is refused, as it would compute with those.
import { beforeAll, expect, it } from 'vitest'
import { capture, nn, tensor } from '../../src/node/index.ts'
import { fill } from '../support/fill.ts'
import { messageOf, testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

it.each<[string, 'eps' | 'negativeSlope' | 'alpha', () => nn.Module, number[]]>([
  ['nn.BatchNorm1d', 'eps', () => new nn.BatchNorm1d(4), [3, 4]],
  ['nn.BatchNorm2d', 'eps', () => new nn.BatchNorm2d(2), [2, 2, 1, 3]],
  ['nn.LayerNorm', 'eps', () => new nn.LayerNorm(4), [3, 4]],
  ['nn.RMSNorm', 'eps', () => new nn.RMSNorm(4), [3, 4]],
  ['nn.GroupNorm', 'eps', () => new nn.GroupNorm(2, 4), [3, 4]],
  ['nn.InstanceNorm2d', 'eps', () => new nn.InstanceNorm2d(2), [1, 2, 2, 3]],
  ['nn.LeakyReLU', 'negativeSlope', () => new nn.LeakyReLU(), [3, 4]],
  ['nn.ELU', 'alpha', () => new nn.ELU(), [3, 4]],
])('%s: %s', (name, key, make, shape) => {
  const layer = make() as nn.Module & Record<typeof key, number>
  const x = tensor(fill(12, 1, 'normal'), shape)
  const plan = capture(() => layer.forward(x))
  const before = layer[key]
  layer[key] = 0.5
  expect(messageOf(() => plan.run())).toBe(
    `plan.run: the ${key} of an ${name} is 0.5 now, and was ${before} when the plan was captured; capture again, or put it back`,
  )
  layer[key] = before
  plan.run()
  plan.dispose()
})
