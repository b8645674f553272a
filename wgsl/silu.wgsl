// silu: out = x / (1 + exp(-x)), also called swish. NaN stays NaN, infinity stays infinity, and minus infinity gives NaN.
//
//   t = exp(-|x|)     s = (x >= 0 ? 1 : t) / (1 + t)     r = (x >= 0 ? t : 1) / (1 + t)     s is the sigmoid, r is 1 - s
//   forward   out[i] = x[i] * s
//   backward  dx[i] = dy[i] * (s * (1 + x[i] * r))       NaN where x[i] is NaN or infinite
//
//   x, out, dy, dx  [size], any shape, flat
//
// One thread computes PER elements.

struct Params {
  size: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune

const INFINITY_BITS: u32 = 0x7f800000u;
const MINUS_INFINITY_BITS: u32 = 0xff800000u;
const NAN_BITS: u32 = 0x7fc00000u;
// exp(-VANISHED) is 0 in float32: nothing that is smaller needs to be computed, and no driver meets a large argument.
const VANISHED: f32 = 128.0;

// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * PER + local;
}

// A NaN that the compiler cannot see coming: constants may not be NaN.
fn nan() -> f32 {
  return bitcast<f32>(NAN_BITS | (params.size & 1u));
}

// By its bits, since a driver may assume that there is no NaN and no infinity.
fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= INFINITY_BITS;
}

// exp(-|v|) is at most 1: exp(-v) would overflow from v = -89 on.
fn decay(v: f32) -> f32 {
  return exp(-min(abs(v), VANISHED));
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    let v = x[i];
    let t = decay(v);
    let s = select(t, 1.0, v >= 0.0) / (1.0 + t);
    let special = select(v, nan(), bitcast<u32>(v) == MINUS_INFINITY_BITS);
    out[i] = select(v * s, special, not_finite(v));
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    let v = x[i];
    let t = decay(v);
    let positive = v >= 0.0;
    let s = select(t, 1.0, positive) / (1.0 + t);
    let r = select(1.0, t, positive) / (1.0 + t);
    dx[i] = select(dy[i] * (s * (1.0 + v * r)), nan(), not_finite(v));
  }
}
