// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
// What callbacks change between steps: captured training has the bits of training without capture, or is refused as it is.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type FitOptions,
  fit,
  ImageBatches,
  type ImageDataset,
  manualSeed,
  nn,
  optim,
  relu,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { parameter, testGpu } from '../support/gpu.ts'

const set: ImageDataset = {
  images: Uint8Array.from({ length: 10 * 16 }, (_, i) => (i * 37 + (i >> 4) * 11) % 256),
  labels: Uint8Array.from({ length: 10 }, (_, i) => i % 3),
  count: 10,
  channels: 1,
  height: 4,
  width: 4,
  classes: [],
}

const SLOPE = Symbol('slope')

/** What a network may keep its numbers in. */
class Setting {
  scale = 1
  readonly of = new Map([['shift', { by: 0 }]])
}

/** With a normalization, a list of layers, and settings of its own. */
class Net extends nn.Module {
  readonly first = new nn.Linear(16, 6)
  readonly norm = new nn.BatchNorm1d(6)
  readonly layers: nn.Module[] = [new nn.Linear(6, 6)]
  readonly options = { depth: 1 }
  readonly setting = new Setting()
  readonly factors = Float32Array.of(1, 1)
  readonly [SLOPE] = { value: 1 }
  last = new nn.Linear(6, 3)
  skip = false
  seen: Tensor | null = null

  override forward(x: Tensor): Tensor {
    let y = this.norm.forward(this.first.forward(x.flatten()))
    for (let i = 0; i < this.options.depth; i++) for (const layer of this.layers) y = relu(layer.forward(y))
    this.seen = y
    const { setting, factors, [SLOPE]: slope } = this
    const scale = setting.scale * factors[1]! * slope.value
    const z = scale === 1 ? y : y.mul(scale).add(setting.of.get('shift')!.by)
    return this.last.forward(this.skip ? relu(z) : z)
  }
}

let data: Record<'train' | 'test', ImageBatches>
beforeAll(async () => {
  await testGpu()
  data = { train: new ImageBatches(set, { batchSize: 4 }), test: new ImageBatches(set, { batchSize: 5 }) }
})
afterAll(() => {
  for (const batches of Object.values(data)) batches.dispose()
})

interface Made {
  readonly net: Net
  readonly optimizer: optim.Optimizer
  readonly train: ImageBatches
}
type Change = readonly [name: string, change: (made: Made) => unknown]

const rest = (net: Net) => net.parameters().slice(2)
const own = (net: Net) => net.parameters().slice(0, 2)
const sgd = (net: Net) => new optim.SGD(rest(net), { lr: 0.125, momentum: 0.5 })
const adamw = (net: Net) => new optim.AdamW(rest(net), { lr: 0.03125 })
const grouped = (net: Net) => new optim.SGD([{ params: rest(net) }, { params: own(net) }], { lr: 0.125 })
const group = ({ optimizer }: Made, i = 0) => optimizer.paramGroups[i]! as optim.SGD['paramGroups'][number]
const freeze = (parameters: readonly Tensor[], frozen = true) => {
  for (const p of parameters) p.requiresGrad = !frozen
}
/** Other values for all that has a state. */
const others = (net: Net) =>
  new Map(
    [...net.stateDict()].map(([name, t], i) => {
      const values = t.dtype === 'int32' ? new Int32Array(1) : fill(t.size, i, 'normal').map((x) => 0.5 + 0.1 * x)
      return [name, tensor(values, t.shape)]
    }),
  )

/** One change after each update; what network, optimizer and evaluations had after each. */
async function trained(make: (net: Net) => optim.Optimizer, changes: readonly Change[], options: Partial<FitOptions>) {
  manualSeed(3)
  const net = new Net()
  const optimizer = make(net)
  const train = options.data && 'train' in options.data ? (options.data.train as ImageBatches) : data.train
  const seen: unknown[] = []
  let done = 'the start'
  const state = async () => {
    const tensors = [...net.stateDict().values(), ...Object.values(optimizer.stateDict().state).flat()]
    return await Promise.all(tensors.map((t) => (t === null ? null : bitsOf(t))))
  }
  const callback = {
    onBatch: async ({ step, lr, trainLoss }: { step: number; lr: number; trainLoss: number }) => {
      const { paramGroups } = optimizer.stateDict()
      seen.push(`after: ${done}`, lr, trainLoss, JSON.stringify(paramGroups), await state())
      done = changes[step - 1]?.[0] ?? 'nothing'
      changes[step - 1]?.[1]({ net, optimizer, train })
    },
    onEpoch: ({ testLoss, testAcc }: { testLoss: number; testAcc: number }) => void seen.push(testLoss, testAcc),
  }
  const epochs = Math.ceil(changes.length / 3) + 1
  await fit(net, { data, optimizer, epochs, seed: 1, ...options, callbacks: [callback] })
  return seen
}

const ofSgd: readonly Change[] = [
  ['a parameter that the optimizer lacks is frozen', ({ net }) => freeze([net.first.weight])],
  ['a parameter is frozen', ({ net }) => freeze([net.last.weight])],
  ['a parameter is unfrozen', ({ net }) => freeze([net.last.weight, net.first.weight], false)],
  ['a parameter is put into a group', (made) => group(made).params.push(made.net.first.weight)],
  ['a parameter is taken out of its group', (made) => group(made).params.pop()],
  ['parameters have another order', (made) => group(made).params.reverse()],
  ['a group is added', (made) => made.optimizer.paramGroups.push({ ...group(made), lr: 0.25, params: own(made.net) })],
  ['a group is taken out', ({ optimizer }) => optimizer.paramGroups.pop()],
  ['a list of parameters is replaced', (made) => Object.assign(group(made), { params: made.net.parameters() })],
  ['all but one are frozen', ({ net }) => freeze(net.parameters().slice(1))],
  ['and unfrozen', ({ net }) => freeze(net.parameters(), false)],
  ['the momentum ends', (made) => Object.assign(group(made), { momentum: 0 })],
  ['the momentum begins', (made) => Object.assign(group(made), { momentum: 0.75 })],
  ['options change', (made) => Object.assign(group(made), { lr: 0.0625, weightDecay: 0.1, nesterov: true })],
  ['it maximizes', (made) => Object.assign(group(made), { maximize: true, nesterov: false, dampening: 0.5 })],
  ['it minimizes', (made) => Object.assign(group(made), { maximize: false, dampening: 0 })],
  ['a layer is in evaluation mode', ({ net }) => net.norm.eval()],
  ['and in training mode', ({ net }) => net.norm.train()],
  ['a layer has another momentum', ({ net }) => Object.assign(net.norm, { momentum: 0.75 })],
  ['a layer has another eps', ({ net }) => Object.assign(net.norm, { eps: 0.5 })],
  ['running statistics are reset', ({ net }) => net.norm.resetRunningStats()],
  ['a switch of the network is turned', ({ net }) => Object.assign(net, { skip: true })],
  ['a field of an object of a class changes', ({ net }) => Object.assign(net.setting, { scale: 0.5 })],
  ['and one within it', ({ net }) => Object.assign(net.setting.of.get('shift')!, { by: 0.25 })],
  ['an element of a typed array changes', ({ net }) => net.factors.fill(0.5)],
  ['a field with a symbol as its name changes', ({ net }) => Object.assign(net[SLOPE], { value: 4 })],
  ['a number within an option changes', ({ net }) => Object.assign(net.options, { depth: 2 })],
  [
    'a forward is replaced',
    ({ net }) =>
      Object.assign(net.last, { forward: (x: Tensor) => nn.Linear.prototype.forward.call(net.last, relu(x)) }),
  ],
  ['layers without parameters are added', ({ net }) => net.layers.push(new nn.ReLU(), new nn.ReLU())],
  [
    'a layer is added, and to the groups',
    (made) => {
      made.net.layers.push(new nn.Linear(6, 6))
      group(made).params = made.net.parameters()
    },
  ],
  [
    'a layer is replaced, also in the groups',
    (made) => {
      made.net.last = new nn.Linear(6, 3)
      group(made).params = made.net.parameters()
    },
  ],
  [
    'a tensor is replaced, also in the groups',
    (made) => {
      Object.assign(made.net.last, { weight: parameter(fill(18, 1, 'normal'), [3, 6]) })
      group(made).params = made.net.parameters()
    },
  ],
  [
    'a layer loses its bias',
    (made) => {
      Object.assign(made.net.last, { bias: null })
      group(made).params = made.net.parameters()
    },
  ],
  ['a state of the network is loaded', ({ net }) => net.loadStateDict(others(net))],
  [
    'a state of the optimizer is loaded',
    (made) => {
      const momentum = group(made).params.map((_, i) =>
        i === 0 ? null : made.optimizer.stateDict().state.momentum![i]!,
      )
      made.optimizer.loadStateDict({ ...made.optimizer.stateDict(), state: { momentum } })
    },
  ],
  [
    'gradients are left behind',
    ({ net }) => Object.assign(net.last.weight, { grad: tensor(fill(18, 1, 'normal'), [3, 6]) }),
  ],
  [
    'averages are swapped in and back',
    ({ net }) => {
      const average = new optim.EMA(net.parameters(), { decay: 0.5 })
      average.update()
      net.loadStateDict(others(net))
      average.swap()
      average.swap()
    },
  ],
  [
    'another optimizer takes a step',
    ({ net }) => {
      net.last.weight.grad = tensor(fill(18, 1, 'normal'), [3, 6])
      new optim.Adagrad(net.parameters(), { lr: 0.0625 }).step()
    },
  ],
  ['the optimizer is disposed', ({ optimizer }) => optimizer.dispose()],
]

const ofAdamw: readonly Change[] = [
  ['a parameter is put into a group', (made) => group(made).params.push(made.net.first.weight)],
  ['a parameter is frozen', ({ net }) => freeze([net.last.weight])],
  ['amsgrad begins', (made) => Object.assign(group(made), { amsgrad: true })],
  ['a parameter is unfrozen', ({ net }) => freeze([net.last.weight], false)],
  ['a group is added', (made) => made.optimizer.paramGroups.push({ ...group(made), params: [made.net.first.bias!] })],
  ['amsgrad ends', (made) => Object.assign(group(made, 1), { amsgrad: false })],
]

/** The last update of an epoch has a plan of its own: that of the others does not see that a parameter missed it. */
const ofLastUpdate: readonly Change[] = [
  ['nothing', () => undefined],
  ['a parameter is frozen for the last update', ({ net }) => freeze([net.last.weight])],
  ['and unfrozen', ({ net }) => freeze([net.last.weight], false)],
]

const ofSchedule: readonly Change[] = [
  ['one group is frozen', ({ net }) => freeze(own(net))],
  ['and unfrozen', ({ net }) => freeze(own(net), false)],
  ['a group is emptied', (made) => Object.assign(group(made), { params: [] })],
  ['and filled', (made) => Object.assign(group(made), { params: rest(made.net) })],
  ['groups change places', ({ optimizer }) => optimizer.paramGroups.reverse()],
  ['a group is taken out', ({ optimizer }) => optimizer.paramGroups.pop()],
]

const ofSgld: readonly Change[] = [
  ['the temperature rises', ({ optimizer }) => Object.assign(optimizer, { temperature: 0.01 })],
  ['a parameter is frozen', ({ net }) => freeze([net.last.weight])],
  ['the temperature falls', ({ optimizer }) => Object.assign(optimizer, { temperature: 0 })],
]

describe('a change after every update: captured has the bits of not captured', () => {
  const schedule = (t: number) => 0.25 / (t + 1)
  const clipped = { clipGradNorm: 0.5, clipGradValue: 0.25 }
  it.each<[string, (net: Net) => optim.Optimizer, readonly Change[], Partial<FitOptions>]>([
    ['SGD', sgd, ofSgd, {}],
    ['SGD, clipped', sgd, ofSgd.slice(0, 4), clipped],
    ['AdamW', adamw, ofAdamw, {}],
    ['AdamW, of another number of steps', adamw, ofLastUpdate, {}],
    ['SGD by a schedule', grouped, ofSchedule, { schedule, schedulePer: 'step' }],
    ['SGLD', (net) => new optim.SGLD(net.parameters(), { lr: 0.125, temperature: 0, seed: 1 }), ofSgld, {}],
  ])('%s', async (_, make, changes, options) => {
    const want = await trained(make, changes, { ...options, capture: false })
    expect(await trained(make, changes, options)).toEqual(want)
  })
})

describe('a change after which training would silently be another one is refused, captured or not', () => {
  const REPLACED =
    'TypeError: fit: the optimizer has weight [3, 6], which is not a parameter of the network, perhaps that of a layer that ' +
    'was replaced; make the optimizer of net.parameters(), or of some of them'
  const FROZEN =
    'Error: fit: all parameters of the optimizer are frozen (requiresGrad is false), so nothing would be trained; set ' +
    'requiresGrad to true for those that are to be trained'
  const added = (name: string) =>
    `TypeError: fit: the network has got the parameter ${name} meanwhile, and the optimizer does not have it; put it into a ` +
    'group of the optimizer, or set its requiresGrad to false'
  it.each<[string, (made: Made) => unknown, string]>([
    ['a layer is replaced', ({ net }) => Object.assign(net, { last: new nn.Linear(6, 3) }), REPLACED],
    [
      'a layer is replaced, and disposed',
      ({ net }) => {
        net.last.dispose()
        net.last = new nn.Linear(6, 3)
      },
      REPLACED,
    ],
    [
      'a tensor is replaced',
      ({ net }) => Object.assign(net.last, { weight: parameter(fill(18, 1, 'normal'), [3, 6]) }),
      REPLACED,
    ],
    ['a layer is taken out', ({ net }) => net.layers.pop(), REPLACED.replace('[3, 6]', '[6, 6]')],
    ['a layer is added', ({ net }) => net.layers.push(new nn.Linear(6, 6)), added('layers.1.weight')],
    [
      'a layer that the optimizer lacked is replaced',
      ({ net }) => Object.assign(net, { first: new nn.Linear(16, 6) }),
      added('first.weight'),
    ],
    [
      'all groups are emptied',
      ({ optimizer }) => optimizer.paramGroups.map(({ params }) => params.splice(0)),
      "TypeError: fit: the optimizer has none of the network's parameters; make it of them, such as optim.SGD(net.parameters(), …)",
    ],
    [
      'all groups are taken out',
      ({ optimizer }) => optimizer.paramGroups.splice(0),
      "TypeError: fit: the optimizer has none of the network's parameters; make it of them, such as optim.SGD(net.parameters(), …)",
    ],
    ['all is frozen', ({ net }) => freeze(net.parameters()), FROZEN],
    ['all that the optimizer has is frozen', ({ net }) => freeze(rest(net)), FROZEN],
    [
      'the batches are disposed',
      ({ train }) => train.dispose(),
      "Error: gather: images [10, 1, 4, 4] can't be used any more: dispose() was called on it",
    ],
    [
      'a batch is taken',
      ({ train }) => train.next(),
      'Error: fit: a callback has moved the training batches to position 3, from 2; look at them by batch(i), or make second ' +
        'batches of the same data',
    ],
    [
      'a rate is negative',
      (made) => Object.assign(group(made), { lr: -1 }),
      'RangeError: optim.SGD: lr must be a number, 0 or more, not -1',
    ],
  ])('%s', async (_, change, text) => {
    for (const capture of [true, false]) {
      const changes: Change[] = [
        ['nothing', () => undefined],
        ['it', change],
      ]
      const train = new ImageBatches(set, { batchSize: 4 })
      const found = await trained(sgd, changes, { capture, data: { train, test: data.test } }).catch(String)
      expect(found).toBe(text)
    }
  })

  it('a new layer that is frozen, or is in a group, is not', async () => {
    const changes: Change[] = [
      ['a frozen layer', ({ net }) => freeze(net.layers[net.layers.push(new nn.Linear(6, 6)) - 1]!.parameters())],
    ]
    expect(await trained(sgd, changes, {})).toEqual(await trained(sgd, changes, { capture: false }))
  })
})
