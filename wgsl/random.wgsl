// random: random numbers, and dropout.
//
//   draw              out[i] = u, uniform on [0, 1) in steps of 2^-24         OP 0, rand
//                     out[i] = xi, standard normal                           OP 1, randn
//                     out[i] = 1 where word >> 1 is below `below`, else 0    OP 2, bernoulli
//   dropout           out[i] = x[i] * scale where word >> 1 is below `below`, else x[i] * 0
//   dropout_backward  dx[i] = dy[i], likewise, by the draw that dropout noted
//
// The words of a draw are a pure function of the seed, the draw's number n and the element's number i, those of
// src/tensor/random.ts, stream 'draw', substream n mod 2^32: Philox4x32-10 gives the words 4b … 4b + 3 from
//   counter = (b, n >> 32, n mod 2^32, 4)    key = (seed low, seed high)
// Element i has word i: u = (word_i >> 8) / 2^24; the words 2j and 2j + 1 give two normal numbers by Box and Muller (1958):
//   u1 = ((word_2j >> 8) + 1) / 2^24,  u2 = (word_2j+1 >> 8) / 2^24,  r = sqrt(-2 ln u1)
//   xi_2j = r cos(2 pi u2),  xi_2j+1 = r sin(2 pi u2)
// The logarithm, sine and cosine are series: WGSL allows its own cosine an error of 2^-11.
//
//   x, out, dy, dx  [size], any shape, flat, as vectors of four; a tensor's memory ends with a whole vector, so that the last
//                   may hold numbers of no meaning
//   settings        rows of one draw each, as per_step.ts describes them: n low, n high, seed low, seed high
//   noted           [1]  what dropout drew by: the row
//   noticed         [1]  the same, read
//
// One thread computes PER elements, a block of Philox for every four. What is dropped is x * 0, as PyTorch has it: NaN gives NaN,
// so do infinities, and 0 keeps the sign of x. By bits, since a driver may assume that there is no NaN.

struct Params {
  size: u32,
  which: u32, // which one it is of several draws in a step of a run
  below: u32, // 2^31 times the probability
  scale: f32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<storage, read> x: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> noted: array<vec4u>;
@group(0) @binding(6) var<storage, read> dy: array<vec4f>;
@group(0) @binding(7) var<storage, read> noticed: array<vec4u>;
@group(0) @binding(8) var<storage, read_write> dx: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const OP: u32 = 0u; // tune

const RAND: u32 = 0u;
const RANDN: u32 = 1u;

const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 4u;
const DRAW: u32 = 4u; // the stream's number
const INFINITY_BITS: u32 = 0x7f800000u;

// The high and the low half of a product, from halves of 16 bits.
fn multiply(a: u32, b: u32) -> vec2u {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (middle & 0xffffu);
  return vec2u(a_high * b_high + (middle >> 16u) + (carry >> 16u), a * b);
}

// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011).
fn philox(counter: vec4u, seed: vec2u) -> vec4u {
  var c = counter;
  var key = seed;
  for (var round = 0u; round < 10u; round++) {
    let m0 = multiply(0xd2511f53u, c.x);
    let m1 = multiply(0xcd9e8d57u, c.z);
    c = vec4u(m1.x ^ c.y ^ key.x, m1.y, m0.x ^ c.w ^ key.y, m0.y);
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// The words of four elements.
fn words_of(row: vec4u, block: u32) -> vec4u {
  return philox(vec4u(block, row.y, row.x, DRAW), row.zw);
}

// -ln(k / 2^24) for k from 1 to 2^24, both exact in f32. k = m 2^e with m in (0.7, 1.42), so that the terms of
// ln m = 2 (s + s^3/3 + s^5/5 + …), s = (m - 1) / (m + 1), |s| < 0.18, are below 2^-24 of the first from s^11 on.
fn minus_log(k: u32) -> f32 {
  let bits = bitcast<u32>(f32(k));
  var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
  var e = i32(bits >> 23u) - 151; // 127, and the 24 of 2^24
  if (m > 1.41421356) {
    m *= 0.5;
    e += 1;
  }
  let s = (m - 1.0) / (m + 1.0);
  let q = s * s;
  let series = 1.0 + q * (0.333333333 + q * (0.2 + q * (0.142857143 + q * 0.111111111)));
  return -(f32(e) * 0.693147181 + 2.0 * s * series);
}

// cos and sin of 2 pi k / 2^24: a quarter's number, and Taylor's series to the powers 10 and 9 for the rest, |angle| <= pi / 4.
fn turn(k: u32) -> vec2f {
  let quarter = (k + 0x200000u) >> 22u;
  let angle = f32(i32(k) - i32(quarter << 22u)) * (1.57079633 / 4194304.0);
  let q = angle * angle;
  let c = 1.0 + q * (-0.5 + q * (0.0416666667 + q * (-0.00138888889 + q * (0.0000248015873 - q * 2.75573192e-7))));
  let s = angle * (1.0 + q * (-0.166666667 + q * (0.00833333333 + q * (-0.000198412698 + q * 2.75573192e-6))));
  switch (quarter & 3u) {
    case 1u: { return vec2f(-s, c); }
    case 2u: { return vec2f(-c, -s); }
    case 3u: { return vec2f(s, -c); }
    default: { return vec2f(c, s); }
  }
}

fn normal_pair(word1: u32, word2: u32) -> vec2f {
  let square = 2.0 * minus_log((word1 >> 8u) + 1u);
  if (square <= 0.0) { return vec2f(0.0); } // WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
  return sqrt(square) * turn(word2 >> 8u);
}

fn hits(words: vec4u) -> vec4<bool> {
  return (words >> vec4u(1u)) < vec4u(params.below);
}

// What is drawn for four elements.
fn numbers_of(words: vec4u) -> vec4f {
  switch OP {
    case RAND: { return vec4f(words >> vec4u(8u)) * 5.9604644775390625e-8; } // 2^-24
    case RANDN: { return vec4f(normal_pair(words.x, words.y), normal_pair(words.z, words.w)); }
    default: { return select(vec4f(0.0), vec4f(1.0), hits(words)); }
  }
}

// Behind the last element nothing is written.
fn write(i: u32, v: vec4f) {
  if (4u * i + 4u <= params.size) {
    out[i] = v;
    return;
  }
  for (var k = 0u; 4u * i + k < params.size; k++) { out[i][k] = v[k]; }
}

fn kept(v: f32, hit: bool) -> f32 {
  let bits = bitcast<u32>(v);
  let size = bits & 0x7fffffffu;
  if (size > INFINITY_BITS) { return v; }
  if (hit) { return v * params.scale; }
  // The size of a tensor is below 2^31, which the compiler does not know: WGSL has no constant that is NaN.
  if (size == INFINITY_BITS) { return bitcast<f32>(0x7fc00000u | (params.size >> 31u)); }
  return bitcast<f32>(bits & 0x80000000u);
}

fn all_kept(v: vec4f, words: vec4u) -> vec4f {
  let hit = hits(words);
  return vec4f(kept(v.x, hit.x), kept(v.y, hit.y), kept(v.z, hit.z), kept(v.w, hit.w));
}

// The draw's number and the seed.
fn row_of_step() -> vec4u {
  let at = HEAD + SETTINGS * min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return vec4u(settings[at], settings[at + 1u], settings[at + 2u], settings[at + 3u]);
}

// A thread takes PER / 4 vectors, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_vector(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * (PER / 4) + local;
}

@compute @workgroup_size(WG)
fn draw(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = row_of_step();
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    write(i, numbers_of(words_of(row, i)));
  }
}

@compute @workgroup_size(WG)
fn dropout(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = row_of_step();
  let start = first_vector(group, groups, local);
  if (start == 0u) { noted[0] = row; }
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    out[i] = all_kept(x[i], words_of(row, i));
  }
}

@compute @workgroup_size(WG)
fn dropout_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = noticed[0];
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    dx[i] = all_kept(dy[i], words_of(row, i));
  }
}
