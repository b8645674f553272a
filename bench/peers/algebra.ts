// The operations of the algebra that are compared, at sizes at which memory or arithmetic bounds them, not the launch.
import { randomIntegers } from '../support.ts'

type Shape = readonly number[]

const LINE: Shape = [2 ** 22]
const ROWS: Shape = [4096, 1024]
const IMAGES: Shape = [64, 32, 32, 32]

/** The shapes of the inputs that are float32, by what is computed. What it is exactly, the libraries' files say. */
const SHAPES = {
  add: [LINE, LINE],
  'add rows': [ROWS, [1024]],
  mul: [LINE, LINE],
  div: [LINE, LINE],
  maximum: [LINE, LINE],
  where: [LINE, LINE],
  chain: [LINE, LINE, LINE],
  neg: [LINE],
  exp: [LINE],
  tanh: [LINE],
  sigmoid: [LINE],
  gelu: [LINE],
  sum: [LINE],
  'sum rows': [ROWS],
  'sum columns': [ROWS],
  'max rows': [ROWS],
  'var rows': [ROWS],
  'argmax rows': [ROWS],
  cumsum: [ROWS],
  softmax: [ROWS],
  logSoftmax: [ROWS],
  logSumExp: [ROWS],
  transpose: [[2048, 2048]],
  permute: [[16, 256, 8, 128]],
  cat: [ROWS, ROWS],
  slice: [[4096, 2048]],
  pad: [ROWS],
  flip: [ROWS],
  indexSelect: [[10_000, 256]],
  gather: [ROWS],
  layerNorm: [ROWS, [1024], [1024]],
  batchNorm: [IMAGES, [32], [32]],
  avgPool2d: [IMAGES],
  mseLoss: [LINE, LINE],
  bceWithLogitsLoss: [LINE, LINE],
} as const satisfies Readonly<Record<string, readonly Shape[]>>

export type AlgebraName = keyof typeof SHAPES

/** An operation, alone or followed by its gradients of all inputs, given that of its output. */
export interface AlgebraCase {
  readonly name: AlgebraName | `${AlgebraName} and gradients`
  readonly operation: AlgebraName
  readonly gradients: boolean
  readonly shapes: readonly Shape[]
}

/** The indices that two of them take: rows of a matrix, and for each row an element of it. */
export function indicesOf(operation: AlgebraName): Int32Array<ArrayBuffer> | null {
  if (operation === 'indexSelect') return randomIntegers(8192, 10_000, 9)
  return operation === 'gather' ? randomIntegers(4096, 1024, 9) : null
}

/** The second has no gradient; those of the others are what the forward pass of another operation is. */
const FORWARD_ONLY: readonly AlgebraName[] = [
  'argmax rows',
  'neg',
  'flip',
  'slice',
  'where',
  'transpose',
  'permute',
  'pad',
]

export const ALGEBRA: readonly AlgebraCase[] = Object.entries(SHAPES).flatMap(([key, shapes]) => {
  const operation = key as AlgebraName
  const forward: AlgebraCase = { name: operation, operation, gradients: false, shapes }
  if (FORWARD_ONLY.includes(operation)) return [forward]
  return [forward, { ...forward, name: `${operation} and gradients`, gradients: true }]
})

/** The shape that the table shows. */
export const algebraShape = ({ shapes }: AlgebraCase): string => shapes.map((shape) => `[${shape.join(',')}]`).join(' ')

/** What a library does: with a function of the inputs, or null for what it does not have. */
export type Algebra<T> = Readonly<Record<AlgebraName, ((inputs: readonly T[], indices: T | null) => T) | null>>

/** The function of a library for a case. Throws an Error where it has none. */
export function functionOf<T>(algebra: Algebra<T>, { operation }: AlgebraCase): NonNullable<Algebra<T>[AlgebraName]> {
  const found = algebra[operation]
  if (!found) throw new Error('it has no such operation')
  return found
}
