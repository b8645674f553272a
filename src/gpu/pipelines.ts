import { bufferUsage, shaderStageCompute } from './constants.ts'
import { GpuError } from './errors.ts'
import type { Kernel } from './kernel.ts'

export interface Compiled {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
}

/** The kernels that a device has compiled. */
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
   * Compiles those that are not yet, side by side on threads of the device's, and returns them. Rejects with a GpuError as
   * `get` throws it.
   */
  async compile(kernels: Iterable<Kernel>): Promise<readonly Kernel[]> {
    const missing = [...new Set(kernels)].filter((kernel) => !this.#compiled.has(kernel))
    const making = missing.map(async (kernel) => {
      const { layout, descriptor } = this.#describe(kernel)
      const pipeline = await this.#device.createComputePipelineAsync(descriptor)
      return { kernel, compiled: { pipeline, layout } }
    })
    const made = await Promise.allSettled(making)
    this.#check() // where a kernel is at fault, the device has said more of it than the promise does
    for (const [i, result] of made.entries()) {
      if (result.status === 'rejected') throw failure(missing[i]!, result.reason)
      const { kernel, compiled } = result.value
      if (!this.#compiled.has(kernel)) this.#compiled.set(kernel, compiled) // it may have been dispatched meanwhile
    }
    return missing
  }

  /**
   * Dispatches no workgroup of each: a driver for the processor makes its machine code at the first dispatch, and does so
   * before it looks at their number. That is read from a buffer, since Dawn finds a zero in the call worth a warning.
   */
  rehearse(kernels: Iterable<Kernel>): void {
    const memory: GPUBuffer[] = []
    const buffer = (size: number, usage: number) => {
      memory.push(this.#device.createBuffer({ label: 'rehearsal', size, usage }))
      return memory.at(-1)!
    }
    const zeros = buffer(12, bufferUsage.INDIRECT)
    const encoder = this.#device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    for (const kernel of kernels) {
      const { pipeline, layout } = this.get(kernel)
      const entries = kernel.bindings.map(({ binding, minBytes, type }) => {
        const usage = type === 'uniform' ? bufferUsage.UNIFORM : bufferUsage.STORAGE
        return { binding, resource: { buffer: buffer(Math.max(256, minBytes), usage), size: Math.max(256, minBytes) } }
      })
      pass.setPipeline(pipeline)
      const bindGroup = this.#device.createBindGroup({ label: kernel.name, layout, entries })
      if (kernel.bindings.some(({ perStep }) => perStep)) pass.setBindGroup(0, bindGroup, [0])
      else pass.setBindGroup(0, bindGroup)
      pass.dispatchWorkgroupsIndirect(zeros, 0)
    }
    pass.end()
    this.#device.queue.submit([encoder.finish()])
    for (const one of memory) one.destroy()
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
