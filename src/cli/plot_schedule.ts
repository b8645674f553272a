// `dawngrad plot-schedule`: draws schedules in the terminal and as SVG.
import process from 'node:process'
import { Command, Option } from 'commander'
import { scheduleFigure } from '../figures/schedules.ts'
import { drawFigure } from '../figures/svg.ts'
import { drawText } from '../figures/text.ts'
import { writeWhole } from '../node/files.ts'
import { checkFile, hasOwnRate, number, parseSchedule, UsageError, wholeNumber } from './options.ts'

interface Given {
  readonly range: number
  readonly lr: number
  readonly svg?: string
}

/** More points than a terminal or figure can show apart; still drawn in a moment. */
const MOST_POINTS = 1_000_000

/** `dawngrad plot-schedule`: needs neither data nor a device. */
export function plotScheduleCommand(): Command {
  return new Command('plot-schedule')
    .description('draw learning-rate schedules')
    .argument('<spec...>', "schedules, such as 'cosine(baseLr=0.3, maxUpdate=20)'; several share the axes")
    .addOption(new Option('--range <n>', 'draw t = 0 … n − 1').argParser(wholeNumber(2, MOST_POINTS)).default(30))
    .addOption(
      new Option('--lr <rate>', 'base rate of schedules that do not set one, as in train')
        .argParser(number())
        .default(0.3),
    )
    .addOption(new Option('--svg <file>', 'write the figure to this file as well'))
    .action(async (specs: string[], { range, lr, svg }: Given, command: Command) => {
      if (svg !== undefined) checkFile('--svg', svg)
      const drawn = specs.map((spec, i) => {
        const schedule = parseSchedule(spec, lr, specs.length === 1 ? 'the schedule' : `schedule ${i + 1}`)
        return { label: schedule.spec!, schedule }
      })
      if (command.getOptionValueSource('lr') === 'cli' && specs.every((spec) => hasOwnRate(spec))) {
        const who = drawn.length === 1 ? 'the schedule has its own rates' : 'all schedules have their own rates'
        throw new UsageError(`option '--lr': ${who}, and ${lr} would count for nothing; leave it out`)
      }
      const figure = scheduleFigure(drawn, range)
      const { stdout } = process
      const { columns = 80, isTTY } = stdout
      const color = isTTY && (process.env.NO_COLOR ?? '') === '' && stdout.hasColors()
      stdout.write(drawText(figure, { columns, color }))
      if (svg !== undefined) await writeWhole(svg, drawFigure(figure))
    })
}
