// muon: what an update of matrices along their orthogonalized momentum needs beside matrix products (Jordan et al., 2024,
// kellerjordan.github.io/posts/muon).
//
//   momentumBuffer += (1 - momentum) * (dp - momentumBuffer)
//   u = nesterov ? dp + momentum * (momentumBuffer - dp) : momentumBuffer;  x = u / (|u| + 1e-7)
//   five times:  x = a x + b x m + c x m m, m = x^T x or, with the products on the other side, x x^T
//   p = keep * p - lr * x
//
// where keep = 1 - lr * weight_decay; the last x has the factor sqrt(max(1, rows / columns)), by way of its a, b and c.
// The parameters lie side by side in p, momentumBuffer and u at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp           f32
//   momentumBuffer  f32, 0 before the first step
//   u               f32, u and then x
//   y, z            f32, [size]; what m and m m make of x
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   sums      [ROWS, 2]  of each row the sum of squares of u, and 0; in normalize the norm of its parameter's u
//   settings  rows of one update each, as per_step.ts describes them: the bits of lr, keep, momentum, 1 - momentum, nesterov
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// collect    A workgroup takes its row's gradients into the momentum and makes u, with the sum of its squares. Where watched is
//            1, a gradient that is not finite is noted in the watch. layer_wise's totals makes the norms.
// normalize  A workgroup divides its row's u by the norm.
// combine    u = a u + b y + c z, [size], a thread PER elements.
// step       A workgroup updates what its row says, and notes parameters that are not finite.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
  size: u32, // for combine
  a: f32,
  b: f32,
  c: f32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;
@group(0) @binding(8) var<storage, read_write> momentumBuffer: array<f32>;
@group(0) @binding(9) var<storage, read_write> u: array<f32>;
@group(0) @binding(10) var<storage, read> y: array<f32>;
@group(0) @binding(11) var<storage, read> z: array<f32>;

// A change of these changes the bits of the norms.
const WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 5u;

var<workgroup> found: array<f32, WG>;

struct Settings {
  lr: f32, keep: f32, momentum: f32, take: f32, nesterov: bool,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(setting(0u), setting(1u), setting(2u), setting(3u), setting(4u) != 0.0);
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn collect(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_settings();
  var sum = 0.0;
  var bad_dp = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let g = dp[row.at_dp + i];
    let before = momentumBuffer[at];
    let buffer = before + s.take * (g - before);
    let v = select(buffer, g + s.momentum * (buffer - g), s.nesterov);
    momentumBuffer[at] = buffer;
    u[at] = v;
    sum += v * v;
    bad_dp = bad_dp || not_finite(g);
  }
  note_row(row, bad_dp, false);
  found[local] = sum;
  workgroupBarrier();
  if (local != 0u || row.count == 0u) { return; }
  for (var k = 1u; k < WG; k++) {
    sum += found[k];
  }
  sums[2u * at_row] = sum;
  sums[2u * at_row + 1u] = 0.0;
}

@compute @workgroup_size(WG)
fn normalize(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  for (var i = local; i < row.count; i += WG) {
    u[row.at + i] /= sums[2u * at_row] + 1e-7;
  }
}

@compute @workgroup_size(WG)
fn combine(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    u[i] = params.a * u[i] + params.b * y[i] + params.c * z[i];
  }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_settings();
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let parameter = s.keep * p[at] - s.lr * u[at];
    p[at] = parameter;
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, false, bad_p);
}
