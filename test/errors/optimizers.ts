import { nn, optim, relu, tensor } from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

const weight = (n = 3) => tensor(new Float32Array(n), [n], { requiresGrad: true, name: 'weight' })
const sgd = (n = 3) => new optim.SGD([weight(n)], { lr: 0.1, momentum: 0.9 })

export const optimizers: Area = {
  title: 'Optimizers',
  refusals: [
    {
      title: 'optim.SGD: one tensor in place of a list',
      error: 'TypeError',
      text: 'optim.SGD: params must be an array of tensors or groups, such as net.parameters()',
      run: () => new optim.SGD(loose(weight()), { lr: 0.1 }),
    },
    {
      title: 'optim.SGD: tensors and groups mixed',
      error: 'TypeError',
      text: 'optim.SGD: entry 1 is neither a tensor like the first nor a group { params, … }',
      cure: 'Give either tensors or groups; a tensor beside groups becomes { params: [tensor] }.',
      run: () => new optim.SGD(loose([{ params: [weight()] }, weight()]), { lr: 0.1 }),
    },
    {
      title: 'optim.SGD: no rate',
      error: 'TypeError',
      text: 'optim.SGD: lr is needed, for example { lr: 0.1 }',
      run: () => new optim.SGD([weight()]),
    },
    {
      title: 'optim.SGD: parameters on two devices',
      error: 'Error',
      text: 'optim.SGD: its parameters live on two devices',
      run: async ({ ownGpu }) => {
        const gpu = await ownGpu()
        new optim.SGD([weight(), tensor([1], [1], { requiresGrad: true, gpu })], { lr: 0.1 })
      },
    },
    {
      title: 'optim.SGD: a parameter that was released',
      error: 'Error',
      text: "optim.SGD: weight [3] can't be used any more: dispose() was called on it",
      cure: 'Make the optimizer with parameters that are still in use.',
      run: () => {
        const p = weight()
        p.dispose()
        new optim.SGD([p], { lr: 0.1 })
      },
    },
    {
      title: 'optim.SGD: an unknown option',
      error: 'TypeError',
      text: 'optim.SGD: unknown option weight_decay; known: lr, momentum, dampening, weightDecay, nesterov, maximize',
      run: () => new optim.SGD([weight()], loose({ lr: 0.1, weight_decay: 0.01 })),
    },
    {
      title: 'optim.SGD: a switch that is neither true nor false',
      error: 'TypeError',
      text: 'optim.SGD: maximize must be true or false, not 1',
      run: () => new optim.SGD([weight()], { lr: 0.1, maximize: loose(1) }),
    },
    {
      title: 'optim.SGD: a rate, momentum or decay that is none',
      error: 'RangeError',
      text: 'optim.SGD: lr must be a number, 0 or more, not NaN',
      cure: 'A rate that has become NaN comes from a schedule: look at what it returns.',
      run: () => new optim.SGD([weight()], { lr: Number.NaN }),
    },
    {
      title: 'optim.SGD: a rate that is a text',
      error: 'RangeError',
      text: "optim.SGD: lr must be a number, 0 or more, not '0.1'",
      cure: 'Number(text) makes a number of it.',
      run: () => new optim.SGD([weight()], { lr: loose('0.1') }),
    },
    {
      title: 'optim.SGD: a dampening that is none',
      error: 'RangeError',
      text: 'optim.SGD: dampening must be a number, not Infinity',
      run: () => new optim.SGD([weight()], { lr: 0.1, dampening: Number.POSITIVE_INFINITY }),
    },
    {
      title: 'optim.SGD: Nesterov momentum without momentum',
      error: 'RangeError',
      text: 'optim.SGD: nesterov needs a momentum above 0 and a dampening of 0',
      run: () => new optim.SGD([weight()], { lr: 0.1, nesterov: true }),
    },
    {
      title: 'optim.SGD: no parameters',
      error: 'TypeError',
      text: 'optim.SGD: the list of parameters is empty',
      cure: 'Give net.parameters(); a module finds those that are its own properties, or of modules that are.',
      run: () => new optim.SGD([], { lr: 0.1 }),
    },
    {
      title: 'optim.SGD: something among the parameters that is no tensor',
      error: 'TypeError',
      text: 'optim.SGD: parameter 0 is not a tensor',
      cure: 'Give the tensors alone: [...net.namedParameters().values()], which is net.parameters().',
      run: () => new optim.SGD([{ params: loose([['weight', weight()]]) }], { lr: 0.1 }),
    },
    {
      title: 'optim.SGD: a parameter of integers',
      error: 'TypeError',
      text: 'optim.SGD: tensor [2] is int32; parameters are float32',
      cure: 'Leave out what is not trained.',
      run: () => new optim.SGD([tensor(new Int32Array(2))], { lr: 0.1 }),
    },
    {
      title: 'optim.SGD: the result of an operation among the parameters',
      error: 'TypeError',
      text: 'optim.SGD: tensor [3] is not a parameter: it was computed by an operation',
      cure: 'Give the leaves that it was computed from, or detach() it and set requiresGrad.',
      run: () => new optim.SGD([relu(weight())], { lr: 0.1 }),
    },
    {
      title: 'optim.SGD: a parameter listed twice',
      error: 'TypeError',
      text: 'optim.SGD: weight [3] is listed twice',
      cure: 'List a parameter that several layers share once, in one group.',
      run: () => {
        const w = weight()
        return new optim.SGD([w, w], { lr: 0.1 })
      },
    },
    {
      title: 'optim.SGD: two tensors over the same memory among the parameters',
      error: 'TypeError',
      text: 'optim.SGD: tied [3] shares its memory with one listed before it',
      cure: 'Compute with one tensor wherever the value is used; its gradient is the sum over all uses.',
      run: () => {
        const w = weight()
        return new optim.SGD([w, Object.assign(w.detach(), { name: 'tied', requiresGrad: true })], { lr: 0.1 })
      },
    },
    {
      title: 'optim.AdamW: betas out of their range',
      error: 'RangeError',
      text: 'optim.AdamW: betas must be two numbers, each 0 or more and below 1, not [0.9, 1]',
      run: () => new optim.AdamW([weight()], { betas: [0.9, 1] }),
    },
    {
      title: 'optim.RMSprop: a share of more than the whole',
      error: 'RangeError',
      text: 'optim.RMSprop: alpha must be a number from 0 to 1, not 1.5',
      run: () => new optim.RMSprop([weight()], { alpha: 1.5 }),
    },
    {
      title: 'optim.LARS: Nesterov momentum without a momentum',
      error: 'RangeError',
      text: 'optim.LARS: nesterov needs a momentum above 0 and a dampening of 0',
      run: () => new optim.LARS([weight()], { lr: 1, nesterov: true }),
    },
    {
      title: 'optim.LARS: a parameter larger than a kernel can be given',
      error: 'GpuError',
      kind: 'out-of-memory',
      text: 'optim.LARS: weight [32768] has 131,072 bytes; on this adapter a kernel can be given at most 65,536. Give it to an optimizer that takes no norms of it, such as optim.AdamW',
      run: async ({ ownGpu }) => {
        const gpu = await ownGpu()
        const value = { maxStorageBufferBindingSize: 2 ** 16, maxBufferSize: 2 ** 18 }
        Object.defineProperty(gpu.device, 'limits', { value })
        const large = tensor(new Float32Array(32_768), [32_768], { requiresGrad: true, name: 'weight', gpu })
        const optimizer = new optim.LARS([large], { lr: 1 })
        large.grad = tensor(new Float32Array(32_768), [32_768], { gpu })
        optimizer.step()
      },
    },
    {
      title: 'optim.Muon: a parameter that is not a matrix',
      error: 'TypeError',
      text: 'optim.Muon: weight [3] is not a matrix; give it to another optimizer, such as optim.AdamW',
      cure: 'Step both optimizers after one backward(). The weights of convolutions have four dimensions: they are not matrices.',
      run: () => new optim.Muon([weight()]),
    },
    {
      title: 'optim.ScheduleFreeSGD: a momentum out of its range',
      error: 'RangeError',
      text: 'optim.ScheduleFreeSGD: momentum must be above 0 and below 1, not 0',
      run: () => new optim.ScheduleFreeSGD([weight()], { momentum: 0 }),
    },
    {
      title: 'optim.ScheduleFreeAdamW: a first beta of 0',
      error: 'RangeError',
      text: 'optim.ScheduleFreeAdamW: the first of betas must be above 0: the mean is found by way of it',
      run: () => new optim.ScheduleFreeAdamW([weight()], { betas: [0, 0.999] }),
    },
    {
      title: 'optim.ScheduleFreeSGD: a step in evaluation mode',
      error: 'Error',
      text: "optim.ScheduleFreeSGD: the parameters are those to evaluate; call the optimizer's train() before a step",
      run: () => {
        const optimizer = new optim.ScheduleFreeSGD([weight()])
        optimizer.eval()
        optimizer.step()
      },
    },
    {
      title: "optim.ScheduleFreeSGD: train() or stateDict() where the network's state was loaded after the optimizer's",
      error: 'Error',
      text:
        "optim.ScheduleFreeSGD: train(): weight [3] was written after the optimizer's state was loaded, which may belong to it or " +
        "not; load the network's state first, and the optimizer's after it",
      run: () => {
        const w = weight()
        const optimizer = new optim.ScheduleFreeSGD([w])
        w.backward(tensor([1, 2, 3]))
        optimizer.step()
        optimizer.eval()
        optimizer.loadStateDict(optimizer.stateDict())
        nn.init.zeros(w)
        optimizer.train()
      },
    },
    {
      title: 'optim.Adam, AdamW, LAMB, Adagrad.loadStateDict: steps without the state that they made',
      error: 'Error',
      text: 'optim.Adagrad: the state counts steps, but has no sum of any parameter; give all that stateDict() gave, or step 0',
      run: () => {
        const optimizer = new optim.Adagrad([weight()])
        optimizer.loadStateDict({ ...optimizer.stateDict(), step: 5 })
      },
    },
    {
      title: 'optim.SGD.loadStateDict: no state',
      error: 'TypeError',
      text: 'optim.SGD: a state is { step, paramGroups, state }, as stateDict() gives it',
      run: () => sgd().loadStateDict(loose({})),
    },
    {
      title: 'optim.SGD.loadStateDict: the state of other groups or parameters',
      error: 'Error',
      text: 'optim.SGD: the state has 1 groups and 2 parameters, this optimizer 1 and 1',
      cure: 'Make the optimizer with the groups and parameters that the state was taken with. Nothing was changed.',
      run: () => sgd().loadStateDict({ ...sgd().stateDict(), state: { momentum: [null, null] } }),
    },
    {
      title: 'optim.SGD.loadStateDict: a number of steps that is not a count',
      error: 'RangeError',
      text: 'optim.SGD: steps must be whole numbers, 0 or more, not -1',
      cure: 'skipped says how many of the steps each parameter missed: at most as many as step.',
      run: () => sgd().loadStateDict({ ...sgd().stateDict(), step: -1 }),
    },
    {
      title: 'optim.SGD.loadStateDict: the state of another optimizer',
      error: 'Error',
      text: 'optim.SGD: the state has expAvg, this optimizer has momentum',
      cure: 'Load it into an optimizer of the class that it was taken from. Nothing was changed.',
      run: () => sgd().loadStateDict({ ...sgd().stateDict(), state: { expAvg: [null] } }),
    },
    {
      title: 'optim.SGD.loadStateDict: momentum of another shape',
      error: 'Error',
      text: 'optim.SGD: momentum 0 is [2], its parameter weight [3]',
      cure: 'The parameters must come in the order in which they were when the state was taken. Nothing was changed.',
      run: () => sgd().loadStateDict({ ...sgd().stateDict(), state: { momentum: [tensor([1, 2])] } }),
    },
    {
      title: 'optim.SGD.loadStateDict: momentum that is not a tensor',
      error: 'TypeError',
      text: 'optim.SGD: momentum 0 is not a tensor',
      cure: 'Give the state as stateDict() gives it. Nothing was changed.',
      run: () => sgd().loadStateDict({ ...sgd().stateDict(), state: { momentum: loose([[1, 2, 3]]) } }),
    },
    {
      title: 'optim.clipGradNorm: a norm of another type',
      error: 'RangeError',
      text: 'optim.clipGradNorm: normType must be 2 or Infinity, not 1',
      run: () => optim.clipGradNorm([weight()], 1, { normType: loose(1) }),
    },
    {
      title: 'optim.clipGradNorm: a switch that is neither true nor false',
      error: 'TypeError',
      text: "optim.clipGradNorm: errorIfNonfinite must be true or false, not 'yes'",
      run: () => optim.clipGradNorm([weight()], 1, { errorIfNonfinite: loose('yes') }),
    },
    {
      title: 'optim.clipGradNorm: gradients that are not finite',
      error: 'Error',
      text: 'optim.clipGradNorm: the norm of the gradients is NaN; no gradient was changed',
      cure: 'detectAnomaly names the operation in which the first such number arose.',
      run: () => {
        const w = weight()
        w.grad = tensor([1, Number.NaN, 2])
        return optim.clipGradNorm([w], 1, { errorIfNonfinite: true })
      },
    },
    {
      title: 'optim.clipGradNorm, optim.clipGradValue: a limit that is none',
      error: 'RangeError',
      text: 'optim.clipGradValue: value must be a number, 0 or more, not -1',
      run: () => optim.clipGradValue([weight()], -1),
    },
    {
      title: 'optim.clipGradNorm, optim.clipGradValue: one tensor in place of a list',
      error: 'TypeError',
      text: 'optim.clipGradNorm: the parameters must be an array of tensors, such as net.parameters()',
      run: () => optim.clipGradNorm(loose(weight()), 1),
    },
    {
      title: 'optim.clipGradNorm, optim.clipGradValue: something in the list that is no tensor',
      error: 'TypeError',
      text: 'optim.clipGradNorm: parameter 1 is not a tensor',
      run: () => optim.clipGradNorm([weight(), loose('weight')], 1),
    },
    {
      title: 'optim.clipGradNorm, optim.clipGradValue: parameters on two devices',
      error: 'Error',
      text: 'optim.clipGradNorm: its parameters live on two devices',
      run: async ({ ownGpu }) => {
        const gpu = await ownGpu()
        optim.clipGradNorm([weight(), tensor([1], [1], { requiresGrad: true, gpu })], 1)
      },
    },
  ],
}
