// Benchmark of conv2d of groups of one channel and one filter.
import { bench } from './conv2d.bench.ts'
import type { Case } from './support.ts'

export const cases: readonly Case[] = [
  ...bench('lenet', { input: [256, 6, 28, 28], filters: 6, kernel: 5, padding: 2, groups: 6 }),
  ...bench('large', { input: [32, 128, 28, 28], filters: 128, kernel: 3, padding: 1, groups: 128 }),
  ...bench('large', { input: [32, 64, 28, 28], filters: 64, kernel: 5, padding: 2, groups: 64 }),
]
