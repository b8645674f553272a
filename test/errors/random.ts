import { bernoulli, capture, dropout, manualSeed, nn, rand, randn, tensor } from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

export const random: Area = {
  title: 'Random numbers',
  refusals: [
    {
      title: 'sizes that are not in a list',
      error: 'TypeError',
      text: 'rand: the shape must be an array, such as [2, 3], not a number',
      run: () => rand(loose(2)),
    },
    {
      title: 'bernoulli: a probability above 1',
      error: 'RangeError',
      text: 'bernoulli: p must be a number from 0 to 1, not 1.5',
      run: () => bernoulli(1.5, [2]),
    },
    {
      title: 'nn.Dropout: a probability below 0',
      error: 'RangeError',
      text: 'nn.Dropout: p must be a number from 0 to 1, not -0.1',
      run: () => new nn.Dropout(-0.1),
    },
    {
      title: 'dropout: a mode that is neither true nor false',
      error: 'TypeError',
      text: 'dropout: training must be true or false, not 1',
      run: () => dropout(tensor([1]), { training: loose(1) }),
    },
    {
      title: 'a number of draws that is not one',
      error: 'RangeError',
      text: 'draws must be an integer from 0 to 9007199254740991, not -1',
      run: () => {
        manualSeed(0).draws = -1
      },
    },
    {
      title: 'a captured function with more draws than a plan has room for',
      error: 'Error',
      text: 'capture: a step uses draws more than 1024 times; call the function without a plan',
      run: () =>
        capture(() => {
          for (let i = 0; i < 1025; i++) randn([0])
        }),
    },
    {
      title: 'a captured function that seeds what it draws',
      error: 'Error',
      text: 'manualSeed: a captured function is not called in the runs of its plan; set it before plan.run()',
      run: () =>
        capture(() => {
          manualSeed(0)
          return randn([2])
        }),
    },
    {
      title: 'a captured function that sets how many draws were made',
      error: 'Error',
      text: 'Generator.draws: a captured function is not called in the runs of its plan; set it before plan.run()',
      run: () => {
        const generator = manualSeed(0)
        capture(() => {
          generator.draws = 0
          return randn([2])
        })
      },
    },
  ],
}
