// `dawngrad train`: the command; the run is in train_run.ts.
import { Command, type Command as Commander, Option } from 'commander'
import type { HeldFolder } from '../node/held_folder.ts'
import { loadFashionMnist } from '../node/index.ts'
import { checkOptimizer, withDefaults } from './optimizer.ts'
import { checkOwnRate, ratesOf, UsageError, wholeNumber } from './options.ts'
import { resume } from './resume.ts'
import { takeDefault, takeOut } from './run_place.ts'
import { DECIDING, SAVING, type TrainOptions } from './train_options.ts'
import { trainRun } from './train_run.ts'

interface Given extends TrainOptions {
  readonly out?: string
  readonly resume?: string
  readonly allowChanges?: boolean
  readonly tuning?: string
}

/** `dawngrad train`. `load` gives the data; `held` is the run's folder where the caller has taken it already. */
export function trainCommand(load = loadFashionMnist, held?: HeldFolder): Command {
  const command = new Command('train').description('train LeNet on Fashion-MNIST')
  for (const option of [...DECIDING, ...SAVING]) command.addOption(option)
  return command
    .addOption(new Option('--out <dir>', 'folder for the results (default: runs/<date-time>)'))
    .addOption(
      new Option(
        '--resume <dir>',
        'continue the run in this folder, from its newest checkpoint and with its options',
      ).conflicts('out'),
    )
    .addOption(
      new Option('--allow-changes', 'with --resume: accept options, an adapter or a version other than the run had'),
    )
    .addOption(new Option('--tuning <file>', 'run with what `tune` found for this adapter; the numbers stay the same'))
    .addOption(new Option('--quiet', 'print the last lines only'))
    .addOption(
      new Option('--live [port]', 'show the run on a page on 127.0.0.1, at this port or any that is free')
        .argParser(wholeNumber(0, 65_535))
        .preset('0'),
    )
    .action(async ({ out, resume: from, allowChanges = false, tuning, ...given }: Given) => {
      const options = withDefaults(given, (name) => command.getOptionValueSource(name) === 'cli')
      if (from !== undefined)
        return await resume(
          from,
          { ...givenIn(command), quiet: options.quiet, live: options.live },
          { allowChanges, load, tuning, held },
        )
      if (allowChanges) throw new UsageError("option '--allow-changes' needs '--resume'")
      const rates = ratesOf(options)
      checkOptimizer(options, rates.schedule)
      // A sweep gives all options, and has asked itself.
      if (!held) checkOwnRate(options, (name) => command.getOptionValueSource(name) === 'cli')
      const folder = held ?? (await (out === undefined ? takeDefault(new Date()) : takeOut(out)))
      try {
        await trainRun({ options, rates, folder, load, tuning })
      } finally {
        if (!held) await folder.release()
      }
    })
}

/** The options that stand on the command line, without those that have their defaults. */
function givenIn(command: Commander): Partial<TrainOptions> {
  const names = [...DECIDING, ...SAVING].map((option) => option.attributeName())
  const given = names.filter((name) => command.getOptionValueSource(name) === 'cli')
  return Object.fromEntries(given.map((name) => [name, command.getOptionValue(name)]))
}
