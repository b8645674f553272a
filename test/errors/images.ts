import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { decodeImage, imageFolder } from '../../src/node/index.ts'
import { dataFiles, fromBase64 } from '../support/data_files.ts'
import { type Area, loose, PATH } from './refusal.ts'

const varies = { '<folder>': PATH }
const image = (name: string) => fromBase64(dataFiles.images[name]!.file)
const decoded = (bytes: Uint8Array, options = {}) => {
  return () => decodeImage(bytes, { name: 'x.png', ...options })
}

/** A PNG image of these chunks. */
function png(...chunks: readonly (readonly [type: string, data: Uint8Array])[]): Uint8Array {
  const parts = chunks.map(([type, data]) => {
    const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)])
    bytes.writeUInt32BE(data.length, 0)
    bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4)
    return bytes
  })
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts])
}
/** The head of an image of a byte's width and height. */
const head = (width: number, height: number, depth: number, colour: number, interlaced = 0) => {
  return ['IHDR', Uint8Array.of(0, 0, 0, width, 0, 0, 0, height, depth, colour, 0, 0, interlaced)] as const
}
const data = (...bytes: number[]) => ['IDAT', deflateSync(Uint8Array.from(bytes))] as const
const end = ['IEND', new Uint8Array(0)] as const

/** Reads a folder with these files, of which those that end in .png are images of 5 × 3 pixels unless they have bytes. */
const folderOf = (files: Readonly<Record<string, Uint8Array | null>>, options = {}) => {
  return async ({ folder }: { folder: string }) => {
    for (const [path, bytes] of Object.entries(files)) {
      await mkdir(join(folder, path, '..'), { recursive: true })
      if (path.endsWith('/')) await mkdir(join(folder, path))
      else await writeFile(join(folder, path), bytes ?? image('png rgb'))
    }
    return imageFolder(folder, { decoder: 'js', ...options })
  }
}

export const images: Area = {
  title: 'Images',
  refusals: [
    {
      title: 'image: another format',
      error: 'DataError',
      text: 'x.png: neither a PNG nor a JPEG image',
      run: decoded(Uint8Array.of(71, 73, 70)),
    },
    {
      title: 'image: another number of channels',
      error: 'RangeError',
      text: 'decodeImage: channels must be 1 (grey), 3 (RGB) or 4 (RGB and alpha), not 2',
      run: decoded(image('png rgb'), { channels: 2 }),
    },
    {
      title: 'image: maxPixels that is no number',
      error: 'RangeError',
      text: 'decodeImage: maxPixels must be a whole number, 1 or more, not 0',
      run: decoded(image('png rgb'), { maxPixels: 0 }),
    },
    {
      title: 'image: too many pixels',
      error: 'DataError',
      text: 'x.png: it has 5 × 3 pixels, it must have at most 14 in all',
      run: decoded(image('png rgb'), { maxPixels: 14 }),
    },
    {
      title: 'image: a PNG that is cut off',
      error: 'DataError',
      text: 'x.png: cut off: a PNG image must end with IEND',
      run: decoded(image('png rgb').slice(0, -5)),
    },
    {
      title: 'image: a PNG without its head',
      error: 'DataError',
      text: 'x.png: damaged: a PNG image must begin with IHDR',
      run: decoded(png(data(0, 1), end)),
    },
    {
      title: 'image: a PNG whose head is wrong',
      error: 'DataError',
      text: 'x.png: damaged: 0 × 1 pixels of colour type 2 and 3 bits, interlaced by 0',
      run: decoded(png(head(0, 1, 3, 2), end)),
    },
    {
      title: 'image: a PNG that is interlaced with bits',
      error: 'DataError',
      text: 'x.png: it is interlaced with 4 bits a sample; only 8 or 16 are supported then',
      run: decoded(png(head(1, 1, 4, 0, 1), end)),
    },
    {
      title: 'image: a PNG that has too few pixels',
      error: 'DataError',
      text: 'x.png: cut off: its pixels have 3 bytes, but 2 × 2 need 6',
      run: decoded(png(head(2, 2, 8, 0), data(0, 1, 2), end)),
    },
    {
      title: 'image: a PNG with a colour that is not there',
      error: 'DataError',
      text: 'x.png: damaged: pixel 0 has colour 7 of a palette of 1',
      run: decoded(png(head(1, 1, 8, 3), ['PLTE', Uint8Array.of(1, 2, 3)], data(0, 7), end)),
    },
    {
      title: 'image: a PNG that is damaged',
      error: 'DataError',
      text: 'x.png: a PNG image that is damaged: Unsupported filter: 9',
      run: decoded(png(head(1, 1, 8, 0), data(9, 1), end)),
    },
    {
      title: 'image: a JPEG that is damaged',
      error: 'DataError',
      text: 'x.png: a JPEG image that is damaged, or larger than 67108864 pixels: unknown JPEG marker 0',
      run: decoded(image('jpeg rgb').slice(0, 200)),
    },
    {
      title: 'imageFolder: no such folder',
      error: 'DataError',
      text: '<folder>/none: the folder cannot be read (ENOENT)',
      varies,
      run: ({ folder }) => imageFolder(join(folder, 'none')),
    },
    {
      title: 'imageFolder: no classes',
      error: 'DataError',
      text: '<folder>: it does not have any folders; each class must have one',
      varies,
      run: folderOf({}),
    },
    {
      title: 'imageFolder: an image beside the classes',
      error: 'DataError',
      text: '<folder>/2.png: an image must be in the folder of its class',
      varies,
      run: folderOf({ 'a/1.png': null, '2.png': null }),
    },
    {
      title: 'imageFolder: a class without images',
      error: 'DataError',
      text: '<folder>/b: it does not have any images; each class must have one',
      varies,
      run: folderOf({ 'a/1.png': null, 'b/': null }),
    },
    {
      title: 'imageFolder: too many classes',
      error: 'DataError',
      text: '<folder>: it has 257 folders, but labels are bytes: at most 256 classes',
      varies,
      run: folderOf(Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`${i}/`, null]))),
    },
    {
      title: 'imageFolder: a file that is no image',
      error: 'DataError',
      text: '<folder>/a/notes.txt: not an image: its name must end with one of .png, .jpg, .jpeg',
      varies,
      run: folderOf({ 'a/1.png': null, 'a/notes.txt': null }),
    },
    {
      title: 'imageFolder: an image that is damaged',
      error: 'DataError',
      text: '<folder>/a/1.png: neither a PNG nor a JPEG image',
      varies,
      run: folderOf({ 'a/1.png': Uint8Array.of(1) }),
    },
    {
      title: 'imageFolder: images of two sizes',
      error: 'DataError',
      text: '<folder>/b/2.jpg: it is 16 pixels high and 24 wide, not 3 × 5 as a/1.png; give the option size',
      varies,
      run: folderOf({ 'a/1.png': null, 'b/2.jpg': image('jpeg rgb') }),
    },
    {
      title: 'imageFolder: images that are too large',
      error: 'RangeError',
      text: 'imageFolder: 1 images [3, 40000, 40000] would have 4800000000 bytes, but must have at most 2147483647; give a smaller size',
      run: folderOf({ 'a/1.png': null }, { size: 40_000 }),
    },
    {
      title: 'imageFolder: a size that is none',
      error: 'RangeError',
      text: 'imageFolder: size must be a number of pixels or [height, width], not [28]',
      run: folderOf({}, { size: [28] }),
    },
    {
      title: 'imageFolder: sharp is not installed',
      error: 'Error',
      text: "imageFolder needs the package sharp for decoder: 'sharp', which can't be imported: npm install sharp",
      pinnedBy: 'test/node/image_folder.test.ts',
    },
    {
      title: 'imageFolder: an image that sharp refuses',
      error: 'DataError',
      text: "<path>: sharp can't decode it: <why>",
      varies: { '<path>': PATH, '<why>': /[^\n]+/ },
      cure: 'Look at the file with another program, or remove it.',
      pinnedBy: 'test/node/image_folder.test.ts',
    },
    {
      title: 'imageFolder: another decoder',
      error: 'TypeError',
      text: "imageFolder: decoder must be 'sharp' or 'js', not 'jimp'",
      run: () => imageFolder('x', { decoder: loose('jimp') }),
    },
  ],
}
