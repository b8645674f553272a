// softmax: exp(x) of rows whose sum is made 1, and its logarithm, along any dimension. No number overflows.
//
//   m[o, i] = max_d x[o, d, i]        z[o, i] = sum_d exp(x[o, d, i] - m[o, i])
//   softmax      out = exp(x - m) / z          dx = out * (dy - sum_d dy * out)
//   logSoftmax   out = (x - m) - log(z)        dx = dy - exp(out) * sum_d dy
//
//   x, y, out, dy, dx  [outer, D, inner], looked at by fours; y is out, for backward. A tensor's memory ends with a whole vector
//   largest, total     [outer, inner]: m, and z or the sum of the gradient
//   terms              [outer, D, inner]: dy * out
//
// A row with a NaN, with infinity or with minus infinity alone is NaN, as in PyTorch. The largest is found by the bits of its
// key, NaN above all, so that nothing depends on how an adapter compares NaN.
//
// thread_forward, thread_backward  One thread takes one row, in order.
// lines_forward, lines_backward    One thread takes one row of neighbours (inner = 1): parts of PART elements, in order, each of
//                                  LANES vectors of four side by side.
// groups_forward, groups_backward  A thread takes one lane of a part; the same bits. A row has at most GROUP / LANES parts.
// rows_forward, rows_backward      Where largest and total are known: a thread takes PER elements.
// weigh                            terms, likewise.

struct Params {
  outer: u32,
  D: u32,
  inner: u32,
  threads: u32, // of a row, in groups_forward and groups_backward
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read> y: array<vec4f>;
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(6) var<storage, read> largest: array<f32>;
@group(0) @binding(7) var<storage, read> total: array<f32>;
@group(0) @binding(8) var<storage, read_write> terms: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const GROUP: u32 = 64u;
const PART: u32 = 256u;
const LANES: u32 = 4u;
const ALIGNED: u32 = 0u; // tune
const BACKWARD: u32 = 0u; // tune

const OP: u32 = 0u; // tune
const SOFTMAX: u32 = 0u;
const LOG_SOFTMAX: u32 = 1u;

const SIGN: u32 = 0x80000000u;
const INFINITY_BITS: u32 = 0x7f800000u;
const NAN_BITS: u32 = 0x7fc00000u;
// exp(-VANISHED) is 0 in float32: no driver meets a larger argument.
const VANISHED: f32 = 128.0;

var<workgroup> keys: array<u32, GROUP>;
var<workgroup> sums: array<vec4f, GROUP>;

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
    best = max(best, key(x[i / 4][i % 4]));
  }
  let m = of_key(best);
  var z = 0.0;
  for (var i = start; i < end; i += params.inner) {
    z += power(x[i / 4][i % 4] - m);
  }
  for (var i = start; i < end; i += params.inner) {
    out[i / 4][i % 4] = value(x[i / 4][i % 4], m, z);
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
    sum += term(y[i / 4][i % 4], dy[i / 4][i % 4]);
  }
  for (var i = start; i < end; i += params.inner) {
    dx[i / 4][i % 4] = gradient(y[i / 4][i % 4], dy[i / 4][i % 4], sum);
  }
}

// Four neighbours from element e on, of which `left` or more are in the row; behind it the last one again.
fn x_four(e: u32, left: u32) -> vec4f {
  if (ALIGNED == 1u) { return x[e / 4]; }
  let at = e + min(vec4u(0, 1, 2, 3), vec4u(left - 1));
  let k = at % 4;
  return vec4f(x[at.x / 4][k.x], x[at.y / 4][k.y], x[at.z / 4][k.z], x[at.w / 4][k.w]);
}

fn y_four(e: u32, left: u32) -> vec4f {
  if (ALIGNED == 1u) { return y[e / 4]; }
  let at = e + min(vec4u(0, 1, 2, 3), vec4u(left - 1));
  let k = at % 4;
  return vec4f(y[at.x / 4][k.x], y[at.y / 4][k.y], y[at.z / 4][k.z], y[at.w / 4][k.w]);
}

fn dy_four(e: u32, left: u32) -> vec4f {
  if (ALIGNED == 1u) { return dy[e / 4]; }
  let at = e + min(vec4u(0, 1, 2, 3), vec4u(left - 1));
  let k = at % 4;
  return vec4f(dy[at.x / 4][k.x], dy[at.y / 4][k.y], dy[at.z / 4][k.z], dy[at.w / 4][k.w]);
}

fn out_four(e: u32, left: u32) -> vec4f {
  if (ALIGNED == 1u) { return out[e / 4]; }
  let at = e + min(vec4u(0, 1, 2, 3), vec4u(left - 1));
  let k = at % 4;
  return vec4f(out[at.x / 4][k.x], out[at.y / 4][k.y], out[at.z / 4][k.z], out[at.w / 4][k.w]);
}

fn write_out(e: u32, left: u32, v: vec4f) {
  if (ALIGNED == 1u) {
    out[e / 4] = v;
    return;
  }
  for (var k = 0u; k < min(left, 4u); k++) { out[(e + k) / 4][(e + k) % 4] = v[k]; }
}

fn write_dx(e: u32, left: u32, v: vec4f) {
  if (ALIGNED == 1u) {
    dx[e / 4] = v;
    return;
  }
  for (var k = 0u; k < min(left, 4u); k++) { dx[(e + k) / 4][(e + k) % 4] = v[k]; }
}

// 0 for what lies behind the row.
fn within(v: vec4f, left: u32) -> vec4f {
  if (left >= 4u) { return v; }
  return select(vec4f(), v, vec4u(0, 1, 2, 3) < vec4u(left));
}

fn keys_of(v: vec4f) -> vec4u {
  return vec4u(key(v.x), key(v.y), key(v.z), key(v.w));
}

fn most(keys: vec4u) -> u32 {
  return max(max(keys.x, keys.y), max(keys.z, keys.w));
}

fn powers(v: vec4f) -> vec4f {
  return vec4f(power(v.x), power(v.y), power(v.z), power(v.w));
}

// The term of z at e. That of softmax is kept in out: it is divided by z later.
fn forward_term(e: u32, left: u32, m: f32) -> vec4f {
  let v = powers(x_four(e, left) - m);
  if (OP == SOFTMAX) { write_out(e, left, v); }
  return within(v, left);
}

fn write_values(e: u32, left: u32, m: f32, z: f32) {
  if (size_bits(m) >= INFINITY_BITS) {
    write_out(e, left, vec4f(nan()));
  } else if (OP == SOFTMAX) {
    write_out(e, left, out_four(e, left) / z);
  } else {
    write_out(e, left, (x_four(e, left) - m) - log(z));
  }
}

fn backward_term(e: u32, left: u32) -> vec4f {
  if (OP == SOFTMAX) { return within(dy_four(e, left) * y_four(e, left), left); }
  return within(dy_four(e, left), left);
}

fn write_gradients(e: u32, left: u32, sum: f32) {
  let of_y = y_four(e, left);
  let of_dy = dy_four(e, left);
  if (OP == SOFTMAX) {
    write_dx(e, left, of_y * (of_dy - sum));
  } else {
    write_dx(e, left, of_dy - powers(of_y) * sum);
  }
}

fn term_at(e: u32, left: u32, m: f32) -> vec4f {
  if (BACKWARD == 1u) { return backward_term(e, left); }
  return forward_term(e, left, m);
}

fn of_lanes(lanes: array<vec4f, LANES>) -> vec4f {
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

fn of_four(v: vec4f) -> f32 {
  return (v.x + v.z) + (v.y + v.w);
}

// The sum of the terms of a row: parts of PART, in order, each of LANES vectors side by side.
fn sum_of_row(row: u32, m: f32) -> f32 {
  let start = row * params.D;
  var sum = vec4f();
  for (var first = 0u; first < params.D; first += PART) {
    let end = min(first + PART, params.D);
    var lanes = array<vec4f, LANES>(vec4f(), vec4f(), vec4f(), vec4f());
    for (var i = first; i < end; i += 4 * LANES) {
      lanes[0] += term_at(start + i, end - i, m);
      if (i + 4 < end) { lanes[1] += term_at(start + i + 4, end - i - 4, m); }
      if (i + 8 < end) { lanes[2] += term_at(start + i + 8, end - i - 8, m); }
      if (i + 12 < end) { lanes[3] += term_at(start + i + 12, end - i - 12, m); }
    }
    sum += of_lanes(lanes);
  }
  return of_four(sum);
}

@compute @workgroup_size(WG)
fn lines_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WG + local;
  if (row >= params.outer) { return; }
  let start = row * params.D;
  var best = vec4u();
  for (var i = 0u; i < params.D; i += 4) {
    best = max(best, keys_of(x_four(start + i, params.D - i)));
  }
  let m = of_key(most(best));
  let z = sum_of_row(row, m);
  for (var i = 0u; i < params.D; i += 4) {
    write_values(start + i, params.D - i, m, z);
  }
}

@compute @workgroup_size(WG)
fn lines_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WG + local;
  if (row >= params.outer) { return; }
  let start = row * params.D;
  let sum = sum_of_row(row, 0.0);
  for (var i = 0u; i < params.D; i += 4) {
    write_gradients(start + i, params.D - i, sum);
  }
}

// What a thread of a workgroup does: of a row the vectors of one lane of one part.
struct Lane {
  row: u32, place: u32, first: u32, end: u32,
}

fn lane_of(group: vec3u, groups: vec3u, local: u32) -> Lane {
  let row = (group.y * groups.x + group.x) * (GROUP / params.threads) + local / params.threads;
  let place = local % params.threads;
  let first = place / LANES * PART;
  let end = select(0u, min(first + PART, params.D), row < params.outer);
  return Lane(row, place, first + 4 * (place % LANES), end);
}

// The sum of the terms of a row, for all of its threads, as sum_of_row makes it.
fn sum_of_threads(own: Lane, m: f32, local: u32) -> f32 {
  var lane = vec4f();
  for (var i = own.first; i < own.end; i += 4 * LANES) {
    lane += term_at(own.row * params.D + i, params.D - i, m);
  }
  sums[local] = lane;
  workgroupBarrier();
  var sum = vec4f();
  for (var part = 0u; part * PART < params.D; part++) {
    let k = local - own.place + part * LANES;
    sum += of_lanes(array<vec4f, LANES>(sums[k], sums[k + 1], sums[k + 2], sums[k + 3]));
  }
  return of_four(sum);
}

@compute @workgroup_size(GROUP)
fn groups_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let own = lane_of(group, groups, local);
  let start = own.row * params.D;
  var best = vec4u();
  for (var i = own.first; i < own.end; i += 4 * LANES) {
    best = max(best, keys_of(x_four(start + i, params.D - i)));
  }
  keys[local] = most(best);
  workgroupBarrier();
  var top = 0u;
  for (var k = 0u; k < params.threads; k++) { top = max(top, keys[local - own.place + k]); }
  let m = of_key(top);
  let z = sum_of_threads(own, m, local);
  for (var i = own.first; i < own.end; i += 4 * LANES) {
    write_values(start + i, params.D - i, m, z);
  }
}

@compute @workgroup_size(GROUP)
fn groups_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let own = lane_of(group, groups, local);
  let sum = sum_of_threads(own, 0.0, local);
  for (var i = own.first; i < own.end; i += 4 * LANES) {
    write_gradients(own.row * params.D + i, params.D - i, sum);
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
    out[i / 4][i % 4] = value(x[i / 4][i % 4], largest[row], total[row]);
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
    dx[i / 4][i % 4] = gradient(y[i / 4][i % 4], dy[i / 4][i % 4], total[row_of(i)]);
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
    terms[i / 4][i % 4] = term(y[i / 4][i % 4], dy[i / 4][i % 4]);
  }
}
