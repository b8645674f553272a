// relu: out = x where x > 0, else 0. NaN passes: written as a selection, since max(NaN, 0) is 0 on some adapters.
//
//   forward   out[i] = x[i] <= 0 ? 0 : x[i]
//   backward  dx[i] = out[i] <= 0 ? 0 : dy[i]        at 0 the gradient is 0
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
@group(0) @binding(3) var<storage, read> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune

// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * PER + local;
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
    out[i] = select(v, 0.0, v <= 0.0);
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
    dx[i] = select(dy[i], 0.0, y[i] <= 0.0);
  }
}
