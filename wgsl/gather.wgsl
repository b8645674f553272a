// gather: a batch of rows from a data set of bytes, in the order of a list of row numbers.
//
//   rows      out[n, r] = f32(bytes[index[first + n], r]) * scale
//   integers  out[n, r] = i32(bytes[index[first + n], r])
//
//   bytes  [ROWS, R]  four bytes a word, little-endian
//   index  [LENGTH]   row numbers, below ROWS
//   out    [N, R]     rows first … first + N - 1 of the list
//
// One thread writes PER elements.

struct Params {
  N: u32,
  R: u32,
  first: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bytes: array<u32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> out_integers: array<i32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune

// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * PER + local;
}

fn byte(i: u32) -> u32 {
  let at = index[params.first + i / params.R] * params.R + i % params.R;
  return (bytes[at / 4u] >> (8u * (at % 4u))) & 0xffu;
}

@compute @workgroup_size(WG)
fn rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < min(start + WG * PER, params.N * params.R); i += WG) {
    out[i] = f32(byte(i)) * params.scale;
  }
}

@compute @workgroup_size(WG)
fn integers(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < min(start + WG * PER, params.N * params.R); i += WG) {
    out_integers[i] = i32(byte(i));
  }
}
