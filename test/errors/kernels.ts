import { KernelFile, tensor } from '../../src/index.ts'
import type { Area, Place } from './refusal.ts'

const code = `struct Params { size: u32, value: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
const PER: u32 = 4u; // tune
@compute @workgroup_size(1) fn main() { out[0] = params.value * x[params.size]; }`
const table = `@group(0) @binding(0) var<uniform> table: array<vec4f, 17>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() { out[0] = table[0].x; }`
const entry = '@compute @workgroup_size(1) fn main() { _ = p; }'

const params = { size: 0, value: 1 }
const kernel = (tune: Record<string, number> = {}) => new KernelFile('own', code).entry('main', tune)
const one = () => tensor([1]).storage
const emit = (values: Parameters<Place['gpu']['emit']>[1], groups = 1) => {
  return ({ gpu }: Place) => gpu.emit(kernel(), values, groups)
}

export const kernels: Area = {
  title: "Kernels of one's own",
  refusals: [
    {
      title: 'an entry point that the file does not have',
      error: 'Error',
      text: 'own.wgsl has no entry point forward',
      cure: 'Name a function that is marked @compute.',
      run: () => new KernelFile('own', code).entry('forward'),
    },
    {
      title: 'a file without an entry point',
      error: 'Error',
      text: 'own.wgsl has no @compute entry point',
      cure: 'Mark the function by @compute @workgroup_size(…).',
      run: () => new KernelFile('own', 'fn main() {}').entry('main'),
    },
    {
      title: 'a tune line that the file does not have',
      error: 'Error',
      text: 'own.wgsl has no line "const STEP: u32 = …u; // tune"',
      cure: 'Only lines of this form, with the comment, can be given another number.',
      run: () => kernel({ STEP: 4 }),
    },
    {
      title: 'a tuned number that is none',
      error: 'Error',
      text: 'own.wgsl: PER = 0.5 is not a whole number',
      cure: 'Give a whole number, 0 or more.',
      run: () => kernel({ PER: 0.5 }),
    },
    {
      title: 'a binding in another group',
      error: 'Error',
      text: 'own.wgsl: p is in group 1; kernels use group 0',
      run: () => new KernelFile('own', `@group(1) @binding(0) var<storage> p: array<f32>; ${entry}`).entry('main'),
    },
    {
      title: 'a vector in a uniform struct',
      error: 'Error',
      text: 'own.wgsl: struct P may hold u32, i32 and f32 only, found "b: vec4f"',
      cure: 'Write its members one by one.',
      run: () => {
        const struct = 'struct P { a: u32, b: vec4f } @group(0) @binding(0) var<uniform> p: P;'
        return new KernelFile('own', `${struct} ${entry}`).entry('main')
      },
    },
    {
      title: 'a uniform that is neither struct nor array',
      error: 'Error',
      text: 'own.wgsl: uniform p must be a struct or array<vec4f, COUNT>',
      run: () => new KernelFile('own', `@group(0) @binding(0) var<uniform> p: u32; ${entry}`).entry('main'),
    },
    {
      title: 'braces that do not match',
      error: 'Error',
      text: 'own.wgsl: unbalanced braces in fn main',
      cure: 'Look for a brace that is missing in this function or before it.',
      run: () => new KernelFile('own', '@compute @workgroup_size(1) fn main() { {').entry('main'),
    },
    {
      title: 'emit: a binding that the kernel does not have',
      error: 'Error',
      text: 'own.main has no binding output; it has params, x, out',
      cure: 'A variable that the entry point does not reach counts as absent.',
      run: (place) => emit({ params, x: one(), output: one() })(place),
    },
    {
      title: 'emit: a binding left out',
      error: 'Error',
      text: 'own.main: binding out is missing',
      cure: 'Give every variable that the entry point reaches a storage, or the numbers of its struct.',
      run: (place) => emit({ params, x: one() })(place),
    },
    {
      title: 'emit: a buffer where numbers belong',
      error: 'Error',
      text: 'own.main: params takes numbers, not a buffer',
      cure: "Give the struct's members by name: { size: 3 }.",
      run: (place) => emit({ params: one(), x: one(), out: one() })(place),
    },
    {
      title: 'emit: null where numbers belong',
      error: 'Error',
      text: 'own.main: params takes numbers, not null',
      cure: 'Only a buffer that the kernel does not look at may be null.',
      run: (place) => emit({ params: null, x: one(), out: one() })(place),
    },
    {
      title: 'emit: numbers where a buffer belongs',
      error: 'Error',
      text: 'own.main: x takes a buffer, not numbers',
      cure: "Give a tensor's storage.",
      run: (place) => emit({ params, x: { size: 1 }, out: one() })(place),
    },
    {
      title: 'emit: a buffer too small for a uniform array',
      error: 'Error',
      text: 'table.main: table needs 272 bytes, the buffer has 256',
      cure: 'Give a tensor that fills the declared array.',
      run: ({ gpu }) => gpu.emit(new KernelFile('table', table).entry('main'), { table: one(), out: one() }, 1),
    },
    {
      title: 'emit: null for a uniform array that is larger than WebGPU allows',
      error: 'Error',
      text: 'table.main: table needs 65552 bytes, a null binding has 65536',
      cure: 'Declare a smaller array, or read from storage.',
      run: ({ gpu }) => {
        const large = new KernelFile('table', table.replace('17', '4097')).entry('main')
        gpu.emit(large, { table: null, out: one() }, 1)
      },
    },
    {
      title: 'emit: a member of the struct left out',
      error: 'Error',
      text: 'own.main: params has no value for value',
      cure: 'Give every member a number.',
      run: (place) => emit({ params: { size: 0 }, x: one(), out: one() })(place),
    },
    {
      title: 'emit: a member that the struct does not have',
      error: 'Error',
      text: 'own.main: params has no count',
      cure: 'Give only the members of the struct, by their names there.',
      run: (place) => emit({ params: { ...params, count: 1 }, x: one(), out: one() })(place),
    },
    {
      title: 'emit: a number that the member cannot hold',
      error: 'Error',
      text: 'own.main: params.size = -1 is not of type u32',
      cure: 'u32 takes whole numbers from 0 to 4294967295, i32 from -2147483648 to 2147483647.',
      run: (place) => emit({ params: { size: -1, value: 1 }, x: one(), out: one() })(place),
    },
    {
      title: 'emit: no count of workgroups',
      error: 'Error',
      text: 'own.main: 0.5 is not a number of workgroups',
      cure: 'Give a whole number, 0 or more; Math.ceil(threads / 64) rounds up.',
      run: (place) => emit({ params, x: one(), out: one() }, 0.5)(place),
    },
    {
      title: 'emit: a buffer that is written and bound a second time',
      error: 'GpuError',
      kind: 'validation',
      text: 'own.main: out is written and shares its memory with x',
      cure: 'Write to memory of its own, by empty(…).',
      run: (place) => {
        const x = one()
        emit({ params, x, out: x })(place)
      },
    },
  ],
}
