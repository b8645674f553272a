import { ImageBatches } from '../data/batches.ts'
import { Module } from '../nn/index.ts'
import { SGD } from '../optim/index.ts'

/** Throws TypeError for what is no network, or has nothing to train. */
export function checkNet(operation: string, net: unknown): asserts net is Module {
  if (!(net instanceof Module)) throw new TypeError(`${operation}: the network must be a module, such as nn.Sequential`)
  if (net.parameters().length === 0) throw new TypeError(`${operation}: the network has no parameters`)
}

/** Throws TypeError for anything but batches, such as fit's pair of them. */
export function checkBatches(operation: string, name: string, batches: unknown): asserts batches is ImageBatches {
  if (batches instanceof ImageBatches) return
  throw new TypeError(`${operation}: ${name} must be one ImageBatches, such as new ImageBatches(set)`)
}

/** Throws TypeError for what is no optimiser, or would leave the network as it is. */
export function checkOptimizer(operation: string, net: Module, optimizer: unknown): asserts optimizer is SGD {
  if (!(optimizer instanceof SGD)) throw new TypeError(`${operation}: optimizer must be an optim.SGD`)
  const own = new Set(net.parameters())
  if (optimizer.paramGroups.some(({ params }) => params.some((p) => own.has(p)))) return
  throw new TypeError(
    `${operation}: the optimiser has none of the network's parameters; make it of them, such as optim.SGD(net.parameters(), …)`,
  )
}
