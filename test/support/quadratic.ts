// A quadratic loss to train parameters on, for tests of optimizers.
import type { optim } from '../../src/node/index.ts'
import { linear } from '../../src/node/index.ts'
import { fill } from './fill.ts'
import { parameter, type Tensor, tensor } from './gpu.ts'

/** Parameters [size, 1] of these sizes. */
export function columns(sizes: readonly number[]): Tensor[] {
  return sizes.map((size, i) => parameter(fill(size, i, 'normal'), [size, 1]))
}

/** Steps on Σ h p² / 2, whose gradient is h p; it may be captured. */
export function quadratic(parameters: readonly Tensor[], optimizer: optim.Optimizer, h = 1): () => void {
  const curvature = tensor([[h]])
  return () => {
    optimizer.zeroGrad()
    for (const p of parameters) linear(p, curvature).backward(p.detach())
    optimizer.step()
  }
}
