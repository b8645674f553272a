// Networks that optimizers train for twenty steps, held to PyTorch's float64 values, or to the papers' formulas in its arithmetic.
import { beforeAll, expect, it } from 'vitest'
import { crossEntropy, nn, optim, scope, type Tensor, tensor } from '../../src/node/index.ts'
import { expectClose, UNIT_ROUNDOFF } from '../support/close.ts'
import { testGpu, values } from '../support/gpu.ts'
import { readSafetensors } from '../support/safetensors.ts'

const file = readSafetensors(new URL('../reference/optimizer_paths.safetensors', import.meta.url))
const STEPS = 20

interface PathCase {
  readonly network: 'mlp' | 'batch_norm'
  readonly optimizer: string
  readonly options: Record<string, unknown>
  /** The largest distance of PyTorch's float32 values, by step. */
  readonly float32_deviation: Readonly<Record<string, number>>
}

/**
 * How much further than PyTorch's float32 we may be from float64: our sums have another order, and WGSL's roots and
 * quotients are off by up to 4.5 and 2.5 ULP, PyTorch's by half of one.
 */
const FURTHER = 16

const NETWORKS = {
  mlp: () => new nn.Sequential(new nn.Linear(4, 6), new nn.ReLU(), new nn.Linear(6, 3)),
  batch_norm: () =>
    new nn.Sequential(new nn.Linear(4, 6, { bias: false }), new nn.BatchNorm1d(6), new nn.ReLU(), new nn.Linear(6, 3)),
}

const MAKE: Record<string, (params: Tensor[], options: object) => optim.Optimizer[]> = {
  SGD: (params, options) => [new optim.SGD(params, options as optim.SGDOptions)],
  Adam: (params, options) => [new optim.Adam(params, options)],
  AdamW: (params, options) => [new optim.AdamW(params, options)],
  RMSprop: (params, options) => [new optim.RMSprop(params, options)],
  Adagrad: (params, options) => [new optim.Adagrad(params, options)],
  Adadelta: (params, options) => [new optim.Adadelta(params, options)],
  Lion: (params, options) => [new optim.Lion(params, options)],
  ScheduleFreeSGD: (params, options) => [new optim.ScheduleFreeSGD(params, options)],
  ScheduleFreeAdamW: (params, options) => [new optim.ScheduleFreeAdamW(params, options)],
  LARS: (params, options) => [new optim.LARS(params, options)],
  LAMB: (params, options) => [new optim.LAMB(params, options)],
  Muon: (params, options) => [
    new optim.Muon(
      params.filter(({ shape }) => shape.length === 2),
      options,
    ),
    new optim.SGD(
      params.filter(({ shape }) => shape.length !== 2),
      { lr: 0.1 },
    ),
  ],
}

beforeAll(async () => {
  await testGpu()
})

const numbers = (name: string) => Float64Array.from(file.tensors.get(name)!.data as Float64Array)
const camelCase = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
const cases = (JSON.parse(file.metadata.cases!) as PathCase[]).map(
  (one) => [`${one.optimizer}, ${one.network}`, one] as const,
)

it.each(cases)('%s', async (_, { network, optimizer, options, float32_deviation }) => {
  const net = NETWORKS[network]()
  const parameters = net.namedParameters()
  for (const [name, p] of parameters) p.gpu.write(p.storage, Float32Array.from(numbers(`${network}.init.${name}`)))
  const inCamelCase = Object.fromEntries(Object.entries(options).map(([name, value]) => [camelCase(name), value]))
  const optimizers = MAKE[optimizer]!(net.parameters(), inCamelCase)
  const [x, labels] = [tensor(Float32Array.from(numbers('x')), [16, 4]), tensor(Int32Array.from(numbers('labels')))]
  const check = async (at: string) => {
    for (const [name, p] of parameters) {
      const expected = numbers(`${network}.${optimizer}.${at}.${name}`)
      const bound = FURTHER * float32_deviation[at]! + 4 * UNIT_ROUNDOFF * Math.max(...expected.map(Math.abs))
      expectClose(await values(p), expected, () => bound, `${name} at ${at}`)
    }
  }
  for (let step = 1; step <= STEPS; step++) {
    scope(() => {
      const loss = crossEntropy(net.forward(x), labels)
      for (const each of optimizers) each.zeroGrad()
      loss.backward()
      for (const each of optimizers) each.step()
    })
    if (String(step) in float32_deviation) await check(String(step))
  }
  expect('x' in float32_deviation).toBe(optimizer.startsWith('ScheduleFree'))
  if (!('x' in float32_deviation)) return
  for (const each of optimizers) each.eval()
  await check('x')
})

it('every optimizer has its paths', () => {
  // SGLD is SGD with noise, which test/optim/sgld.test.ts holds to float64.
  const all = Object.keys(optim).filter(
    (name) => /^[A-Z]/.test(name) && !['Optimizer', 'EMA', 'SWA', 'SGLD'].includes(name),
  )
  for (const network of Object.keys(NETWORKS)) {
    const held = cases.filter(([, one]) => one.network === network).map(([, { optimizer }]) => optimizer)
    expect(held.sort()).toEqual(all.sort())
  }
})
