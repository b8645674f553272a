// How far the first losses of a port are from PyTorch's, and how far they may be.
import { readFileSync } from 'node:fs'
import { boundBesidePytorch } from '../support/close.ts'
import type { Case } from './case.ts'

interface Expected {
  readonly losses: readonly number[]
  /** The largest distance of PyTorch's float32 losses from these, which are of float64. */
  readonly float32Deviation: number
}

const file = new URL('../reference/tutorials.json', import.meta.url)
const all = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Expected>

export function expected(port: string): Expected {
  const found = all[port]
  if (!found)
    throw new Error(`${port}: there are no losses of PyTorch; add a maker in test/reference/makers/tutorials/`)
  return found
}

export function portOf(port: string): Promise<{ default: Case }> {
  return import(`./cases/${port}.ts`) as Promise<{ default: Case }>
}

/** For every step. */
export function distances(port: string, losses: readonly number[]): { far: number; bound: number }[] {
  const { losses: wanted, float32Deviation } = expected(port)
  return wanted.map((value, i) => ({
    far: Math.abs(losses[i]! - value),
    bound: boundBesidePytorch(float32Deviation, value),
  }))
}
