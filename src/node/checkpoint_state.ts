// Reads a network's and its optimizer's values for a checkpoint, and puts them back.
import { DataError, type nn, type optim, type Tensor } from '../index.ts'
import { formatShape, sameShape } from '../tensor/shape.ts'
import { DivergedError } from '../train/index.ts'
import type { Checkpoint } from './checkpoint.ts'
import { toDevice, toHost } from './safetensors.ts'

type Values = Pick<Checkpoint, 'parameters' | 'momentum'>

/**
 * The parameters of a network after a step, and the momentum of the optimiser of all of them. Throws DivergedError where
 * one is not finite: a checkpoint to go on from is not to hold that.
 */
export async function valuesOf(net: nn.Module, optimizer: optim.SGD, step: number): Promise<Values> {
  const named = net.namedParameters()
  const { momentum = [] } = optimizer.stateDict().state
  const buffers = [...named.keys()].map((name, i) => [name, momentum[i] ?? null] as const)
  const values = {
    parameters: await toHost(named),
    momentum: await toHost(buffers.filter((entry): entry is [string, Tensor] => entry[1] !== null)),
  }
  for (const [kind, tensors] of Object.entries(values)) {
    for (const [name, { data }] of tensors) {
      if (data.every(Number.isFinite)) continue
      const what = kind === 'momentum' ? `momentum of ${name}` : `parameter ${name}`
      throw new DivergedError(
        `the ${what} is no longer finite after step ${step}: a smaller --lr, or a warm-up, keeps it finite`,
        { what, epoch: null, step, lr: null },
      )
    }
  }
  return values
}

/** Puts back what {@link valuesOf} gave. Throws DataError, and changes nothing, where it does not fit. */
export function restoreValues(net: nn.Module, optimizer: optim.SGD, values: Values, path: string): void {
  const named = net.namedParameters()
  for (const [what, tensors] of [
    ['parameter', values.parameters],
    ['momentum', values.momentum],
  ] as const) {
    for (const [name, { dtype, shape }] of tensors) {
      const own = named.get(name)
      if (!own) throw new DataError(`${path}: it has the ${what} ${JSON.stringify(name)}, which the network has not`)
      if (dtype !== 'float32' || !sameShape(shape, own.shape)) {
        const wanted = `the network's is float32 ${formatShape(own.shape)}`
        throw new DataError(`${path}: its ${what} ${name} is ${dtype} ${formatShape(shape)}, ${wanted}`)
      }
    }
  }
  for (const name of named.keys()) {
    if (!values.parameters.has(name)) throw new DataError(`${path}: it has no parameter ${name}`)
  }
  const parameters = toDevice(values.parameters)
  const momentum = toDevice(values.momentum)
  net.loadStateDict(parameters)
  const state = { momentum: [...named.keys()].map((name) => momentum.get(name) ?? null) }
  optimizer.loadStateDict({ ...optimizer.stateDict(), state })
  for (const made of [...parameters.values(), ...momentum.values()]) made.dispose()
}
