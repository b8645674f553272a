// norm: each row normalised by its own mean and variance, or by its own mean square, and then scaled by channels.
//
//   x [N, G, K, S]: a row is the D = K·S elements of an n and a g, of K channels; there are G·K channels c
//   mean = Σ x / D,  scale = 1 / sqrt(Σ (x - mean)² / D + eps);  where CENTRED = 0 the mean is 0
//   xhat = (x - mean) · scale                                     out = xhat · weight[c] + bias[c]
//   with h = dy · weight[c]:  dx = scale · (h - Σ h / D - xhat · Σ h·xhat / D);  where CENTRED = 0 without Σ h / D
//   dbias[c] = Σ dy,  dweight[c] = Σ dy · xhat
//
//   x, out, dy, dx         [N, G, K, S]
//   weight, bias, dweight, dbias  [G, K]
//   stats                  [N, G]
//   partial                [blocks of 32 n, G, K, lanes]
//
// A large mean has a large rounding error. So it is two numbers: a mean, and the mean of the distances from it.
// A change of GROUP, ROWS_PER_BLOCK or BLOCKS changes bits.
//
// thread_forward, thread_backward  One thread takes one row, in order.
// forward, backward  One workgroup takes one row of whole vectors of four: each thread every GROUP-th of them, in order, then the
//                    threads' sums in order.
// lane_sums          partial. A thread takes one lane of a channel in a block: every lanes-th place of a row, row by row.
// column_sums        The same of four channels that are neighbours, where S = 1.
// add_up             dweight, dbias. One thread takes one channel: the lanes in order, BLOCKS blocks in order, and these sums.

struct Params {
  N: u32,
  G: u32,
  K: u32,
  S: u32,
  D: u32,
  lanes: u32,
  hasWeight: u32, // 0 for a weight of 1
  hasBias: u32,   // 0 for a bias of 0
  eps: f32,
}

struct Stats {
  mean: f32,
  rest: f32, // mean + rest is the mean
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> x_4: array<vec4f>; // x
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> dy_4: array<vec4f>; // dy
@group(0) @binding(5) var<storage, read> weight: array<f32>;
@group(0) @binding(6) var<storage, read> weight_4: array<vec4f>; // weight
@group(0) @binding(7) var<storage, read> bias: array<f32>;
@group(0) @binding(8) var<storage, read> bias_4: array<vec4f>; // bias
@group(0) @binding(9) var<storage, read_write> out: array<f32>;
@group(0) @binding(10) var<storage, read_write> out_4: array<vec4f>; // out
@group(0) @binding(11) var<storage, read_write> stats_out: array<Stats>;
@group(0) @binding(12) var<storage, read> stats: array<Stats>;
@group(0) @binding(13) var<storage, read_write> partial_out: array<vec2f>; // of dbias, of dweight
@group(0) @binding(14) var<storage, read_write> partial_4: array<vec4f>; // partial_out
@group(0) @binding(15) var<storage, read> partial: array<vec2f>;
@group(0) @binding(16) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(17) var<storage, read_write> dbias: array<f32>;

override WG: u32 = 64u;
const GROUP: u32 = 16u; // on drivers for the processor a barrier costs something for every eight threads
const ROWS_PER_BLOCK: u32 = 32u;
const BLOCKS: u32 = 256u;

const CENTRED: u32 = 1u; // tune

// How weights lie along a row: a vector of four for a vector, one for a vector (S is a multiple of four), or anyhow.
const WEIGHTS: u32 = 0u; // tune
const IN_ORDER: u32 = 0u;
const TOGETHER: u32 = 1u;

const INFINITY_BITS: u32 = 0x7f800000u;
const NAN_BITS: u32 = 0x7fc00000u;
const SIGN: u32 = 0x80000000u;

var<workgroup> sums: array<f32, GROUP>;
var<workgroup> sums_2: array<f32, GROUP>;

// What the compiler cannot see coming: constants may be neither infinite nor NaN. D is below 2^31.
fn of_bits(bits: u32) -> f32 {
  return bitcast<f32>(bits | (params.D & SIGN));
}

// 1 / sqrt(v) of numbers from 0 on: an adapter may make that of 0, of an infinity and of NaN anything.
fn inverse_root(v: f32) -> f32 {
  let bits = bitcast<u32>(v) & ~SIGN;
  if (bits > INFINITY_BITS) { return v; }
  if (bits == INFINITY_BITS) { return 0.0; }
  if (bits == 0u) { return of_bits(INFINITY_BITS); }
  return inverseSqrt(v);
}

fn scale_of(squares: f32) -> f32 {
  return inverse_root(squares / f32(params.D) + params.eps);
}

// Σ h / D and Σ h·xhat / D. An infinity in the one would leave some of a centred row finite: all of it has no number.
fn means_of(total: vec2f) -> vec2f {
  if (CENTRED == 0) { return vec2f(0.0, total.y / f32(params.D)); }
  let bits = bitcast<vec2u>(total) & vec2u(~SIGN);
  if (any(bits >= vec2u(INFINITY_BITS))) { return vec2f(of_bits(NAN_BITS)); }
  return total / f32(params.D);
}

fn thread(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG + local;
}

// What a channel's elements are multiplied with.
fn factor(c: u32) -> f32 {
  if (params.hasWeight == 1) { return weight[c]; }
  return 1.0;
}

fn shift(c: u32) -> f32 {
  if (params.hasBias == 1) { return bias[c]; }
  return 0.0;
}

@compute @workgroup_size(WG)
fn thread_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = thread(group, groups, local);
  if (row >= params.N * params.G) { return; }
  let start = row * params.D;
  let end = start + params.D;
  var stat = Stats();
  if (CENTRED == 1) {
    for (var i = start; i < end; i++) { stat.mean += x[i]; }
    stat.mean /= f32(params.D);
    for (var i = start; i < end; i++) { stat.rest += x[i] - stat.mean; }
    stat.rest /= f32(params.D);
  }
  var squares = 0.0;
  for (var i = start; i < end; i++) {
    let d = x[i] - stat.mean - stat.rest;
    squares += d * d;
  }
  stat.scale = scale_of(squares);
  stats_out[row] = stat;
  let c = row % params.G * params.K;
  for (var k = 0u; k < params.K; k++) {
    let by = factor(c + k);
    let more = shift(c + k);
    for (var i = start + k * params.S; i < start + (k + 1u) * params.S; i++) {
      out[i] = (x[i] - stat.mean - stat.rest) * stat.scale * by + more;
    }
  }
}

@compute @workgroup_size(WG)
fn thread_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = thread(group, groups, local);
  if (row >= params.N * params.G) { return; }
  let start = row * params.D;
  let stat = stats[row];
  let c = row % params.G * params.K;
  var total = vec2f();
  for (var k = 0u; k < params.K; k++) {
    let by = factor(c + k);
    for (var i = start + k * params.S; i < start + (k + 1u) * params.S; i++) {
      let h = dy[i] * by;
      total += vec2f(h, h * ((x[i] - stat.mean - stat.rest) * stat.scale));
    }
  }
  let means = means_of(total);
  for (var k = 0u; k < params.K; k++) {
    let by = factor(c + k);
    for (var i = start + k * params.S; i < start + (k + 1u) * params.S; i++) {
      let xhat = (x[i] - stat.mean - stat.rest) * stat.scale;
      out[i] = stat.scale * (dy[i] * by - means.x - xhat * means.y);
    }
  }
}

fn sum_of_four(v: vec4f) -> f32 {
  let pairs = v.xy + v.zw;
  return pairs.x + pairs.y;
}

// The sum of what all threads have, for all of them: on drivers for the processor a barrier costs as much as many loads from
// constant places.
fn total_of(own: vec4f, local: u32) -> f32 {
  sums[local] = sum_of_four(own);
  workgroupBarrier();
  var all = vec4f();
  for (var i = 0u; i < GROUP; i += 4) { all += vec4f(sums[i], sums[i + 1], sums[i + 2], sums[i + 3]); }
  workgroupBarrier(); // every thread has read them
  return sum_of_four(all);
}

fn totals_of(h: vec4f, products: vec4f, local: u32) -> vec2f {
  sums[local] = sum_of_four(h);
  sums_2[local] = sum_of_four(products);
  workgroupBarrier();
  var all = vec4f();
  var all_2 = vec4f();
  for (var i = 0u; i < GROUP; i += 4) {
    all += vec4f(sums[i], sums[i + 1], sums[i + 2], sums[i + 3]);
    all_2 += vec4f(sums_2[i], sums_2[i + 1], sums_2[i + 2], sums_2[i + 3]);
  }
  workgroupBarrier();
  return vec2f(sum_of_four(all), sum_of_four(all_2));
}

// The channels of vector v of a row, the first of which is c.
fn channels_of(c: u32, v: u32) -> vec4u {
  if (WEIGHTS == TOGETHER) { return vec4u(c + 4 * v / params.S); }
  return c + (4 * v + vec4u(0, 1, 2, 3)) / params.S;
}

fn factors(c: u32, v: u32) -> vec4f {
  if (params.hasWeight == 0) { return vec4f(1.0); }
  if (WEIGHTS == IN_ORDER) { return weight_4[c / 4 + v]; }
  let at = channels_of(c, v);
  if (WEIGHTS == TOGETHER) { return vec4f(weight[at.x]); }
  return vec4f(weight[at.x], weight[at.y], weight[at.z], weight[at.w]);
}

fn shifts(c: u32, v: u32) -> vec4f {
  if (params.hasBias == 0) { return vec4f(); }
  if (WEIGHTS == IN_ORDER) { return bias_4[c / 4 + v]; }
  let at = channels_of(c, v);
  if (WEIGHTS == TOGETHER) { return vec4f(bias[at.x]); }
  return vec4f(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
}

// Where a row's vectors begin, and how many it has.
struct Row {
  first: u32,
  count: u32,
  c: u32,
}

fn row_at(row: u32) -> Row {
  let vectors = params.D / 4;
  return Row(row * vectors, vectors, row % params.G * params.K);
}

@compute @workgroup_size(GROUP)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.N * params.G) { return; }
  let row = row_at(number);
  let end = row.first + row.count;
  var stat = Stats();
  if (CENTRED == 1) {
    var own = vec4f();
    for (var i = row.first + local; i < end; i += GROUP) { own += x_4[i]; }
    stat.mean = total_of(own, local) / f32(params.D);
    own = vec4f();
    for (var i = row.first + local; i < end; i += GROUP) { own += x_4[i] - stat.mean; }
    stat.rest = total_of(own, local) / f32(params.D);
  }
  var own = vec4f();
  for (var i = row.first + local; i < end; i += GROUP) {
    let d = x_4[i] - stat.mean - stat.rest;
    own += d * d;
  }
  stat.scale = scale_of(total_of(own, local));
  if (local == 0) { stats_out[number] = stat; }
  for (var v = local; v < row.count; v += GROUP) {
    out_4[row.first + v] = xhat_at(row.first + v, stat) * factors(row.c, v) + shifts(row.c, v);
  }
}

fn xhat_at(i: u32, stat: Stats) -> vec4f {
  return (x_4[i] - stat.mean - stat.rest) * stat.scale;
}

@compute @workgroup_size(GROUP)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.N * params.G) { return; }
  let row = row_at(number);
  let stat = stats[number];
  var own = vec4f();
  var products = vec4f();
  for (var v = local; v < row.count; v += GROUP) {
    let h = dy_4[row.first + v] * factors(row.c, v);
    own += h;
    products += h * xhat_at(row.first + v, stat);
  }
  let means = means_of(totals_of(own, products, local));
  for (var v = local; v < row.count; v += GROUP) {
    let h = dy_4[row.first + v] * factors(row.c, v);
    out_4[row.first + v] = stat.scale * (h - means.x - xhat_at(row.first + v, stat) * means.y);
  }
}

fn blocks() -> u32 {
  return (params.N + ROWS_PER_BLOCK - 1u) / ROWS_PER_BLOCK;
}

@compute @workgroup_size(WG)
fn lane_sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread(group, groups, local);
  let channels = params.G * params.K;
  if (i >= blocks() * channels * params.lanes) { return; }
  let before = i / params.lanes;
  let block = before / channels;
  let c = before - block * channels;
  let lane = i - before * params.lanes;
  let g = c / params.K;
  let first = block * ROWS_PER_BLOCK;
  var sum = vec2f();
  for (var n = first; n < min(first + ROWS_PER_BLOCK, params.N); n++) {
    let stat = stats[n * params.G + g];
    let row = (n * channels + c) * params.S;
    for (var s = row + lane; s < row + params.S; s += params.lanes) {
      let xhat = (x[s] - stat.mean - stat.rest) * stat.scale;
      sum += vec2f(dy[s], dy[s] * xhat);
    }
  }
  partial_out[i] = sum;
}

@compute @workgroup_size(WG)
fn column_sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread(group, groups, local);
  let columns = params.G * params.K / 4;
  if (i >= blocks() * columns) { return; }
  let block = i / columns;
  let column = i - block * columns;
  let g = 4 * column / params.K;
  let first = block * ROWS_PER_BLOCK;
  var of_bias = vec4f();
  var of_weight = vec4f();
  for (var n = first; n < min(first + ROWS_PER_BLOCK, params.N); n++) {
    let at = n * columns + column;
    of_bias += dy_4[at];
    of_weight += dy_4[at] * xhat_at(at, stats[n * params.G + g]);
  }
  partial_4[2 * i] = vec4f(of_bias.x, of_weight.x, of_bias.y, of_weight.y);
  partial_4[2 * i + 1] = vec4f(of_bias.z, of_weight.z, of_bias.w, of_weight.w);
}

@compute @workgroup_size(WG)
fn add_up(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let c = thread(group, groups, local);
  let channels = params.G * params.K;
  if (c >= channels) { return; }
  var total = vec2f();
  for (var block = 0u; block < blocks(); ) {
    var some = vec2f();
    for (let stop = min(block + BLOCKS, blocks()); block < stop; block++) {
      let first = (block * channels + c) * params.lanes;
      var sum = vec2f();
      for (var i = first; i < first + params.lanes; i++) { sum += partial[i]; }
      some += sum;
    }
    total += some;
  }
  dbias[c] = total.x;
  dweight[c] = total.y;
}
