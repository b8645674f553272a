// The entries of docs/schedules.md, one a schedule.

export interface Entry {
  /** The name in the grammar; the gallery has one entry for each. */
  readonly name: string
  readonly formula: string
  /** Explains the arguments, if the formula does not. */
  readonly about: string
  /** PyTorch's class, or another source. */
  readonly source: string
  /** What is drawn, and at how many t. */
  readonly specs: readonly string[]
  readonly range: number
}

const CHAPTER = "the chapter's"

export const ENTRIES: readonly Entry[] = [
  { name: 'constant', formula: 'η', about: '', source: 'the chapter', specs: ['constant(0.3)'], range: 30 },
  {
    name: 'squareRoot',
    formula: 'η (t + 1)^−½',
    about: '',
    source: `${CHAPTER} SquareRootScheduler`,
    specs: ['squareRoot(0.1)'],
    range: 30,
  },
  {
    name: 'factor',
    formula: 'max(η_min, η₀ α^(t + 1))',
    about: '`factor` is α, `stopFactorLr` η_min, `baseLr` η₀: the first rate is already multiplied once.',
    source: `${CHAPTER} FactorScheduler`,
    specs: ['factor(0.9, 0.01, 2)'],
    range: 50,
  },
  {
    name: 'multiStep',
    formula: 'η₀ γ^(number of milestones ≤ t)',
    about: 'A milestone given twice counts twice.',
    source: 'MultiStepLR, with the argument order of the chapter',
    specs: ['multiStep(0.5, [15, 30], 0.5)'],
    range: 40,
  },
  {
    name: 'cosine',
    formula: 't < w: η_b + (η₀ − η_b) t/w; w ≤ t < T: η_T + (η₀ − η_T)(1 + cos(π (t − w)/(T − w)))/2; then η_T',
    about: '`maxUpdate` is T, `baseLr` η₀, `finalLr` η_T, `warmupSteps` w, `warmupBeginLr` η_b.',
    source: `${CHAPTER} CosineScheduler; Loshchilov and Hutter 2017`,
    specs: ['cosine(20, 0.3, 0.01)', 'cosine(20, 0.3, 0.01, warmupSteps=5)'],
    range: 30,
  },
  {
    name: 'polynomial',
    formula: 't ≤ T: η_T + (η₀ − η_T)(1 − t/T)^p; then η_T',
    about: '`maxUpdate` is T, `baseLr` η₀, `finalLr` η_T, `power` p.',
    source: `${CHAPTER} second exercise`,
    specs: ['polynomial(20, 0.3, 0.01, power=1)', 'polynomial(20, 0.3, 0.01)', 'polynomial(20, 0.3, 0.01, power=4)'],
    range: 30,
  },
  {
    name: 'stepLR',
    formula: 'η₀ γ^⌊t / stepSize⌋',
    about: '',
    source: 'StepLR',
    specs: ['stepLR(7, 0.5, lr=0.3)'],
    range: 30,
  },
  {
    name: 'multiStepLR',
    formula: 'η₀ γ^(number of milestones ≤ t)',
    about: '',
    source: 'MultiStepLR',
    specs: ['multiStepLR([10, 25], 0.5, lr=0.3)'],
    range: 30,
  },
  {
    name: 'constantLR',
    formula: 't < totalIters: η₀ factor; then η₀',
    about: '',
    source: 'ConstantLR in closed form',
    specs: ['constantLR(lr=0.3)'],
    range: 15,
  },
  {
    name: 'linearLR',
    formula: 'η₀ (f_s + (f_e − f_s) min(t, T)/T)',
    about: '`startFactor` is f_s, `endFactor` f_e, `totalIters` T.',
    source: 'LinearLR',
    specs: ['linearLR(0.1, lr=0.3)', 'linearLR(1, 0.2, 10, lr=0.3)'],
    range: 15,
  },
  {
    name: 'exponentialLR',
    formula: 'η₀ γ^t',
    about: '',
    source: 'ExponentialLR',
    specs: ['exponentialLR(0.9, lr=0.3)'],
    range: 30,
  },
  {
    name: 'polynomialLR',
    formula: 'η₀ (1 − min(t, T)/T)^p',
    about: '`totalIters` is T, `power` p.',
    source: 'PolynomialLR',
    specs: ['polynomialLR(20, lr=0.3)', 'polynomialLR(20, 2, lr=0.3)'],
    range: 30,
  },
  {
    name: 'cosineAnnealingLR',
    formula: 'η_min + (η₀ − η_min)(1 + cos(π t/T))/2',
    about: '`tMax` is T, `etaMin` η_min. After T the rate rises again; that of `cosine` stays.',
    source: 'CosineAnnealingLR; Loshchilov and Hutter 2017',
    specs: ['cosineAnnealingLR(20, 0.01, 0.3)'],
    range: 60,
  },
  {
    name: 'cosineAnnealingWarmRestarts',
    formula: 'η_min + (η₀ − η_min)(1 + cos(π T_cur/T_i))/2, T_i = t0 · tMult^i',
    about: 'T_cur counts from the last restart, `etaMin` is η_min.',
    source: 'CosineAnnealingWarmRestarts; SGDR, Loshchilov and Hutter 2017',
    specs: ['cosineAnnealingWarmRestarts(10, 2, 0.01, 0.3)'],
    range: 80,
  },
  {
    name: 'inverseSqrt',
    formula: 'η min((t + 1)/w, √(w/(t + 1)))',
    about: '`warmupSteps` is w; the peak η is at t = w − 1.',
    source: 'Vaswani et al. 2017, with η = (d_model w)^−½',
    specs: ['inverseSqrt(8, 0.3)'],
    range: 60,
  },
  {
    name: 'oneCycleLR',
    formula: 'maxLr/divFactor up to maxLr at t = p N − 1, down to maxLr/(divFactor · finalDivFactor) at t = N − 1',
    about:
      '`totalSteps` is N, `pctStart` p. The rate follows half a cosine wave or, with `annealStrategy=linear`, a line. The ' +
      'momentum goes from `maxMomentum` down to `baseMomentum` and up again; `cycleMomentum=false` leaves it alone.',
    source: 'OneCycleLR; Smith and Topin 2018',
    specs: ['oneCycleLR(0.3, 60)', 'oneCycleLR(0.3, 60, annealStrategy=linear, threePhase=true)'],
    range: 60,
  },
  {
    name: 'cyclicLR',
    formula: 'baseLr + (maxLr − baseLr) h(t) g, with h from 0 up to 1 and down to 0',
    about:
      'g is 1 for `mode=triangular`, halves with every cycle for `triangular2`, and is γ^t for `expRange`. The momentum is ' +
      'maxMomentum − (maxMomentum − baseMomentum) h(t) g; `cycleMomentum=false` leaves it alone.',
    source: 'CyclicLR; Smith 2017',
    specs: ['cyclicLR(0.05, 0.3, 10)', 'cyclicLR(0.05, 0.3, 10, mode=triangular2)'],
    range: 60,
  },
  {
    name: 'warmup',
    formula: 't < w: η_b + (s(0) − η_b) t/w; then s(t − w)',
    about: 'A linear warm-up before any schedule s; `steps` is w, `beginLr` η_b.',
    source: 'the chapter',
    specs: ['warmup(cosine(15, 0.3), 5)', 'warmup(multiStep(0.2, [10], 0.5), 5, beginLr=0.1)'],
    range: 30,
  },
  {
    name: 'sequence',
    formula: 's_i(t − m_i), with m_i the last milestone ≤ t',
    about: 'One schedule after another; each starts at its t = 0.',
    source: 'SequentialLR',
    specs: ['sequence([linearLR(0.1, lr=0.3), cosineAnnealingLR(25, 0.01, 0.3)], milestones=[5])'],
    range: 40,
  },
  {
    name: 'chain',
    formula: 'Π s_i(t)',
    about:
      'The product of the rates at t. In a text form, a schedule after the first has the base rate 1 if it names none. PyTorch gives ' +
      'the same for parts\nthat multiply the rate, and another rate for parts that set it: there `lambdaLR`, ' +
      '`cosineAnnealingWarmRestarts`, `cyclicLR` and `oneCycleLR` drop\nwhat the parts before them did, `cosineAnnealingLR` rises ' +
      'from its base rate again after `tMax`, and `etaMin` is a floor. Beside `exponentialLR(0.5)`\nthe rate of 1 / (1 + t) at ' +
      't = 2 is 1/3 · 1/4 here and 1/3 there.',
    source: 'ChainedScheduler',
    specs: ['chain([constantLR(0.1, 4, 0.3), exponentialLR(0.9)])'],
    range: 30,
  },
  {
    name: 'scale',
    formula: 'factor · s(t)',
    about: 'For example for a batch k times as large.',
    source: 'Goyal et al. 2017',
    specs: ['cosine(20, 0.3)', 'scale(cosine(20, 0.3), 0.5)'],
    range: 30,
  },
]
