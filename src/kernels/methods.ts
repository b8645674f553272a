// Operations as methods of Tensor: x.mul(y) is mul(x, y).
import { Tensor } from '../tensor/tensor.ts'
import { refuseUnknownNames } from '../tensor/unknown_names.ts'
import { argmax, argmin } from './argmax.ts'
import { add, div, eq, ge, gt, le, lt, maximum, minimum, mul, ne, pow, sub } from './binary.ts'
import { expand, flip, permute, repeat, select, slice, split, transpose, tril, triu } from './copy.ts'
import { cumsum } from './cumsum.ts'
import { matmul } from './matmul.ts'
import { logSumExp, max, mean, min, norm, prod, std, sum, var as variance } from './reductions.ts'
import { logSoftmax, softmax } from './softmax.ts'
import { gather, indexSelect } from './take.ts'
import * as unary from './unary.ts'

/** Every function that is a method too: its first argument is the tensor. */
const functions = {
  ...unary,
  ...{ expand, flip, permute, repeat, select, slice, split, transpose, tril, triu, gather, indexSelect },
  ...{ argmax, argmin, cumsum, logSumExp, max, mean, min, norm, prod, std, sum, var: variance, logSoftmax, softmax },
  ...{ add, div, eq, ge, gt, le, lt, maximum, minimum, mul, ne, pow, sub, matmul },
} as const

type Functions = typeof functions

/** The functions without their first argument, which is the tensor itself. */
type Methods = {
  [Name in keyof Functions]: Functions[Name] extends (x: Tensor, ...rest: infer Rest) => infer Out
    ? (...rest: Rest) => Out
    : never
}

/** Methods are documented where their functions are. */
declare module '../tensor/tensor.ts' {
  interface Tensor extends Methods {}
}

for (const [name, fn] of Object.entries(functions)) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: never[]) {
      return (fn as (x: Tensor, ...rest: never[]) => Tensor)(this, ...rest)
    },
    configurable: true,
    writable: true,
  })
}

refuseUnknownNames(Tensor.prototype, 'Tensor')
