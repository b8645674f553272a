import { Gpu } from '../../src/gpu/gpu.ts'
import { empty, KernelFile, open as openHere, relu, sum, tensor } from '../../src/index.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { type Area, COUNT } from './refusal.ts'

const ADAPTERS = 'test/provision/adapters.test.ts'
const PROCESSES = 'test/provision/adapters_process.test.ts'

/** open() as in a browser that has this `navigator.gpu`. */
async function openInBrowser(gpu: unknown): Promise<unknown> {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true })
  try {
    return await openHere()
  } finally {
    if (before) Object.defineProperty(globalThis, 'navigator', before)
    else Reflect.deleteProperty(globalThis, 'navigator')
  }
}

/** Of a device where a buffer is larger than what a kernel can be given of it. */
const SMALL_LIMITS = { maxStorageBufferBindingSize: 2 ** 16, maxBufferSize: 2 ** 18 }

export const device: Area = {
  title: 'Device',
  refusals: [
    {
      title: 'no device',
      error: 'Error',
      text: 'no device is open; call `await open()` first',
      run: ({ gpu }) => {
        setDefaultGpu(null)
        try {
          return tensor([1])
        } finally {
          setDefaultGpu(gpu)
        }
      },
    },
    {
      title: 'a device that was closed',
      error: 'GpuError',
      kind: 'closed',
      text: 'the device <adapter> was closed',
      cure: 'Use it before close(), or open() another and make the tensors anew.',
      varies: { '<adapter>': /.+/ },
      run: async ({ ownGpu }) => {
        const gpu = await ownGpu()
        await gpu.close()
        return tensor([1], [1], { gpu })
      },
    },
    {
      title: 'a device that was lost',
      error: 'GpuError',
      kind: 'lost',
      text: 'the device was lost (destroyed): <reason>',
      cure: 'Everything on it is gone: open() again. On a GPU, look at the system log for a reset or a crash of the driver.',
      varies: { '<reason>': /[\s\S]+/ },
      run: async ({ ownGpu }) => {
        const gpu = await ownGpu()
        const x = tensor([1], [1], { gpu })
        gpu.device.destroy()
        return x.data()
      },
    },
    {
      title: 'a tensor larger than a buffer may be',
      error: 'GpuError',
      kind: 'out-of-memory',
      text: 'conv2d [<n>] needs <bytes> bytes; this adapter allows at most <limit> in one buffer. Take a smaller batch, or split the tensor',
      cure: 'Use smaller batches, or split the tensor.',
      varies: { '<n>': COUNT, '<bytes>': COUNT, '<limit>': COUNT },
      run: ({ gpu }) => {
        const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits
        return empty(gpu, [Math.min(maxBufferSize, maxStorageBufferBindingSize) / 4 + 1], 'float32', 'conv2d')
      },
    },
    {
      title: 'a tensor larger than a kernel can be given',
      error: 'GpuError',
      kind: 'out-of-memory',
      text: 'reduce.<kernel>: x_vectors has 131,072 bytes; on this adapter a kernel can be given at most 65,536. Split the tensor',
      cure: 'Operations on parts of it do. Only the weight of linear, and what optimizers, clipping and averages go through, may be as large as a buffer.',
      varies: { '<kernel>': /fold_lines|fold_blocks/ },
      run: async ({ ownGpu }) => {
        const gpu = await ownGpu()
        Object.defineProperty(gpu.device, 'limits', { value: SMALL_LIMITS })
        return sum(tensor(new Float32Array(32_768), [32_768], { gpu }))
      },
    },
    {
      title: 'a kernel that does not compile, or a command that the device refuses',
      error: 'GpuError',
      kind: 'validation',
      text: 'bad.main: <report>',
      by: 'Dawn',
      cure: "The name in front is the file and entry point of the kernel, and what follows is the compiler's own report.",
      varies: { '<report>': /[\s\S]+/ },
      run: async ({ ownGpu }) => {
        const gpu = await ownGpu()
        const code = `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() { out[0] = undefined_name; }`
        const x = tensor([1], [1], { gpu })
        gpu.emit(new KernelFile('bad', code).entry('main'), { out: x.storage }, 1)
        await x.data()
      },
    },
    {
      title: 'values that the device does not give back',
      error: 'GpuError',
      kind: 'internal',
      text: 'the read-back failed and the device gave no reason',
      cure: 'This is a fault of the driver: try another by DAWNGRAD_ADAPTER, and report it.',
      run: async ({ ownGpu }) => {
        const gpu = await ownGpu()
        const x = relu(tensor([1], [1], { gpu }))
        const make = gpu.device.createBuffer.bind(gpu.device)
        const failing = { mapAsync: { value: () => Promise.reject(new Error('no')) } }
        gpu.device.createBuffer = (descriptor) => Object.defineProperties(make(descriptor), failing)
        return x.data()
      },
    },
    {
      title: 'an adapter that gives no device',
      error: 'GpuError',
      kind: 'unavailable',
      text: 'the adapter Model 1 gave no device: Error: out of handles',
      cure: 'The limits asked for are its own, so this is a fault of the driver: update it, or choose another by DAWNGRAD_ADAPTER.',
      run: async () => {
        const limits = { maxStorageBufferBindingSize: 1, maxBufferSize: 1 }
        const info = { vendor: 'maker', architecture: '', device: 'Model 1', description: '' }
        const requestDevice = () => Promise.reject(new Error('out of handles'))
        return Gpu.fromAdapter({ limits, info, requestDevice } as unknown as GPUAdapter)
      },
    },
    {
      title: 'a browser without WebGPU',
      error: 'GpuError',
      kind: 'unavailable',
      text: 'this browser offers no WebGPU here; it needs a recent version and a secure context (https or localhost)',
      run: () => openInBrowser(undefined),
    },
    {
      title: 'a browser without an adapter',
      error: 'GpuError',
      kind: 'unavailable',
      text: 'the browser has WebGPU but found no adapter for it; see chrome://gpu or about:support',
      run: () => openInBrowser({ requestAdapter: async () => null }),
    },
    {
      title: 'DAWNGRAD_ADAPTER names no adapter',
      error: 'GpuError',
      kind: 'unavailable',
      text: "DAWNGRAD_ADAPTER must be hardware, lavapipe or swiftshader, it is 'cuda'",
      pinnedBy: PROCESSES,
    },
    {
      title: 'no adapter at all',
      error: 'GpuError',
      kind: 'unavailable',
      text: `no WebGPU adapter was found. Tried, in this order:
  a hardware adapter:              no adapter
  the system's lavapipe:           its driver crashed (SIGSEGV)
  the cache folder's lavapipe:     its driver crashed (SIGSEGV)
  the cache folder's SwiftShader:  no adapter
Any of these helps:
  npm run setup                                                         puts a driver for the processor into the cache folder; needs no root
  apt-get install mesa-vulkan-drivers libvulkan1                        Debian 13, Ubuntu 24.04 and newer
  apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1  Debian 12
On Debian 12, add bookworm-backports to apt's sources: Debian 12's own Mesa, 22.3, is too old.
A GPU needs its vendor's Vulkan driver; \`vulkaninfo --summary\` lists what the system has.`,
      pinnedBy: ADAPTERS,
    },
    {
      title: 'no adapter in a worker thread',
      error: 'GpuError',
      kind: 'unavailable',
      text: `a worker thread can't use the cache folder's lavapipe: what it sets in process.env is not seen by drivers. Either of these helps:
  new Worker(file, { env: SHARE_ENV })  SHARE_ENV is from node:worker_threads
  VK_DRIVER_FILES=/x.json node …        in the shell that starts the program`,
      pinnedBy: ADAPTERS,
    },
    {
      title: 'no adapter of the kind that DAWNGRAD_ADAPTER names',
      error: 'GpuError',
      kind: 'unavailable',
      text: `DAWNGRAD_ADAPTER is hardware, but there is no such adapter. Tried:
  a hardware adapter:  only a software adapter: llvmpipe: Mesa 25
Without DAWNGRAD_ADAPTER the best adapter of this machine is used.
A GPU needs its vendor's Vulkan driver; \`vulkaninfo --summary\` lists what the system has.`,
      pinnedBy: ADAPTERS,
    },
    {
      title: 'no adapter on another system than Linux',
      error: 'GpuError',
      kind: 'unavailable',
      text: `no WebGPU adapter was found. Tried, in this order:
  a hardware adapter:              no adapter
<others>
On this system adapters come from Metal: a newer system or graphics driver may help.`,
      varies: { '<others>': /[\s\S]+/ },
      pinnedBy: ADAPTERS,
    },
    {
      title: 'tried: a driver that is not there',
      error: 'a line of the list of what was tried',
      text: 'no lvp_icd.json in <folders>',
      varies: { '<folders>': /.+/ },
      cure: 'Install lavapipe, or let setup bring it into the cache folder.',
      pinnedBy: ADAPTERS,
    },
    {
      title: 'tried: nothing in the cache folder',
      error: 'a line of the list of what was tried',
      text: 'nothing in <cache>/lavapipe',
      varies: { '<cache>': /.+/ },
      cure: 'Let setup bring it.',
      pinnedBy: ADAPTERS,
    },
    {
      title: 'tried: what only Linux has',
      error: 'a line of the list of what was tried',
      text: 'for Linux only',
      cure: 'Nothing need be done: this system has adapters of its own.',
      pinnedBy: ADAPTERS,
    },
    {
      title: 'tried: a driver that crashed',
      error: 'a line of the list of what was tried',
      text: 'its driver crashed (SIGABRT)',
      cure: 'Update or remove that driver; nothing else is affected, since it was tried in a process of its own.',
      pinnedBy: PROCESSES,
    },
    {
      title: 'tried: a driver that hangs',
      error: 'a line of the list of what was tried',
      text: 'no answer, and it has done nothing for <seconds> s',
      varies: { '<seconds>': COUNT },
      cure: 'Update or remove that driver.',
      pinnedBy: PROCESSES,
    },
    {
      title: 'tried: a driver that computes without end',
      error: 'a line of the list of what was tried',
      text: 'no answer, though it has computed for <seconds> s',
      varies: { '<seconds>': COUNT },
      cure: 'Update or remove that driver.',
      pinnedBy: PROCESSES,
    },
    {
      title: 'tried: a driver that hangs, where processes cannot be watched',
      error: 'a line of the list of what was tried',
      text: 'no answer within <seconds> s',
      varies: { '<seconds>': COUNT },
      cure: 'On a machine that is very busy, try again; else update or remove that driver.',
      pinnedBy: PROCESSES,
    },
    {
      title: 'tried: a driver that ends its process',
      error: 'a line of the list of what was tried',
      text: 'its process ended with code 7',
      cure: 'Update or remove that driver.',
      pinnedBy: PROCESSES,
    },
    ...[
      ['its version is not 1', 'a ready.json of another version'],
      ['its libraries are not a list', 'a ready.json with other libraries'],
      ['7 is not a path', 'a ready.json without a path'],
      ['../swiftshader/../../x lies outside the folder', 'a ready.json that leads out of its folder'],
      ['gone.json does not exist', 'a ready.json that names a file that is gone'],
    ].map(([why, title]) => ({
      title: `tried: ${title}`,
      error: 'a line of the list of what was tried',
      text: `<path>/ready.json is damaged: ${why}`,
      varies: { '<path>': /.+/ },
      cure: 'Remove the folder that it lies in, and let setup bring it anew.',
      pinnedBy: ADAPTERS,
    })),
  ],
}
