// The kernels that a device has compiled.
import { shaderStageCompute } from './constants.ts'
import { GpuError } from './errors.ts'
import type { Kernel } from './kernel.ts'

export interface Compiled {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
}

export class Pipelines {
  readonly #device: GPUDevice
  readonly #check: () => void
  readonly #compiled = new Map<Kernel, Compiled>()

  /** `check` throws what the device has reported, if anything. */
  constructor(device: GPUDevice, check: () => void) {
    this.#device = device
    this.#check = check
  }

  /** Compiles the kernel if it is not yet, and waits for it. Throws GpuError where it does not compile. */
  get(kernel: Kernel): Compiled {
    const found = this.#compiled.get(kernel)
    if (found) return found
    const { layout, descriptor } = this.#describe(kernel)
    const pipeline = this.#device.createComputePipeline(descriptor)
    this.#check() // a kernel that does not compile is refused here, before it spoils a batch of commands
    const compiled = { pipeline, layout }
    this.#compiled.set(kernel, compiled)
    return compiled
  }

  /**
   * Compiles those that are not yet, side by side on threads of the device's. Rejects with a GpuError as `get` throws it.
   */
  async compile(kernels: Iterable<Kernel>): Promise<void> {
    const missing = [...new Set(kernels)].filter((kernel) => !this.#compiled.has(kernel))
    const making = missing.map(async (kernel) => {
      const { layout, descriptor } = this.#describe(kernel)
      return { pipeline: await this.#device.createComputePipelineAsync(descriptor), layout }
    })
    const made = await Promise.allSettled(making)
    this.#check() // where a kernel is at fault, the device has said more of it than the promise does
    for (const [i, result] of made.entries()) {
      const kernel = missing[i]!
      if (result.status === 'rejected') throw failure(kernel, result.reason)
      if (!this.#compiled.has(kernel)) this.#compiled.set(kernel, result.value) // it may have been dispatched meanwhile
    }
  }

  #describe(kernel: Kernel): { layout: GPUBindGroupLayout; descriptor: GPUComputePipelineDescriptor } {
    const { name: label, code, entryPoint, bindings, constants } = kernel
    const layout = this.#device.createBindGroupLayout({
      label,
      entries: bindings.map(({ binding, type, perStep: hasDynamicOffset }) => {
        return { binding, visibility: shaderStageCompute, buffer: { type, hasDynamicOffset } }
      }),
    })
    const module = this.#device.createShaderModule({ label, code })
    const descriptor: GPUComputePipelineDescriptor = {
      label,
      layout: this.#device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint, constants: { ...constants } },
    }
    return { layout, descriptor }
  }
}

function failure(kernel: Kernel, reason: unknown): GpuError {
  const kind = (reason as GPUPipelineError).reason === 'validation' ? 'validation' : 'internal'
  return new GpuError(kind, `${kernel.name}: ${String((reason as Error).message).trim()}`)
}
