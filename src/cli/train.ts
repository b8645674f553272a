import { Command, Option } from 'commander'
import { defaultRunFolder, refusal } from '../node/run_folder.ts'
import { number, parseSchedule, UsageError, wholeNumber } from './options.ts'
import { type TrainOptions, trainRun } from './train_run.ts'

/** `dawngrad train`. */
export function trainCommand(): Command {
  const option = (flags: string, text: string) => new Option(flags, text)
  return new Command('train')
    .description('train LeNet on Fashion-MNIST')
    .addOption(option('--epochs <n>', 'passes over the training images').argParser(wholeNumber(1)).default(10))
    .addOption(option('--batch-size <n>', 'images in an update').argParser(wholeNumber(1)).default(256))
    .addOption(option('--lr <rate>', "the optimiser's learning rate").argParser(number()).default(0.3))
    .addOption(option('--momentum <m>', 'momentum of SGD').argParser(number()).default(0))
    .addOption(option('--weight-decay <d>', 'weight decay of SGD').argParser(number()).default(0))
    .addOption(option('--schedule <s>', "such as 'cosine(baseLr=0.3, maxUpdate=20)'").default('constant'))
    .addOption(
      option('--schedule-per <unit>', "what the schedule's t counts").choices(['epoch', 'step']).default('epoch'),
    )
    .addOption(
      option('--lr-timing <when>', "set the rate of t before it, or, as the chapter's notebook does, after it")
        .choices(['before-epoch', 'after-epoch'])
        .default('before-epoch'),
    )
    .addOption(
      option('--seed <n>', 'of the initial parameters and the order of images').argParser(wholeNumber(0)).default(0),
    )
    .addOption(option('--limit-train <n>', 'use the first n training images').argParser(wholeNumber(1)))
    .addOption(option('--limit-test <n>', 'use the first n test images').argParser(wholeNumber(1)))
    .addOption(option('--out <dir>', 'folder for the results (default: runs/<date-time>)'))
    .addOption(option('--quiet', 'print the last lines only'))
    .action(async ({ out, ...options }: TrainOptions & { out?: string }) => {
      const schedule = parseSchedule(options.schedule, options.lr)
      const folder = out ?? defaultRunFolder(new Date())
      const problem = refusal(folder)
      if (problem !== null) throw new UsageError(`option '--out': ${problem}`)
      await trainRun(options, schedule, folder)
    })
}
