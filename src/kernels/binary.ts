// binary: functions of two tensors element by element, whose shapes broadcast.
import { looksAcross } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type Op, provideArithmetic } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { noGrad } from '../tensor/modes.ts'
import { tooMany } from '../tensor/options.ts'
import {
  broadcastStrides,
  joined,
  LARGEST_RANK,
  type Shape,
  ShapeError,
  type ShapeLine,
  sameShape,
  sizeOf,
} from '../tensor/shape.ts'
import { type DType, Tensor } from '../tensor/tensor.ts'
import { copyOf } from './copy.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { sumTo } from './reduce.ts'
import { divided, kindOf, requireType } from './support.ts'
import { neg } from './unary.ts'

/** Entry points, by what they compute. */
type Entry = 'forward' | 'compare' | 'backward_a' | 'backward_b'

/** a, b and where's condition. a or b may be a number, then it is null here; without a condition that is null. */
type Operands = readonly [a: Tensor | null, b: Tensor | null, c: Tensor | null]

interface Attributes {
  /** The shapes of the operands. */
  readonly shapes: readonly (Shape | null)[]
  /** The number that stands for a or b. */
  readonly number: number
}

/** Numbers where an operand lies for each dimension of the output, from the last one on. */
interface Layout {
  readonly sizes: readonly number[]
  readonly strides: readonly (readonly number[])[]
}

/** What a function says of its gradients: 'passed': they are dy and dy; 'opposed': dy and −dy. */
type Gradients = 'passed' | 'opposed' | 'computed' | 'none'

/** The operation of this name, the one that wgsl/binary.wgsl numbers `OP`. */
function operation(name: string, OP: number, gradients: Gradients = 'computed'): Op<Operands, Attributes> {
  // By the operation's own name, which profiles and errors show.
  const file = new KernelFile(name, wgsl.binary)

  /** The numbers of a dispatch over the output's shape, and what its kernel is made for. */
  function plan(gpu: Gpu, shape: Shape, { shapes, number }: Attributes) {
    const flat = shapes.every((own) => own === null || sameShape(own, shape))
    const { sizes, strides } = flat ? { sizes: [], strides: [] } : layoutOf(shapes, shape)
    const NUMBER = shapes[0] === null ? 1 : shapes[1] === null ? 2 : 0
    const params: Record<string, number> = { size: sizeOf(shape), number, whole: 0 }
    for (let k = 0; k < LARGEST_RANK; k++) {
      params[`n${k}`] = sizes[k] ?? 1
      for (const [i, role] of ['a', 'b', 'c'].entries()) params[`${role}${k}`] = strides[i]?.[k] ?? 0
    }
    const { PER, groups } = divided(gpu, sizeOf(shape))
    return { params, tune: { OP, RANK: sizes.length, NUMBER, PER }, groups }
  }

  /** Computes an entry point over the output's shape. */
  function emit(
    gpu: Gpu,
    entry: Entry,
    shape: Shape,
    attributes: Attributes,
    storages: { readonly abc: readonly (Storage | null)[]; readonly dy?: Storage; readonly out: Storage },
  ): void {
    const { params, tune, groups } = plan(gpu, shape, attributes)
    const { abc, dy, out } = storages
    const [a = null, b = null, c = null] = abc
    const operands = { params, a, b, c, ...(dy && { dy }), [entry === 'compare' ? 'bytes' : 'out']: out }
    gpu.emit(file.entry(entry, tune), operands, groups)
  }

  /** Compares integers over the output's shape. */
  function compareIntegers(gpu: Gpu, [a, b]: Operands, attributes: Attributes, out: Tensor): void {
    const { params, tune, groups } = plan(gpu, out.shape, attributes)
    const [BYTES_LEFT, BYTES_RIGHT] = [a, b].map((t) => (t?.dtype === 'uint8' ? 1 : 0)) as [number, number]
    const entry = file.entry('compare_integers', { ...tune, BYTES_LEFT, BYTES_RIGHT })
    const whole = { ...params, number: 0, whole: attributes.number }
    const [left, right] = [a?.storage ?? null, b?.storage ?? null]
    gpu.emit(entry, { params: whole, left, right, bytes: out.storage }, groups)
  }

  return {
    name,

    shape(operands, { number }) {
      const [a, b, c] = operands
      const own: DType[] = gradients === 'none' && holdsIntegers(operands) ? ['int32', 'uint8'] : ['float32']
      if (a) requireType(name, 'a', a, own)
      if (b) requireType(name, 'b', b, own)
      if (own.length > 1 && number !== (number | 0)) {
        throw new RangeError(`${name}: the number beside integers must be a whole one of 32 bits, not ${number}`)
      }
      if (c) requireType(name, 'condition', c, ['uint8'])
      const lines = operands.flatMap((t, i) => (t ? [[ROLES[i]!, t.shape] as const] : []))
      return broadcast(name, lines)
    },

    forward(gpu, operands, attributes, shape) {
      const out = empty(gpu, shape, gradients === 'none' ? 'uint8' : 'float32', name)
      if (gradients === 'none' && holdsIntegers(operands)) {
        compareIntegers(gpu, operands, attributes, out)
        return { out, saved: [] }
      }
      const abc = operands.map((t) => t?.storage ?? null)
      emit(gpu, gradients === 'none' ? 'compare' : 'forward', shape, attributes, { abc, out: out.storage })
      return { out, saved: gradients === 'computed' ? operands.filter((t) => t !== null) : [] }
    },

    backward(gpu, dy, saved, attributes, needs, grad) {
      const { shapes } = attributes
      const left = saved.map(({ storage }) => storage)
      const abc = shapes.map((own) => (own === null ? null : (left.shift() ?? null)))
      return (['backward_a', 'backward_b'] as const).map((entry, i) => {
        const own = shapes[i]
        if (!needs[i] || !own) return null
        if (gradients === 'passed' || gradients === 'opposed') {
          const summed = sumTo(dy, own)
          return gradients === 'opposed' && i === 1 ? neg(summed) : summed
        }
        const whole = sameShape(own, dy.shape) ? grad(i) : empty(gpu, dy.shape, 'float32', name)
        emit(gpu, entry, dy.shape, attributes, { abc, dy: dy.storage, out: whole.storage })
        return sumTo(whole, own)
      })
    },
  }
}

const ROLES = ['a', 'b', 'condition'] as const

/** Whether what is compared is of integers. */
function holdsIntegers([a, b]: Operands): boolean {
  return [a, b].some((t) => t !== null && t.dtype !== 'float32')
}

/** The shape that all broadcast to, without the last dimensions if so many are `apart`. Throws ShapeError where they do not. @internal */
export function broadcast(name: string, lines: readonly ShapeLine[], apart = 0): Shape {
  const rank = Math.max(...lines.map(([, shape]) => shape.length))
  if (rank > LARGEST_RANK)
    throw new ShapeError(name, `tensors of ${rank} dimensions; at most ${LARGEST_RANK} are possible`, lines)
  return Array.from({ length: rank - apart }, (_, i) => {
    const sizes = new Set(lines.map(([, shape]) => shape[shape.length - rank + i] ?? 1))
    sizes.delete(1)
    if (sizes.size > 1) {
      const sentence = `the shapes do not broadcast: dimension ${i - rank} has sizes ${[...sizes].join(' and ')}`
      throw new ShapeError(name, sentence, lines, 'Sizes of a dimension must be equal, or one of them 1.')
    }
    return [...sizes][0] ?? 1
  })
}

/** Where the operands lie, with dimensions joined as far as all of them allow. */
function layoutOf(shapes: readonly (Shape | null)[], shape: Shape): Layout {
  const { sizes, strides } = joined(
    shape,
    shapes.map((own) => broadcastStrides(own ?? [], shape)),
  )
  // A dimension is needed, if only one of one element.
  if (sizes.length === 0) return { sizes: [1], strides: shapes.map(() => [0]) }
  return { sizes: sizes.toReversed(), strides: strides.map((own) => own.toReversed()) }
}

/** A tensor, or a number that stands for one of its value. */
export type Operand = Tensor | number

function applied(op: Op<Operands, Attributes>, a: Operand, b: Operand, c: Tensor | null = null): Tensor {
  for (const [role, value] of [['a', a] as const, ['b', b] as const]) {
    if (value instanceof Tensor || typeof value === 'number') continue
    throw new TypeError(`${op.name}: ${role} must be a tensor or a number, not ${kindOf(value)}`)
  }
  const tensors: Operands = [a instanceof Tensor ? a : null, b instanceof Tensor ? b : null, c]
  if (!tensors[0] && !tensors[1]) throw new TypeError(`${op.name}: a or b must be a tensor, both are numbers`)
  const rank = Math.max(...tensors.map((t) => t?.shape.length ?? 0))
  // Its dimension 0 is another one of the result.
  for (const t of tensors) if (t && t.shape.length < rank) looksAcross(op.name, t)
  const number = typeof a === 'number' ? a : typeof b === 'number' ? b : 0
  return apply(op, tensors, { shapes: tensors.map((t) => t?.shape ?? null), number })
}

/** A function of two; one without gradients is not on the tape. */
function binary(name: string, OP: number, gradients?: Gradients): (a: Operand, b: Operand) => Tensor {
  const op = operation(name, OP, gradients)
  const signature = `${name}(a, b)`
  return function (a, b) {
    if (arguments.length > 2) throw tooMany(arguments, signature)
    return gradients === 'none' ? noGrad(() => applied(op, a, b)) : applied(op, a, b)
  }
}

/** A comparison: 1 where it holds, else 0, in bytes; no gradient passes. */
function comparison(name: string, OP: number): (a: Operand, b: Operand) => Tensor {
  return binary(name, OP, 'none')
}

/** a + b. Shapes broadcast as NumPy's do; a number may stand for a tensor. Float32. Throws ShapeError for shapes that do not broadcast. */
export const add = binary('add', 0, 'passed')

/** a − b, as `add`. */
export const sub = binary('sub', 1, 'opposed')

/** a · b, as `add`. */
export const mul = binary('mul', 2)

/** a / b, as `add`. Division by 0 gives an infinity, 0 / 0 NaN. */
export const div = binary('div', 3)

/**
 * x to the power of y, as C's pow has it, except that NaN always gives NaN; as `add`. The gradient of y is 0 where x is 0 and y
 * is not negative.
 */
export const pow = binary('pow', 4)

/** The larger of a and b, as `add`; NaN if one is NaN. Equal elements share the gradient by halves. */
export const maximum = binary('maximum', 5)

/** The smaller of a and b, as `add`; NaN if one is NaN. Equal elements share the gradient by halves. */
export const minimum = binary('minimum', 6)

/**
 * 1 where a = b, else 0, as a uint8 tensor; shapes broadcast, a number may stand for a tensor. NaN is equal to nothing. Both are
 * float32, or both of integers, int32 or uint8, which are compared exactly, such as `eq(argmax(logits, 1), labels)`. Throws
 * TypeError for one of each, RangeError for a number beside integers that is not one of 32 bits.
 */
export const eq = comparison('eq', 8)

/** 1 where a ≠ b, else 0, as `eq`; NaN differs from everything. */
export const ne = comparison('ne', 9)

/** 1 where a < b, else 0, as `eq`. */
export const lt = comparison('lt', 10)

/** 1 where a ≤ b, else 0, as `eq`. */
export const le = comparison('le', 11)

/** 1 where a > b, else 0, as `eq`. */
export const gt = comparison('gt', 12)

/** 1 where a ≥ b, else 0, as `eq`. */
export const ge = comparison('ge', 13)

const whereOp = operation('where', 7)

/**
 * a where the condition is not 0, else b; all three broadcast, numbers may stand for a and b. The condition is uint8, as
 * comparisons make it; a and b are float32. So `where(eq(argmax(logits, 1), labels), 1, 0).sum()` counts what is right.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'where(condition, a, b)')
  if (!(condition instanceof Tensor)) {
    throw new TypeError(`where: the condition must be a tensor, not ${kindOf(condition)}`)
  }
  const areNumbers = typeof a === 'number' && typeof b === 'number'
  if (areNumbers) condition.checkUsable('where')
  return applied(whereOp, areNumbers ? full(condition.gpu, [], a) : a, b, condition)
}

provideArithmetic({ add, copy: copyOf })
