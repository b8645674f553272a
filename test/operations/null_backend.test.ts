// Dawn's null backend runs nothing but checks everything: each kernel compiles as it stands, with every workgroup size
// and every row of the tuning tables, and every dispatch of every operation passes validation.
import { beforeAll, describe, expect, it } from 'vitest'
import { create } from 'webgpu'
import { reflect } from '../../src/gpu/reflect.ts'
import { type FusedTuning, tuneFused } from '../../src/kernels/conv2d_relu_max_pool2d_tuning.ts'
import { type CorrelateTuning, tuneCorrelate, tuneWeight, type WeightTuning } from '../../src/kernels/conv2d_tuning.ts'
import * as wgsl from '../../src/kernels/generated/wgsl.ts'
import { type Kernel, KernelFile } from '../../src/node/index.ts'
import { Gpu, tensor } from '../support/gpu.ts'
import { drawn } from './run.ts'
import { table } from './table.ts'

// Once an instance is collected as garbage its next call crashes: this one lives as long as the process.
const instance = create(['backend=null'])
let device: GPUDevice
beforeAll(async () => {
  const adapter = await instance.requestAdapter()
  device = await adapter!.requestDevice()
})

const files = Object.entries({ ...wgsl } as Record<string, string>)
const entryPoints = files.flatMap(([file, code]) =>
  [...reflect(file, code).keys()].map((entryPoint) => ({ file, code, entryPoint })),
)

let last: { code: string; module: GPUShaderModule } | null = null

/** Compiles a kernel for its layout; the text of what was wrong, or null. */
async function compile({ code, entryPoint, bindings, constants }: Kernel): Promise<string | null> {
  device.pushErrorScope('validation')
  const entries = bindings.map(({ binding, type }) => ({ binding, visibility: 4, buffer: { type } }))
  const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] })
  if (last?.code !== code) last = { code, module: device.createShaderModule({ code }) }
  const { module } = last
  device.createComputePipeline({ layout, compute: { module, entryPoint, constants: { ...constants } } })
  return (await device.popErrorScope())?.message ?? null
}

describe('on the null backend', () => {
  it('a kernel that is wrong is found', async () => {
    const code =
      '@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n@compute @workgroup_size(1) fn f() { '
    expect(await compile(new KernelFile('bad', `${code} out[0] = 1; }`).entry('f'))).toBe(null)
    expect(await compile(new KernelFile('bad', `${code} out[0] = 1u; }`).entry('f'))).toContain('cannot assign')
    const wide = new KernelFile('bad', `override WG: u32 = 64u;\n${code.replace('(1)', '(WG)')} out[0] = 1; }`).entry(
      'f',
      {},
      { WG: 512 },
    )
    expect(await compile(wide)).toContain('workgroup_size')
  })

  it.each(files)('%s.wgsl compiles as it stands', async (_, code) => {
    const messages = (await device.createShaderModule({ code }).getCompilationInfo()).messages
    expect(messages.map(({ message }) => message)).toEqual([])
  })

  it.each(entryPoints)('$file.$entryPoint compiles with every workgroup size', async ({ file, code, entryPoint }) => {
    expect(await compile(new KernelFile(file, code).entry(entryPoint))).toBeNull()
    // Where there is none the workgroup's size decides the order of a sum, and is fixed.
    if (!code.includes('override WG: u32 = ')) return
    for (const WG of [1, 2, 16, 32, 64, 128, 256]) {
      expect(await compile(new KernelFile(file, code).entry(entryPoint, {}, { WG })), `WG = ${WG}`).toBeNull()
    }
  })

  it('every file with PER compiles with other counts of elements a thread', async () => {
    const kernels = entryPoints.filter(({ code }) => /^const PER: u32 = \d+u; \/\/ tune/m.test(code))
    expect(kernels.length).toBeGreaterThan(6)
    for (const { file, code, entryPoint } of kernels) {
      for (const PER of [1, 4, 64])
        expect(await compile(new KernelFile(file, code).entry(entryPoint, { PER }))).toBeNull()
    }
  })

  it('conv2d compiles with every row of its tuning tables', { timeout: 120_000 }, async () => {
    const { correlate, weight } = tunings()
    // Fewer would mean that the sizes tried no longer reach the tables.
    expect(correlate.length).toBeGreaterThan(100)
    expect(weight.length).toBeGreaterThan(50)
    type Tune = Readonly<Record<string, number>>
    // All entry points of one text before the next: its module is made once.
    const compileAll = async (tunes: readonly Tune[], entryPoints: readonly string[]) => {
      for (const { WG = 64, ...tune } of tunes) {
        for (const entryPoint of entryPoints) {
          const kernel = new KernelFile('conv2d', wgsl.conv2d).entry(entryPoint, tune, { WG })
          expect(await compile(kernel), `${entryPoint} ${JSON.stringify(tune)}`).toBeNull()
        }
      }
    }
    // Only some of the numbers reach the smaller entry points.
    const distinct = <T>(tunes: readonly T[], key: (tune: T) => unknown) => [
      ...new Map(tunes.map((tune) => [String(key(tune)), tune])).values(),
    ]
    const byBlock = distinct(correlate, ({ OCB }) => OCB)
    const bySums = distinct(weight, ({ IMAGES, LANES }) => [IMAGES, LANES])
    // Where the weights lie is one branch: with every width it is enough.
    const places = distinct(correlate, ({ WEIGHTS_UNIFORM, KW_FIXED }) => [WEIGHTS_UNIFORM, KW_FIXED])
    const blocks = distinct(correlate, ({ PX, OCB, KW_FIXED }) => [PX, OCB, KW_FIXED])
    await compileAll([...new Set([...blocks, ...places])], ['forward', 'backward_input'])
    await compileAll(byBlock, ['pack_forward', 'pack_backward_input'])
    await compileAll(weight, ['backward_weight'])
    await compileAll(bySums, ['reduce', 'reduce_weight'])
  })

  it('conv2d_relu_max_pool2d compiles with every row of its tuning table', { timeout: 120_000 }, async () => {
    const tunes = fusedTunings()
    expect(tunes.length).toBeGreaterThan(50)
    // Each entry point with the numbers that reach it: others make no other kernel.
    for (const [entryPoint, names] of Object.entries(FUSED_NUMBERS)) {
      const reaching = tunes.map((tune) => Object.fromEntries(names.map((name) => [name, tune[name]!])))
      for (const { WG = 64, ...numbers } of new Map(reaching.map((tune) => [JSON.stringify(tune), tune])).values()) {
        const kernel = new KernelFile('fused', wgsl.conv2d_relu_max_pool2d).entry(entryPoint, numbers, { WG })
        expect(await compile(kernel), `${entryPoint} ${JSON.stringify(numbers)}`).toBeNull()
      }
    }
  })

  it.each(table.map((row) => [row.name, row] as const))('every dispatch of %s is valid', async (_, row) => {
    const own = await instance.requestAdapter().then((adapter) => Gpu.fromAdapter(adapter!))
    for (const given of Object.values(row.fixed)) {
      const { inputs, dy } = drawn(row, given, 'normal')
      const upload = (r: (typeof inputs)[number], requiresGrad = true) =>
        r && tensor(Float32Array.from(r.data), r.shape, { requiresGrad, gpu: own })
      const out = row.run(
        inputs.map((r) => upload(r)),
        given,
      )
      out.backward(upload(dy, false))
      await out.data() // reports what was wrong
    }
    await own.close()
  })
})

const CLASSES = ['cpu', 'gpu'] as const

const FUSED_NUMBERS = {
  pack: ['OCB', 'DX_C'],
  forward: ['RUN', 'KW_FIXED', 'PADDED', 'WEIGHTS_UNIFORM', 'OCB'],
  backward_input: [
    'RUN',
    'KW_FIXED',
    'WEIGHTS_UNIFORM',
    'OCB',
    'DX_C',
    'DX_T',
    'DX_WINDOWS',
    'DX_BACK',
    'DX_SHIFT',
    'DX_WHOLE',
  ],
  backward_weight: ['WG', 'RUN', 'KW_FIXED', 'PADDED', 'IMAGES', 'LANES', 'DW_OC', 'DW_TY', 'DW_TX'],
  reduce: ['IMAGES', 'LANES'],
} as const

/** Every width that is compiled in and one that is not, with heights of each kind. */
const KERNELS = [...[1, 2, 3, 4, 5, 6, 7].map((k) => [k, k] as const), [1, 5], [5, 1], [2, 9], [9, 2]] as const

/** All that conv2d_tuning.ts may answer: its tables asked for layers of all sorts, and what differs kept. */
function tunings(): { correlate: CorrelateTuning[]; weight: WeightTuning[] } {
  const correlate = new Map<string, CorrelateTuning>()
  const weight = new Map<string, WeightTuning>()
  const note = <T extends Readonly<Record<string, number>>>(into: Map<string, T>, tune: T) =>
    into.set(Object.values(tune).join(), tune)
  for (const outChannels of [1, 2, 3, 4, 5, 6, 7, 8, 16, 128]) {
    for (const inChannels of [1, 64, 512]) {
      for (const [KH, KW] of KERNELS) {
        for (const OW of [4, 7, 8, 10, 14, 24, 28, 4000]) {
          const layer = { inChannels, outChannels, KH, KW, OH: OW, OW }
          for (const flag of [false, true]) {
            for (const as of CLASSES) {
              for (const slices of [false, true]) note(correlate, tuneCorrelate(layer, { unitStep: flag, slices }, as))
              note(weight, tuneWeight(layer, flag, as))
            }
          }
        }
      }
    }
  }
  // Groups of few filters, in layers that have no variant of their own.
  for (const outChannels of [1, 2, 9]) {
    for (const as of CLASSES) {
      const layer = { inChannels: 1, outChannels, KH: 3, KW: 3, OH: 4, OW: 4, groups: 8 }
      note(correlate, tuneCorrelate(layer, { unitStep: true, slices: false }, as))
      note(weight, tuneWeight(layer, true, as))
    }
  }
  return { correlate: [...correlate.values()], weight: [...weight.values()] }
}

/** What conv2d_relu_max_pool2d_tuning.ts answers for layers of all sorts. */
function fusedTunings(): FusedTuning[] {
  const found = new Map<string, FusedTuning>()
  for (const F of [1, 2, 3, 6, 16]) {
    for (const C of [1, 3, 64]) {
      for (const [KH, KW] of [
        [1, 1],
        [2, 2],
        [5, 5],
        [7, 7],
        [3, 5],
        [9, 2],
        [2, 9],
      ] as const) {
        for (const OW of [1, 5, 14, 40]) {
          for (const PW of [0, 1, KW]) {
            const W = 2 * OW + KW - 1 - 2 * PW
            if (W < 1) continue
            for (const as of CLASSES) {
              const { quads, ...numbers } = tuneFused({ C, F, KH, KW, W, OH: 30, OW, PH: PW, PW }, true, as)
              found.set(Object.values(numbers).join(), { quads, ...numbers })
            }
          }
        }
      }
    }
  }
  return [...found.values()]
}
