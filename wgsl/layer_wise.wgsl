// layer_wise: updates whose length depends on the norms of each parameter and of its gradient or direction, many parameters in
// three dispatches: partial sums, their totals, the update.
//
// LARS (You, Gitman and Ginsburg, 2017):
//   local = trust * |p| / (|dp| + decay * |p| + eps);  d = local * (dp + decay * p)
//   first step:  b = d        later:  b = momentum * b + (1 - dampening) * d
//   p -= lr * (nesterov ? d + momentum * b : b)        without momentum:  p -= lr * d
//
// LAMB (You et al., 2020):
//   expAvg += (1 - beta1) * (dp - expAvg);  expAvgSq = beta2 * expAvgSq + (1 - beta2) * dp * dp
//   d = scale1 * expAvg / (sqrt(expAvgSq) / root + eps) + decay * p;  p -= lr * |p| / |d| * d
//
// where scale1 = 1 / (1 - beta1^t), root = sqrt(1 - beta2^t). Where one of the two norms is 0, local and |p| / |d| are 1. A norm
// that float32 can't hold makes the parameter NaN.
// The parameters lie side by side in p, their states at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp     f32
//   momentumBuffer     as bits: UNSET where there was no step with momentum yet
//   expAvg, expAvgSq   f32, 0 before the first step
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   sums      [ROWS, 2]  of each row the sums of squares of p and of what else has a norm; after totals the two norms of its
//             parameter
//   settings  rows of one update each, as per_step.ts describes them. LARS: the bits of lr, momentum, 1 - dampening, decay,
//             nesterov (0 or 1), trust, eps, 0. LAMB: lr, 1 - beta1, beta2, 1 - beta2, eps, decay, scale1, root
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// lars_norms          A workgroup adds up the squares of its row.
// totals              A workgroup adds up the rows of its row's parameter, if that is the first of them.
// lars, lars_momentum A workgroup updates what its row says, a thread PER elements, without a momentum buffer and with. Where
//                     watched is 1, a gradient or a new parameter that is not finite is noted in the watch.
// lamb_norms          A workgroup takes its row's gradients into the averages, notes those that are not finite, and adds up
//                     the squares of its row.
// lamb                A workgroup updates what its row says, and notes parameters that are not finite.

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
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;
@group(0) @binding(8) var<storage, read_write> momentumBuffer: array<u32>;
@group(0) @binding(9) var<storage, read_write> expAvg: array<f32>;
@group(0) @binding(10) var<storage, read_write> expAvgSq: array<f32>;

// A change of these changes the bits of the norms.
const WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 8u;
const UNSET: u32 = 0x7fc00b0eu; // A NaN that no arithmetic makes.

var<workgroup> found: array<vec2f, WG>;

struct Lars {
  lr: f32, momentum: f32, take: f32, decay: f32, nesterov: bool, trust: f32, eps: f32,
}

struct Lamb {
  lr: f32, take1: f32, beta2: f32, take2: f32, eps: f32, decay: f32, scale1: f32, root: f32,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_lars() -> Lars {
  return Lars(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u) != 0.0, setting(5u), setting(6u),
  );
}

fn read_lamb() -> Lamb {
  return Lamb(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u), setting(5u), setting(6u), setting(7u),
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

// What the threads have found, in order.
fn all_found() -> vec2f {
  var sum = found[0];
  for (var k = 1u; k < WG; k++) {
    sum += found[k];
  }
  return sum;
}

// A quotient of norms; 1 where one of them is 0, NaN where one is not finite.
fn trusted(a: f32, b: f32, quotient: f32) -> f32 {
  if (not_finite(a) || not_finite(b)) {
    var nan = 0x7fc00000u;
    return bitcast<f32>(nan);
  }
  return select(quotient, 1.0, a == 0.0 || b == 0.0);
}

fn lars_direction(s: Lars, row: u32, given: f32, before: f32) -> f32 {
  let of_p = sums[2u * row];
  let of_dp = sums[2u * row + 1u];
  let local = trusted(of_p, of_dp, s.trust * of_p / (of_dp + s.decay * of_p + s.eps));
  var g = given;
  if (s.decay != 0.0) { g += s.decay * before; }
  return local * g;
}

fn lars_collected(s: Lars, at: u32, d: f32) -> f32 {
  let before = momentumBuffer[at];
  var b = d;
  if (before != UNSET) { b = s.momentum * bitcast<f32>(before) + s.take * d; }
  momentumBuffer[at] = bitcast<u32>(b);
  return select(b, d + s.momentum * b, s.nesterov);
}

fn lamb_direction(s: Lamb, at: u32) -> f32 {
  let d = s.scale1 * expAvg[at] / (root_of(expAvgSq[at]) / s.root + s.eps);
  return d + s.decay * p[at];
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
fn lars_norms(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  var sum = vec2f(0.0);
  for (var i = local; i < row.count; i += WG) {
    let both = vec2f(p[row.at + i], dp[row.at_dp + i]);
    sum += both * both;
  }
  found[local] = sum;
  workgroupBarrier();
  if (local == 0u && row.count > 0u) {
    let all = all_found();
    sums[2u * at_row] = all.x;
    sums[2u * at_row + 1u] = all.y;
  }
}

@compute @workgroup_size(WG)
fn lamb_norms(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_lamb();
  var sum = vec2f(0.0);
  var bad_dp = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let g = dp[row.at_dp + i];
    let before = expAvg[at];
    expAvg[at] = before + s.take1 * (g - before);
    expAvgSq[at] = s.beta2 * expAvgSq[at] + s.take2 * g * g;
    let both = vec2f(p[at], lamb_direction(s, at));
    sum += both * both;
    bad_dp = bad_dp || not_finite(g);
  }
  note_row(row, bad_dp, false);
  found[local] = sum;
  workgroupBarrier();
  if (local == 0u && row.count > 0u) {
    let all = all_found();
    sums[2u * at_row] = all.x;
    sums[2u * at_row + 1u] = all.y;
  }
}

// The sums of a parameter are one after the other, as its rows in the table are: the first row adds up all, in order.
@compute @workgroup_size(WG)
fn totals(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = group.y * groups.x + group.x;
  let code = read_row(first).code_p;
  let is_first = first < params.rows && (first == 0u || read_row(first - 1u).code_p != code);
  var sum = vec2f(0.0);
  for (var i = first + local; is_first && i < params.rows && read_row(i).code_p == code; i += WG) {
    sum += vec2f(sums[2u * i], sums[2u * i + 1u]);
  }
  found[local] = sum;
  workgroupBarrier();
  let all = all_found();
  for (var i = first + local; is_first && i < params.rows && read_row(i).code_p == code; i += WG) {
    sums[2u * i] = root_of(all.x);
    sums[2u * i + 1u] = root_of(all.y);
  }
}

@compute @workgroup_size(WG)
fn lars(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_lars();
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let before = p[at];
    let parameter = before - s.lr * lars_direction(s, at_row, given, before);
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn lars_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_lars();
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let before = p[at];
    let parameter = before - s.lr * lars_collected(s, at, lars_direction(s, at_row, given, before));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn lamb(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_lamb();
  let of_p = sums[2u * at_row];
  let of_d = sums[2u * at_row + 1u];
  let rate = s.lr * trusted(of_p, of_d, of_p / of_d);
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let parameter = p[at] - rate * lamb_direction(s, at);
    p[at] = parameter;
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, false, bad_p);
}
