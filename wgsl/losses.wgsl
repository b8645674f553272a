// losses: how far each number of an input x is from its target t, chosen by OP; sums of these, and their gradients.
//
//   d = x - t                                              the loss, and its derivative by x
//   MSE              d²                                    2·d
//   L1               |d|                                   the sign of d
//   SMOOTH_L1        s·(d - s·option/2)                    s = d / option, from -1 to 1
//   HUBER            s·(d - s/2)                           s = d, from -option to option
//   BCE_WITH_LOGITS  (1-t)·softplus(x) + t·softplus(-x)    (1-t)·sigmoid(x) - t·sigmoid(-x);  by t: softplus(-x) - softplus(x)
//
//   terms      out[i] = loss(x[i], t[i])
//   sums       partial[k] = Σ loss over TERMS vectors, WG apart; what adds them up is not here
//   gradients  out[i] = g · derivative by x, out_t[i] = g · derivative by t;  g = dy[i], or dy[0] / by where each = 0; OF says which
//
//   x, t, dy, out, out_t  [size], any shape, flat, as vectors of four; a tensor's memory ends with a whole vector
//   partial               [threads]
//
// terms, gradients: one thread takes PER elements. A change of TERMS changes bits. NaN gives NaN; nothing depends on how an adapter
// compares it.

struct Params {
  size: u32,
  each: u32,
  by: f32,
  option: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> t: array<vec4f>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;
@group(0) @binding(6) var<storage, read_write> out_t: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const TERMS: u32 = 16u;

const OF: u32 = 0u; // tune
const OF_INPUT: u32 = 0u;
const OF_TARGET: u32 = 1u;
const OF_BOTH: u32 = 2u;

const OP: u32 = 0u; // tune
const MSE: u32 = 0u;
const L1: u32 = 1u;
const SMOOTH_L1: u32 = 2u;
const HUBER: u32 = 3u;

const INFINITY_BITS: u32 = 0x7f800000u;
const SIGN: u32 = 0x80000000u;
// exp(-VANISHED) is 0 in float32: no driver meets a larger argument.
const VANISHED: f32 = 128.0;

fn size_bits(v: vec4f) -> vec4u {
  return bitcast<vec4u>(v) & vec4u(~SIGN);
}

// v, from -most to most.
fn within(v: vec4f, most: f32) -> vec4f {
  return select(clamp(v, vec4f(-most), vec4f(most)), v, size_bits(v) > vec4u(INFINITY_BITS));
}

// 1 with the sign of v; 0 where v is 0, NaN where it is NaN.
fn sign_of(v: vec4f) -> vec4f {
  let bits = size_bits(v);
  let ones = bitcast<vec4f>(bitcast<vec4u>(vec4f(1.0)) | (bitcast<vec4u>(v) & vec4u(SIGN)));
  return select(ones, v, (bits == vec4u()) | (bits > vec4u(INFINITY_BITS)));
}

// exp(-|v|)
fn decay(v: vec4f) -> vec4f {
  return exp(-min(abs(v), vec4f(VANISHED)));
}

// log(1 + e) for e from 0 to 1; near 0 by 2 artanh(e / (2 + e)), whose series is cut at 2^-28 of the sum.
fn log_of_one_and(e: vec4f) -> vec4f {
  let s = e / (2.0 + e);
  let q = s * s;
  let near = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
  return select(log(1.0 + e), near, e < vec4f(0.4142135));
}

// made, or v where that is NaN.
fn or_nan(made: vec4f, v: vec4f) -> vec4f {
  return select(made, v, size_bits(v) > vec4u(INFINITY_BITS));
}

fn distance_at(i: u32) -> vec4f {
  return x[i] - t[i];
}

// What a loss of the distance changes by with it.
fn slope(d: vec4f) -> vec4f {
  switch OP {
    case MSE: { return 2.0 * d; }
    case L1: { return sign_of(d); }
    case SMOOTH_L1: { return within(d / params.option, 1.0); }
    default: { return within(d, params.option); }
  }
}

fn loss_at(i: u32) -> vec4f {
  if (OP > HUBER) {
    let v = x[i];
    let l = log_of_one_and(decay(v));
    return (1.0 - t[i]) * or_nan(max(v, vec4f()) + l, v) + t[i] * or_nan(max(-v, vec4f()) + l, v);
  }
  let d = distance_at(i);
  let s = slope(d);
  switch OP {
    case MSE: { return d * d; }
    case L1: { return bitcast<vec4f>(size_bits(d)); }
    case SMOOTH_L1: { return s * (d - s * (params.option / 2.0)); }
    default: { return s * (d - s * 0.5); }
  }
}

fn gradient_of_target(i: u32, g: vec4f) -> vec4f {
  if (OP > HUBER) {
    let v = x[i];
    let l = log_of_one_and(decay(v));
    return g * or_nan(max(-v, vec4f()) + l, v) - g * or_nan(max(v, vec4f()) + l, v);
  }
  return -(g * slope(distance_at(i)));
}

fn gradient_of_input(i: u32, g: vec4f) -> vec4f {
  if (OP > HUBER) {
    let v = x[i];
    let e = decay(v);
    let large = 1.0 / (1.0 + e);
    let small = e / (1.0 + e);
    let right = v >= vec4f();
    let up = or_nan(select(small, large, right), v);
    let down = or_nan(select(large, small, right), v);
    return g * ((1.0 - t[i]) * up) - g * (t[i] * down);
  }
  return g * slope(distance_at(i));
}

fn vectors() -> u32 { return (params.size + 3u) / 4u; }

// Which of four elements there are.
fn inside(i: u32) -> vec4<bool> { return 4 * i + vec4u(0, 1, 2, 3) < vec4u(params.size); }

fn thread(group: vec3u, groups: vec3u) -> u32 { return (group.y * groups.x + group.x) * WG; }

@compute @workgroup_size(WG)
fn terms(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = thread(group, groups) * (PER / 4) + local;
  for (var i = start; i < min(start + WG * (PER / 4), vectors()); i += WG) {
    let made = loss_at(i);
    if (4 * i + 4 <= params.size) { out[i] = made; } else { out[i] = select(out[i], made, inside(i)); }
  }
}

@compute @workgroup_size(WG)
fn sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = thread(group, groups);
  let start = first * TERMS + local;
  if (start >= vectors()) { return; }
  var sum = vec4f();
  for (var i = start; i < min(start + WG * TERMS, vectors()); i += WG) {
    var made = loss_at(i);
    if (4 * i + 4 > params.size) { made = select(vec4f(), made, inside(i)); }
    sum += made;
  }
  let pairs = sum.xy + sum.zw;
  partial[first + local] = pairs.x + pairs.y;
}

@compute @workgroup_size(WG)
fn gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  var g = vec4f(dy[0].x);
  if (params.by != 1.0) { g /= params.by; }
  let start = thread(group, groups) * (PER / 4) + local;
  for (var i = start; i < min(start + WG * (PER / 4), vectors()); i += WG) {
    if (params.each == 1) { g = dy[i]; }
    if (OF != OF_TARGET) {
      let made = gradient_of_input(i, g);
      if (4 * i + 4 <= params.size) { out[i] = made; } else { out[i] = select(out[i], made, inside(i)); }
    }
    if (OF != OF_INPUT) {
      let made = gradient_of_target(i, g);
      if (4 * i + 4 <= params.size) { out_t[i] = made; } else { out_t[i] = select(out_t[i], made, inside(i)); }
    }
  }
}
