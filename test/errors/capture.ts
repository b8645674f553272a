import {
  capture,
  crossEntropy,
  detectAnomaly,
  ImageBatches,
  KernelFile,
  linear,
  nn,
  optim,
  relu,
  sched,
  tensor,
  warmUp,
} from '../../src/index.ts'
import { type Area, loose, type Place } from './refusal.ts'

const weight = () => tensor([[1, 2]], [1, 2], { requiresGrad: true, name: 'weight' })
const training = (momentum = 0) => {
  const [w, x, labels] = [weight(), tensor([[1, 2]]), tensor(new Int32Array(1))]
  const optimizer = new optim.SGD([w], { lr: 0.1, momentum })
  const step = (zero = true) => {
    if (zero) optimizer.zeroGrad()
    crossEntropy(linear(x, w), labels).backward()
    optimizer.step()
  }
  return { w, optimizer, step }
}
const plan = (momentum = 0) => capture(training(momentum).step)
const evaluation = () => {
  const x = tensor([1, 2])
  return capture(() => relu(x))
}

const own = new KernelFile(
  'own',
  '@group(0) @binding(0) var<storage, read_write> out: array<f32>; @compute @workgroup_size(1) fn main() { out[0] = 1.0; }',
).entry('main')

export const captures: Area = {
  title: 'Capture and replay',
  refusals: [
    {
      title: 'capture: no function',
      error: 'TypeError',
      text: 'capture: fn must be a function, not object',
      run: () => capture(loose({})),
    },
    {
      title: 'capture within a capture',
      error: 'Error',
      text: 'capture: another function is already being captured',
      run: () => capture(() => capture(() => undefined)),
    },
    {
      title: 'capture while anomalies are looked for',
      error: 'Error',
      text: 'capture: anomaly detection checks one operation at a time; turn it off here',
      run: () => detectAnomaly(async () => capture(() => undefined)),
    },
    {
      title: 'a captured function that does nothing',
      error: 'Error',
      text: 'capture: the function dispatched nothing',
      run: () => capture(() => undefined),
    },
    {
      title: 'a captured function that makes a tensor of values',
      error: 'Error',
      text: 'capture: values from the host would be the same in every step; make such tensors before the capture',
      run: () => capture(() => relu(tensor([1, 2]))),
    },
    {
      title: 'a captured function that reads',
      error: 'Error',
      text: 'capture: the function reads values back; read them outside the function, or after plan.run()',
      run: () => {
        const x = tensor([1, 2])
        capture(() => {
          relu(x)
            .data()
            .catch(() => undefined)
        })
      },
    },
    {
      title: 'a captured function that copies',
      error: 'Error',
      text: 'capture: the function copies memory; copy it outside the function',
      run: ({ gpu }: Place) => {
        const [x, y] = [tensor([1, 2]), tensor([3, 4])]
        capture(() => gpu.copy(x.storage, y.storage, 8))
      },
    },
    {
      title: 'a captured function that depends on the host: another operation',
      error: 'Error',
      text:
        'capture: the function did different things in two runs: dispatch 1 was nothing, then relu.forward. ' +
        'It must not depend on values from the host, and a step must begin with zeroGrad()',
      run: () => {
        const x = tensor([1, 2])
        let times = 0
        capture(() => {
          const y = relu(x)
          if (times++ > 0) relu(y)
        })
      },
    },
    {
      title: 'a captured function that depends on the host: other numbers',
      error: 'Error',
      text:
        'capture: the function did different things in two runs: dispatch 0 (relu.forward) had different numbers: 3,0,0,0, ' +
        'then 2,0,0,0. It must not depend on values from the host, and a step must begin with zeroGrad()',
      run: () => {
        const sizes = [tensor([1, 2, 3]), tensor([1, 2])]
        capture(() => relu(sizes.shift()!))
      },
    },
    {
      title: 'a captured function that depends on the host: another tensor',
      error: 'Error',
      text:
        'capture: the function did different things in two runs: dispatch 0 (relu.forward) used a different tensor. ' +
        'It must not depend on values from the host, and a step must begin with zeroGrad()',
      run: () => {
        const batches = [tensor([1, 2]), tensor([3, 4])]
        capture(() => relu(batches.shift()!))
      },
    },
    {
      title: 'a captured function that depends on the host: another size',
      error: 'Error',
      text:
        'capture: the function did different things in two runs: dispatch 0 (own.main) had a different size. ' +
        'It must not depend on values from the host, and a step must begin with zeroGrad()',
      run: ({ gpu }: Place) => {
        const out = tensor([1])
        let groups = 0
        capture(() => gpu.emit(own, { out: out.storage }, ++groups))
      },
    },
    {
      title: 'the result of a captured function before it was run',
      error: 'Error',
      text: 'data: tensor [2] has no value yet: a plan computes it that has not been run; call plan.run() first',
      run: async () => await evaluation().result.data(),
    },
    {
      title: 'a captured step that adds to the gradients of the one before',
      error: 'Error',
      text:
        'capture: the function did different things in two runs: dispatch <n> (linear.backward) used a different tensor. ' +
        'It must not depend on values from the host, and a step must begin with zeroGrad()',
      varies: { '<n>': /\d+/ },
      cure: 'Call optimizer.zeroGrad() inside the function.',
      run: () => {
        const { step } = training()
        capture(() => step(false))
      },
    },
    {
      title: 'a captured step that sets a rate',
      error: 'Error',
      text:
        'capture: the function itself changes settings that it uses, and no run of its plan would: change them between runs; ' +
        'plan.run takes rates',
      run: () => {
        const { optimizer, step } = training()
        capture(() => {
          step()
          optimizer.paramGroups[0]!.lr *= 0.9
        })
      },
    },
    {
      title: 'fit, a captured step: an update that changes nothing',
      error: 'Error',
      text: 'optim.SGD: step() in a captured function: no parameter of the optimizer has a gradient, so nothing would be trained; call backward() of a loss that is computed from at least one of them',
      run: () => {
        const { optimizer } = training()
        capture(() => optimizer.step())
      },
    },
    {
      title: 'a captured step with that of a scheduler',
      error: 'Error',
      text: 'Scheduler.step: a captured function is not called in the runs of its plan; call it after plan.run(), or give plan.run the rates',
      run: () => {
        const { optimizer, step } = training()
        const scheduler = new sched.Scheduler(optimizer, () => 0.1)
        capture(() => {
          step()
          scheduler.step()
        })
      },
    },
    {
      title: 'a captured step with that of a plateau',
      error: 'Error',
      text: 'ReduceLROnPlateau.step: a captured function is not called in the runs of its plan; call it after plan.run()',
      run: () => {
        const { optimizer, step } = training()
        const plateau = new sched.ReduceLROnPlateau(optimizer)
        capture(() => {
          step()
          plateau.step(1)
        })
      },
    },
    {
      title: 'a captured step that loads the state of its optimizer',
      error: 'Error',
      text: 'optim.SGD: loadStateDict: a captured function is not called in the runs of its plan; load the state before plan.run()',
      run: () => {
        const { optimizer, step } = training()
        const state = optimizer.stateDict()
        capture(() => {
          step()
          optimizer.loadStateDict(state)
        })
      },
    },
    {
      title: 'a captured step that loads the state of a scheduler',
      error: 'Error',
      text: 'Scheduler.loadStateDict: a captured function is not called in the runs of its plan; load the state before plan.run()',
      run: () => {
        const { optimizer, step } = training()
        const scheduler = new sched.Scheduler(optimizer, () => 0.1)
        capture(() => {
          step()
          scheduler.loadStateDict({ t: 0 })
        })
      },
    },
    {
      title: 'a captured step that loads the state of a plateau',
      error: 'Error',
      text: 'ReduceLROnPlateau.loadStateDict: a captured function is not called in the runs of its plan; load the state before plan.run()',
      run: () => {
        const { optimizer, step } = training()
        const plateau = new sched.ReduceLROnPlateau(optimizer)
        capture(() => {
          step()
          plateau.loadStateDict(plateau.stateDict())
        })
      },
    },
    {
      title: 'a captured step that loads the state of averages',
      error: 'Error',
      text: 'optim.EMA: loadStateDict: a captured function is not called in the runs of its plan; load the state before plan.run()',
      run: () => {
        const { optimizer, step } = training()
        const averages = new optim.EMA(optimizer.paramGroups[0]!.params, { decay: 0.9 })
        capture(() => {
          step()
          averages.loadStateDict(averages.stateDict())
        })
      },
    },
    {
      title: 'a captured step that sets the position of its batches',
      error: 'Error',
      text: 'ImageBatches: position: a captured function is not called in the runs of its plan; set it before plan.run()',
      run: () => {
        const set = { count: 1, channels: 1, height: 1, width: 1, classes: [] } as const
        const batches = new ImageBatches({ ...set, images: new Uint8Array(1), labels: new Uint8Array(1) })
        capture(() => {
          batches.position = 0
          return batches.next()
        })
      },
    },
    {
      title: 'a captured step that uses one optimizer for two sets of parameters',
      error: 'Error',
      text: 'capture: a step uses one optimizer twice, each time for different parameters; make two optimizers',
      run: () => {
        const [a, b, x, ones] = [weight(), weight(), tensor([[1, 2]]), tensor([[1]])]
        const optimizer = new optim.SGD([a, b], { lr: 0.1 })
        capture(() => {
          for (const w of [a, b]) {
            optimizer.zeroGrad()
            linear(x, w).backward(ones)
            optimizer.step()
          }
        })
      },
    },
    {
      title: 'warmUp: no function',
      error: 'TypeError',
      text: 'warmUp: fn must be a function, not undefined',
      run: () => warmUp(loose(undefined)),
    },
    {
      title: 'warmUp while anomalies are looked for',
      error: 'Error',
      text: 'warmUp: anomaly detection checks one operation at a time; turn it off here',
      run: () => detectAnomaly(async () => await warmUp(() => undefined)),
    },
    {
      title: 'warmUp of a function that reads',
      error: 'Error',
      text: 'warmUp: the function reads values back; read them outside the function, or after plan.run()',
      run: () => {
        const x = tensor([1, 2])
        return warmUp(() => {
          relu(x)
            .data()
            .catch(() => undefined)
        })
      },
    },
    {
      title: 'plan.run: steps that are no count',
      error: 'RangeError',
      text: 'plan.run: steps must be a whole number, 0 or more, not 1.5',
      run: () => plan().run(1.5),
    },
    {
      title: 'plan.run: rates for another number of steps',
      error: 'RangeError',
      text: 'plan.run: 2 rates are given for 3 steps',
      run: () => plan().run(3, { lr: [0.1, 0.2] }),
    },
    {
      title: 'plan.run: rates of another kind',
      error: 'TypeError',
      text: 'plan.run: lr must be a number, or a list of one for each step, not a function',
      cure: 'Of a schedule give its values: Array.from({ length: n }, (_, t) => schedule(t)).',
      run: () => plan().run(2, { lr: loose(() => 0.1) }),
    },
    {
      title: 'plan.run: a rate that is none',
      error: 'RangeError',
      text: 'optim.SGD: lr must be a number, 0 or more, not -1',
      run: () => plan().run(2, { lr: [0.1, -1] }),
    },
    {
      title: 'plan.run: a rate where nothing takes one',
      error: 'Error',
      text: 'plan.run: lr is given, but no optimizer.step() in the captured function updates anything',
      run: () => evaluation().run(1, { lr: 0.1 }),
    },
    {
      title: 'plan.run: an unknown option',
      error: 'TypeError',
      text: 'plan.run: unknown option rate; known: lr',
      run: () => plan().run(1, loose({ rate: 0.1 })),
    },
    {
      title: 'plan.run: momentum switched on since the capture',
      error: 'Error',
      text: 'optim.SGD: the plan was captured without momentum, the group is now with momentum; capture again',
      run: () => {
        const { optimizer, step } = training()
        const made = capture(step)
        optimizer.paramGroups[0]!.momentum = 0.9
        made.run()
      },
    },
    {
      title: 'plan.run: parameters that have had different numbers of steps since the capture',
      error: 'Error',
      text: 'optim.AdamW: some parameters have had different numbers of steps since the plan was captured; capture again',
      run: () => {
        const [w, bias] = [weight(), tensor([0], [1], { requiresGrad: true })]
        const [x, ones] = [tensor([[1, 2]]), tensor([[1]])]
        const optimizer = new optim.AdamW([w, bias])
        const made = capture(() => {
          optimizer.zeroGrad()
          linear(x, w, bias).backward(ones)
          optimizer.step()
        })
        made.run()
        optimizer.loadStateDict({ ...optimizer.stateDict(), skipped: [1, 0] })
        made.run()
      },
    },
    {
      title: 'plan.run: a parameter taken out of a group since the capture',
      error: 'Error',
      text: 'optim.SGD: the groups have other parameters since the plan was captured; capture again',
      run: () => {
        const { optimizer, step } = training()
        const made = capture(step)
        optimizer.paramGroups[0]!.params.pop()
        made.run()
      },
    },
    {
      title: 'plan.run: a parameter frozen since the capture',
      error: 'Error',
      text: 'plan.run: weight [1, 2] requires no gradient now, and did when the plan was captured; capture again, or put it back',
      run: () => {
        const { w, step } = training()
        const made = capture(step)
        w.requiresGrad = false
        made.run()
      },
    },
    {
      title: 'plan.run: a parameter unfrozen since the capture',
      error: 'Error',
      text: 'plan.run: bias [1] requires a gradient now, and did not when the plan was captured; capture again, or put it back',
      run: () => {
        const [w, bias] = [weight(), tensor([0], [1], { name: 'bias' })]
        const [x, ones] = [tensor([[1, 2]]), tensor([[1]])]
        const optimizer = new optim.SGD([w], { lr: 0.1 })
        const made = capture(() => {
          optimizer.zeroGrad()
          linear(x, w, bias).backward(ones)
        })
        bias.requiresGrad = true
        made.run()
      },
    },
    {
      title: 'plan.run: a layer is in another mode than at the capture',
      error: 'Error',
      text: 'plan.run: a BatchNorm1d is in evaluation mode now, and was in training mode when the plan was captured; capture again, or put it back',
      cure: 'A network that is trained and evaluated by two plans is put into the mode of each before its run: net.train(), net.eval().',
      run: () => {
        const norm = new nn.BatchNorm1d(2)
        const x = tensor([
          [1, 2],
          [3, 4],
        ])
        const made = capture(() => norm.forward(x))
        norm.eval()
        made.run()
      },
    },
    {
      title: 'plan.run: the eps of a norm, or the slope or alpha of an activation, has changed since the capture',
      error: 'Error',
      text: 'plan.run: the negativeSlope of an nn.LeakyReLU is 0.5 now, and was 0.01 when the plan was captured; capture again, or put it back',
      run: () => {
        const [layer, x] = [new nn.LeakyReLU(), tensor([-1, 2])]
        const made = capture(() => layer.forward(x))
        layer.negativeSlope = 0.5
        made.run()
      },
    },
    {
      title: 'plan.run: the momentum of a layer has changed since the capture',
      error: 'Error',
      text: 'plan.run: the momentum of a nn.BatchNorm1d is 0.5 now, and was 0.1 when the plan was captured; capture again, or put it back',
      run: () => {
        const [norm, x] = [
          new nn.BatchNorm1d(2),
          tensor([
            [1, 2],
            [3, 4],
          ]),
        ]
        const made = capture(() => norm.forward(x))
        norm.momentum = 0.5
        made.run()
      },
    },
    {
      title: 'plan.run: a tensor in it was disposed',
      error: 'Error',
      text: "plan.run: bias [1] can't be used any more: dispose() was called on it",
      run: () => {
        const [w, bias, x] = [weight(), tensor([0], [1], { name: 'bias' }), tensor([[1, 2]])]
        const made = capture(() => linear(x, w, bias))
        bias.dispose()
        made.run()
      },
    },
    {
      title: 'plan.run: an optimizer in it was disposed',
      error: 'Error',
      text: 'optim.SGD: plan.run(): the optimizer was disposed',
      run: () => {
        const { optimizer, step } = training()
        const made = capture(step)
        optimizer.dispose()
        made.run()
      },
    },
    {
      title: 'plan.run: parameters moved by an optimizer',
      error: 'Error',
      text: 'plan.run: an optimizer made after the capture has moved parameters; make optimizers first, then capture',
      run: () => {
        const [w, x] = [weight(), tensor([[1, 2]])]
        const made = capture(() => linear(x, w))
        new optim.SGD([w], { lr: 0.1 })
        made.run()
      },
    },
    {
      title: 'plan.run after dispose',
      error: 'Error',
      text: 'plan.run: the plan was disposed',
      run: () => {
        const made = plan()
        made.dispose()
        made.run()
      },
    },
    {
      title: 'plan.dispose twice',
      error: 'Error',
      text: 'plan.dispose: the plan was already disposed',
      run: () => {
        const made = plan()
        made.dispose()
        made.dispose()
      },
    },
  ],
}
