// PyTorch's schedules of a user's function; no text names them.
import { type Args, fault, type Schedule } from './kinds.ts'
import { readOptions, schedule } from './options.ts'

const LAMBDA_LR = { lambda: { kind: 'function' }, lr: { kind: 'number' } } as const satisfies Args
/** Options of {@link lambdaLR} and of {@link multiplicativeLR}. */
export type LambdaLROptions = {
  /** λ, a function of t. */
  readonly lambda: (t: number) => number
  /** η₀. */
  readonly lr: number
}

/** η₀ λ(t). PyTorch: LambdaLR. Throws a RangeError if λ does not return a finite number ≥ 0. */
export function lambdaLR(options: LambdaLROptions): Schedule {
  const values = readOptions('lambdaLR', LAMBDA_LR, options)
  const { lr, lambda } = values
  return schedule('lambdaLR', LAMBDA_LR, values, (t) => lr * factorOf('lambdaLR', lambda, t))
}

/**
 * η₀ Π λ(k) for k = 1 … t; λ(0) is not called. PyTorch: MultiplicativeLR, a recursion. This multiplies in the same order:
 * t multiplications, or one if the t before was t − 1. It is a pure function if λ is one. Throws a RangeError if λ does
 * not return a finite number ≥ 0.
 */
export function multiplicativeLR(options: LambdaLROptions): Schedule {
  const values = readOptions('multiplicativeLR', LAMBDA_LR, options)
  const { lr, lambda } = values
  let last = { t: 0, rate: lr }
  return schedule('multiplicativeLR', LAMBDA_LR, values, (t) => {
    let { t: from, rate } = t < last.t ? { t: 0, rate: lr } : last
    while (from < t) rate *= factorOf('multiplicativeLR', lambda, ++from)
    last = { t, rate }
    return rate
  })
}

function factorOf(owner: string, lambda: (t: number) => number, t: number): number {
  const factor = lambda(t)
  const message = fault(owner, `lambda(${t})`, { kind: 'number' }, factor)
  if (message !== undefined) throw new RangeError(message)
  return factor
}
