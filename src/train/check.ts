// The checks of networks, batches and optimizers before training.
import { Batches } from '../data/batches.ts'
import { Module } from '../nn/index.ts'
import { Optimizer } from '../optim/index.ts'
import type { Schedule } from '../sched/index.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Throws TypeError for anything except a network with parameters. */
export function checkNet(operation: string, net: unknown): asserts net is Module<unknown> {
  if (!(net instanceof Module)) throw new TypeError(`${operation}: the network must be a module, such as nn.Sequential`)
  if (net.parameters().length === 0) throw new TypeError(`${operation}: the network has no parameters`)
}

/** Throws TypeError for anything but batches, such as fit's pair of them. */
export function checkBatches(operation: string, name: string, batches: unknown): asserts batches is Batches {
  if (batches instanceof Batches) return
  throw new TypeError(`${operation}: ${name} must be Batches or ImageBatches, such as new ImageBatches(set)`)
}

/** Throws TypeError for anything except an optimizer of parameters of the network, all or some. */
export function checkOptimizer(
  operation: string,
  net: Module<unknown>,
  optimizer: unknown,
): asserts optimizer is Optimizer {
  if (!(optimizer instanceof Optimizer))
    throw new TypeError(
      `${operation}: optimizer must be an optimizer, such as optim.SGD(net.parameters(), { lr: 0.1 })`,
    )
  const own = new Set(net.parameters())
  const given = parametersOf([optimizer])
  const others = given.filter((p) => !own.has(p))
  if (others.length === given.length) {
    throw new TypeError(
      `${operation}: the optimizer has none of the network's parameters; make it of them, such as optim.SGD(net.parameters(), …)`,
    )
  }
  if (others.length === 0) return
  throw new TypeError(
    `${operation}: the optimizer has ${others[0]!.label}, which is not a parameter of the network, perhaps that of a layer ` +
      'that was replaced; make the optimizer of net.parameters(), or of some of them',
  )
}

/** The parameters of all groups of these optimizers, in order. */
export function parametersOf(optimizers: readonly Optimizer[]): Tensor[] {
  return optimizers.flatMap(({ paramGroups }) => paramGroups.flatMap(({ params }) => params))
}

/** Throws TypeError for a parameter that the network has and had not `before`, and that the optimizer does not have. */
export function checkAdded(
  operation: string,
  net: Module<unknown>,
  optimizers: readonly Optimizer[],
  before: ReadonlySet<Tensor>,
): void {
  const given = new Set(parametersOf(optimizers))
  const [found] = [...net.namedParameters()].filter(([, p]) => p.requiresGrad && !before.has(p) && !given.has(p))
  if (!found) return
  throw new TypeError(
    `${operation}: the network has got the parameter ${found[0]} meanwhile, and the optimizer does not have it; put it into a ` +
      'group of the optimizer, or set its requiresGrad to false',
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
