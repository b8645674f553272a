// lion: the update of many parameters in one dispatch (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023,
// algorithm 2).
//
//   p = p * keep - lr * sign(expAvg + (1 - beta1) * (dp - expAvg));  expAvg += (1 - beta2) * (dp - expAvg)
//
// where keep = 1 - lr * weight_decay; the sign of 0 is 0, that of NaN is NaN.
// The parameters lie side by side in p, their averages at the same places in expAvg, their gradients anywhere in dp.
//
//   p, dp     f32
//   expAvg    f32, 0 before the first step
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of lr, keep, 1 - beta1, 1 - beta2
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step  A workgroup updates what its row says, a thread PER elements. Where watched is 1, a gradient or a new parameter
//       that is not finite is noted in the watch.

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
@group(0) @binding(7) var<storage, read_write> expAvg: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 4u;

struct Settings {
  lr: f32, keep: f32, take1: f32, take2: f32,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(
    setting(0u), setting(1u), setting(2u), setting(3u),
  );
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

// By bits: adapters may assume that there is no NaN.
fn sign_of(v: f32) -> f32 {
  let bits = bitcast<u32>(v);
  let size = bits & 0x7fffffffu;
  if (size == 0u || size > 0x7f800000u) { return v; }
  return bitcast<f32>((bits & 0x80000000u) | 0x3f800000u);
}

fn updated(s: Settings, at: u32, given: f32) -> f32 {
  let before = expAvg[at];
  let apart = given - before;
  expAvg[at] = before + s.take2 * apart;
  return p[at] * s.keep - s.lr * sign_of(before + s.take1 * apart);
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
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let parameter = updated(s, at, given);
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
