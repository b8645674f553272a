// add: out = a + b, b of the same shape or one value per channel.
//
//   out[n, c, s] = a[n, c, s] + b[n, c, s]      same shape: run with N = 1, C = size, S = 1
//   out[n, c, s] = a[n, c, s] + b[c]            per channel; S is the product of the dimensions after the channel
//
//   a, out, dy  [N, C, S]
//   b, db       [C]
//   partial     [blocks of 32 rows, C]
//
// forward         One thread adds PER elements.
// backward_block  db of 32 rows: one thread sums one channel of one block, row by row.
// reduce          db: one thread adds a channel's blocks in order, GROUP at a time, and the sums of these. A block is the same
//                 rows whatever N is, so the order of additions never depends on it.

struct Params {
  N: u32,
  C: u32,
  S: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> partial_out: array<f32>;
@group(0) @binding(6) var<storage, read> partial: array<f32>;
@group(0) @binding(7) var<storage, read_write> db: array<f32>;

override WG: u32 = 64u;
const ROWS_PER_BLOCK: u32 = 32u;
const GROUP: u32 = 256u; // blocks that are added in sequence
const TERMS: u32 = 4096u; // elements of a row that are
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
  let same_shape = params.N == 1u && params.S == 1u;
  for (var i = start; i < min(start + WG * PER, params.N * params.C * params.S); i += WG) {
    var c = i;
    if (!same_shape) { c = (i / params.S) % params.C; } // divisions are dear on drivers for the processor
    out[i] = a[i] + b[c];
  }
}

@compute @workgroup_size(WG)
fn backward_block(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  let blocks = (params.N + ROWS_PER_BLOCK - 1u) / ROWS_PER_BLOCK;
  if (i >= blocks * params.C) { return; }
  let c = i % params.C;
  let first = (i / params.C) * ROWS_PER_BLOCK;
  let end = min(first + ROWS_PER_BLOCK, params.N);
  var sum = 0.0;
  for (var n = first; n < end; n++) {
    let row = (n * params.C + c) * params.S;
    var row_sum = 0.0;
    for (var s = 0u; s < params.S; ) {
      let stop = min(s + TERMS, params.S);
      var some = 0.0;
      for (; s < stop; s++) {
        some += dy[row + s];
      }
      row_sum += some;
    }
    sum += row_sum;
  }
  partial_out[i] = sum;
}

@compute @workgroup_size(WG)
fn reduce(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let c = (group.y * groups.x + group.x) * WG + local;
  if (c >= params.C) { return; }
  let blocks = (params.N + ROWS_PER_BLOCK - 1u) / ROWS_PER_BLOCK;
  var sum = 0.0;
  for (var block = 0u; block < blocks; ) {
    let stop = min(block + GROUP, blocks);
    var some = 0.0;
    for (; block < stop; block++) {
      some += partial[block * params.C + c];
    }
    sum += some;
  }
  db[c] = sum;
}
