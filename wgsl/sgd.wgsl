// sgd: the update of many parameters in one dispatch, as torch.optim.SGD defines it for each.
//
//   g = maximize ? -dp : dp;  g += weight_decay * p
//   first step:  b = g        later:  b = momentum * b + (1 - dampening) * g
//   p -= lr * (nesterov ? g + momentum * b : b)        without momentum:  p -= lr * g
//
// The parameters lie side by side in p, their momentum at the same places in b, their gradients anywhere in dp.
//
//   p, dp     f32
//   b         momentum buffers, as bits: NO_MOMENTUM where there was no step with momentum yet
//   table     [ROWS, 9]  u32, a row for each workgroup: the first element in p (and b), the first in dp, how many elements
//             (at most WG * PER), what is noted for the gradient, what is noted for the parameter; then
//             parts: 0, or the gradient is to be made: dp[i] = the sum of so many partial sums, the first one's place in
//             sums, and from one to the next;
//             places: 0, or where in the table the places in copies are listed, two for each element: so often the new
//             parameter is written there
//   sums      partial sums; any buffer, not looked at, where no row has parts
//   copies    parameters in the order in which other kernels read them; not touched where no row has places
//   settings  [6 + COUNT]  how many rates follow (COUNT), momentum, dampening, weight_decay, nesterov, maximize (0 or 1),
//             then the learning rates, one for each step of a run; the last one holds for all steps beyond
//   watch     [5]  u32, as finite.wgsl describes it
//
// step                    A workgroup updates what its row says, a thread PER elements; no momentum.
// step_momentum           The same with the momentum buffer.
// step_watched, step_momentum_watched
//                         The same, and a gradient or a new parameter that is not finite is noted in the watch.

struct Params {
  rows: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> b: array<u32>;
@group(0) @binding(7) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read> sums: array<f32>;
@group(0) @binding(9) var<storage, read_write> copies: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 9u;
const RATES: u32 = 6u;
const NO_MOMENTUM: u32 = 0x7fc00b0eu; // A NaN that no arithmetic makes.

struct Settings {
  lr: f32, momentum: f32, dampening: f32, weight_decay: f32, nesterov: bool, maximize: bool,
}

fn read_settings() -> Settings {
  let rate = min(replay.step, u32(settings[0]) - 1u);
  return Settings(
    settings[RATES + rate], settings[1], settings[2], settings[3], settings[4] != 0.0, settings[5] != 0.0,
  );
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32, parts: u32, at_sums: u32, stride: u32, places: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(
    table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u],
    table[i + 5u], table[i + 6u], table[i + 7u], table[i + 8u],
  );
}

// dp of element i of a row, made first where it is still in parts.
fn load_gradient(row: Row, i: u32) -> f32 {
  if (row.parts == 0u) {
    return dp[row.at_dp + i];
  }
  var sum = 0.0;
  for (var k = 0u; k < row.parts; k++) {
    sum += sums[row.at_sums + i + k * row.stride];
  }
  dp[row.at_dp + i] = sum;
  return sum;
}

fn gradient(s: Settings, given: f32, parameter: f32) -> f32 {
  var g = given;
  if (s.maximize) { g = -g; }
  if (s.weight_decay != 0.0) { g += s.weight_decay * parameter; }
  return g;
}

fn updated(s: Settings, row: Row, i: u32, given: f32) -> f32 {
  let before = p[row.at + i];
  return before - s.lr * gradient(s, given, before);
}

fn updated_momentum(s: Settings, row: Row, i: u32, given: f32) -> f32 {
  let parameter = p[row.at + i];
  let g = gradient(s, given, parameter);
  let before = b[row.at + i];
  var m = g;
  if (before != NO_MOMENTUM) { m = s.momentum * bitcast<f32>(before) + (1.0 - s.dampening) * g; }
  b[row.at + i] = bitcast<u32>(m);
  return parameter - s.lr * select(m, g + s.momentum * m, s.nesterov);
}

fn store(row: Row, i: u32, parameter: f32) {
  p[row.at + i] = parameter;
  if (row.places != 0u) {
    copies[table[row.places + 2u * i]] = parameter;
    copies[table[row.places + 2u * i + 1u]] = parameter;
  }
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

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  for (var i = local; i < row.count; i += WG) {
    store(row, i, updated(s, row, i, load_gradient(row, i)));
  }
}

@compute @workgroup_size(WG)
fn step_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  for (var i = local; i < row.count; i += WG) {
    store(row, i, updated_momentum(s, row, i, load_gradient(row, i)));
  }
}

@compute @workgroup_size(WG)
fn step_watched(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let given = load_gradient(row, i);
    let parameter = updated(s, row, i, given);
    store(row, i, parameter);
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn step_momentum_watched(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let given = load_gradient(row, i);
    let parameter = updated_momentum(s, row, i, given);
    store(row, i, parameter);
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}
