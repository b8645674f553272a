// `dawngrad setup`: the command; the work is in src/provision/setup.ts.
import process from 'node:process'
import { Command, Option } from 'commander'
import { megabytes } from '../provision/errors.ts'
import { reportTo } from '../provision/report.ts'
import { checkSetup, removeSetup, setup } from '../provision/setup.ts'

/** `dawngrad setup`. */
export function setupCommand(): Command {
  return new Command('setup')
    .description('install the data set, and a driver if there is no adapter, into the cache folder; needs no root')
    .addOption(new Option('--check', 'only report what is missing; exit code 1 if something is'))
    .addOption(new Option('--remove', 'remove everything that setup has installed').conflicts('check'))
    .action(async ({ check, remove }: { check?: boolean; remove?: boolean }) => {
      const report = reportTo(process.stdout, process.env)
      if (remove) report.line(`${megabytes(await removeSetup({ report }))} freed`)
      else if (!check) await setup({ report })
      else if (!(await checkSetup({ report }))) process.exitCode = 1
    })
}
