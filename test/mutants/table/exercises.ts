import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

export const exercises: Area = {
  title: 'Range tests and sweeps',
  mutants: [
    ...mutantsOf('src/train/lr_find.ts', tests.lrFind, [
      {
        id: 'lr-find-first-step',
        find: '(i / last)',
        replace: '((i + 1) / last)',
        breaks: 'The sweep begins one factor late.',
      },
      {
        id: 'lr-find-bias',
        find: 'return sum / weight',
        replace: 'return sum',
        breaks: 'The first averages are drawn to 0.',
      },
      {
        id: 'lr-find-steepest-after',
        find: '[rise, before]',
        replace: '[rise, point]',
        breaks: 'The rate after the steepest descent is suggested.',
      },
      {
        id: 'lr-find-unsettled',
        find: 'points.slice(Math.floor(UNSETTLED * steps))',
        replace: 'points.slice(0)',
        breaks: 'Averages of one or two batches decide.',
      },
      {
        id: 'lr-find-hopeless',
        find: 'smoothed > HOPELESS * best',
        replace: 'smoothed > best',
        breaks: 'The first rise ends the sweep.',
      },
      {
        id: 'lr-find-momentum',
        find: 'optimizer.loadStateDict(kept)',
        replace: '',
        breaks: 'Momentum and rates are those of the sweep.',
      },
      {
        id: 'lr-find-parameters',
        find: 'net.loadStateDict(parts)',
        replace: '',
        breaks: 'The network stays as the sweep left it.',
      },
      {
        id: 'lr-find-pass',
        find: 'if (i % train.length === 0) train.position = 0',
        replace: 'if (i === 0) train.position = 0',
        breaks: 'There is no second pass.',
      },
    ]),
    ...mutantsOf('src/node/sweep_grid.ts', tests.sweepGrid, [
      {
        id: 'sweep-brackets',
        find: "open.length === 0 && (c === '|'",
        replace: "(c === '|'",
        breaks: 'The commas of a schedule cut it into pieces.',
      },
      {
        id: 'sweep-bar',
        find: "cuts['|'].length > 0 ? cuts['|'] : cuts[',']",
        replace: "[...cuts['|'], ...cuts[',']]",
        breaks: 'Commas separate beside bars too.',
      },
      {
        id: 'sweep-mark',
        find: 'const at = from + part.length - part.trimStart().length',
        replace: 'const at = from',
        breaks: 'The mark stands before the mistake.',
      },
      {
        id: 'sweep-name-order',
        find: '    .sort()\n',
        replace: '',
        breaks: 'The order of the options changes the folder.',
      },
      {
        id: 'sweep-name-defaults',
        find: '(options[name] ?? null) !== (defaults[name] ?? null)',
        replace: 'options[name] !== undefined',
        breaks: 'A version with one option more finds no run of this one.',
      },
    ]),
    ...mutantsOf('src/node/sweep_table.ts', tests.sweepTable, [
      {
        id: 'sweep-median',
        find: 'sorted[Math.ceil(half) - 1]!',
        replace: 'sorted[Math.floor(half)]!',
        breaks: 'Of an even number the larger one in the middle is taken.',
      },
      {
        id: 'sweep-best-first',
        find: '(b.median?.testAcc ?? -1) - (a.median?.testAcc ?? -1)',
        replace: '(a.median?.testAcc ?? -1) - (b.median?.testAcc ?? -1)',
        breaks: 'The worst stands first.',
      },
      {
        id: 'sweep-seed',
        find: 'filter(([name]) => name !== SEED)',
        replace: 'filter(() => true)',
        breaks: 'Every seed is a row of its own.',
      },
    ]),
  ],
}
