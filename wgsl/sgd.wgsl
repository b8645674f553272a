// sgd: the update of many parameters in one dispatch, as torch.optim.SGD defines it for each.
//
//   g = maximize ? -dp : dp;  g += weight_decay * p
//   first step:  b = g        later:  b = momentum * b + (1 - dampening) * g
//   p -= lr * (nesterov ? g + momentum * b : b)        without momentum:  p -= lr * g
//
// The parameters lie side by side in p, their momentum at the same places in momentum, their gradients anywhere in dp.
//
//   p, dp     f32
//   momentum  momentum buffers, as bits: UNSET where there was no step with momentum yet
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and momentum), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of lr, momentum, dampening, weight_decay,
//             nesterov, maximize (0 or 1)
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step           A workgroup updates what its row says, a thread PER elements; no momentum. Where watched is 1, a gradient
//                or a new parameter that is not finite is noted in the watch.
// step_momentum  The same with the momentum buffer.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
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
@group(0) @binding(7) var<storage, read_write> momentum: array<u32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 6u;
const UNSET: u32 = 0x7fc00b0eu; // A NaN that no arithmetic makes.

struct Settings {
  lr: f32, momentum: f32, dampening: f32, weight_decay: f32, nesterov: bool, maximize: bool,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(setting(0u), setting(1u), setting(2u), setting(3u), setting(4u) != 0.0, setting(5u) != 0.0);
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
  let before = momentum[row.at + i];
  var m = g;
  if (before != UNSET) { m = s.momentum * bitcast<f32>(before) + (1.0 - s.dampening) * g; }
  momentum[row.at + i] = bitcast<u32>(m);
  return parameter - s.lr * select(m, g + s.momentum * m, s.nesterov);
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
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let given = dp[row.at_dp + i];
    let parameter = updated(s, row, i, given);
    p[row.at + i] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn step_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let given = dp[row.at_dp + i];
    let parameter = updated_momentum(s, row, i, given);
    p[row.at + i] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
