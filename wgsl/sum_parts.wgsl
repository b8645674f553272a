// sum_parts: adds up the parts of sums that were made by separate threads or dispatches, in a fixed order.
//
//   out[j, i] = sum over p of parts[j * GROUP + p, i], p ascending from 0 to GROUP - 1 or to the last part
//
//   parts  [count, size]
//   out    [ceil(count / GROUP), size]     with more = 1 the sums begin with what it holds, else with +0
//
// One thread makes one element of out.

struct Params {
  count: u32,
  size: u32,
  more: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override WG: u32 = 64u;
const GROUP: u32 = 256u; // a change of it changes the bits of long sums

@compute @workgroup_size(WG)
fn sum_parts(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + lane;
  let first = i / params.size * GROUP;
  if (first >= params.count) {
    return;
  }
  var sum = 0.0;
  if (params.more == 1u) {
    sum = out[i];
  }
  let end = min(first + GROUP, params.count);
  for (var p = first; p < end; p++) {
    sum += parts[p * params.size + i % params.size];
  }
  out[i] = sum;
}
