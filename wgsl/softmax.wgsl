// softmax: exp(x) of rows whose sum is made 1, and its logarithm, along any dimension. No number overflows.
//
//   m[o, i] = max_d x[o, d, i]        z[o, i] = sum_d exp(x[o, d, i] - m[o, i])
//   softmax      out = exp(x - m) / z          dx = out * (dy - sum_d dy * out)
//   logSoftmax   out = (x - m) - log(z)        dx = dy - exp(out) * sum_d dy
//
//   x, y, out, dy, dx  [outer, D, inner]; y is out, for backward
//   largest, total     [outer, inner]: m, and z or the sum of the gradient
//   terms              [outer, D, inner]: dy * out
//
// A row with a NaN, with infinity or with minus infinity alone is NaN, as in PyTorch. The largest is found by the bits of its
// key, NaN above all, so that nothing depends on how an adapter compares NaN.
//
// thread_forward, thread_backward  One thread takes one row, in order.
// group_forward, group_backward    One workgroup takes one row of neighbours (inner = 1); each thread every GROUP-th element,
//                                  their sums in a tree.
// rows_forward, rows_backward      Where largest and total are known: a thread takes PER elements.
// weigh                            terms, likewise.

struct Params {
  outer: u32,
  D: u32,
  inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read> largest: array<f32>;
@group(0) @binding(7) var<storage, read> total: array<f32>;
@group(0) @binding(8) var<storage, read_write> terms: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const GROUP: u32 = 64u;

const OP: u32 = 0u; // tune
const SOFTMAX: u32 = 0u;
const LOG_SOFTMAX: u32 = 1u;

const SIGN: u32 = 0x80000000u;
const INFINITY_BITS: u32 = 0x7f800000u;
const NAN_BITS: u32 = 0x7fc00000u;
// exp(-VANISHED) is 0 in float32: no driver meets a larger argument.
const VANISHED: f32 = 128.0;

var<workgroup> keys: array<u32, GROUP>;
var<workgroup> sums: array<f32, GROUP>;

// A NaN that the compiler cannot see coming: constants may not be NaN. A row has fewer than 2^31 elements.
fn nan() -> f32 {
  return bitcast<f32>(NAN_BITS | (params.D & SIGN));
}

fn size_bits(v: f32) -> u32 {
  return bitcast<u32>(v) & ~SIGN;
}

// In the order of the numbers; of no number it is 0.
fn key(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if (size_bits(v) > INFINITY_BITS) { return ~0u; }
  return select(bits | SIGN, ~bits, (bits & SIGN) != 0u);
}

fn of_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & ~SIGN, (key & SIGN) != 0u));
}

// exp(v) for v up to 0.
fn power(v: f32) -> f32 {
  return select(exp(max(v, -VANISHED)), v, size_bits(v) > INFINITY_BITS);
}

fn value(v: f32, m: f32, z: f32) -> f32 {
  if (size_bits(m) >= INFINITY_BITS) { return nan(); }
  if (OP == SOFTMAX) { return power(v - m) / z; }
  return (v - m) - log(z);
}

fn term(of_y: f32, of_dy: f32) -> f32 {
  return select(of_dy, of_dy * of_y, OP == SOFTMAX);
}

fn gradient(of_y: f32, of_dy: f32, sum: f32) -> f32 {
  if (OP == SOFTMAX) { return of_y * (of_dy - sum); }
  return of_dy - power(of_y) * sum;
}

// The first element of a row.
fn start_of(row: u32) -> u32 {
  let o = row / params.inner;
  return o * params.D * params.inner + (row - o * params.inner);
}

@compute @workgroup_size(WG)
fn thread_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WG + local;
  if (row >= params.outer * params.inner) { return; }
  let start = start_of(row);
  let end = start + params.D * params.inner;
  var best = 0u;
  for (var i = start; i < end; i += params.inner) {
    best = max(best, key(x[i]));
  }
  let m = of_key(best);
  var z = 0.0;
  for (var i = start; i < end; i += params.inner) {
    z += power(x[i] - m);
  }
  for (var i = start; i < end; i += params.inner) {
    out[i] = value(x[i], m, z);
  }
}

@compute @workgroup_size(WG)
fn thread_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WG + local;
  if (row >= params.outer * params.inner) { return; }
  let start = start_of(row);
  let end = start + params.D * params.inner;
  var sum = 0.0;
  for (var i = start; i < end; i += params.inner) {
    sum += term(y[i], dy[i]);
  }
  for (var i = start; i < end; i += params.inner) {
    dx[i] = gradient(y[i], dy[i], sum);
  }
}

// The sum of what all threads have, for all of them.
fn sum_of_all(own: f32, local: u32) -> f32 {
  sums[local] = own;
  for (var half = GROUP / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) { sums[local] += sums[local + half]; }
  }
  workgroupBarrier();
  return sums[0];
}

fn largest_of_all(own: u32, local: u32) -> u32 {
  keys[local] = own;
  for (var half = GROUP / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) { keys[local] = max(keys[local], keys[local + half]); }
  }
  workgroupBarrier();
  return keys[0];
}

@compute @workgroup_size(GROUP)
fn group_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.outer) { return; }
  let start = row * params.D + local;
  let end = (row + 1) * params.D;
  var best = 0u;
  for (var i = start; i < end; i += GROUP) {
    best = max(best, key(x[i]));
  }
  let m = of_key(largest_of_all(best, local));
  var own = 0.0;
  for (var i = start; i < end; i += GROUP) {
    own += power(x[i] - m);
  }
  let z = sum_of_all(own, local);
  for (var i = start; i < end; i += GROUP) {
    out[i] = value(x[i], m, z);
  }
}

@compute @workgroup_size(GROUP)
fn group_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.outer) { return; }
  let start = row * params.D + local;
  let end = (row + 1) * params.D;
  var own = 0.0;
  for (var i = start; i < end; i += GROUP) {
    own += term(y[i], dy[i]);
  }
  let sum = sum_of_all(own, local);
  for (var i = start; i < end; i += GROUP) {
    dx[i] = gradient(y[i], dy[i], sum);
  }
}

// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * PER + local;
}

fn last_element(start: u32) -> u32 {
  return min(start + WG * PER, params.outer * params.D * params.inner);
}

fn row_of(i: u32) -> u32 {
  let before = i / params.inner;
  return before / params.D * params.inner + (i - before * params.inner);
}

@compute @workgroup_size(WG)
fn rows_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < last_element(start); i += WG) {
    let row = row_of(i);
    out[i] = value(x[i], largest[row], total[row]);
  }
}

@compute @workgroup_size(WG)
fn rows_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < last_element(start); i += WG) {
    dx[i] = gradient(y[i], dy[i], total[row_of(i)]);
  }
}

@compute @workgroup_size(WG)
fn weigh(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < last_element(start); i += WG) {
    terms[i] = term(y[i], dy[i]);
  }
}
