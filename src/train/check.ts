// The checks of networks, batches and optimizers before training.
import { ImageBatches } from '../data/batches.ts'
import { Module } from '../nn/index.ts'
import { Optimizer } from '../optim/index.ts'
import type { Schedule } from '../sched/index.ts'

/** Throws TypeError for anything except a network with parameters. */
export function checkNet(operation: string, net: unknown): asserts net is Module {
  if (!(net instanceof Module)) throw new TypeError(`${operation}: the network must be a module, such as nn.Sequential`)
  if (net.parameters().length === 0) throw new TypeError(`${operation}: the network has no parameters`)
}

/** Throws TypeError for anything but batches, such as fit's pair of them. */
export function checkBatches(operation: string, name: string, batches: unknown): asserts batches is ImageBatches {
  if (batches instanceof ImageBatches) return
  throw new TypeError(`${operation}: ${name} must be one ImageBatches, such as new ImageBatches(set)`)
}

/** Throws TypeError for anything except an optimizer of some of the network's parameters. */
export function checkOptimizer(operation: string, net: Module, optimizer: unknown): asserts optimizer is Optimizer {
  if (!(optimizer instanceof Optimizer))
    throw new TypeError(
      `${operation}: optimizer must be an optimizer, such as optim.SGD(net.parameters(), { lr: 0.1 })`,
    )
  const own = new Set(net.parameters())
  const { paramGroups }: Optimizer = optimizer
  if (paramGroups.some(({ params }) => params.some((p) => own.has(p)))) return
  throw new TypeError(
    `${operation}: the optimizer has none of the network's parameters; make it of them, such as optim.SGD(net.parameters(), …)`,
  )
}

/** Throws TypeError for a schedule with a momentum if the optimizer has none. */
export function checkMomentum(operation: string, schedule: Schedule | undefined, optimizer: Optimizer): void {
  if (!schedule?.momentum || optimizer.paramGroups.every((group) => 'momentum' in group)) return
  throw new TypeError(
    `${operation}: the schedule sets a momentum, and optim.${optimizer.name} has none; use optim.SGD, or another schedule ` +
      '(oneCycleLR and cyclicLR set none with cycleMomentum: false)',
  )
}
