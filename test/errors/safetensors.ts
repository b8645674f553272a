import { join } from 'node:path'
import { decodeSafetensors, encodeSafetensors, type HostTensor } from '../../src/data/safetensors.ts'
import { loadSafetensors, nn, saveSafetensors } from '../../src/node/index.ts'
import { type Area, loose, PATH } from './refusal.ts'

const NAME = 'weights.safetensors'
const damaged = 'The file is damaged, or was not written by a program that knows the format: fetch or write it again.'
const folder = { '<folder>': PATH }

/** A safetensors file with this header and so many bytes behind it. */
export function file(header: unknown, body = 0): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + body)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  bytes.set(text, 8)
  return bytes
}

const decode = (header: unknown, body = 0) => decodeSafetensors(file(header, body), NAME)
const entry = (changes: object = {}) => ({ dtype: 'U8', shape: [2], data_offsets: [0, 2], ...changes })
export const host = (...data: number[]): HostTensor => ({
  dtype: 'float32',
  shape: [data.length],
  data: Float32Array.from(data),
})

export const safetensors: Area = {
  title: 'Safetensors',
  refusals: [
    {
      title: 'safetensors: less than a header',
      error: 'DataError',
      text: 'weights.safetensors: cut off: 3 bytes, but a safetensors file has at least 10',
      cure: damaged,
      run: () => decodeSafetensors(new Uint8Array(3), NAME),
    },
    {
      title: 'safetensors: a header longer than the file',
      error: 'DataError',
      text: 'weights.safetensors: its header would have 9 bytes, but 2 follow',
      cure: damaged,
      run: () => decodeSafetensors(file({}).fill(9, 0, 1), NAME),
    },
    {
      title: 'safetensors: a header that is too long',
      error: 'DataError',
      text: 'weights.safetensors: its header has 67108865 bytes, it must have at most 67108864',
      cure: 'Split the file: no network that runs here has as many tensors.',
      run: () =>
        decodeSafetensors(
          file('', (1 << 26) + 1)
            .fill(4, 3, 4)
            .fill(1, 0, 1),
          NAME,
        ),
    },
    {
      title: 'safetensors: a header that would be too long, such as that of a checkpoint with a long log of a callback',
      error: 'RangeError',
      text: 'safetensors: the header would have at least 67108865 bytes, and could not be read again: it must have at most 67108864, for the names of the tensors and the metadata; those of a checkpoint are the history, about 130 bytes for every 50 updates, and the values that callbacks keep',
      cure: 'Keep long lists of numbers in the tensors of a callback, or write them to a file of their own.',
      run: () => encodeSafetensors(new Map(), new Map([['a', 'x'.repeat((1 << 26) + 1)]])),
    },
    {
      title: 'safetensors: a header that is no UTF-8',
      error: 'DataError',
      text: 'weights.safetensors: its header is not UTF-8',
      cure: damaged,
      run: () => decodeSafetensors(file('{}').fill(0xff, 9), NAME),
    },
    {
      title: 'safetensors: a header that is not an object',
      error: 'DataError',
      text: 'weights.safetensors: its header must start with {',
      cure: damaged,
      run: () => decode('[]'),
    },
    {
      title: 'safetensors: __proto__ in the header',
      error: 'DataError',
      text: 'weights.safetensors: its header names __proto__ at character 1',
      cure: damaged,
      run: () => decode('{"__proto__":{}}'),
    },
    {
      title: 'safetensors: a name that is given twice',
      error: 'DataError',
      text: 'weights.safetensors: its header names "a" twice',
      cure: damaged,
      run: () => decode('{"a":{},"a":{}}'),
    },
    {
      title: 'safetensors: a header that is too deep',
      error: 'DataError',
      text: 'weights.safetensors: its header is nested more than 3 deep',
      cure: damaged,
      run: () => decode({ a: { b: [[1]] } }),
    },
    {
      title: 'safetensors: something strange in the header',
      error: 'DataError',
      text: 'weights.safetensors: its header has "t" at character 5; only objects, strings, lists and whole numbers are allowed',
      cure: damaged,
      run: () => decode('{"a":true}'),
    },
    {
      title: 'safetensors: a header that is no JSON',
      error: 'DataError',
      text: 'weights.safetensors: its header is not JSON',
      cure: damaged,
      run: () => decode('{"a":'),
    },
    {
      title: 'safetensors: metadata that is not an object',
      error: 'DataError',
      text: 'weights.safetensors: __metadata__ must be an object of strings',
      cure: damaged,
      run: () => decode({ __metadata__: [] }),
    },
    {
      title: 'safetensors: metadata that is no text',
      error: 'DataError',
      text: 'weights.safetensors: __metadata__ has "a", which is not a string',
      cure: damaged,
      run: () => decode({ __metadata__: { a: 1 } }),
    },
    {
      title: 'safetensors: an entry with other properties',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a" must have dtype, shape and data_offsets and nothing else',
      cure: damaged,
      run: () => decode({ a: { dtype: 'U8' } }),
    },
    {
      title: 'safetensors: a dtype that is no text',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a": its dtype must be a string',
      cure: damaged,
      run: () => decode({ a: entry({ dtype: 1 }) }),
    },
    {
      title: 'safetensors: another dtype',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a" has dtype "F64"; only F32, I32, I64 and U8 are supported',
      cure: 'Convert the tensors before saving, in PyTorch by t.float().',
      run: () => decode({ a: entry({ dtype: 'F64' }) }),
    },
    {
      title: 'safetensors: an integer beyond 32 bits',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a" has dtype "I64" and holds 4294967296 at 0; only 32-bit integers are supported',
      run: () => {
        const bytes = file({ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, 8)
        bytes[bytes.length - 4] = 1
        return decodeSafetensors(bytes, NAME)
      },
    },
    {
      title: 'safetensors: a shape that is none',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a": its shape must be a list of whole numbers below 2^53',
      cure: damaged,
      run: () => decode({ a: entry({ shape: '2' }) }),
    },
    {
      title: 'safetensors: offsets that are none',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a": its data_offsets must be two whole numbers',
      cure: damaged,
      run: () => decode({ a: entry({ data_offsets: [0] }) }),
    },
    {
      title: 'safetensors: sizes that overflow',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a": its sizes overflow, their product must be below 2^53',
      cure: damaged,
      run: () => decode({ a: entry({ shape: [2 ** 30, 2 ** 30] }) }),
    },
    {
      title: 'safetensors: an end before the start',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a": its bytes end at 0, before their start at 2',
      cure: damaged,
      run: () => decode({ a: entry({ data_offsets: [2, 0] }) }),
    },
    {
      title: 'safetensors: an end past that of the file',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a": its bytes end at 2, past the file\'s end at 0',
      cure: damaged,
      run: () => decode({ a: entry() }),
    },
    {
      title: 'safetensors: not the bytes of the shape',
      error: 'DataError',
      text: 'weights.safetensors: tensor "a": 2 bytes, but U8 [3] has 3',
      cure: damaged,
      run: () => decode({ a: entry({ shape: [3] }) }, 2),
    },
    {
      title: 'safetensors: tensors that overlap',
      error: 'DataError',
      text: 'weights.safetensors: tensor "b" overlaps with "a"',
      cure: damaged,
      run: () => decode({ a: entry(), b: entry({ data_offsets: [1, 3] }) }, 3),
    },
    {
      title: 'safetensors: bytes behind the last tensor',
      error: 'DataError',
      text: 'weights.safetensors: 1 bytes after the end of the last tensor',
      cure: damaged,
      run: () => decode({ a: entry() }, 3),
    },
    {
      title: 'safetensors: a name that none may have',
      error: 'TypeError',
      text: 'safetensors: tensor "__proto__": a tensor must not have this name',
      cure: 'Rename the tensor.',
      run: () => encodeSafetensors(new Map([['__proto__', host(1)]])),
    },
    {
      title: 'safetensors: a name with control characters',
      error: 'TypeError',
      text: 'safetensors: tensor "a\\n": a name must not contain control characters',
      cure: 'Rename the tensor.',
      run: () => encodeSafetensors(new Map([['a\n', host(1)]])),
    },
    {
      title: 'safetensors: a name with half a character',
      error: 'TypeError',
      text: 'safetensors: tensor "a\\ud800": a name must not contain half a character',
      cure: 'Rename the tensor.',
      run: () => encodeSafetensors(new Map([['a\ud800', host(1)]])),
    },
    {
      title: 'safetensors: a name that leads out of a folder',
      error: 'DataError',
      text: 'weights.safetensors: tensor "../a": a name must not be a path that leads out of a folder',
      cure: 'Do not trust the file.',
      run: () => decode({ '../a': entry() }, 2),
    },
    {
      title: 'safetensors: values of another type than said',
      error: 'TypeError',
      text: 'safetensors: tensor "a": int32 [1] can\'t hold a Float32Array of 1',
      cure: 'Give the array that goes with the dtype, with as many values as the shape has.',
      run: () => encodeSafetensors(new Map([['a', { ...host(1), dtype: 'int32' }]])),
    },
    {
      title: 'saveSafetensors: no tensors',
      error: 'TypeError',
      text: 'saveSafetensors: the tensors must be a map or an object of tensors by their names, such as net.stateDict(), not 1',
      run: () => saveSafetensors('none', loose(1)),
    },
    {
      title: 'saveSafetensors: a network',
      error: 'TypeError',
      text: 'saveSafetensors: the tensors must be a map or an object of tensors by their names, such as net.stateDict(), not a Sequential',
      run: () => saveSafetensors('none', loose(new nn.Sequential(new nn.Linear(2, 3)))),
    },
    {
      title: 'saveSafetensors: something that is not a tensor',
      error: 'TypeError',
      text: 'saveSafetensors: "weight" is not a tensor',
      cure: 'Give tensors by their names, such as net.stateDict().',
      run: () => saveSafetensors('none', { weight: loose([1]) }),
    },
    {
      title: 'loadSafetensors: a folder',
      error: 'DataError',
      text: '<folder>: not a regular file',
      varies: folder,
      cure: 'Give the path of the file.',
      run: ({ folder }) => loadSafetensors(folder),
    },
    {
      title: 'loadSafetensors: a file that is not there',
      error: 'DataError',
      text: '<folder>/weights.safetensors: cannot be read (ENOENT)',
      varies: folder,
      cure: 'Look at the path, and at who may read the file.',
      run: ({ folder }) => loadSafetensors(join(folder, NAME)),
    },
  ],
}
