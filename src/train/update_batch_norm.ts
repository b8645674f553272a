// Running statistics of batch norm, taken anew from data.
import type { Batches } from '../data/batches.ts'
import { BatchNorm } from '../nn/batch_norm.ts'
import type { Module } from '../nn/index.ts'
import { setMode } from '../nn/module.ts'
import { noGrad } from '../tensor/modes.ts'
import { tooMany } from '../tensor/options.ts'
import { keepRandom } from '../tensor/random.ts'
import { scope } from '../tensor/scope.ts'
import { checkBatches, checkNet } from './check.ts'
import { checkLastBatch } from './rehearsal.ts'
import { type AnyBatch, anyBatch, inputOf } from './task.ts'

/**
 * Takes the running statistics of every batch norm in a network anew, as the equal average over these batches, in training
 * mode: PyTorch's `torch.optim.swa_utils.update_bn`. For averaged weights, whose activations the statistics of training do not
 * fit. Modes, momentums, the batches' position and random numbers are as before.
 *
 *     await average.withAverages(async () => {
 *       updateBatchNorm(net, train)
 *       return await evaluate(net, test)
 *     })
 *
 * Throws TypeError for what is not a network with parameters, or not one Batches. Its
 * forward gets the images, or else the field x, or the first field.
 */
export function updateBatchNorm(net: Module, data: Batches): void {
  if (arguments.length > 2) throw tooMany(arguments, 'updateBatchNorm(net, data)')
  checkNet('updateBatchNorm', net)
  checkBatches('updateBatchNorm', 'data', data)
  const input = inputOf(data)
  const call = (batch: AnyBatch) => net.forward(batch[input]!)
  const layers = [...net.namedModules().values()].filter((module) => module instanceof BatchNorm)
  const momentums = layers.map(({ momentum }) => momentum)
  const restoreRandom = keepRandom()
  const restoreModes = setMode(net, true)
  try {
    if (layers.length > 0) checkLastBatch('updateBatchNorm', data, { net, loss: call })
    for (const layer of layers) {
      layer.resetRunningStats()
      layer.momentum = null
    }
    if (layers.length === 0) return
    for (let i = 0; i < data.length; i++) scope(() => void noGrad(() => call(anyBatch(data.batch(i)))))
  } finally {
    for (const [i, layer] of layers.entries()) layer.momentum = momentums[i]!
    restoreModes()
    restoreRandom()
  }
}
