// Tries a driver in a child process, so that one that crashes or hangs does no harm.
import { type ChildProcess, execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import type { AdapterSource, Driver } from './drivers.ts'

/** What an adapter tells about itself. */
export interface AdapterFacts {
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
  readonly isFallbackAdapter: boolean
}

/**
 * The result of trying a driver. `facts` is null if no process could be started to find out; `none` means that everything
 * worked but there is no adapter.
 */
export type Probed =
  | { readonly ok: true; readonly facts: AdapterFacts | null }
  | { readonly ok: false; readonly why: string; readonly none?: boolean }

/** A driver hangs if it does nothing for so long. A process that waits for a processor, or for a disk, does something. */
const STILL_MILLISECONDS = 20_000
/** A driver hangs if it computes for so many times as long without an answer: all of it takes a second of a processor. */
const MOST_COMPUTING = 3
/** The share of a processor below which a process does nothing; some that wait look every few milliseconds. */
const IDLE = 0.05
/** A wait for a processor or a disk in which nothing is computed may last so many times as long: broken devices wait for ever. */
const MOST_WAITING = 15
/** Where processes can't be watched, it may take so many times as long, whatever it does. */
const MOST_UNWATCHED = 3
const RTLD_NOW_NODELETE = 0x2 | 0x1000
const MARK = 'dawngrad-probe:'

/**
 * Loads the libraries of a driver into this process, permanently. Node refuses a library that is not an addon ("did not
 * self-register"), but RTLD_NODELETE keeps it, so that a later dlopen of its name finds it. Never use RTLD_GLOBAL: LLVM's
 * symbols would replace others, and the first pipeline would end in a segmentation fault.
 */
export function preload(driver: Pick<Driver, 'libvulkan' | 'libraries'>, platform: string = process.platform): void {
  if (platform !== 'linux') return
  if (!stays('libvulkan.so.1')) driver.libvulkan.some(stays)
  // A library loads only after those it needs, so repeat until nothing changes.
  let left = [...driver.libraries]
  for (let before = -1; left.length !== before; ) {
    before = left.length
    left = left.filter((path) => !stays(path))
  }
}

function stays(path: string): boolean {
  try {
    process.dlopen({ exports: {} }, path, RTLD_NOW_NODELETE)
    return true
  } catch (error) {
    return error instanceof Error && error.message.includes('self-register')
  }
}

/**
 * The program of the child process. It repeats `preload`, since it must run without this package's loaders. It ends with a
 * pipeline that computes 2x + 1, since some drivers fail only in the first pipeline.
 */
const PROGRAM = `
import { writeSync } from 'node:fs'
const report = (result) => {
  writeSync(1, '\\n' + options.mark + JSON.stringify(result) + '\\n')
  process.exit(0)
}
const stays = (path) => {
  try {
    process.dlopen({ exports: {} }, path, options.flags)
    return true
  } catch (error) {
    return error.message.includes('self-register')
  }
}
try {
  if (process.platform === 'linux') {
    if (!stays('libvulkan.so.1')) options.libvulkan.some(stays)
    let left = options.libraries
    for (let before = -1; left.length !== before; ) {
      before = left.length
      left = left.filter((path) => !stays(path))
    }
  }
  const { create } = await import(options.webgpu)
  globalThis.keptFromCollection = create([])
  const adapter = await keptFromCollection.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter) report({ why: 'no adapter' })
  const { vendor, architecture, device: name, description, isFallbackAdapter } = adapter.info
  const device = await adapter.requestDevice()
  const code = '@group(0) @binding(0) var<storage, read_write> x: array<u32, 64>;' +
    '@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { x[i] = 2u * x[i] + 1u; }'
  const module = device.createShaderModule({ code })
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } })
  const buffer = device.createBuffer({ size: 256, usage: 4 | 8 | 128 })
  const staging = device.createBuffer({ size: 256, usage: 1 | 8 })
  device.queue.writeBuffer(buffer, 0, Uint32Array.from({ length: 64 }, (_, i) => i))
  const entries = [{ binding: 0, resource: { buffer } }]
  const encoder = device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }))
  pass.dispatchWorkgroups(1)
  pass.end()
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, 256)
  device.queue.submit([encoder.finish()])
  await staging.mapAsync(1)
  const right = new Uint32Array(staging.getMappedRange()).every((value, i) => value === 2 * i + 1)
  if (!right) report({ why: 'its adapter computes wrong numbers: ' + (description || name) })
  report({ facts: { vendor, architecture, device: name, description, isFallbackAdapter } })
} catch (error) {
  report({ why: String(error?.message ?? error).trim().split('\\n')[0] })
}
`

/**
 * Tries a driver in a child process, so that a driver that crashes or hangs does not end this process. A slow machine is no
 * sign of a bad driver: what counts is what the child does, not the clock.
 */
export function probe(driver: Driver, milliseconds = STILL_MILLISECONDS): Promise<Probed> {
  const { libvulkan, libraries } = driver
  const options = { mark: MARK, flags: RTLD_NOW_NODELETE, webgpu: webgpuUrl(), libvulkan, libraries }
  const program = `const options = ${JSON.stringify(options)}\n${PROGRAM}`
  const env = { ...process.env, ...driver.env }
  // These are for this process: no debugger, loaders or coverage in the child.
  for (const name of ['NODE_OPTIONS', 'NODE_V8_COVERAGE', 'NODE_CHANNEL_FD']) delete env[name]
  return new Promise((done) => {
    const args = ['--input-type=module', '--eval', program]
    try {
      const child = execFile(process.execPath, args, { env, windowsHide: true }, (error, stdout, stderr) => {
        clearInterval(watch)
        const line = stdout.split('\n').find((text) => text.startsWith(MARK))
        done(line === undefined ? withoutReport(error, stderr) : withReport(line, stderr))
      })
      const hangs = watcher(child.pid, milliseconds)
      const watch = setInterval(() => {
        const hanging = hangs()
        if (hanging === null) return
        clearInterval(watch)
        child.kill('SIGKILL')
        // A process that waits for a broken device can't be killed. Nobody waits for it.
        for (const one of [child, child.stdout, child.stderr]) (one as Partial<ChildProcess> | null)?.unref?.()
        done(hanging)
      }, milliseconds)
    } catch {
      done({ ok: true, facts: null }) // for example under Node's permission model without --allow-child-process
    }
  })
}

/** Whether a line of stderr is Dawn's harmless notice about limits, which it prints in every process on some adapters. */
export function isNoise(line: string): boolean {
  return line.startsWith('Warning: ') && line.includes('artificially reduced')
}

/** Only the report counts: a driver that crashes while its process ends has worked. */
function withReport(line: string, stderr: string): Probed {
  const { facts, why } = JSON.parse(line.slice(MARK.length)) as { facts?: AdapterFacts; why?: string }
  if (facts) return { ok: true, facts }
  const warning = stderr.split('\n').find((text) => text.startsWith('Warning: ') && !isNoise(text))
  if (why !== 'no adapter') return { ok: false, why: String(why) }
  return { ok: false, none: true, why: warning ? `${why} (${warning.slice('Warning: '.length).trim()})` : why }
}

type Hanging = { readonly ok: false; readonly why: string }

/** Tells, when called once in so many milliseconds, that a process counts as hanging, and why; null if it does not. */
export function watcher(pid: number | undefined, milliseconds: number): () => Hanging | null {
  let computed = 0
  let calls = 0
  let still = 0
  return () => {
    calls++
    const seconds = (times: number) => `${(times * milliseconds) / 1000} s`
    const now = pid === undefined ? null : activityOf(pid)
    if (now === null) return calls < MOST_UNWATCHED ? null : { ok: false, why: `no answer within ${seconds(calls)}` }
    const since = now.computed - computed
    computed = now.computed
    if (computed > MOST_COMPUTING * milliseconds) {
      return { ok: false, why: `no answer, though it has computed for ${seconds(MOST_COMPUTING)}` }
    }
    still = since > IDLE * milliseconds ? 0 : still + 1
    if (still < (now.waits ? MOST_WAITING : 1)) return null
    return { ok: false, why: `no answer, and it has done nothing for ${seconds(still)}` }
  }
}

/** A tick of /proc on every Linux. */
const TICK_MILLISECONDS = 10

/**
 * How long a process has computed, in milliseconds of processors, and whether one of its threads would do more if it could: it
 * waits for a processor (state R) or a disk (D), or has been stopped (T). Null where this can't be read.
 */
function activityOf(pid: number): { computed: number; waits: boolean } | null {
  const fieldsOf = (path: string) => {
    const text = readFileSync(path, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  }
  try {
    const fields = fieldsOf(`/proc/${pid}/stat`)
    const states = readdirSync(`/proc/${pid}/task`).map((thread) => fieldsOf(`/proc/${pid}/task/${thread}/stat`)[0]!)
    const computed = (Number(fields[11]) + Number(fields[12])) * TICK_MILLISECONDS
    return { computed, waits: states.some((state) => 'RDTt'.includes(state)) }
  } catch {
    return null
  }
}

type ExecError = { code?: unknown; signal?: string | null }

function withoutReport(error: ExecError | null, stderr: string): Probed {
  if (error?.signal) return { ok: false, why: `its driver crashed (${error.signal})` }
  if (typeof error?.code === 'string') return { ok: true, facts: null } // no process could be started
  const last = stderr.trim().split('\n').at(-1) ?? ''
  return { ok: false, why: `its process ended with code ${error?.code ?? 0}${last === '' ? '' : `: ${last}`}` }
}

/** The source of an adapter, by its facts. Any software adapter except SwiftShader counts as lavapipe. */
export function sourceOf(facts: AdapterFacts): AdapterSource {
  const text = `${facts.device} ${facts.description} ${facts.architecture}`
  if (/swiftshader/i.test(text)) return 'swiftshader'
  return facts.isFallbackAdapter || /llvmpipe|lavapipe|software/i.test(text) ? 'lavapipe' : 'hardware'
}

/** One line that names an adapter. */
export function nameOf({ vendor, architecture, device, description }: AdapterFacts): string {
  return description || device || `${vendor} ${architecture}`.trim() || 'unnamed adapter'
}

const require = createRequire(import.meta.url)

/** The URL of the package webgpu, for an import from anywhere. */
function webgpuUrl(): string {
  return pathToFileURL(require.resolve('webgpu')).href
}

/** The version of the package webgpu. */
export function webgpuVersion(): string {
  return (require('webgpu/package.json') as { version: string }).version
}
