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

const kernels = mutantsOf('wgsl/losses.wgsl', tests.losses, [
  {
    id: 'losses-huber-line',
    in: 'loss_at',
    find: 'd - s * 0.5',
    replace: 'd',
    breaks: 'The line does not meet the parabola.',
  },
  {
    id: 'losses-smooth-line',
    in: 'loss_at',
    find: 's * (d - s * (params.option / 2.0))',
    replace: 's * d',
    breaks: 'The line does not meet the parabola.',
  },
  {
    id: 'losses-clamp-nan',
    in: 'within',
    find: 'select(clamp(v, vec4f(-most), vec4f(most)), v, size_bits(v) > vec4u(INFINITY_BITS))',
    replace: 'clamp(v, vec4f(-most), vec4f(most))',
    breaks: 'A gradient that is NaN becomes a number on adapters whose min and max drop it.',
  },
  {
    id: 'losses-sign-zero',
    in: 'sign_of',
    find: '(bits == vec4u()) | (bits > vec4u(INFINITY_BITS))',
    replace: 'bits > vec4u(INFINITY_BITS)',
    breaks: 'l1Loss has a slope where both are equal.',
  },
  {
    id: 'losses-near',
    in: 'log_of_one_and',
    find: 'select(log(1.0 + e), near, e < vec4f(0.4142135))',
    replace: 'log(1.0 + e)',
    breaks: 'The loss of a logit far from 0 has few digits.',
  },
  {
    id: 'losses-past-end',
    in: 'sums',
    find: 'if (4 * i + 4 > params.size) { made = select(vec4f(), made, inside(i)); }',
    replace: '',
    breaks: 'What lies behind the end is added.',
  },
  {
    id: 'losses-later',
    in: 'sums',
    find: 'i += WG',
    replace: 'i += WG * TERMS',
    breaks: 'A thread adds one vector.',
  },
  {
    id: 'losses-of-target',
    in: 'gradient_of_target',
    find: 'return -(g * slope(distance_at(i)));',
    replace: 'return g * slope(distance_at(i));',
    breaks: 'The target has the gradient of the input.',
  },
  {
    id: 'losses-both-gradients',
    find: 'if (OF != OF_INPUT)',
    replace: 'if (OF == OF_TARGET)',
    breaks: 'Where both gradients are wanted, that of the target is not written.',
  },
  {
    id: 'losses-mean',
    in: 'gradients',
    find: 'if (params.by != 1.0) { g /= params.by; }',
    replace: '',
    breaks: 'The gradient of a mean is that of a sum.',
  },
  {
    id: 'losses-each',
    in: 'gradients',
    find: 'if (params.each == 1) { g = dy[i]; }',
    replace: '',
    breaks: 'All elements have the gradient of the first.',
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

export const losses: Area = { title: 'Losses', mutants: [...labels, ...taken, ...kernels, ...numbers, ...classes] }
