import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { examinationText } from '../../src/cli/doctor_text.ts'
import { fashionMnistSearch, findFashionMnist } from '../../src/node/fashion_mnist.ts'
import { packageVersion } from '../../src/node/version.ts'
import { expErrors, numberFacts, selfTest } from '../../src/provision/diagnose.ts'
import type { Examination } from '../../src/provision/examine.ts'
import { testGpu } from '../support/gpu.ts'

const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-doctor-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href

function doctor(args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    const options = { cwd: scratch, env: { ...process.env, ...env }, timeout: 50_000 }
    execFile(process.execPath, ['--import', tsx, main, 'doctor', ...args], options, (error, stdout) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout })
    })
  })
}

const dataDir = await findFashionMnist(fashionMnistSearch()).then(
  ({ dir }) => dir,
  () => null,
)

describe('dawngrad doctor', () => {
  it('reports the adapter in use and the data as one JSON object', async () => {
    const { code, stdout } = await doctor(['--json'])
    const report = JSON.parse(stdout) as Examination
    const { adapter, data, adapterSources } = report
    const { info } = await testGpu()
    expect(report.versions).toMatchObject({ dawngrad: packageVersion(), node: process.version })
    expect(adapter).toMatchObject({ name: info.name, class: info.adapterClass, source: info.adapterSource })
    expect(adapterSources.map(({ source }) => source)).toEqual(['hardware', 'lavapipe', 'lavapipe', 'swiftshader'])
    expect(adapter?.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27)
    expect(adapter?.selfTest.map(({ passed }) => passed)).toEqual([true, true])
    expect(adapter?.speed.matmulGflops).toBeGreaterThan(0.01)
    expect(adapter?.speed.copyGigabytes).toBeGreaterThan(0.01)
    expect(data).toEqual(dataDir === null ? null : { dir: dataDir, train: 60_000, test: 10_000 })
    expect({ code, ok: report.ok }).toEqual(dataDir === null ? { code: 1, ok: false } : { code: 0, ok: true })
  })

  it('says what is missing, with the command that brings it, and writes nothing', async () => {
    const cache = mkdtempSync(join(scratch, 'cache-'))
    const nowhere = join(scratch, 'nowhere')
    const env = { XDG_CACHE_HOME: cache, FASHION_MNIST_DIR: nowhere, DAWNGRAD_ADAPTER: 'swiftshader' }
    const { code, stdout } = await doctor(['--json'], env)
    const report = JSON.parse(stdout) as Examination
    expect(code).toBe(1)
    const head = 'DAWNGRAD_ADAPTER is swiftshader, but there is no such adapter. Tried:'
    expect(report).toMatchObject({ adapter: null, data: null, ok: false, cacheFolder: join(cache, 'dawngrad') })
    expect(report.adapterError?.split('\n')[0]).toBe(head)
    expect(report.dataError).toContain(`${nowhere}: no such folder`)
    const command = 'npm run setup'
    const adapter = { what: 'an adapter', command: process.platform === 'linux' ? command : null }
    expect(report.missing).toEqual([adapter, { what: 'Fashion-MNIST', command }])
    expect(existsSync(join(cache, 'dawngrad'))).toBe(false)
    const text = await doctor([], env)
    expect(text).toEqual({ code: 1, stdout: examinationText(report) })
  })
})

describe('the numbers of this adapter', () => {
  beforeAll(testGpu)

  it('agree with IEEE 754 in all that the kernels rely on', async () => {
    const facts = await numberFacts(await testGpu())
    expect(facts.map(({ expression, ieee, needed }) => [expression, ieee, needed])).toEqual([
      ['n != n, where n is NaN', 'true', false],
      ['max(n, 0)', '0', false],
      ['log(0)', '−Infinity', false],
      ['(−inf) − (−inf)', 'NaN', false],
      ['select(n, 0, n <= 0), as in ReLU', 'NaN', true],
      ['NaN found by its bits', 'true', true],
    ])
    for (const { here, ieee, needed } of facts) if (needed) expect(here).toBe(ieee)
  })

  it("have an exp within WGSL's bound, and a matrix product and a convolution within float32's", async () => {
    const gpu = await testGpu()
    for (const { ulp, at, allowed, range } of await expErrors(gpu)) {
      expect(at).toBeGreaterThanOrEqual(range[0])
      expect(at).toBeLessThanOrEqual(range[1])
      expect(ulp).toBeGreaterThan(0.01) // it rounds somewhere
      expect(ulp).toBeLessThanOrEqual(allowed)
    }
    for (const { share, passed } of await selfTest(gpu)) {
      expect(passed).toBe(true)
      expect(share).toBeGreaterThan(0)
      expect(share).toBeLessThanOrEqual(1)
    }
  })
})

const report: Examination = {
  versions: { dawngrad: '0.1.0', node: 'v20.20.2', webgpu: '0.6.2', platform: 'linux x64' },
  cacheFolder: '/home/ada/.cache/dawngrad',
  adapter: {
    name: 'swiftshader-device-subzero-, SwiftShader driver 5.0.0',
    vendor: 'google',
    architecture: 'swiftshader',
    device: 'swiftshader-device-subzero-',
    description: 'SwiftShader driver 5.0.0',
    class: 'cpu',
    source: 'swiftshader',
    driver: '/home/ada/.cache/dawngrad/swiftshader/vk_swiftshader_icd.json',
    limits: {
      maxStorageBufferBindingSize: 2 ** 30,
      maxBufferSize: 2 ** 32 - 1,
      maxComputeWorkgroupStorageSize: 32_768,
      maxComputeInvocationsPerWorkgroup: 256,
      maxComputeWorkgroupsPerDimension: 65_535,
      maxStorageBuffersPerShaderStage: 12,
    },
    features: { 'shader-f16': false, subgroups: true, 'timestamp-query': true },
    subgroupSizes: [4, 4],
    numbers: [
      { expression: 'n != n, where n is NaN', here: 'false', ieee: 'true', needed: false },
      { expression: 'select(n, 0, n <= 0), as in ReLU', here: '0', ieee: 'NaN', needed: true },
      { expression: 'NaN found by its bits', here: 'true', ieee: 'true', needed: true },
    ],
    exp: [{ range: [-87, 88], ulp: 62.61, at: 82.4812, allowed: 167.96 }],
    selfTest: [
      { name: 'matmul 65×33×17', passed: true, share: 0.0571 },
      { name: 'conv2d 2×3×9×8 by 5×3×3×3', passed: false, share: Number.POSITIVE_INFINITY },
    ],
    speed: { matmulGflops: 3.304, copyGigabytes: 19.52, copyBytes: 2 ** 26 },
  },
  adapterError: null,
  adapterSources: [
    { source: 'hardware', label: 'a hardware adapter', state: 'failed', detail: 'its driver crashed (SIGSEGV)' },
    {
      source: 'lavapipe',
      label: "the system's lavapipe",
      state: 'missing',
      detail: `no lvp_icd.json in /home/ada/.config/vulkan/icd.d, /etc/vulkan/icd.d, /${'x'.repeat(70)}/y`,
    },
  ],
  data: { dir: '/home/ada/.cache/dawngrad/fashion-mnist', train: 60_000, test: 10_000 },
  dataError: null,
  missing: [{ what: 'lavapipe, several times faster', command: 'npx dawngrad setup' }],
  ok: false,
}

const TEXT = `Versions
  dawngrad      0.1.0
  Node          v20.20.2
  webgpu        0.6.2
  system        linux x64
  cache folder  /home/ada/.cache/dawngrad

Adapter
  name    swiftshader-device-subzero-, SwiftShader driver 5.0.0
  vendor  google, swiftshader
  source  swiftshader
  driver  /home/ada/.cache/dawngrad/swiftshader/vk_swiftshader_icd.json
  class   cpu: computes on the processor

Adapter sources, best first
  a hardware adapter     failed   its driver crashed (SIGSEGV)
  the system's lavapipe  missing  no lvp_icd.json in /home/ada/.config/vulkan/icd.d,
                                  /etc/vulkan/icd.d,
                                  /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
                                  xxxxx/y

Limits
  storage buffer binding       1 GiB
  buffer                       4 GiB
  workgroup memory             32 KiB
  threads in a workgroup       256
  workgroups in a dimension    65,535
  storage buffers in a kernel  12

Features
  shader-f16       no
  subgroups        yes, of 4
  timestamp-query  yes

Numbers
                                               here      IEEE 754
  n != n, where n is NaN                       false     true
  select(n, 0, n <= 0), as in ReLU             0         NaN       WRONG, and the kernels rely on it
  NaN found by its bits                        true      true      relied on
  largest error of exp in −87 to 88, at 82.48  62.6 ULP            WGSL allows 167

Self-test, against float64
  matmul 65×33×17            passed  largest error 0.057 of its bound
  conv2d 2×3×9×8 by 5×3×3×3  FAILED  largest error Infinity of its bound

Speed, by the wall clock, best of 4
  matmul 512×512×512  3.30 GFLOP/s
  copy of 64 MiB      19.5 GB/s read and written

Data
  Fashion-MNIST  60,000 training and 10,000 test images, verified, in
                 /home/ada/.cache/dawngrad/fashion-mnist

Missing
  lavapipe, several times faster  npx dawngrad setup
`

describe('the report for people', () => {
  it('is aligned and has no line of more than 100 columns', () => {
    expect(examinationText(report)).toBe(TEXT)
    for (const line of examinationText(report).split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  it('leaves out what could not be measured', () => {
    const adapterError = 'no WebGPU adapter was found. Tried, in this order:\n  a hardware adapter:  no adapter'
    const dataError = 'Fashion-MNIST was not found. Looked in:\n  /nowhere: no such folder'
    const text = examinationText({ ...report, adapter: null, adapterError, data: null, dataError, missing: [] })
    const headings = text.split('\n').filter((line) => /^\S/.test(line))
    expect(headings).toEqual(['Versions', 'Adapter', 'Adapter sources, best first', 'Data', 'Missing'])
    expect(text).toContain('\nAdapter\n  none  no WebGPU adapter was found\n')
    expect(text).toContain('\nData\n  Fashion-MNIST was not found. Looked in:\n    /nowhere: no such folder\n')
    expect(text).toContain('\nMissing\n  nothing\n')
  })
})
