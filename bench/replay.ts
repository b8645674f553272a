// Measures what the JavaScript of a replayed step costs, down to the bare WebGPU calls.
import process from 'node:process'
import type { Gpu } from '../src/gpu/gpu.ts'
import { stepOffset } from '../src/gpu/params.ts'
import { type Dispatch, encodeSteps } from '../src/gpu/recorder.ts'
import { digits, print } from './report.ts'
import { type Fence, median } from './timing.ts'

/** Microseconds of JavaScript, medians of samples that take turns. */
export interface ReplayCost {
  /** A dispatch of a kept step, as `plan.run` encodes it. */
  readonly encodeUs: number
  /** Its three calls alone: setPipeline, setBindGroup, dispatchWorkgroups with the same arguments, written in a loop. */
  readonly bareUs: number
  /** The three calls over and over with one empty pipeline, one bind group of nothing and one workgroup. */
  readonly emptyUs: number
  /** What a dispatch costs above its three calls: the median of the differences within a turn. */
  readonly aboveUs: number
  /** The same, above those of the empty pipeline. */
  readonly aboveEmptyUs: number
  /** Bytes of JavaScript's heap that the encoding of a step takes. */
  readonly heapBytes: number
  /** What a run costs besides: opening the pass, ending it, finish() and submit() of so many steps. */
  readonly runUs: number
  readonly stepsARun: number
}

/** Steps encoded between two looks at the clock. */
const STEPS = 64
const WARM_UP = 10

type Encode = (pass: GPUComputePassEncoder) => void

/** Takes the JavaScript of a replay apart. `run` takes so many steps by a captured plan. */
export async function replayCost(
  gpu: Gpu,
  run: () => void,
  { stepsARun, samples, fence }: { stepsARun: number; samples: number; fence: Fence },
): Promise<ReplayCost> {
  const dispatches = dispatchesOf(gpu, run)
  const ways: Encode[] = [
    (pass) => encodeSteps(pass, dispatches, STEPS),
    bareCalls(dispatches),
    emptyCalls(gpu, STEPS * dispatches.length),
    () => undefined, // what the looks at the clock and the heap take
  ]
  const turns: number[][] = []
  const heap: number[] = []
  for (let turn = -WARM_UP; turn < 2 * samples; turn++) {
    const found = ways.map((encode) => timeEncoding(gpu, encode))
    if (turn < 0) continue
    turns.push(found.map(({ ms }) => (1000 * ms) / (STEPS * dispatches.length)))
    heap.push(found[0]!.heapBytes - found.at(-1)!.heapBytes)
  }
  const runs: number[] = []
  for (let i = 0; i < samples; i++) {
    runs.push(timeRun(gpu, dispatches, stepsARun))
    await fence.wait()
  }
  const each = (pick: (turn: readonly number[]) => number) => median(turns.map(pick))
  return {
    encodeUs: each(([encode]) => encode!),
    bareUs: each(([, bare]) => bare!),
    emptyUs: each(([, , empty]) => empty!),
    aboveUs: each(([encode, bare]) => encode! - bare!),
    aboveEmptyUs: each(([encode, , empty]) => encode! - empty!),
    heapBytes: Math.max(0, median(heap)) / STEPS,
    runUs: 1000 * median(runs),
    stepsARun,
  }
}

export function printReplay(cost: ReplayCost): void {
  const { encodeUs, bareUs, aboveUs, emptyUs, aboveEmptyUs, heapBytes, runUs, stepsARun } = cost
  print('\nJavaScript of a replay (captured, fused), µs:')
  print(`a dispatch ${digits(encodeUs)}; its three bare calls ${digits(bareUs)}: ${signed(aboveUs)} above them`)
  print(`three bare calls of an empty pipeline ${digits(emptyUs)}: ${signed(aboveEmptyUs)} above them`)
  print(
    `heap a step: ${heapBytes.toFixed(1)} bytes; pass, finish and submit of a run of ${stepsARun} steps: ${digits(runUs)}`,
  )
}

const signed = (us: number) => (us < 0 ? us.toFixed(2) : `+${us.toFixed(2)}`)

function dispatchesOf(gpu: Gpu, run: () => void): readonly Dispatch[] {
  let found: readonly Dispatch[] = []
  const { replay } = gpu
  gpu.replay = (dispatches) => {
    found = dispatches
  }
  try {
    run()
  } finally {
    gpu.replay = replay
  }
  return found
}

/** The commands are made, and never sent. */
function timeEncoding(gpu: Gpu, encode: Encode): { ms: number; heapBytes: number } {
  const encoder = gpu.device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  const before = process.memoryUsage().heapUsed
  const start = performance.now()
  encode(pass)
  const ms = performance.now() - start
  const heapBytes = process.memoryUsage().heapUsed - before
  pass.end()
  encoder.finish()
  return { ms, heapBytes }
}

/** A replay, less the encoding in it. */
function timeRun(gpu: Gpu, dispatches: readonly Dispatch[], steps: number): number {
  const start = performance.now()
  const encoder = gpu.device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  const opened = performance.now()
  encodeSteps(pass, dispatches, steps)
  const encoded = performance.now()
  pass.end()
  gpu.device.queue.submit([encoder.finish()])
  return performance.now() - encoded + (opened - start)
}

function bareCalls(dispatches: readonly Dispatch[]): Encode {
  const pipelines = dispatches.map(({ pipeline }) => pipeline)
  const groups = dispatches.map(({ bindGroup }) => bindGroup)
  const [xs, ys] = [0, 1].map((i) => dispatches.map(({ grid }) => grid[i]!)) as [number[], number[]]
  const offsets = Array.from({ length: STEPS }, (_, step) => [stepOffset(step)])
  const perStep = dispatches.map((one) => one.perStep)
  return (pass) => {
    for (let step = 0; step < STEPS; step++) {
      for (let i = 0; i < pipelines.length; i++) {
        pass.setPipeline(pipelines[i]!)
        if (perStep[i]) pass.setBindGroup(0, groups[i]!, offsets[step]!)
        else pass.setBindGroup(0, groups[i]!)
        pass.dispatchWorkgroups(xs[i]!, ys[i]!)
      }
    }
  }
}

function emptyCalls({ device }: Gpu, count: number): Encode {
  const code = '@compute @workgroup_size(1) fn main() {}'
  const layout = device.createBindGroupLayout({ entries: [] })
  const pipeline = device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  })
  const bindGroup = device.createBindGroup({ layout, entries: [] })
  return (pass) => {
    for (let i = 0; i < count; i++) {
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, bindGroup)
      pass.dispatchWorkgroups(1, 1)
    }
  }
}
