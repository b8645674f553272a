// Errors of the device.
export type GpuErrorKind = 'unavailable' | 'lost' | 'closed' | 'validation' | 'out-of-memory' | 'internal'

/**
 * What went wrong on or with the GPU. Errors that the device reports late are thrown by the next call that needs the
 * device; the message then carries the name of the kernel that caused it.
 */
export class GpuError extends Error {
  override readonly name = 'GpuError'
  readonly kind: GpuErrorKind
  constructor(kind: GpuErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** The error for what has more bytes than a binding may have; `cure` is a sentence without a full stop. */
export function tooLarge(what: string, bytes: number, largest: number, cure: string): GpuError {
  const [has, most] = [bytes, largest].map((n) => n.toLocaleString('en'))
  return new GpuError(
    'out-of-memory',
    `${what} has ${has} bytes; on this adapter a kernel can be given at most ${most}. ${cure}`,
  )
}

/** Puts the kernel's name, which is in the labels that the message quotes, in front. */
export function withKernelName(message: string): string {
  const kernel = /"(\w+\.\w+)"/.exec(message)?.[1]
  return kernel ? `${kernel}: ${message}` : message
}

export function errorKind(error: GPUError): 'validation' | 'out-of-memory' | 'internal' {
  const kind = error.constructor.name
  if (kind === 'GPUValidationError') return 'validation'
  return kind === 'GPUOutOfMemoryError' ? 'out-of-memory' : 'internal'
}
