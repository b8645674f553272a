// copy: elements of a tensor in another order or place. Nothing is computed, so bits stay as they are, NaN's too.
//
//   The coordinates c of an element number i are its digits in the sizes s, the last the fastest. A walk over memory is a
//   first place and a stride for each coordinate; a negative stride counts modulo 2^32.
//   strided     out[out_base + Σ c·b] = x[base + Σ c·a]                for every i below Π s = size
//   padded      out[i] = x[base + Σ (c - b)·a] where 0 <= c - b < e for every coordinate, else word
//   triangle    out[i] = x[i] where column - row <= diagonal (UPPER: >=), else 0        rows and columns are the last two dimensions
//   bytes       as padded, from base on, of bytes, four a word, little-endian; with KEEP what stood in out in place of the constant
//   strided_4, padded_4   the same of vectors of four: places, strides and the last size are counted in these
//   edges       x [O, n, I] → out [O, n + before + after, I]: at a place outside of the middle the nearest element (REPLICATE), or
//               the one at the same distance on the other side of the edge (reflect)
//   edges_back  dy [O, n + before + after, I] → dx [O, n, I]: the sum over the places that an element was taken to, in their
//               order, 32 at a time
//
//   x, out, dy, dx   one 32-bit word an element, looked at as f32 by edges_back alone
//
// One thread takes PER elements, WG apart: the next one's coordinates are a sum of digits, not divisions. edges_back: one an element.

struct Params {
  size: u32,
  base: u32,
  out_base: u32,
  word: u32, // the constant's bits
  diagonal: i32,
  s0: u32, s1: u32, s2: u32, s3: u32, s4: u32, s5: u32, s6: u32, s7: u32, // sizes
  w0: u32, w1: u32, w2: u32, w3: u32, w4: u32, w5: u32, w6: u32, w7: u32, // WG in digits of these sizes
  a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32, a6: u32, a7: u32, // strides of x
  b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32, b6: u32, b7: u32, // strides of out; padded: elements before x's first
  e0: u32, e1: u32, e2: u32, e3: u32, e4: u32, e5: u32, e6: u32, e7: u32, // padded: sizes of x
}

struct Edges {
  size: u32,
  n: u32,
  I: u32,
  before: i32,
  after: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> edge: Edges;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;
@group(0) @binding(4) var<storage, read> x_4: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> out_4: array<vec4u>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const RANK: u32 = 8u; // tune
const UPPER: u32 = 0u; // tune
const KEEP: u32 = 0u; // tune
const REPLICATE: u32 = 0u; // tune
const ROW: u32 = max(RANK, 2u) - 2u; // of the coordinates, the one that counts the rows of a matrix
const TERMS_PER_BLOCK: u32 = 32u;

alias Digits = array<u32, RANK>;

fn all_sizes() -> array<u32, 8> {
  return array<u32, 8>(params.s0, params.s1, params.s2, params.s3, params.s4, params.s5, params.s6, params.s7);
}

fn all_steps() -> array<u32, 8> {
  return array<u32, 8>(params.w0, params.w1, params.w2, params.w3, params.w4, params.w5, params.w6, params.w7);
}

fn all_a() -> array<u32, 8> {
  return array<u32, 8>(params.a0, params.a1, params.a2, params.a3, params.a4, params.a5, params.a6, params.a7);
}

fn all_b() -> array<u32, 8> {
  return array<u32, 8>(params.b0, params.b1, params.b2, params.b3, params.b4, params.b5, params.b6, params.b7);
}

fn all_e() -> array<u32, 8> {
  return array<u32, 8>(params.e0, params.e1, params.e2, params.e3, params.e4, params.e5, params.e6, params.e7);
}

fn first_element(group: vec3u, groups: vec3u, local: u32, per: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * per + local;
}

// The first digit takes what is left: it is not divided.
fn digits_of(i: u32) -> Digits {
  var sizes = all_sizes();
  var c: Digits;
  var rest = i;
  for (var k = 1u; k < RANK; k++) {
    let d = RANK - k;
    let quotient = rest / sizes[d];
    c[d] = rest - quotient * sizes[d];
    rest = quotient;
  }
  c[0] = rest;
  return c;
}

// The coordinates of the element that lies WG further on.
fn advance(before: Digits) -> Digits {
  var sizes = all_sizes();
  var steps = all_steps();
  var c = before;
  var carry = 0u;
  for (var k = 1u; k < RANK; k++) {
    let d = RANK - k;
    let sum = c[d] + steps[d] + carry;
    carry = select(0u, 1u, sum >= sizes[d]);
    c[d] = sum - carry * sizes[d];
  }
  c[0] += steps[0] + carry;
  return c;
}

fn source_of(digits: Digits) -> u32 {
  var a = all_a();
  var c = digits;
  var place = params.base;
  for (var d = 0u; d < RANK; d++) { place += c[d] * a[d]; }
  return place;
}

fn target_of(digits: Digits) -> u32 {
  var b = all_b();
  var c = digits;
  var place = params.out_base;
  for (var d = 0u; d < RANK; d++) { place += c[d] * b[d]; }
  return place;
}

const OUTSIDE: u32 = 0xffffffffu;

// The place in x, or OUTSIDE. What lies before the first element is a large number modulo 2^32.
fn inside_of(digits: Digits) -> u32 {
  var a = all_a();
  var b = all_b();
  var e = all_e();
  var c = digits;
  var place = params.base;
  var inside = true;
  for (var d = 0u; d < RANK; d++) {
    let own = c[d] - b[d];
    inside = inside && own < e[d];
    place += own * a[d];
  }
  return select(OUTSIDE, place, inside);
}

@compute @workgroup_size(WG)
fn strided(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    out[target_of(c)] = x[source_of(c)];
    c = advance(c);
  }
}

@compute @workgroup_size(WG)
fn strided_4(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER / 4);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * (PER / 4), params.size); i += WG) {
    out_4[target_of(c)] = x_4[source_of(c)];
    c = advance(c);
  }
}

@compute @workgroup_size(WG)
fn padded(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    let place = inside_of(c);
    var word = params.word;
    if (place != OUTSIDE) { word = x[place]; }
    out[i] = word;
    c = advance(c);
  }
}

@compute @workgroup_size(WG)
fn padded_4(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER / 4);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * (PER / 4), params.size); i += WG) {
    let place = inside_of(c);
    var words = vec4u(params.word);
    if (place != OUTSIDE) { words = x_4[place]; }
    out_4[i] = words;
    c = advance(c);
  }
}

// A thread takes PER / 4 words. Few bytes are ever moved: their coordinates may cost divisions.
@compute @workgroup_size(WG)
fn bytes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER / 4);
  for (var w = start; w < min(start + WG * (PER / 4), (params.size + 3) / 4); w += WG) {
    var word = 0u;
    if (KEEP == 1) { word = out[w]; }
    for (var k = 0u; k < min(4u, params.size - 4 * w); k++) {
      let place = inside_of(digits_of(4 * w + k));
      var byte = params.word;
      if (KEEP == 1) { byte = (word >> (8 * k)) & 0xffu; }
      if (place != OUTSIDE) { byte = (x[place / 4] >> (8 * (place % 4))) & 0xffu; }
      word = (word & ~(0xffu << (8 * k))) | (byte << (8 * k));
    }
    out[w] = word;
  }
}

// RANK is 3: matrices, rows, columns.
@compute @workgroup_size(WG)
fn triangle(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    let above = i32(c[RANK - 1]) - i32(c[ROW]);
    let kept = select(above <= params.diagonal, above >= params.diagonal, UPPER == 1);
    var word = 0u;
    if (kept) { word = x[i]; }
    out[i] = word;
    c = advance(c);
  }
}

@compute @workgroup_size(WG)
fn edges(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  let last = i32(edge.n) - 1;
  let width = u32(i32(edge.n) + edge.before + edge.after);
  for (var i = start; i < min(start + WG * PER, edge.size); i += WG) {
    let row = i / edge.I;
    let outer = row / width;
    var own = i32(row - outer * width) - edge.before;
    if (REPLICATE == 1) { own = clamp(own, 0, last); } else { own = last - abs(last - abs(own)); }
    out[i] = x[(outer * edge.n + u32(own)) * edge.I + i - row * edge.I];
  }
}

// Σ of dy at column `at` over the places `first` to `end` - 1 of the row that begins at `row`.
fn sum_of(row: u32, at: u32, first: i32, end: i32) -> f32 {
  var sum = 0.0;
  for (var block = first; block < end; block += i32(TERMS_PER_BLOCK)) {
    var part = 0.0;
    for (var place = block; place < min(block + i32(TERMS_PER_BLOCK), end); place++) {
      part += dy[(row + u32(place)) * edge.I + at];
    }
    sum += part;
  }
  return sum;
}

@compute @workgroup_size(WG)
fn edges_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= edge.size) { return; }
  let row = i / edge.I;
  let outer = row / edge.n;
  let own = i32(row - outer * edge.n);
  let at = i - row * edge.I;
  let last = i32(edge.n) - 1;
  let width = i32(edge.n) + edge.before + edge.after;
  let first_row = outer * u32(width);
  let place = own + edge.before;
  if (REPLICATE == 1) {
    let first = select(place, 0, own == 0);
    let end = select(place + 1, width, own == last);
    dx[i] = sum_of(first_row, at, max(first, 0), min(end, width));
    return;
  }
  // The mirror images at the first and at the last element, where they are.
  let left = edge.before - own;
  let right = place + 2 * (last - own);
  var sum = 0.0;
  if (own > 0) { sum += sum_of(first_row, at, max(left, 0), min(left + 1, width)); }
  sum += sum_of(first_row, at, max(place, 0), min(place + 1, width));
  if (own < last) { sum += sum_of(first_row, at, max(right, 0), min(right + 1, width)); }
  dx[i] = sum;
}
