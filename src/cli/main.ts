#!/usr/bin/env node
// The program `dawngrad`: all of its commands.
import process from 'node:process'
import { doctorCommand } from './doctor.ts'
import { lrFindCommand } from './lr_find.ts'
import { plotScheduleCommand } from './plot_schedule.ts'
import { runProgram } from './program.ts'
import { setupCommand } from './setup.ts'
import { sweepCommand } from './sweep.ts'
import { trainCommand } from './train.ts'
import { tuneCommand } from './tune.ts'

const commands = [trainCommand(), plotScheduleCommand(), setupCommand(), doctorCommand(), tuneCommand()]
commands.push(lrFindCommand(), sweepCommand())
process.exitCode = await runProgram(commands, process.argv.slice(2))
