import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { bytesOf, encodeNpy, parseNpy, parseNpz, readNpy, readNpz } from '../../src/node/index.ts'
import { dataFiles, fromBase64, type ZipEntry, zipFile } from '../support/data_files.ts'
import { type Area, loose, PATH } from './refusal.ts'

const varies = { '<folder>': PATH }
const npy = (name: string) => fromBase64(dataFiles.npy[name]!.file)
const refused = (name: string) => () => parseNpy(fromBase64(dataFiles.refused[name]!), 'x.npy')

/** Reads an npy file of float32 [2, 3] with other bytes from a place on; a text has a character a byte. */
const changed = (at: number, bytes: string, name = '<f4 C') => {
  return () => {
    const file = npy(name)
    file.set(Buffer.from(bytes, 'latin1'), at)
    return parseNpy(file, 'x.npy')
  }
}
/** Reads an npy file with this header and data. */
const headed = (header: string, data = new Uint8Array(0), version = 1) => {
  return () => {
    const start = version === 1 ? 10 : 12
    const file = Buffer.alloc(start + header.length)
    file.write(`\x93NUMPY${String.fromCharCode(version)}\x00`, 'latin1')
    file.writeUInt16LE(header.length, 8)
    file.write(header, start)
    return parseNpy(Buffer.concat([file, data]), 'x.npy')
  }
}
const dict = (descr: string, shape: string) => `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`
const content = encodeNpy({ data: Uint8Array.of(1, 2, 3), shape: [3] })
const entry: ZipEntry = { name: 'a.npy', content }
const zip = (...entries: ZipEntry[]) => {
  return () => parseNpz(zipFile(entries), { name: 'x.npz' })
}
/** Reads a zip file of one array with other bytes, counted from the end. */
const zipChanged = (fromEnd: number, ...bytes: number[]) => {
  return () => {
    const file = zipFile([entry])
    file.set(bytes, file.length - fromEnd)
    return parseNpz(file, { name: 'x.npz' })
  }
}

/** Fetches from a server that answers so. */
const fetching = (answer: (response: import('node:http').ServerResponse) => void, maxBytes = 100) => {
  return async () => {
    const server = createServer((_, response) => answer(response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as AddressInfo
      return await bytesOf(new URL(`http://127.0.0.1:${port}/x.npy`), { maxBytes })
    } finally {
      server.close()
    }
  }
}
const port = { '<port>': /\d+/ }

export const sources: Area = {
  title: 'Sources of data',
  refusals: [
    {
      title: 'what is not a source of data',
      error: 'TypeError',
      text: 'readNpy: the source must be a path, a URL, a Blob or File, a Response, an ArrayBuffer or a Uint8Array, not a number',
      run: () => readNpy(loose(3)),
    },
    {
      title: 'a source at a path where there is none',
      error: 'DataError',
      text: '<folder>/x.npy: cannot be read (ENOENT)',
      varies,
      run: ({ folder }) => readNpy(join(folder, 'x.npy')),
    },
    {
      title: 'a source that is longer than it may be',
      error: 'DataError',
      text: '<folder>/x.npy: too long: 131 bytes, but must be at most 100',
      varies,
      run: async ({ folder }) => {
        await writeFile(join(folder, 'x.npy'), content)
        return bytesOf(join(folder, 'x.npy'), { maxBytes: 100 })
      },
    },
    {
      title: 'a Blob that is longer than it may be',
      error: 'DataError',
      text: 'x.npy: too long: 131 bytes, but must be at most 100',
      run: () => bytesOf(new File([content], 'x.npy'), { maxBytes: 100 }),
    },
    {
      title: 'bytes that are more than they may be',
      error: 'DataError',
      text: 'bytesOf: too long: 131 bytes, but must be at most 100',
      run: () => bytesOf(content, { maxBytes: 100 }),
    },
    {
      title: 'bytesOf: maxBytes that is not a number of bytes',
      error: 'RangeError',
      text: 'bytesOf: maxBytes must be a whole number, 0 or more, not -1',
      run: () => bytesOf(content, { maxBytes: -1 }),
    },
    {
      title: 'a server that does not have the source',
      error: 'DataError',
      text: 'http://127.0.0.1:<port>/x.npy: the server answered 404 Not Found',
      varies: port,
      run: fetching((response) => response.writeHead(404).end()),
    },
    {
      title: 'a server that gives more than it may',
      error: 'DataError',
      text: 'http://127.0.0.1:<port>/x.npy: too long: more than 100 bytes',
      varies: port,
      run: fetching((response) => response.end(content)),
    },
    {
      title: 'a server that breaks off',
      error: 'DataError',
      text: 'http://127.0.0.1:<port>/x.npy: broke off while it was fetched: terminated (other side closed)',
      cure: 'Fetch it again.',
      varies: port,
      run: fetching((response) => {
        response.writeHead(200, { 'content-length': 100 }).write('begun')
        setTimeout(() => response.destroy(), 20)
      }),
    },
    {
      title: 'an address that does not answer',
      error: 'DataError',
      text: 'http://127.0.0.1:1/x.npy: cannot be fetched: fetch failed (bad port)',
      cure: 'Check the address and the network.',
      run: () => bytesOf(new URL('http://127.0.0.1:1/x.npy')),
    },
    {
      title: 'a response that has been read',
      error: 'DataError',
      text: 'readNpy: the response has been read already; fetch it again',
      run: async () => {
        const response = new Response(content)
        await response.arrayBuffer()
        return readNpy(response)
      },
    },
    {
      title: 'npy: no header',
      error: 'DataError',
      text: 'x.npy: cut off: 9 bytes, but an npy file has at least 10',
      run: () => parseNpy(content.subarray(0, 9), 'x.npy'),
    },
    {
      title: 'npy: another file',
      error: 'DataError',
      text: 'x.npy: not an npy file: it does not start with 93 and NUMPY',
      run: changed(0, 'x'),
    },
    {
      title: 'npy: a zip file',
      error: 'DataError',
      text: 'x.npy: not an npy file: it does not start with 93 and NUMPY (this is a zip file: read it as npz)',
      run: () => parseNpy(zipFile([entry]), 'x.npy'),
    },
    {
      title: 'npy: a version that is unknown',
      error: 'DataError',
      text: 'x.npy: npy version 4.0 is not supported, it must be 1 to 3',
      run: changed(6, '\x04'),
    },
    {
      title: 'npy: no header of version 2',
      error: 'DataError',
      text: 'x.npy: cut off: 11 bytes, but an npy file of version 2 has at least 12',
      run: () => parseNpy(npy('version 2').subarray(0, 11), 'x.npy'),
    },
    {
      title: 'npy: a header that would leave the file',
      error: 'DataError',
      text: 'x.npy: its header would have 65535 bytes, but 142 follow',
      run: changed(8, '\xff\xff'),
    },
    {
      title: 'npy: a header that is too long',
      error: 'DataError',
      text: 'x.npy: its header has 10057 bytes, it must have at most 10000',
      run: headed(dict('<f4', '(3,)') + ' '.repeat(10_000)),
    },
    {
      title: 'npy: a header that lacks a field',
      error: 'DataError',
      text: `x.npy: its header "{'DESCR': '<f4', 'fortran_order': False, 'shape': (2, 3), }" must have a descr, a fortran_order and a shape, and nothing else`,
      run: changed(11, "'DESCR'"),
    },
    {
      title: 'npy: a shape too large',
      error: 'DataError',
      text: 'x.npy: its shape (9007199254740993,) must be whole numbers below 2^53',
      run: headed(dict('<f4', '(9007199254740993,)')),
    },
    {
      title: 'npy: too many dimensions',
      error: 'DataError',
      text: 'x.npy: it has 65 dimensions, it must have at most 64',
      run: headed(dict('<f4', `(${'1, '.repeat(65)})`)),
    },
    {
      title: 'npy: sizes that overflow',
      error: 'DataError',
      text: 'x.npy: its sizes [4294967296, 4294967296, 0] overflow, their product must be below 2^53',
      run: headed(dict('<f4', '(4294967296, 4294967296, 0)')),
    },
    {
      title: 'npy: a file that is cut off',
      error: 'DataError',
      text: 'x.npy: cut off: 23 bytes after the header, but f4 [2, 3] needs 24',
      run: headed(dict('<f4', '(2, 3)'), new Uint8Array(23)),
    },
    {
      title: 'npy: bytes after the end',
      error: 'DataError',
      text: 'x.npy: bytes after the end: 25 bytes after the header, but f4 [2, 3] needs 24',
      run: headed(dict('<f4', '(2, 3)'), new Uint8Array(25)),
    },
    {
      title: 'npy: Python objects',
      error: 'DataError',
      text: "x.npy: its type '|O' (Python objects) is not supported; it must be one of f2, f4, f8, i1, u1, i2, u2, i4, u4, i8, u8, b1",
      run: refused('objects'),
    },
    {
      title: 'npy: texts',
      error: 'DataError',
      text: "x.npy: its type '<U2' (texts) is not supported; it must be one of f2, f4, f8, i1, u1, i2, u2, i4, u4, i8, u8, b1",
      run: refused('texts'),
    },
    {
      title: 'npy: complex numbers',
      error: 'DataError',
      text: "x.npy: its type '<c16' (complex numbers) is not supported; it must be one of f2, f4, f8, i1, u1, i2, u2, i4, u4, i8, u8, b1",
      run: refused('complex'),
    },
    {
      title: 'npy: several fields',
      error: 'DataError',
      text: 'x.npy: its elements have several fields; save each field as an array',
      run: refused('fields'),
    },
    {
      title: 'npy: a type that is unknown',
      error: 'DataError',
      text: "x.npy: its type '<q4' is not supported; it must be one of f2, f4, f8, i1, u1, i2, u2, i4, u4, i8, u8, b1",
      run: headed(dict('<q4', '(3,)')),
    },
    {
      title: 'npy: an int64 beyond int32',
      error: 'DataError',
      text: 'x.npy: element [1, 0] of i8 [2, 2] is 2147483648, which int32 does not hold',
      run: headed(dict('<i8', '(2, 2)'), new Uint8Array(BigInt64Array.of(1n, -2n, 2n ** 31n, 3n).buffer)),
    },
    {
      title: 'npy: a uint64 beyond int32',
      error: 'DataError',
      text: 'x.npy: element [0, 1] of u8 [2, 2] is 18446744073709551615, which int32 does not hold',
      run: headed(dict('<u8', '(2, 2)'), new Uint8Array(BigUint64Array.of(1n, 2n ** 64n - 1n, 2n, 3n).buffer)),
    },
    {
      title: 'npy: a uint32 beyond int32',
      error: 'DataError',
      text: 'x.npy: element [1] of u4 [2] is 2147483648, which int32 does not hold',
      run: headed(dict('<u4', '(2,)'), new Uint8Array(Uint32Array.of(1, 2 ** 31).buffer)),
    },
    {
      title: 'npy: a float64 beyond float32',
      error: 'DataError',
      text: 'x.npy: element [1] of f8 [2] is -1e+39, which float32 does not hold',
      run: headed(dict('<f8', '(2,)'), new Uint8Array(Float64Array.of(1, -1e39).buffer)),
    },
    {
      title: 'npy: a bool that is neither true nor false',
      error: 'DataError',
      text: 'x.npy: element [1] of b1 [2] is 2, but a bool must be 0 or 1',
      run: headed(dict('|b1', '(2,)'), Uint8Array.of(1, 2)),
    },
    {
      title: 'encodeNpy: data of another type',
      error: 'TypeError',
      text: 'encodeNpy: data must be a Float32Array, an Int32Array or a Uint8Array, not an array',
      run: () => encodeNpy({ data: loose([1, 2]), shape: [2] }),
    },
    {
      title: 'encodeNpy: data that does not fill the shape',
      error: 'RangeError',
      text: "encodeNpy: the shape [3] can't hold 2 elements",
      run: () => encodeNpy({ data: Float32Array.of(1, 2), shape: [3] }),
    },
    {
      title: 'npz: an array that is not there',
      error: 'DataError',
      text: "x.npz: it does not have 'z', only a, b",
      run: () => parseNpz(zipFile([entry, { ...entry, name: 'b.npy' }]), { name: 'x.npz', only: ['a', 'z'] }),
    },
    {
      title: 'npz: only is not a list',
      error: 'TypeError',
      text: "readNpz: only must be an array of the names of arrays, not 'a'",
      run: () => readNpz(zipFile([entry]), { only: loose('a') }),
    },
    {
      title: 'npz: arrays that are too large',
      error: 'DataError',
      text: 'x.npz: its arrays have 131 bytes, they must have at most 100: name some by only, or raise maxBytes',
      run: () => parseNpz(zipFile([entry]), { name: 'x.npz', maxBytes: 100 }),
    },
    {
      title: 'npz: a file that is not npy',
      error: 'DataError',
      text: "x.npz: it holds 'README', which is not an npy file; name the arrays that you want by only",
      run: zip({ name: 'README', content }),
    },
    {
      title: 'npz: an array that is encrypted',
      error: 'DataError',
      text: 'x.npz: a.npy is encrypted',
      run: zip({ ...entry, flags: 1 }),
    },
    {
      title: 'npz: a method that is unknown',
      error: 'DataError',
      text: 'x.npz: a.npy is compressed by method 12, it must be 0 (stored) or 8 (deflate)',
      run: zip({ ...entry, method: 12 }),
    },
    {
      title: 'npz: an announced size that is a lie',
      error: 'DataError',
      text: "x.npz: a.npy would have 1073741824 bytes, but 74 compressed bytes can't hold them",
      run: zip({ ...entry, size: 2 ** 30 }),
    },
    {
      title: 'npz: no zip file',
      error: 'DataError',
      text: 'x.npz: not an npz file, or cut off: it does not have the end of a zip file',
      run: () => parseNpz(content, { name: 'x.npz' }),
    },
    {
      title: 'npz: a file of 64-bit sizes',
      error: 'DataError',
      text: 'x.npz: a zip file of 64-bit sizes is not supported',
      run: zipChanged(6, 255, 255, 255, 255),
    },
    {
      title: 'npz: a directory outside of the file',
      error: 'DataError',
      text: 'x.npz: damaged: its directory would begin or end outside of the file',
      run: zipChanged(6, 255, 255),
    },
    {
      title: 'npz: a directory without its entry',
      error: 'DataError',
      text: 'x.npz: damaged: its directory has no entry 1 of 2',
      run: zipChanged(12, 2, 0),
    },
    {
      title: 'npz: an entry that is cut off',
      error: 'DataError',
      text: 'x.npz: damaged: entry 0 of its directory is cut off',
      run: zipChanged(45, 99),
    },
    {
      title: 'npz: the same array twice',
      error: 'DataError',
      text: "x.npz: it has 'a.npy' twice",
      run: zip(entry, entry),
    },
    {
      title: 'npz: an array that is elsewhere',
      error: 'DataError',
      text: 'x.npz: damaged: a.npy does not begin at byte 5, where the directory has it',
      run: zip({ ...entry, at: 5 }),
    },
    {
      title: 'npz: an array that leaves the file',
      error: 'DataError',
      text: 'x.npz: damaged: a.npy would end behind the end of the file',
      run: () => {
        const file = zipFile([{ ...entry, method: 0 }])
        file[26 + 3] = 1
        return parseNpz(file, { name: 'x.npz' })
      },
    },
    {
      title: 'npz: compressed data that is damaged',
      error: 'DataError',
      text: 'x.npz, a.npy: the compressed data is damaged or cut off',
      run: zip({ ...entry, raw: Uint8Array.of(7, 7, 7, 7) }),
    },
    {
      title: 'npz: an array that decompresses to too much',
      error: 'DataError',
      text: 'x.npz, a.npy: decompresses to more than 100 bytes',
      run: zip({ ...entry, size: 100 }),
    },
    {
      title: 'npz: an array that decompresses to too little',
      error: 'DataError',
      text: 'x.npz: damaged: a.npy has 131 bytes, but the directory has 1000',
      run: zip({ ...entry, size: 1000 }),
    },
    {
      title: 'npz: an array with changed bytes',
      error: 'DataError',
      text: 'x.npz: damaged: the CRC-32 of a.npy is not the one in the directory',
      run: zip({ ...entry, crc: 1 }),
    },
  ],
}
