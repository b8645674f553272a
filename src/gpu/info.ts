// What is known of an adapter, and what a device holds.
/** What a device holds. */
export interface GpuMemory {
  /** Tensors alive. */
  readonly tensors: number
  /** Bytes of buffers in use. */
  readonly bytes: number
  /** Bytes of buffers that wait to be used again. */
  readonly pooledBytes: number
  /** The most bytes in use so far. */
  readonly peakBytes: number
}

/** What is known of the adapter. */
export interface GpuInfo {
  /** One line for people: the adapter's own description. */
  readonly name: string
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
  /** 'cpu' for a driver that computes on the processor; kernels are tuned by this class. */
  readonly adapterClass: 'cpu' | 'gpu'
  /** Under Node, where the adapter comes from; 'lavapipe' is the system's own or the one in the cache folder. */
  readonly adapterSource?: 'hardware' | 'lavapipe' | 'swiftshader'
  /** Present, and true, where Dawn's own checks are off. */
  readonly fast?: boolean
}

/** What an adapter says of itself. */
export function adapterInfo(info: GPUAdapterInfo): GpuInfo {
  const { vendor, architecture, device, description } = info
  const software = info.isFallbackAdapter || /llvmpipe|swiftshader|software/i.test(`${device} ${architecture}`)
  // Drivers for the processor are all said by their description; of a GPU that names the driver only.
  const words = software && description !== '' ? [description] : [device, description]
  const known = words.filter((word) => word !== '').join(', ')
  const name = known === '' ? `${vendor} ${architecture}`.trim() || 'unnamed adapter' : known
  return { name, vendor, architecture, device, description, adapterClass: software ? 'cpu' : 'gpu' }
}
