import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const labels = mutantsOf('src/kernels/labels.ts', tests.crossEntropy, [
  {
    id: 'labels-range',
    find: 'label >= C)',
    replace: 'label > C)',
    breaks: 'The host accepts a label one past the last class.',
  },
  {
    id: 'labels-seen',
    find: 'target.filter((label) => label !== ignoreIndex)',
    replace: 'target',
    breaks: 'Where one label is ignored the host misses others that are no class.',
  },
])

const taken = mutantsOf('wgsl/take.wgsl', tests.losses, [
  {
    id: 'take-skip',
    find: 'if (is_skipped(r)) { word = 0u; } else if (r < params.R)',
    replace: 'if (r < params.R)',
    breaks: 'Labels that do not count are taken for classes.',
  },
  {
    id: 'take-skip-back',
    find: 'index_at(at) == r && !is_skipped(r)',
    replace: 'index_at(at) == r',
    breaks: 'Labels that do not count have a gradient.',
  },
  {
    id: 'take-skip-scatter',
    find: 'r >= params.R || is_skipped(r)',
    replace: 'r >= params.R',
    breaks: 'Labels that do not count have a gradient where there are many classes.',
  },
])

const numbers = mutantsOf('src/kernels/losses.ts', tests.losses, [
  {
    id: 'losses-shapes',
    find: '!sameShape(input.shape, target.shape)',
    replace: 'input.shape.length > target.shape.length + 1',
    breaks: 'An input is compared with a target of another shape.',
  },
  {
    id: 'losses-huber-line',
    in: 'huberLoss',
    find: 'sub(d, mul(s, 0.5))',
    replace: 'd',
    breaks: 'The line does not meet the parabola.',
  },
  {
    id: 'losses-bce-range',
    find: 'where(lt(product, 0), Number.NaN, slope)',
    replace: 'slope',
    breaks: 'An input that is not a probability has a finite gradient.',
  },
  {
    id: 'losses-bce-divisor',
    find: 'clamp(product, { min: LEAST_DIVISOR })',
    replace: 'product',
    breaks: 'The gradient of bceLoss is infinite at 0 and 1.',
  },
  {
    id: 'losses-pos-weight',
    find: 'mul(weighted(target, posWeight), softplus(neg(input)))',
    replace: 'mul(target, softplus(neg(input)))',
    breaks: 'posWeight has no effect.',
  },
  {
    id: 'losses-kl-zero',
    find: 'where(eq(target, 0), 0, mul(target, log(target)))',
    replace: 'mul(target, log(target))',
    breaks: 'klDivLoss is NaN for a target of 0.',
  },
])

const classes = mutantsOf('src/kernels/class_losses.ts', tests.losses, [
  {
    id: 'losses-weighted-mean',
    find: 'div(sum(losses), sum(weights!))',
    replace: 'div(sum(losses), sum(counts!))',
    breaks: 'A weighted mean is divided by the number of labels.',
  },
  {
    id: 'losses-smoothed-ignored',
    find: 'where(ne(counts!, 0), all, 0)',
    replace: 'all',
    breaks: 'Smoothing makes labels count that do not.',
  },
  {
    id: 'losses-images',
    find: '[0, ...shape.map((_, d) => d).slice(2), 1]',
    replace: 'shape.map((_, d) => d)',
    breaks: 'Of images the classes are taken for places.',
  },
])

export const losses: Area = { title: 'Losses', mutants: [...labels, ...taken, ...numbers, ...classes] }
