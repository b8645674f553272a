// Reads tar archives.

const BLOCK = 512

/**
 * The plain files of a tar archive (POSIX ustar), by path; their bytes are views of the archive. Links, folders and
 * extended headers are skipped: the archives that setup reads do not need them.
 *
 * @throws Error if the archive is cut off or the checksum of a header is wrong
 */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK)
    if (header.every((byte) => byte === 0)) return files
    const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0)
    if (sum !== octal(header, 148, 8)) throw new Error(`tar: the header at byte ${at} is damaged`)
    const size = octal(header, 124, 12)
    const prefix = text(header, 257, 5) === 'ustar' ? text(header, 345, 155) : ''
    const name = text(header, 0, 100)
    at += BLOCK
    if (at + size > archive.length) throw new Error(`tar: cut off within ${name}`)
    const kind = header[156]
    if (kind === 0 || kind === 0x30)
      files.set(prefix === '' ? name : `${prefix}/${name}`, archive.subarray(at, at + size))
    at += Math.ceil(size / BLOCK) * BLOCK
  }
  throw new Error('tar: cut off: the archive has no end')
}

function text(header: Uint8Array, at: number, length: number): string {
  const field = header.subarray(at, at + length)
  const end = field.indexOf(0)
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end))
}

function octal(header: Uint8Array, at: number, length: number): number {
  const digits = text(header, at, length).trim()
  if (!/^[0-7]*$/.test(digits)) throw new Error(`tar: the header at byte ${header.byteOffset} is damaged`)
  return Number.parseInt(digits || '0', 8)
}
