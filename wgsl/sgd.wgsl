// sgd: one parameter's update, as torch.optim.SGD defines it.
//
//   g = maximize ? -dp : dp;  g += weight_decay * p
//   first step:  b = g        later:  b = momentum * b + (1 - dampening) * g
//   p -= lr * (nesterov ? g + momentum * b : b)        without momentum:  p -= lr * g
//
//   p, dp, b  [size]  parameter, gradient, momentum buffer
//   watch     [5]     u32, as finite.wgsl describes it
//
// step                    One thread updates PER elements; no momentum.
// step_momentum           The same with the momentum buffer.
// step_watched, step_momentum_watched
//                         The same, and a gradient or a new parameter that is not finite is noted in the watch.

struct Params {
  size: u32,
  lr: f32,
  momentum: f32,
  dampening: f32,
  weight_decay: f32,
  nesterov: u32,
  maximize: u32,
  first: u32, // 1 on the first step with momentum
  code_dp: u32, // what is noted for the gradient
  code_p: u32, // what is noted for the parameter
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dp: array<f32>;
@group(0) @binding(2) var<storage, read_write> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> watch: array<atomic<u32>>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune

// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * PER + local;
}

fn gradient(i: u32) -> f32 {
  var g = dp[i];
  if (params.maximize == 1u) { g = -g; }
  if (params.weight_decay != 0.0) { g += params.weight_decay * p[i]; }
  return g;
}

fn update(i: u32) -> f32 {
  return p[i] - params.lr * gradient(i);
}

fn update_momentum(i: u32) -> f32 {
  let g = gradient(i);
  var m = g;
  if (params.first == 0u) { m = params.momentum * b[i] + (1.0 - params.dampening) * g; }
  b[i] = m;
  return p[i] - params.lr * select(m, g + params.momentum * m, params.nesterov == 1u);
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
  let start = first_element(group, groups, local);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    p[i] = update(i);
  }
}

@compute @workgroup_size(WG)
fn step_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    p[i] = update_momentum(i);
  }
}

@compute @workgroup_size(WG)
fn step_watched(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  var bad_dp = false;
  var bad_p = false;
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    let updated = update(i);
    p[i] = updated;
    bad_dp = bad_dp || not_finite(dp[i]);
    bad_p = bad_p || not_finite(updated);
  }
  if (bad_dp) { note(params.code_dp); }
  if (bad_p) { note(params.code_p); }
}

@compute @workgroup_size(WG)
fn step_momentum_watched(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  var bad_dp = false;
  var bad_p = false;
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    let updated = update_momentum(i);
    p[i] = updated;
    bad_dp = bad_dp || not_finite(dp[i]);
    bad_p = bad_p || not_finite(updated);
  }
  if (bad_dp) { note(params.code_dp); }
  if (bad_p) { note(params.code_p); }
}
