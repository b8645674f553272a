// Runs PyTorch's training steps in Python, where PyTorch is installed.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Problem } from './problems.ts'

export interface TorchRun {
  /** 'torchCpu', or on CUDA 'eager', 'graphs' (the whole step as one CUDA graph) and 'compile' (torch.compile). */
  readonly name: string
  readonly device: string
  readonly losses?: readonly number[]
  readonly minMs?: number
  readonly medianMs?: number
  readonly error?: string
}

export interface Torch {
  readonly version: string
  readonly runs: readonly TorchRun[]
}

/** What torch_bench.py measures, or null where python3 has no torch. Throws an Error where it breaks off. */
export function torch(problem: Problem, samples: number): Torch | null {
  if (spawnSync('python3', ['-c', 'import torch'], { stdio: 'ignore' }).status !== 0) return null
  const weights = Object.fromEntries(
    [...problem.weights].map(([name, { shape, data }]) => [name, { shape, data: [...data] }]),
  )
  const { name, update, input: batch, labels } = problem
  const x = { shape: batch.shape, data: [...batch.data] }
  const input = JSON.stringify({ name, update, weights, input: x, labels: [...labels], samples })
  const script = fileURLToPath(new URL('torch_bench.py', import.meta.url))
  const options = { input, encoding: 'utf8', timeout: 300_000, maxBuffer: 2 ** 24 } as const
  const { status, stdout, stderr, error } = spawnSync('python3', [script], options)
  if (status !== 0) throw new Error(error?.message ?? stderr.trim().split('\n').at(-1) ?? 'python3 failed')
  return JSON.parse(stdout) as Torch
}
