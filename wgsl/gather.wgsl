// gather: the rows of a batch, in the order of a list of row numbers.
//
//   entry(n)   = first + stride * batch + n, where batch is the number that `batches` has for the step
//   images     out[n, r] = f32(bytes[index[entry(n)], r]) * scale
//   labels     out_labels[n] = i32(labels[index[entry(n)]])
//   rows       out_words[n, r] = bytes[index[entry(n)], r], both in words: float32, int32, or four bytes each
//   Where the list ends before entry(n), the row is 0 and the label IGNORED, which crossEntropy leaves out.
//
//   Rows may lie in several parts, one after the other, each with a dispatch that writes the rows of its part. Labels, and
//   what lies past the end of the list, each of them writes alike.
//
//   bytes       [rows, R]  those of the part: row 0 is the row `part`; four bytes a word, little-endian, or words in `rows`
//   labels      [ROWS]     those of all images, likewise
//   index       [LENGTH]   numbers of images
//   batches     rows of one word, as per_step.ts describes them: the number of a batch; null where stride is 0
//   out         [N, R]
//   out_labels  [N]
//   out_words   [N, R]     32-bit words; in rows_of_bytes bytes, four a word
//
// batch          Images and labels. One thread writes PER (a multiple of 4) elements of out: four at a time where R is a multiple of 4.
//                The first N threads also write a label each.
// scaled         Images without labels.
// rows           One thread writes PER words.
// rows_of_bytes  One thread writes PER bytes, four at a time. A word may have bytes of several rows, also of rows in another part,
//                which it leaves as they are.

struct Params {
  N: u32,
  R: u32,
  length: u32,
  first: u32,
  stride: u32, // entries in a batch
  which: u32, // which one it is of several batches in a step of a run
  scale: f32,
  part: u32, // rows before this part
  rows: u32, // rows in this part
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> bytes: array<u32>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(4) var<storage, read> index: array<u32>;
@group(0) @binding(5) var<storage, read> batches: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> out_labels: array<i32>;
@group(0) @binding(8) var<storage, read_write> out_words: array<u32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const IGNORED: i32 = -100;
const NONE: u32 = 0xffffffffu;
const HEAD: u32 = 2u; // words before the rows of batches

// The row that a batch's n-th entry names; NONE past the end of the list.
fn row_of(first: u32, n: u32) -> u32 {
  if (first + n >= params.length) {
    return NONE;
  }
  return index[first + n];
}

// Whether a row lies in another part, whose dispatch writes it. The difference wraps around for rows before this part.
fn is_elsewhere(row: u32) -> bool {
  return row != NONE && row - params.part >= params.rows;
}

fn byte_of(word: u32, i: u32) -> f32 {
  return f32((word >> (8u * i)) & 0xffu) * params.scale;
}

// The entry of the list that a batch begins with.
fn first_entry() -> u32 {
  if (params.stride == 0u) { return params.first; }
  let batch_number = batches[HEAD + min(replay.step * batches[1] + params.which, batches[0] - 1u)];
  return params.first + params.stride * batch_number;
}

// What a thread of workgroup `number` writes of out. Its elements are WG apart: on drivers for the processor a thread costs as
// much as several elements.
fn scale_rows(first: u32, number: u32, local: u32) {
  if (params.R % 4u == 0u) {
    let words = params.R / 4u;
    let start = number * WG * (PER / 4u) + local;
    for (var i = start; i < min(start + WG * (PER / 4u), params.N * words); i += WG) {
      let n = i / words;
      let row = row_of(first, n);
      if (is_elsewhere(row)) { continue; }
      var word = 0u;
      if (row != NONE) { word = bytes[(row - params.part) * words + i - n * words]; }
      for (var j = 0u; j < 4u; j++) { out[4u * i + j] = byte_of(word, j); }
    }
  } else {
    let start = number * WG * PER + local;
    for (var i = start; i < min(start + WG * PER, params.N * params.R); i += WG) {
      let n = i / params.R;
      let row = row_of(first, n);
      if (is_elsewhere(row)) { continue; }
      var value = 0.0;
      if (row != NONE) {
        let at = (row - params.part) * params.R + i - n * params.R;
        value = byte_of(bytes[at / 4u], at % 4u);
      }
      out[i] = value;
    }
  }
}

@compute @workgroup_size(WG)
fn batch(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = first_entry();
  let number = group.y * groups.x + group.x;
  let thread = number * WG + local;
  if (thread < params.N) {
    let row = row_of(first, thread);
    var label = IGNORED;
    if (row != NONE) { label = i32((labels[row / 4u] >> (8u * (row % 4u))) & 0xffu); }
    out_labels[thread] = label;
  }
  scale_rows(first, number, local);
}

@compute @workgroup_size(WG)
fn scaled(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  scale_rows(first_entry(), group.y * groups.x + group.x, local);
}

@compute @workgroup_size(WG)
fn rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = first_entry();
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  for (var i = start; i < min(start + WG * PER, params.N * params.R); i += WG) {
    let n = i / params.R;
    let row = row_of(first, n);
    if (is_elsewhere(row)) { continue; }
    var word = 0u;
    if (row != NONE) {
      let before = (row - params.part) * params.R;
      word = bytes[before + i - n * params.R];
    }
    out_words[i] = word;
  }
}

@compute @workgroup_size(WG)
fn rows_of_bytes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = first_entry();
  let size = params.N * params.R;
  let start = (group.y * groups.x + group.x) * WG * (PER / 4u) + local;
  for (var w = start; w < min(start + WG * (PER / 4u), (size + 3u) / 4u); w += WG) {
    var word = out_words[w];
    for (var i = 4u * w; i < min(4u * w + 4u, size); i++) {
      let n = i / params.R;
      let row = row_of(first, n);
      if (is_elsewhere(row)) { continue; }
      var byte = 0u;
      if (row != NONE) {
        let before = (row - params.part) * params.R;
        let from_byte = before + i - n * params.R;
        byte = (bytes[from_byte / 4u] >> (8u * (from_byte % 4u))) & 0xffu;
      }
      let shift = 8u * (i % 4u);
      word = (word & ~(0xffu << shift)) | (byte << shift);
    }
    out_words[w] = word;
  }
}
