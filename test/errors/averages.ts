import { capture, nn, optim, tensor } from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

const weight = () => tensor(new Float32Array(3), [3], { requiresGrad: true, name: 'weight' })
const swa = () => new optim.SWA([weight()])

function swapped(): optim.SWA {
  const average = swa()
  average.update()
  average.swap()
  return average
}

export const averages: Area = {
  title: 'Averages of parameters and Langevin dynamics',
  refusals: [
    {
      title: 'optim.SWA, optim.EMA: one tensor in place of a list',
      error: 'TypeError',
      text: 'optim.SWA: the parameters must be an array of tensors, such as net.parameters()',
      run: () => new optim.SWA(loose(weight())),
    },
    {
      title: 'optim.EMA: a decay that is none',
      error: 'RangeError',
      text: 'optim.EMA: decay must be a number from 0 to 1, not 99',
      run: () => new optim.EMA([weight()], { decay: 99 }),
    },
    {
      title: 'optim.SWA, optim.EMA: update() twice in a captured function',
      error: 'Error',
      text: 'optim.SWA: update() is called twice in a captured function; capture one step at a time',
      cure: 'Its weight is that of the step: plan.run(n) takes n of them.',
      run: () => {
        const average = swa()
        capture(() => {
          average.update()
          average.update()
        })
      },
    },
    {
      title: 'optim.SWA, optim.EMA: averages that are not there yet',
      error: 'Error',
      text: 'optim.SWA: there are no averages yet; update() makes them',
      run: () => swa().withAverages(() => 0),
    },
    {
      title: "optim.SWA, optim.EMA: use while the averages stand in the parameters' place",
      error: 'Error',
      text: 'optim.SWA: update() while the averages are swapped in; swap() back first',
      cure: 'withAverages(fn) exchanges them back by itself. A plan that updates averages does not run either.',
      run: () => swapped().update(),
    },
    {
      title: 'optim.SWA, optim.EMA: use after dispose()',
      error: 'Error',
      text: 'optim.SWA: update(): the average was disposed',
      cure: 'A plan that updates it does not run any more either.',
      run: () => {
        const average = swa()
        average.dispose()
        average.update()
      },
    },
    {
      title: 'optim.SWA, optim.EMA.loadStateDict: no state',
      error: 'TypeError',
      text: 'optim.SWA: a state is { count, averages }, as stateDict() gives it',
      run: () => swa().loadStateDict(loose({})),
    },
    {
      title: 'optim.SWA, optim.EMA.loadStateDict: a count that is none',
      error: 'RangeError',
      text: 'optim.SWA: count must be a whole number, 0 or more, not 0.5',
      run: () => swa().loadStateDict({ count: 0.5, averages: [] }),
    },
    {
      title: 'optim.SWA, optim.EMA.loadStateDict: the state of other parameters',
      error: 'Error',
      text: 'optim.SWA: the state has 0 averages after 2 updates, 1 are needed',
      cure: 'Make the average with the parameters that the state was taken with. Nothing was changed.',
      run: () => swa().loadStateDict({ count: 2, averages: [] }),
    },
    {
      title: 'optim.SWA, optim.EMA.loadStateDict: an average that is no tensor',
      error: 'TypeError',
      text: 'optim.SWA: average 0 is not a tensor',
      run: () => swa().loadStateDict({ count: 1, averages: loose([1]) }),
    },
    {
      title: 'optim.SWA, optim.EMA.loadStateDict: an average of another shape',
      error: 'Error',
      text: 'optim.SWA: average 0 is [2], its parameter weight [3]',
      cure: 'The parameters must come in the order in which they were when the state was taken. Nothing was changed.',
      run: () => swa().loadStateDict({ count: 2, averages: [tensor([1, 2])] }),
    },
    {
      title: "optim.SWA, optim.EMA: swap() or update() while other averages stand in the parameters' place",
      error: 'Error',
      text: 'optim.EMA: swap(): the averages of optim.SWA stand in the place of weight [3], and would be exchanged; swap() them back first',
      cure: 'Evaluate with one after the other: await withAverages(fn) of the first before the second.',
      run: () => {
        const w = weight()
        const [average, other] = [new optim.SWA([w]), new optim.EMA([w])]
        for (const each of [average, other]) each.update()
        average.swap()
        other.swap()
      },
    },
    {
      title: 'Module.loadStateDict, or a function of nn.init, while averages are swapped in',
      error: 'Error',
      text: 'loadStateDict: the averages of optim.SWA stand in the place of weight [1, 3], and would be overwritten; swap() them back first',
      run: () => {
        const net = new nn.Linear(3, 1)
        const average = new optim.SWA([net.weight])
        average.update()
        average.swap()
        net.loadStateDict(net.stateDict())
      },
    },
    {
      title: 'an update, fit or lrFind while averages are swapped in',
      error: 'Error',
      text: 'optim.SGD: the averages of optim.SWA stand in the place of weight [3], and would be trained; swap() them back first',
      run: () => {
        const w = weight()
        const average = new optim.SWA([w])
        average.update()
        average.swap()
        new optim.SGD([w], { lr: 0.1 }).step()
      },
    },
    {
      title: 'optim.SGLD: no temperature',
      error: 'TypeError',
      text: 'optim.SGLD: temperature is needed, for example { temperature: 1 / 60000 }',
      cure: "1 / N gives the posterior of N examples, where the loss is their mean. optim.SGD needs none: it is SGLD's at 0.",
      run: () => new optim.SGLD([weight()], loose({ lr: 0.1 })),
    },
    {
      title: 'optim.SGLD: a temperature that is none',
      error: 'RangeError',
      text: 'optim.SGLD: temperature must be a number, 0 or more, not -1',
      run: () => new optim.SGLD([weight()], { lr: 0.1, temperature: -1 }),
    },
    {
      title: 'optim.SGLD: a seed, or the step of a state, that is none',
      error: 'RangeError',
      text: 'optim.SGLD: seed must be an integer from 0 to 9007199254740991, not 0.5',
      run: () => new optim.SGLD([weight()], { lr: 0.1, temperature: 1, seed: 0.5 }),
    },
    {
      title: 'optim.SGLD: a momentum',
      error: 'TypeError',
      text: 'optim.SGLD: unknown option momentum; known: params, lr, weightDecay, maximize',
      cure: 'Of the schedules, oneCycleLR and cyclicLR set a momentum unless they are told not to.',
      run: () => new optim.SGLD(loose([{ params: [weight()], momentum: 0.9 }]), { lr: 0.1, temperature: 1 }),
    },
  ],
}
