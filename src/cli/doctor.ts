// `dawngrad doctor`: reports on the adapter and the data, and changes nothing.
import process from 'node:process'
import { Command } from 'commander'
import { examine } from '../provision/examine.ts'
import { examinationText } from './doctor_text.ts'

/** `dawngrad doctor`: reports and changes nothing. Sets the exit code to 1 if an adapter or the data is missing. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('report the adapter, its numbers and speed, the data, and what is missing')
    .option('--json', 'as one JSON object')
    .action(async ({ json }: { json?: boolean }) => {
      const report = await examine()
      process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : examinationText(report))
      if (!report.ok) process.exitCode = 1
    })
}
