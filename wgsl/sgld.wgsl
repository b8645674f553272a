// sgld: the noise of stochastic gradient Langevin dynamics, added to many parameters in one dispatch.
//
//   p += scale * xi(seed, t, i)       scale 0 leaves p as it is, bit for bit
//
// xi is standard normal, a pure function of the seed, the step t and the element's number i. Its random words are those of
// src/tensor/random.ts, stream 'noise', substream t + 1: Philox4x32-10 gives the words 4b … 4b + 3 from
//   counter = (b, 0, t + 1, 3)    key = (seed low, seed high)
// and the words 2j and 2j + 1 give two numbers by Box and Muller (1958):
//   u1 = ((word_2j >> 8) + 1) / 2^24,  u2 = (word_2j+1 >> 8) / 2^24,  r = sqrt(-2 ln u1)
//   xi_2j = r cos(2 pi u2),  xi_2j+1 = r sin(2 pi u2)
// The logarithm, sine and cosine are series: WGSL allows its own cosine an error of 2^-11.
//
//   p         f32  parameters, anywhere in one buffer
//   table     [ROWS, 3]  u32, a row for each workgroup: the first element in p, its number i (a multiple of 4), how many
//             elements (at most WG * PER)
//   settings  rows of one step's noise each, as per_step.ts describes them: t + 1, seed low, seed high, the bits of scale
//
// A workgroup takes what its row says, a thread PER elements, four at a time.

struct Params {
  rows: u32,
  which: u32, // which one it is of several in a step of a run
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> p: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 3u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 4u;
const NOISE: u32 = 3u; // the stream's number

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
  var x = counter;
  var key = seed;
  for (var round = 0u; round < 10u; round++) {
    let m0 = multiply(0xd2511f53u, x.x);
    let m1 = multiply(0xcd9e8d57u, x.z);
    x = vec4u(m1.x ^ x.y ^ key.x, m1.y, m0.x ^ x.w ^ key.y, m0.y);
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return x;
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

// cos and sin of 2 pi k / 2^24: a quarter's number, and Taylor's series to x^10 and x^9 for the rest, |x| <= pi / 4.
fn turn(k: u32) -> vec2f {
  let quarter = (k + 0x200000u) >> 22u;
  let x = f32(i32(k) - i32(quarter << 22u)) * (1.57079633 / 4194304.0);
  let q = x * x;
  let c = 1.0 + q * (-0.5 + q * (0.0416666667 + q * (-0.00138888889 + q * (0.0000248015873 - q * 2.75573192e-7))));
  let s = x * (1.0 + q * (-0.166666667 + q * (0.00833333333 + q * (-0.000198412698 + q * 2.75573192e-6))));
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

@compute @workgroup_size(WG)
fn add_noise(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  let at_settings = HEAD + SETTINGS * min(replay.step * settings[1] + params.which, settings[0] - 1u);
  let t = settings[at_settings];
  let seed = vec2u(settings[at_settings + 1u], settings[at_settings + 2u]);
  let scale = bitcast<f32>(settings[at_settings + 3u]);
  if (row >= params.rows || scale == 0.0) { return; }
  let at = table[ROW * row];
  let block = table[ROW * row + 1u] / 4u;
  let count = table[ROW * row + 2u];
  for (var i = 4u * local; i < count; i += 4u * WG) {
    let words = philox(vec4u(block + i / 4u, 0u, t, NOISE), seed);
    let xi = vec4f(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
    for (var j = 0u; j < min(4u, count - i); j++) {
      p[at + i + j] += scale * xi[j];
    }
  }
}
