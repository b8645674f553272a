// fill: out[i] = value
//
//   out [size]    any shape, flat
//
// One thread writes PER elements.

struct Params {
  size: u32,
  value: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

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
    out[i] = params.value;
  }
}
