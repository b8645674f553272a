// sgd: one parameter's update, as torch.optim.SGD defines it.
//
//   g = maximize ? -dp : dp;  g += weight_decay * p
//   first step:  b = g        later:  b = momentum * b + (1 - dampening) * g
//   p -= lr * (nesterov ? g + momentum * b : b)        without momentum:  p -= lr * g
//
//   p, dp, b  [size]  parameter, gradient, momentum buffer
//
// step            One thread updates PER elements; no momentum.
// step_momentum   The same with the momentum buffer.

struct Params {
  size: u32,
  lr: f32,
  momentum: f32,
  dampening: f32,
  weight_decay: f32,
  nesterov: u32,
  maximize: u32,
  first: u32, // 1 on the first step with momentum
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dp: array<f32>;
@group(0) @binding(2) var<storage, read_write> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> b: array<f32>;

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

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    p[i] -= params.lr * gradient(i);
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
    let g = gradient(i);
    var m = g;
    if (params.first == 0u) { m = params.momentum * b[i] + (1.0 - params.dampening) * g; }
    b[i] = m;
    p[i] -= params.lr * select(m, g + params.momentum * m, params.nesterov == 1u);
  }
}
