// What an entry of the table of errors is. See CONTRIBUTING.md, "A new error".
import type { Gpu } from '../../src/gpu/gpu.ts'

/** What the code that provokes an error may use; the shared device is the default one. */
export interface Place {
  /** A folder that is there and empty. */
  readonly folder: string
  readonly gpu: Gpu
  /** A device of its own, which is closed afterwards. */
  readonly ownGpu: () => Promise<Gpu>
}

interface Words {
  /** What happened, in a few words: 'conv2d: the channels differ'. */
  readonly title: string
  /** The name of the error's class, or how the command line ends: 'exit code 2'. */
  readonly error: string
  /** The kind of a GpuError. */
  readonly kind?: string
  /** The whole text. Where something varies, such as a path, it has a placeholder: '<folder>: no such folder'. */
  readonly text: string
  /** Every placeholder of the text, and what may stand there. Whatever can be exact is no placeholder. */
  readonly varies?: Readonly<Record<string, RegExp>>
  /** One sentence on what to do, where the text itself does not say it. */
  readonly cure?: string
  /** Whose words these are, where they are not this package's: 'commander', 'Dawn'. */
  readonly by?: string
}

/** One error that a user can meet, and how it is provoked: by code, by arguments of the command, or in another test. */
export type Refusal = Words &
  (
    | { readonly run: (place: Place) => unknown }
    | { readonly args: readonly string[] }
    /** The file of a test that holds the whole text already, where provoking it takes a world of its own. */
    | { readonly pinnedBy: string }
  )

export interface Area {
  readonly title: string
  readonly refusals: readonly Refusal[]
}

/** For callers without types: a value that the types forbid. */
export const loose = (value: unknown) => value as never

/** Placeholders that several texts have. */
export const PATH = /\/\S+?/
export const COUNT = /[\d,]+/
export const HASH = /[0-9a-f]{64}/

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** The fixed pieces of an entry's text, between its placeholders. */
export function fixedParts({ text, varies = {} }: Pick<Words, 'text' | 'varies'>): string[] {
  const names = Object.keys(varies).map(escaped)
  return names.length === 0 ? [text] : text.split(new RegExp(names.join('|')))
}

/** What the whole text of an error must match. The same placeholder twice stands for the same words. */
export function pattern({ text, varies = {} }: Pick<Words, 'text' | 'varies'>): RegExp {
  const names = Object.keys(varies)
  const seen: string[] = []
  const piece = (part: string): string => {
    if (!names.includes(part)) return escaped(part)
    const before = seen.indexOf(part)
    if (before >= 0) return `\\${before + 1}`
    seen.push(part)
    return `(${varies[part]!.source})`
  }
  const parts = names.length === 0 ? [text] : text.split(new RegExp(`(${names.map(escaped).join('|')})`))
  return new RegExp(`^${parts.map(piece).join('')}$`)
}
