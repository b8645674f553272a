// cross_entropy: softmax cross-entropy with integer labels, fused so that it is stable for any logits.
//
//   m[n] = max_c x[n, c]        z[n] = sum_c exp(x[n, c] - m[n])
//   loss[n] = log z[n] + (m[n] - x[n, t[n]])
//   dx[n, c] = (exp(x[n, c] - m[n]) / z[n] - [c = t[n]]) * dy / divisor      dy of the row, or of the reduced loss
//
//   x, dx   [N, C]  logits
//   labels  [N]     int32, or bytes, four a word
//   loss    [N]
//   stats   [N, 2]  m and z, saved for backward
//   partial [blocks of 32 rows]
//
// A label that is no class gives NaN; the host refuses those it can see.
//
// forward         One thread computes one row.
// reduce_block    One thread adds the losses of 32 rows in order.
// reduce          One thread adds the blocks in order and divides.
// backward        One thread computes one row of dx.

struct Params {
  N: u32,
  C: u32,
  label_bytes: u32, // 1 when labels are bytes
  dy_stride: u32,   // 1 when dy has a value for each row, 0 when it has one for all
  divisor: f32,     // N for the mean, 1 for the sum
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss_out: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats_out: array<vec2f>;
@group(0) @binding(5) var<storage, read> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> partial_out: array<f32>;
@group(0) @binding(7) var<storage, read> partial: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;
@group(0) @binding(9) var<storage, read> stats: array<vec2f>;
@group(0) @binding(10) var<storage, read> dy: array<f32>;
@group(0) @binding(11) var<storage, read_write> dx: array<f32>;

override WG: u32 = 64u;
const ROWS_PER_BLOCK: u32 = 32u;
const NAN_BITS: u32 = 0x7fc00000u;

fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u;
}

fn label(n: u32) -> u32 {
  if (params.label_bytes == 1u) {
    return (labels[n / 4u] >> (8u * (n % 4u))) & 0xffu;
  }
  return labels[n];
}

// A NaN that the compiler cannot see coming: constants may not be NaN.
fn nan() -> f32 {
  return bitcast<f32>(NAN_BITS | (params.N & 1u));
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let n = (group.y * groups.x + group.x) * WG + local;
  if (n >= params.N) { return; }
  let row = n * params.C;
  var m = x[row];
  for (var c = 1u; c < params.C; c++) {
    let v = x[row + c];
    if (v > m || is_nan(v)) { m = v; }
  }
  var z = 0.0;
  for (var c = 0u; c < params.C; c++) {
    z += exp(x[row + c] - m);
  }
  let t = label(n);
  var result = nan();
  if (t < params.C) { result = log(z) + (m - x[row + t]); }
  // Neither exp, log nor a difference of infinities need give NaN, so a row that must says so itself.
  if (not_finite(m)) { result = nan(); }
  loss_out[n] = result;
  stats_out[n] = vec2f(m, z);
}

@compute @workgroup_size(WG)
fn reduce_block(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let block = (group.y * groups.x + group.x) * WG + local;
  let first = block * ROWS_PER_BLOCK;
  if (first >= params.N) { return; }
  var sum = 0.0;
  for (var n = first; n < min(first + ROWS_PER_BLOCK, params.N); n++) {
    sum += loss[n];
  }
  partial_out[block] = sum;
}

@compute @workgroup_size(1)
fn reduce() {
  let blocks = (params.N + ROWS_PER_BLOCK - 1u) / ROWS_PER_BLOCK;
  var sum = 0.0;
  for (var block = 0u; block < blocks; block++) {
    sum += partial[block];
  }
  out[0] = sum / params.divisor;
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let n = (group.y * groups.x + group.x) * WG + local;
  if (n >= params.N) { return; }
  let t = label(n);
  let s = stats[n];
  let g = dy[n * params.dy_stride] / params.divisor;
  for (var c = 0u; c < params.C; c++) {
    let i = n * params.C + c;
    var p = exp(x[i] - s.x) / s.y;
    if (c == t) { p -= 1.0; }
    var result = p * g;
    if (t >= params.C) { result = nan(); }
    if (not_finite(s.x)) { result = nan(); }
    dx[i] = result;
  }
}
