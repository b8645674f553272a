// Reads the records that benchmarks have left in bench/results.
import { readdirSync, readFileSync } from 'node:fs'

/** The fields that the page takes from a record of the benchmarks; all were written by bench/report.ts. */
export interface Head {
  readonly adapter: string
  readonly driver: string
  readonly adapterClass: 'cpu' | 'gpu'
  readonly version: string
  readonly commit: string | null
  readonly node: string
  readonly date: string
  readonly method: string
  readonly fast?: boolean
}

interface Times {
  readonly minMs: number
  readonly medianMs: number
}

export interface Kernels extends Head {
  readonly peak?: { readonly gflops: number; readonly gbs: number }
  readonly rows: readonly (Times & {
    readonly name: string
    readonly direction: string
    readonly shape: string
    readonly gflops: number | null
    readonly gbs: number
    readonly share?: number
    readonly bound?: string
  })[]
}

export interface Step extends Head {
  readonly step: Times & {
    readonly batchSize: number
    readonly data: string
    readonly dispatches: number
    readonly imagesPerSecond: number
    readonly recordMs: number
  }
  /** How the step was run, the way of `step` among them. */
  readonly modes: readonly (Times & {
    readonly mode: string
    readonly dispatches: number
    readonly imagesPerSecond: number
    readonly recordMs: number
    readonly heapBytes: number
  })[]
  /** JavaScript of a dispatch of a captured step, in microseconds. */
  readonly replay: {
    readonly encodeUs: number
    readonly aboveUs: number
    readonly aboveEmptyUs: number
    readonly heapBytes: number
  }
}

/** Seconds since the process began. */
export interface Start extends Head {
  readonly start: { readonly seconds: Readonly<Record<string, number>>; readonly driverCache: boolean }
}

export type PeerKey = 'dawngrad' | 'tfjs' | 'jaxjs'

export interface Peers extends Head {
  readonly versions: Readonly<Partial<Record<PeerKey, string>>>
  readonly step: {
    readonly batch: number
    readonly details: readonly (Times & {
      readonly key: PeerKey
      readonly dispatches: number
      readonly firstMs: number
      readonly rested: Times | null
    })[]
    readonly torch: {
      readonly version: string
      readonly runs: readonly (Times & { readonly name: string; readonly device: string })[]
    } | null
  } | null
  readonly kernels: readonly {
    readonly name: string
    readonly shape: string
    readonly details: Readonly<Partial<Record<PeerKey, Times>>>
  }[]
}

export interface Scale extends Head {
  readonly batch: readonly ScaleRow[]
  readonly width: readonly ScaleRow[]
}

export interface ScaleRow extends Times {
  readonly batch: number
  readonly width: number
  readonly parameters: number
  readonly dispatches: number
  readonly imagesPerSecond: number
}

export interface Records {
  readonly step: Step
  readonly peers: Peers
  readonly scale: Scale
  readonly kernels: Kernels
  readonly start: Start
}

export type Kind = keyof Records

/** A file KIND-ADAPTER.json of bench/results. */
export interface Found<K extends Kind> {
  readonly file: string
  readonly adapter: string
  readonly record: Records[K]
}

/** The records of one kind, those of GPUs first, then by name. */
export function find<K extends Kind>(kind: K, folder: URL): Found<K>[] {
  return readdirSync(folder)
    .filter((file) => file.startsWith(`${kind}-`) && file.endsWith('.json'))
    .sort()
    .map((file) => {
      const record = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Records[K]
      return { file, adapter: file.slice(kind.length + 1, -'.json'.length), record }
    })
    .sort((a, b) => Number(a.record.adapterClass === 'cpu') - Number(b.record.adapterClass === 'cpu'))
}
