// schedule_free: the update of many parameters in one dispatch (Defazio et al., "The Road Less Scheduled", 2024; y and z are
// kept, as in their code, and x is what both say).
//
//   SGD: d = dp      AdamW: expAvgSq = beta2 * expAvgSq + (1 - beta2) * dp * dp;  d = dp / (sqrt(expAvgSq) + eps)
//   d += decay * y;  y += share * (z - y) + pull * d;  z -= rate * d
//
// y is the parameter; share is what the newest z weighs in x, the mean of all, and pull = rate * (beta * (1 - share) - 1).
// The parameters lie side by side in p, their states at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp     f32
//   z, expAvgSq   as bits: UNSET before the first step, in which z starts as the parameter, expAvgSq as 0
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of rate, share, pull, decay, beta2, 1 - beta2,
//             eps; SGD does not look at the last three
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step        A workgroup updates what its row says, a thread PER elements. Where watched is 1, a gradient or a new parameter
//             that is not finite is noted in the watch.
// step_adamw  The same as AdamW.

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
@group(0) @binding(7) var<storage, read_write> z: array<u32>;
@group(0) @binding(8) var<storage, read_write> expAvgSq: array<u32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 7u;
const UNSET: u32 = 0x7fc00b0eu; // A NaN that no arithmetic makes.

struct Settings {
  rate: f32, share: f32, pull: f32, decay: f32, beta2: f32, take2: f32, eps: f32,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u), setting(5u), setting(6u),
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

// WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
fn root_of(v: f32) -> f32 {
  return select(sqrt(v), 0.0, v == 0.0);
}

fn normalized(s: Settings, at: u32, g: f32) -> f32 {
  let before = expAvgSq[at];
  var v = s.take2 * g * g;
  if (before != UNSET) { v += s.beta2 * bitcast<f32>(before); }
  expAvgSq[at] = bitcast<u32>(v);
  return g / (root_of(v) + s.eps);
}

fn updated(s: Settings, at: u32, direction: f32) -> f32 {
  let y = p[at];
  var d = direction;
  if (s.decay != 0.0) { d += s.decay * y; }
  var before = y;
  if (z[at] != UNSET) { before = bitcast<f32>(z[at]); }
  z[at] = bitcast<u32>(before - s.rate * d);
  return y + s.share * (before - y) + s.pull * d;
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

@compute @workgroup_size(WG)
fn step_adamw(
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
    let parameter = updated(s, at, normalized(s, at, given));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
