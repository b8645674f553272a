// Long sums: parts of bounded length, which are added in a fixed order, and the memory that they take meanwhile.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor, withScratch } from './support.ts'

const sumPartsKernel = new KernelFile('sum_parts', wgsl.sum_parts).entry('sum_parts')

/** Terms that one accumulator adds in sequence, at most; longer sums have several. */
export const TERMS = 4096

/** Parts that are added in sequence; more of them are added in groups of so many, and then the groups' sums likewise. */
export const PARTS_A_GROUP = 256

/**
 * Float32 numbers that the parts of an operation may take at a time, and its packed operands as many again, unless fewer are
 * not possible. It changes no bit. Tests lower it.
 */
export const scratchLimit = { floats: 2 ** 23 }

/** How the parts of a sum are made and added up. */
export interface PartsPlan {
  readonly parts: number
  /** Elements that each part has, in every buffer: of a weight and a bias, say. */
  readonly sizes: readonly number[]
  /** Parts that are made at a time: all, or a power of two. It changes no bit. */
  readonly slots: number
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0)

/** As many parts at a time as the scratch limit allows; at most `most`, if that is below `parts`. */
export function planParts(parts: number, sizes: readonly number[], most = Infinity): PartsPlan {
  const fits = (slots: number) => scratchOfParts({ parts, sizes, slots }) <= scratchLimit.floats
  if (parts <= most && fits(parts)) return { parts, sizes, slots: parts }
  let slots = 1
  while (2 * slots < parts && 2 * slots <= most && fits(2 * slots)) slots *= 2
  return { parts, sizes, slots }
}

/** Float32 numbers that a plan takes. */
export function scratchOfParts(plan: PartsPlan): number {
  return sum(plan.sizes) * sum(entriesOf(plan))
}

/**
 * Rows of the buffers of each level: the parts, the sums of their groups, the sums of groups of those, and so on. Where not
 * all parts are there at a time, a group that is larger than what is there has one row, to which slice by slice is added.
 */
function entriesOf({ parts, slots }: PartsPlan): number[] {
  const entries = [slots]
  if (slots === parts) {
    for (let rows = slots; rows > PARTS_A_GROUP; entries.push(rows)) rows = Math.ceil(rows / PARTS_A_GROUP)
    return entries
  }
  for (let group = PARTS_A_GROUP; group / PARTS_A_GROUP < parts; group *= PARTS_A_GROUP) {
    entries.push(Math.max(1, slots / group))
  }
  return entries
}

/**
 * Sums of parts, whose order depends on nothing but their number: `write` makes the parts from `first` on, `count` of them,
 * in the rows of one buffer for each size; `finish` is given rows, at most PARTS_A_GROUP, to add in order, starting from 0.
 */
export function sumOfParts(
  gpu: Gpu,
  operation: string,
  plan: PartsPlan,
  write: (parts: readonly Storage[], first: number, count: number) => void,
  finish: (parts: readonly Storage[], count: number) => void,
): void {
  const { parts, sizes, slots } = plan
  const all = entriesOf(plan).flatMap((rows) => sizes.map((size) => rows * size))
  withBuffers(gpu, operation, all, (buffers) => {
    const level = (l: number) => buffers.slice(l * sizes.length, (l + 1) * sizes.length)
    const levels = buffers.length / sizes.length
    const add = (l: number, count: number, more: boolean) =>
      sizes.forEach((size, i) => {
        const bindings = { parts: level(l - 1)[i]!, out: level(l)[i]! }
        const groups = groupsFor(Math.ceil(count / PARTS_A_GROUP) * size)
        gpu.emit(sumPartsKernel, { params: { count, size, more: more ? 1 : 0 }, ...bindings }, groups)
      })
    let rows = 0 // at the level that was reached last
    for (let first = 0; first < parts; first += slots) {
      rows = Math.min(slots, parts - first)
      const end = first + rows
      write(level(0), first, rows)
      for (let l = 1, group = PARTS_A_GROUP; l < levels; l++, group *= PARTS_A_GROUP) {
        const before = group / PARTS_A_GROUP
        const from = first - (first % before) // where the first row that is added now begins
        add(l, rows, from % group !== 0)
        if (slots < group && end % group !== 0 && end < parts) break // the group is not complete
        rows = Math.ceil(rows / PARTS_A_GROUP)
      }
    }
    finish(level(levels - 1), rows)
  })
}

/** Adds one part of so many elements to `out`. */
export function addPart(gpu: Gpu, part: Storage, out: Storage, size: number): void {
  gpu.emit(sumPartsKernel, { params: { count: 1, size, more: 1 }, parts: part, out }, groupsFor(size))
}

/** Lends several pieces of scratch memory. */
export function withBuffers(
  gpu: Gpu,
  operation: string,
  floats: readonly number[],
  use: (buffers: readonly Storage[]) => void,
): void {
  const lend = (lent: readonly Storage[]): void => {
    if (lent.length === floats.length) use(lent)
    else withScratch(gpu, operation, floats[lent.length]!, (storage) => lend([...lent, storage]))
  }
  lend([])
}
