import { describe, expect, it } from 'vitest'
import { reflect } from '../../src/gpu/reflect.ts'
import { messageOf } from '../support/gpu.ts'

const head = `
struct Params {
  size: u32,
  shift: i32,
  scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage> y: array<f32>;
`

const names = (code: string, entryPoint: string) =>
  reflect('sample', code)
    .get(entryPoint)!
    .map((b) => b.name)

describe('reflect', () => {
  it('reads names, numbers, kinds and members, ordered by number', () => {
    const code = `${head}@compute @workgroup_size(64) fn main() { out[0] = x[0] + y[0] * params.scale; }`
    const members = [
      { name: 'size', type: 'u32' },
      { name: 'shift', type: 'i32' },
      { name: 'scale', type: 'f32' },
    ]
    expect(reflect('sample', code).get('main')).toEqual([
      { name: 'params', binding: 0, type: 'uniform', members, minBytes: 16, perStep: false },
      { name: 'x', binding: 1, type: 'read-only-storage', members: null, minBytes: 0, perStep: false },
      { name: 'out', binding: 2, type: 'storage', members: null, minBytes: 0, perStep: false },
      { name: 'y', binding: 3, type: 'read-only-storage', members: null, minBytes: 0, perStep: false },
    ])
  })

  it('gives an entry point what it reaches, through functions of any depth, and no more', () => {
    const code = `${head}
fn deepest() -> f32 { return y[0]; }
fn deeper() -> f32 { return deepest(); }
fn unused() -> f32 { return x[0]; }
@compute @workgroup_size(64)
fn one() { out[0] = deeper(); }
@workgroup_size(64) @compute
fn two(@builtin(workgroup_id) group: vec3u) { out[0] = f32(params.size); }`
    expect(names(code, 'one')).toEqual(['out', 'y'])
    expect(names(code, 'two')).toEqual(['params', 'out'])
    expect([...reflect('sample', code).keys()]).toEqual(['one', 'two'])
  })

  it('takes neither members, nor comments, nor longer words for a use', () => {
    const code = `${head}
@compute @workgroup_size(64) fn main(@builtin(workgroup_id) group: vec3u) {
  // x[0] is not used, /* nor */ params
  /* out[0] = y[0];
     fn x() {} */
  let xy = group.y * group.x;
  out[xy] = f32(xy);
}`
    expect(names(code, 'main')).toEqual(['out'])
  })

  it('is not confused by functions that call each other in a ring', () => {
    const code = `${head}
fn a() { b(); } fn b() { a(); c(); } fn c() { out[0] = 1.0; }
@compute @workgroup_size(1) fn main() { a(); }`
    expect(names(code, 'main')).toEqual(['out'])
  })

  it.each([
    [1, 16],
    [4, 16],
    [5, 32],
    [12, 48],
  ])('covers a struct of %i members with %i bytes', (count, minBytes) => {
    const members = Array.from({ length: count }, (_, i) => `m${i}: u32`).join(', ')
    const code = `struct P { ${members} } @group(0) @binding(0) var<uniform> p: P;
@compute @workgroup_size(1) fn main() { _ = p.m0; }`
    expect(reflect('sample', code).get('main')![0]!.minBytes).toBe(minBytes)
  })

  it('knows the binding that the device fills in', () => {
    const code = `struct Replay { step: u32 } @group(0) @binding(0) var<uniform> replay: Replay;
@compute @workgroup_size(1) fn main() { _ = replay.step; }`
    expect(reflect('sample', code).get('main')![0]).toMatchObject({ minBytes: 16, perStep: true })
  })

  it('reads uniform arrays of vectors, which take a buffer', () => {
    const code = `@group(0) @binding(0) var<uniform> w: array<vec4f, 100u>;
@group(0) @binding(1) var<uniform> v: array<vec4<u32>, 3>;
@compute @workgroup_size(1) fn main() { _ = w[0]; _ = v[0]; }`
    expect(reflect('sample', code).get('main')).toEqual([
      { name: 'w', binding: 0, type: 'uniform', members: null, minBytes: 1600, perStep: false },
      { name: 'v', binding: 1, type: 'uniform', members: null, minBytes: 48, perStep: false },
    ])
  })

  const entry = '@compute @workgroup_size(1) fn main() { _ = p; }'
  it.each<[string, string, string]>([
    [
      'attributes in a struct',
      `struct P { @align(16) a: u32 } @group(0) @binding(0) var<uniform> p: P; ${entry}`,
      'sample.wgsl: struct P may hold u32, i32 and f32 only, found "@align(16) a: u32"',
    ],
  ])('refuses %s', (_, code, message) => {
    expect(messageOf(() => reflect('sample', code))).toBe(message)
  })
})
