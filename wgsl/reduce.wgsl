// reduce: one value of many, along any dimensions, and what its gradient needs.
//
//   fold      out[o, b, i] = finish(OP over r of x[o, r, i])      r over those of part b; passes follow until one is left
//   spread    dx[j] = dy[place(j)], or divided by `by`
//
//   x    [outer, R, inner], the innermost run of neighbouring dimensions that are reduced between what lies around it
//   out  of fold: [outer, PARTS, inner]. Of the others: as the whole input, whose dimensions are, from the last one on, runs
//        that stay and runs that are reduced, in turns; place(j) is where the result of element j is
//
// A part is at most FOLD rows r, lanes apart, added in order: neighbouring threads read neighbouring elements. The parts of
// a result are combined by the next pass in the same way, so an error grows with the logarithm of R. A change of FOLD, of
// BLOCK or of GROUP changes bits.
//
// Numbers are held as bits. The largest is found among keys, which are in the order of the numbers, NaN above all; for the
// smallest every key is inverted, but that of NaN. So nothing depends on how an adapter compares NaN.
//
// fold          One thread makes one result of a pass.
// fold_vectors  The same where inner is a multiple of four: four neighbours a thread.
// fold_block    The same where inner is 1: one workgroup makes the result of BLOCK neighbours, which it combines in a tree.
//               x begins each o with a whole vector of four.
// spread        A thread takes PER elements, by fours.

struct Params {
  outer: u32,
  M: u32,     // R * inner
  W: u32,     // lanes * inner
  B: u32,     // PARTS * inner
  finish: u32,
  by: f32,    // what DIVIDE divides by
}

// Of the whole input, from its last dimension on: k0 stay, r0 are reduced, k1 stay …; the rest stays.
struct Runs {
  size: u32,
  k0: u32, r0: u32,
  k1: u32, r1: u32,
  k2: u32, r2: u32,
  k3: u32, r3: u32,
  one: u32,   // 1 where only r0 is reduced
  fours: u32,
  finish: u32,
  by: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> runs: Runs;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> x_vectors: array<vec4u>; // x
@group(0) @binding(4) var<storage, read_write> out: array<u32>;
@group(0) @binding(5) var<storage, read_write> out_vectors: array<vec4u>; // out
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const FOLD: u32 = 64u;
const GROUP: u32 = 64u;
const BLOCK: u32 = 4096u;

const OP: u32 = 0u; // tune
const SUM: u32 = 0u;
const PRODUCT: u32 = 1u;
const LARGEST: u32 = 2u;
const SMALLEST: u32 = 3u;

// What is done to the result of the last pass.
const DIVIDE: u32 = 1u;

// How four neighbours lie among the results: anyhow, one after the other (k0 is a multiple of four), or in one place (k0 is
// 1 and r0 a multiple of four).
const IN_ORDER: u32 = 1u;
const TOGETHER: u32 = 2u;

const INFINITY_BITS: u32 = 0x7f800000u;
const SIGN: u32 = 0x80000000u;
const ALL: u32 = 0xffffffffu;

var<workgroup> found: array<u32, GROUP>;

fn thread(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG + local;
}

fn is_nan(bits: vec4u) -> vec4<bool> {
  return (bits & vec4u(~SIGN)) > vec4u(INFINITY_BITS);
}

// Of no number the key is 0 or ALL.
fn keys(bits: vec4u) -> vec4u {
  let ordered = select(bits | vec4u(SIGN), ~bits, (bits & vec4u(SIGN)) != vec4u());
  return select(select(ordered, ~ordered, vec4<bool>(OP == SMALLEST)), vec4u(ALL), is_nan(bits));
}

fn bits_of(keys: vec4u) -> vec4u {
  let ordered = select(keys, ~keys, vec4<bool>(OP == SMALLEST));
  return select(~ordered, ordered & vec4u(~SIGN), (ordered & vec4u(SIGN)) != vec4u());
}

// What changes nothing.
fn nothing() -> vec4u {
  return bitcast<vec4u>(vec4f(select(0.0, 1.0, OP == PRODUCT)));
}

fn taken(bits: vec4u) -> vec4u {
  if (OP >= LARGEST) { return keys(bits); }
  return bits;
}

fn combined(a: vec4u, b: vec4u) -> vec4u {
  if (OP >= LARGEST) { return max(a, b); }
  if (OP == PRODUCT) { return bitcast<vec4u>(bitcast<vec4f>(a) * bitcast<vec4f>(b)); }
  return bitcast<vec4u>(bitcast<vec4f>(a) + bitcast<vec4f>(b));
}

fn finished(made: vec4u) -> vec4u {
  if (OP >= LARGEST) { return bits_of(made); }
  if (params.finish == DIVIDE) { return bitcast<vec4u>(bitcast<vec4f>(made) / params.by); }
  return made;
}

// Where the elements of a result lie: of the o-th outer place, from `first` on, `step` apart, before `end`. In elements, or in
// vectors, as its arguments are.
struct Part {
  o: u32, first: u32, end: u32,
}

fn part_of(result: u32, B: u32, W: u32, M: u32) -> Part {
  let o = result / B;
  let j = result - o * B;
  let before = j / W * W;
  let first = before * FOLD + (j - before);
  return Part(o, first, min((before + W) * FOLD, M));
}

@compute @workgroup_size(WG)
fn fold(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  if (result >= params.outer * params.B) { return; }
  let part = part_of(result, params.B, params.W, params.M);
  var made = nothing();
  for (var i = part.first; i < part.end; i += params.W) {
    made = combined(made, taken(vec4u(x[part.o * params.M + i])));
  }
  out[result] = finished(made).x;
}

@compute @workgroup_size(WG)
fn fold_vectors(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  let M = params.M / 4;
  if (result >= params.outer * (params.B / 4)) { return; }
  let part = part_of(result, params.B / 4, params.W / 4, M);
  var made = nothing();
  for (var i = part.first; i < part.end; i += params.W / 4) {
    made = combined(made, taken(x_vectors[part.o * M + i]));
  }
  out_vectors[result] = finished(made);
}

@compute @workgroup_size(GROUP)
fn fold_block(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = group.y * groups.x + group.x;
  if (result >= params.outer * params.B) { return; }
  let o = result / params.B;
  let block = result - o * params.B;
  let first = block * BLOCK + 4 * local;
  var made = nothing();
  for (var i = first; i < min((block + 1) * BLOCK, params.M); i += 4 * GROUP) {
    var v = taken(x_vectors[(o * params.M + i) / 4]);
    if (i + 4 > params.M) { v = select(nothing(), v, vec4u(i, i + 1, i + 2, i + 3) < vec4u(params.M)); }
    made = combined(made, v);
  }
  let pairs = combined(made, made.zwxy);
  found[local] = combined(pairs, pairs.yxwz).x;
  for (var half = GROUP / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) { found[local] = combined(vec4u(found[local]), vec4u(found[local + half])).x; }
  }
  if (local == 0) { out[result] = finished(vec4u(found[0])).x; }
}

// The place of the result of element i.
fn place(i: u32) -> u32 {
  let rows = i / runs.k0;
  let within = i - rows * runs.k0;
  let rest = rows / runs.r0;
  if (runs.one == 1) { return within + rest * runs.k0; }
  var found = within;
  var stride = runs.k0;
  let q1 = rest / runs.k1;
  found += (rest - q1 * runs.k1) * stride;
  stride *= runs.k1;
  let rest1 = q1 / runs.r1;
  let q2 = rest1 / runs.k2;
  found += (rest1 - q2 * runs.k2) * stride;
  stride *= runs.k2;
  let rest2 = q2 / runs.r2;
  let q3 = rest2 / runs.k3;
  found += (rest2 - q3 * runs.k3) * stride;
  stride *= runs.k3;
  return found + (q3 / runs.r3) * stride;
}

// The places of four neighbours; past the end any that there is.
fn places(i: u32) -> vec4u {
  if (runs.fours == TOGETHER) { return vec4u(place(i)); }
  if (runs.fours == IN_ORDER) { return place(i) + vec4u(0, 1, 2, 3); }
  let last = runs.size - 1;
  return vec4u(place(i), place(min(i + 1, last)), place(min(i + 2, last)), place(min(i + 3, last)));
}

fn gradients_at(at: vec4u) -> vec4f {
  return vec4f(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
}

// A thread takes PER / 4 vectors, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_vector(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * (PER / 4) + local;
}

fn last_vector(start: u32) -> u32 {
  return min(start + WG * (PER / 4), (runs.size + 3) / 4);
}

// Writes four neighbours; what lies past the end stays as it is.
fn write(i: u32, made: vec4f) {
  if (runs.fours != 0 || 4 * i + 4 <= runs.size) {
    dx[i] = made;
    return;
  }
  dx[i] = select(made, dx[i], 4 * i + vec4u(0, 1, 2, 3) >= vec4u(runs.size));
}

@compute @workgroup_size(WG)
fn spread(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < last_vector(start); i += WG) {
    var made = gradients_at(places(4 * i));
    if (runs.finish == DIVIDE) { made /= runs.by; }
    write(i, made);
  }
}
