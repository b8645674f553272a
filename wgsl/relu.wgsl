// relu: out = x where x > 0, else 0. NaN passes: written as a selection, since max(NaN, 0) is 0 on some adapters.
//
//   forward   out[i] = x[i] <= 0 ? 0 : x[i]
//   backward  dx[i] = out[i] <= 0 ? 0 : dy[i]        at 0 the gradient is 0
//
//   x, out, dy, dx  [size], any shape, flat, as vectors of four; a tensor's memory ends with a whole vector, so that the last
//                   may hold numbers of no meaning
//
// One thread computes PER elements.

struct Params {
  size: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read> y: array<vec4f>;
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune

// A thread takes PER / 4 vectors, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_vector(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * (PER / 4) + local;
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    let v = x[i];
    out[i] = select(v, vec4f(), v <= vec4f());
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    dx[i] = select(dy[i], vec4f(), y[i] <= vec4f());
  }
}
