// Archives and libraries made byte by byte, independently of the code that reads them.

/** A tar archive of files, and of folders where the bytes are null. */
export function tarOf(files: Readonly<Record<string, Uint8Array | null>>, prefix = ''): Uint8Array {
  const blocks: Uint8Array[] = []
  for (const [name, bytes] of Object.entries(files)) {
    const header = Buffer.alloc(512)
    header.write(name, 0, 'latin1')
    header.write('0000644\0', 100, 'latin1')
    header.write(`${(bytes?.length ?? 0).toString(8).padStart(11, '0')}\0`, 124, 'latin1')
    header.write('        ', 148, 'latin1')
    header.write(bytes ? '0' : '5', 156, 'latin1')
    header.write('ustar\x0000', 257, 'latin1')
    header.write(prefix, 345, 'latin1')
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    blocks.push(header)
    if (!bytes) continue
    blocks.push(bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512))
  }
  return new Uint8Array(Buffer.concat([...blocks, Buffer.alloc(1024)]))
}

/** The beginning of a 64-bit shared library: its header, two segments, the dynamic section and its names. */
export function elfOf(soname: string | null, needed: readonly string[]): Uint8Array {
  const names = ['', ...(soname === null ? [] : [soname]), ...needed]
  const table = Buffer.from(`${names.join('\0')}\0`)
  const offsetOf = (name: string) => Buffer.byteLength(names.slice(0, names.indexOf(name)).join('\0')) + 1
  const entries: [number, number][] = [
    ...needed.map((name): [number, number] => [1, offsetOf(name)]),
    ...(soname === null ? [] : [[14, offsetOf(soname)] as [number, number]]),
    [5, 0x400000 + 64 + 112],
    [10, table.length],
    [0, 0],
  ]
  const dynamicAt = 64 + 112 + table.length
  const file = Buffer.alloc(dynamicAt + entries.length * 16)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  file.writeBigUInt64LE(64n, 32)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(2, 56)
  const segment = (at: number, type: number, offset: number, size: number) => {
    file.writeUInt32LE(type, at)
    file.writeBigUInt64LE(BigInt(offset), at + 8)
    file.writeBigUInt64LE(BigInt(0x400000 + offset), at + 16)
    file.writeBigUInt64LE(BigInt(size), at + 32)
  }
  segment(64, 1, 0, file.length)
  segment(64 + 56, 2, dynamicAt, entries.length * 16)
  file.set(table, 64 + 112)
  for (const [i, [tag, value]] of entries.entries()) {
    file.writeBigInt64LE(BigInt(tag), dynamicAt + i * 16)
    file.writeBigUInt64LE(BigInt(value), dynamicAt + i * 16 + 8)
  }
  return file
}
