// finite: notes where a NaN or an infinity was first seen.
//
//   x      [size]
//   watch  [5]  u32, laid out as cross_entropy.wgsl's totals:
//     watch[1]  a clock, which whoever owns the watch moves on between dispatches; read here
//     watch[3]  the clock at which something was first found not to be finite; 0xffffffff before
//     watch[4]  the least code found at that clock; 0xffffffff before
//
// Not finite is what has every bit of the exponent set. Comparisons would not do: adapters may assume that no value is
// NaN or infinite.
//
// check  One thread looks at PER elements. Integer atomics only: the least of all is the same in any order.

struct Params {
  size: u32,
  code: u32, // what is noted for x
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> watch: array<atomic<u32>>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * PER + local;
}

@compute @workgroup_size(WG)
fn check(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  var found = false;
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    found = found || not_finite(x[i]);
  }
  if (found) { note(params.code); }
}
