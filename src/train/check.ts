import { ImageBatches } from '../data/batches.ts'
import { Module } from '../nn/index.ts'

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
