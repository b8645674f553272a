// cross_entropy: softmax cross-entropy with integer labels, fused so that it is stable for any logits.
//
//   m[n] = max_c x[n, c]        z[n] = sum_c exp(x[n, c] - m[n])
//   loss[n] = log z[n] + (m[n] - x[n, t[n]])                   0 where t[n] = ignore
//   dx[n, c] = (exp(x[n, c] - m[n]) / z[n] - [c = t[n]]) * (dy / divisor)      0 where t[n] = ignore
//
//   x, dx   [N, C]    logits; dx is null in fused where needX = 0
//   labels  [N]       int32, or bytes, four a word
//   rows    [N]       what is known of a row, for backward too
//   state   [1]       sums of the rows so far, and at last the divisor
//   out     [N], or [1] when the losses are reduced
//   dy                as out
//   totals  [14]      u32; null where counted = 0; where counted = 1 a batch is added to them:
//     totals[0] += rows that count and whose largest logit (the first of equals) is at the label, and that hold no NaN
//     totals[1] += rows that count
//     totals[2] and totals[5 … 13]: the sum of the losses of all batches, exactly, each of them a float32: a whole number of
//                   320 bits in units of 2^-149, the lowest word first, negative ones as their two's complement
//     totals[3] and totals[4] take notes as finite.wgsl does, with the new totals[1] for a clock: code 0 for logits of
//                   rows that count, 1 for the sum of the batch's losses, which then is not added. A batch of which no
//                   row counts changes nothing.
//
// The divisor is the number of rows that are not ignored for the mean, or 1 if there is none; 1 for the sum. The mean
// of no rows is NaN. The losses are added by blocks of 32 rows, in order in the block, then 16 blocks in order, then 16 of
// these sums in order, and then those in order, so that roundings grow slowly: ignored rows after the last one that is not
// change no bit.
//
// A dispatch takes the N rows from n0 on of x, labels, out, dy and dx; of a batch in several of them each has rows of its own,
// and each but the last a multiple of 8192. With more = 1 state holds the sums of those before; with last = 0 more follow.
//
// A label that is neither a class nor ignored gives NaN; the host refuses those it can see.
//
// forward   One thread computes one row.
// reduce    One workgroup. One thread adds the losses of a block, the first thread the blocks.
// backward  One thread computes one row of dx.
// fused     forward, reduce and, if needX = 1, backward for a dy of 1, to the same bits. One workgroup: for batches of
//           up to some thousands of rows, where dispatches cost more than the threads that lie idle.

struct Params {
  N: u32,
  C: u32,
  labelBytes: u32,  // 1 when labels are bytes
  ignore: i32,      // the label of rows that do not count
  each: u32,        // 1 when out and dy have a value for each row, 0 when they have one for all
  mean: u32,        // 1 for the mean, 0 for the sum
  needX: u32,       // read by fused alone
  counted: u32,     // 1 to add to the totals
  n0: u32,
  more: u32,
  last: u32,
}

struct Row {
  m: f32,
  z: f32,
  loss: f32,
  counts: u32, // COUNTS, RIGHT and NOT_FINITE as they apply; 0 for an ignored row
}

struct State {
  loss: f32,
  counted: u32,
  right: u32,
  bad: u32, // rows whose logits are not finite
  divisor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> rows: array<Row>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read_write> totals: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read> saved_rows: array<Row>; // rows, for backward
@group(0) @binding(9) var<storage, read_write> state: array<State>;
@group(0) @binding(10) var<storage, read> saved_state: array<State>; // state, for backward

override WG: u32 = 64u;
const GROUP: u32 = 256u; // threads of a kernel that has one workgroup; blocks of rows that are added before others
const ROWS_PER_BLOCK: u32 = 32u; // a change of it, or of the next, changes the bits of the loss
const BLOCKS_PER_SUM: u32 = 16u;
const CLASSES: u32 = 64u; // of a sum of exponentials, and how many such sums one of the next level has; a change changes bits
// Sums of these over a block of rows stay apart.
const COUNTS: u32 = 0x1u;
const RIGHT: u32 = 0x100u;
const NOT_FINITE: u32 = 0x10000u;
const CODE_LOGITS: u32 = 0u;
const CODE_LOSS: u32 = 1u;
const NAN_BITS: u32 = 0x7fc00000u;
const SUM_WORDS: u32 = 10u; // of the exact sum: 2^-149 to 2^128, 2^32 times over, and a sign

var<workgroup> block_loss: array<f32, GROUP>;
var<workgroup> block_counts: array<u32, GROUP>;

const INFINITY_BITS: u32 = 0x7f800000u;

// The larger of two of these is that of a NaN, if any; then that of an infinity.
fn size_bits(v: f32) -> u32 {
  return bitcast<u32>(v) & 0x7fffffffu;
}

fn is_nan(v: f32) -> bool {
  return size_bits(v) > INFINITY_BITS;
}

fn not_finite(v: f32) -> bool {
  return size_bits(v) >= INFINITY_BITS;
}

fn label(n: u32) -> u32 {
  if (params.labelBytes == 1u) {
    return (labels[n / 4u] >> (8u * (n % 4u))) & 0xffu;
  }
  return labels[n];
}

// A NaN that the compiler cannot see coming: constants may not be NaN.
fn nan() -> f32 {
  return bitcast<f32>(NAN_BITS | (params.N & 1u));
}

fn forward_row(n: u32) {
  let first = (params.n0 + n) * params.C;
  var m = x[first];
  var largest = 0u;
  var size = size_bits(m);
  for (var c = 1u; c < params.C; c++) {
    let v = x[first + c];
    if (v > m || is_nan(v)) {
      m = v;
      largest = c;
    }
    size = max(size, size_bits(v));
  }
  var z = 0.0;
  for (var begin = 0u; begin < params.C; begin += CLASSES * CLASSES) {
    var upper = 0.0;
    for (var start = begin; start < min(begin + CLASSES * CLASSES, params.C); start += CLASSES) {
      var lower = 0.0;
      for (var c = start; c < min(start + CLASSES, params.C); c++) {
        lower += exp(x[first + c] - m);
      }
      upper += lower;
    }
    z += upper;
  }
  let t = label(params.n0 + n);
  var loss = nan();
  if (t < params.C) { loss = log(z) + (m - x[first + t]); }
  // Neither exp, log nor a difference of infinities need give NaN, so a row that must says so itself.
  if (not_finite(m)) { loss = nan(); }
  var counts = COUNTS;
  if (largest == t && size <= INFINITY_BITS) { counts += RIGHT; }
  if (size >= INFINITY_BITS) { counts += NOT_FINITE; }
  if (t == bitcast<u32>(params.ignore)) {
    loss = 0.0;
    counts = 0u;
  }
  rows[n] = Row(m, z, loss, counts);
  if (params.each == 1u) { out[params.n0 + n] = loss; }
}

fn note(now: u32, code: u32) {
  if (atomicLoad(&totals[3]) < now) { return; }
  atomicMin(&totals[3], now);
  atomicMin(&totals[4], code);
}

// Adds a finite number to the exact sum. In whole numbers, since an adapter may reorder or merge operations of float32.
fn add_exactly(v: f32) {
  let bits = bitcast<u32>(v);
  let exponent = (bits >> 23u) & 0xffu;
  var mantissa = bits & 0x7fffffu;
  if (exponent > 0u) { mantissa |= 0x800000u; }
  let place = max(exponent, 1u) - 1u; // of the mantissa's lowest bit
  let first = place / 32u;
  let shift = place % 32u;
  var flip = 0u; // a negative number is the complement of its magnitude, and 1
  if ((bits >> 31u) == 1u) { flip = 0xffffffffu; }
  var carry = flip & 1u;
  for (var w = first; w < SUM_WORDS; w++) {
    var digits = 0u;
    if (w == first) { digits = mantissa << shift; }
    if (w == first + 1u) { digits = (mantissa >> 1u) >> (31u - shift); }
    if (w > first + 1u && flip == 0u && carry == 0u) { break; }
    let at = select(4u + w, 2u, w == 0u);
    let before = atomicLoad(&totals[at]);
    let added = before + (digits ^ flip);
    let after = added + carry;
    carry = u32(added < before) | u32(after < added);
    atomicStore(&totals[at], after);
  }
}

// One thread alone.
fn add_to_totals(loss: f32, counted: u32, right: u32, logits_are_finite: bool) {
  if (counted == 0u) { return; }
  atomicAdd(&totals[0], right);
  let now = atomicAdd(&totals[1], counted) + counted;
  if (!logits_are_finite) { note(now, CODE_LOGITS); }
  if (not_finite(loss)) {
    note(now, CODE_LOSS);
  } else {
    add_exactly(loss);
  }
}

fn reduce_rows(lane: u32) {
  let blocks = (params.N + ROWS_PER_BLOCK - 1u) / ROWS_PER_BLOCK;
  // The first thread's.
  var s = State();
  if (lane == 0u && params.more == 1u) { s = state[0]; }
  for (var first = 0u; first < blocks; first += GROUP) {
    let begin = (first + lane) * ROWS_PER_BLOCK;
    var sum = 0.0;
    var counts = 0u;
    for (var n = begin; n < min(begin + ROWS_PER_BLOCK, params.N); n++) {
      sum += rows[n].loss;
      counts += rows[n].counts;
    }
    block_loss[lane] = sum;
    block_counts[lane] = counts;
    workgroupBarrier();
    if (lane == 0u) {
      let here = min(GROUP, blocks - first);
      var group_loss = 0.0;
      for (var low = 0u; low < here; low += BLOCKS_PER_SUM) {
        var of_blocks = 0.0;
        for (var block = low; block < min(low + BLOCKS_PER_SUM, here); block++) {
          of_blocks += block_loss[block];
          let all = block_counts[block];
          s.counted += all % RIGHT;
          s.right += all / RIGHT % (NOT_FINITE / RIGHT);
          s.bad += all / NOT_FINITE;
        }
        group_loss += of_blocks;
      }
      s.loss += group_loss;
    }
    workgroupBarrier();
  }
  if (lane > 0u) { return; }
  s.divisor = 1.0;
  if (params.mean == 1u) { s.divisor = f32(max(s.counted, 1u)); }
  state[0] = s;
  if (params.last == 0u) { return; }
  var result = s.loss / s.divisor;
  if (params.mean == 1u && s.counted == 0u) { result = nan(); }
  out[0] = result;
  if (params.counted == 1u) { add_to_totals(s.loss, s.counted, s.right, s.bad == 0u); }
}

// `g` is the gradient of the row's loss, `row` what forward knew of it.
fn backward_row(n: u32, g: f32, row: Row) {
  let t = label(params.n0 + n);
  let m = row.m;
  let z = row.z;
  let wrong = t >= params.C || not_finite(m);
  for (var c = 0u; c < params.C; c++) {
    let i = (params.n0 + n) * params.C + c;
    var p = exp(x[i] - m) / z;
    if (c == t) { p -= 1.0; }
    var result = p * g;
    if (wrong) { result = nan(); }
    if (row.counts == 0u) { result = 0.0; }
    dx[i] = result;
  }
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = (group.y * groups.x + group.x) * WG + lane;
  if (n < params.N) { forward_row(n); }
}

@compute @workgroup_size(GROUP)
fn reduce(@builtin(local_invocation_index) lane: u32) {
  reduce_rows(lane);
}

@compute @workgroup_size(GROUP)
fn fused(@builtin(local_invocation_index) lane: u32) {
  for (var n = lane; n < params.N; n += GROUP) {
    forward_row(n);
  }
  storageBarrier();
  reduce_rows(lane);
  storageBarrier();
  if (params.needX == 0u) { return; }
  let g = 1.0 / state[0].divisor;
  for (var n = lane; n < params.N; n += GROUP) {
    backward_row(n, g, rows[n]);
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = (group.y * groups.x + group.x) * WG + lane;
  if (n >= params.N) { return; }
  var g = dy[(params.n0 + n) * params.each];
  if (params.each == 0u) { g /= saved_state[0].divisor; }
  backward_row(n, g, saved_rows[n]);
}
