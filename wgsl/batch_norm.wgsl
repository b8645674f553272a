// batch_norm: normalises each channel by the mean and the variance of its values, those of the batch or running ones.
//
//   out[n, c, s] = (x[n, c, s] - mean[c]) * scale[c] * weight[c] + bias[c],   scale[c] = 1 / sqrt(var[c] + eps)
//
//   of the batch   mean[c] = sum of x / M,   var[c] = sum of (x - mean)^2 / M,   M = N*S values a channel
//   running        running_mean[c] = (1 - f) * running_mean[c] + f * mean[c]
//                  running_var[c]  = (1 - f) * running_var[c]  + f * var[c] * M / (M - 1)
//                  f is the momentum or, where cumulative = 1, 1 / (batches + 1); then batches[0] += 1
//
//   xhat[n, c, s] = (x - mean) * scale
//   dbias[c] = sum of dy        dweight[c] = sum of dy * xhat
//   dx = weight * scale * (dy - dbias / M - xhat * dweight / M)      of the batch
//   dx = weight * scale * dy                                         running
//
//   x, out, dy, dx                             [N, C, S]; S is the product of the dimensions after the channel
//   weight, bias, running_mean, running_var,
//   given_mean, given_var, dweight, dbias      [C]
//   batches                                    [1]
//   shares, partial                            [blocks of 32 rows, C, lanes]
//   stats                                      [C]
//
// Every sum over the batch is made alike. Of a channel in a block of 32 rows each lane takes every lanes-th value of a row, row
// by row; then the lanes of a block are added in order, BLOCKS blocks in order, and the sums of these. A block is the same rows
// whatever N is.
//
// A mean has the rounding errors of a long sum, which would be lost digits of the variance where the mean is large. So each lane
// takes its own mean and then adds up the deviations from it, which are small and nearly exact, plainly and squared. From these
// follow the same sums for the distances from any other number k. With k near the mean the plain sum says what k lacks (the mean
// becomes two numbers, k and the rest), and that much is taken off the sum of squares.
//
// lane_shares             shares. A thread takes one lane of a channel in a block.
// finish                  stats. One workgroup; a thread takes every 256th channel.
// finish_tracked          The same, and the running statistics.
// of_running              stats of given_mean and given_var. A thread takes one channel.
// normalise               out. A thread takes PER neighbours.
// lane_gradients          partial: what a lane adds to dbias and dweight. A thread takes one lane of a channel in a block.
// backward_reduce         dweight and dbias. A thread takes one channel.
// backward_input          dx where the statistics are the batch's. A thread takes PER neighbours.
// backward_input_running  dx where they are not.

struct Params {
  N: u32,
  C: u32,
  S: u32,
  lanes: u32, // at most S, if that is not 0
  eps: f32,
  momentum: f32,
  cumulative: u32,
  hasWeight: u32, // 0 for a weight of 1
  hasBias: u32,   // 0 for a bias of 0
}

// What a lane knows of its values.
struct Share {
  mean: f32,    // as computed
  plain: f32,   // the sum of the deviations from it
  squared: f32, // of their squares
}

struct Stats {
  mean: f32,
  rest: f32, // mean + rest is the mean
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> shares_out: array<Share>;
@group(0) @binding(3) var<storage, read> shares: array<Share>;
@group(0) @binding(4) var<storage, read_write> stats_out: array<Stats>;
@group(0) @binding(5) var<storage, read> stats: array<Stats>;
@group(0) @binding(6) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(7) var<storage, read_write> running_var: array<f32>;
@group(0) @binding(8) var<storage, read_write> batches: array<i32>;
@group(0) @binding(9) var<storage, read> given_mean: array<f32>;
@group(0) @binding(10) var<storage, read> given_var: array<f32>;
@group(0) @binding(11) var<storage, read> weight: array<f32>;
@group(0) @binding(12) var<storage, read> bias: array<f32>;
@group(0) @binding(13) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<storage, read> dy: array<f32>;
@group(0) @binding(15) var<storage, read_write> partial_out: array<vec2f>; // of dbias, of dweight
@group(0) @binding(16) var<storage, read> partial: array<vec2f>;
@group(0) @binding(17) var<storage, read_write> dweight_out: array<f32>;
@group(0) @binding(18) var<storage, read_write> dbias_out: array<f32>;
@group(0) @binding(19) var<storage, read> dweight: array<f32>;
@group(0) @binding(20) var<storage, read> dbias: array<f32>;
@group(0) @binding(21) var<storage, read_write> dx: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const ROWS_PER_BLOCK: u32 = 32u; // a change of it changes the bits
const GROUP: u32 = 256u; // threads of a kernel that has one workgroup
const BLOCKS: u32 = 256u; // that are added in sequence

// Blocks of rows that have values.
fn blocks() -> u32 {
  return select((params.N + ROWS_PER_BLOCK - 1u) / ROWS_PER_BLOCK, 0u, params.S == 0u);
}

fn values_of_channel() -> f32 {
  return f32(params.N * params.S);
}

// One lane of a channel in a block of rows.
struct Lane {
  lane: u32,
  c: u32,
  first: u32, // of its rows
  end: u32,
}

fn lane_of(i: u32) -> Lane {
  let row = i / params.lanes;
  let block = row / params.C;
  let first = block * ROWS_PER_BLOCK;
  return Lane(i - row * params.lanes, row - block * params.C, first, min(first + ROWS_PER_BLOCK, params.N));
}

// Values of a lane.
fn count_of(lane: Lane) -> f32 {
  return f32((lane.end - lane.first) * ((params.S - lane.lane + params.lanes - 1u) / params.lanes));
}

// The place of a channel's row.
fn row_at(n: u32, c: u32) -> u32 {
  return (n * params.C + c) * params.S;
}

@compute @workgroup_size(WG)
fn lane_shares(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= blocks() * params.C * params.lanes) { return; }
  let lane = lane_of(i);
  var mean = 0.0;
  for (var n = lane.first; n < lane.end; n++) {
    let row = row_at(n, lane.c);
    for (var s = lane.lane; s < params.S; s += params.lanes) {
      mean += x[row + s];
    }
  }
  mean /= count_of(lane);
  var plain = 0.0;
  var squared = 0.0;
  for (var n = lane.first; n < lane.end; n++) {
    let row = row_at(n, lane.c);
    for (var s = lane.lane; s < params.S; s += params.lanes) {
      let d = x[row + s] - mean;
      plain += d;
      squared += d * d;
    }
  }
  shares_out[i] = Share(mean, plain, squared);
}

// Of a block of rows of a channel: the sum of the distances from k, and of their squares.
fn moved_block(block: u32, c: u32, k: f32) -> vec2f {
  let first = (block * params.C + c) * params.lanes;
  var sum = vec2f();
  for (var i = first; i < first + params.lanes; i++) {
    let share = shares[i];
    let d = share.mean - k;
    let moved = count_of(lane_of(i)) * d;
    sum += vec2f(share.plain + moved, share.squared + (2.0 * share.plain + moved) * d);
  }
  return sum;
}

// The stats of a channel; its mean, and the sum of the squared deviations from it.
fn finish_channel(c: u32) -> vec2f {
  var k = 0.0;
  for (var block = 0u; block < blocks(); block++) {
    let first = (block * params.C + c) * params.lanes;
    var sum = 0.0;
    for (var i = first; i < first + params.lanes; i++) {
      sum += count_of(lane_of(i)) * shares[i].mean;
    }
    k += sum;
  }
  k /= values_of_channel();
  var plain = 0.0;
  var squared = 0.0;
  for (var block = 0u; block < blocks(); ) {
    var some = vec2f();
    for (let stop = min(block + BLOCKS, blocks()); block < stop; block++) {
      some += moved_block(block, c, k);
    }
    plain += some.x;
    squared += some.y;
  }
  let rest = plain / values_of_channel();
  let difference = squared - plain * rest;
  let squares = select(difference, 0.0, difference < 0.0); // a NaN stays one
  stats_out[c] = Stats(k, rest, inverseSqrt(squares / values_of_channel() + params.eps));
  return vec2f(k + rest, squares);
}

@compute @workgroup_size(GROUP)
fn finish(@builtin(local_invocation_index) local: u32) {
  for (var c = local; c < params.C; c += GROUP) {
    finish_channel(c);
  }
}

@compute @workgroup_size(GROUP)
fn finish_tracked(@builtin(local_invocation_index) local: u32) {
  let before = batches[0];
  storageBarrier(); // every thread has read it
  if (local == 0u) { batches[0] = before + 1; }
  var f = params.momentum;
  if (params.cumulative == 1u) { f = 1.0 / f32(before + 1); }
  for (var c = local; c < params.C; c += GROUP) {
    let found = finish_channel(c);
    running_mean[c] = (1.0 - f) * running_mean[c] + f * found.x;
    running_var[c] = (1.0 - f) * running_var[c] + f * (found.y / (values_of_channel() - 1.0));
  }
}

@compute @workgroup_size(WG)
fn of_running(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let c = (group.y * groups.x + group.x) * WG + local;
  if (c >= params.C) { return; }
  stats_out[c] = Stats(given_mean[c], 0.0, inverseSqrt(given_var[c] + params.eps));
}

// What x - mean is multiplied with.
fn gain(c: u32) -> f32 {
  var scale = stats[c].scale;
  if (params.hasWeight == 1u) { scale *= weight[c]; }
  return scale;
}

fn shift(c: u32) -> f32 {
  if (params.hasBias == 1u) { return bias[c]; }
  return 0.0;
}

// The channel of an element and its place in it; of the next one, without a division.
struct Channel {
  c: u32,
  s: u32,
}

fn channel_of(i: u32) -> Channel {
  let row = i / params.S;
  return Channel(row % params.C, i - row * params.S);
}

fn next_channel(c: u32) -> u32 {
  return select(c + 1u, 0u, c + 1u == params.C);
}

fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return ((group.y * groups.x + group.x) * WG + local) * PER;
}

fn size() -> u32 {
  return params.N * params.C * params.S;
}

@compute @workgroup_size(WG)
fn normalise(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = first_element(group, groups, local);
  if (first >= size()) { return; }
  var at = channel_of(first);
  var stat = stats[at.c];
  var scale = gain(at.c);
  var offset = shift(at.c);
  for (var i = first; i < min(first + PER, size()); i++) {
    out[i] = (x[i] - stat.mean - stat.rest) * scale + offset;
    at.s++;
    if (at.s == params.S) {
      at = Channel(next_channel(at.c), 0u);
      stat = stats[at.c];
      scale = gain(at.c);
      offset = shift(at.c);
    }
  }
}

@compute @workgroup_size(WG)
fn lane_gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= blocks() * params.C * params.lanes) { return; }
  let lane = lane_of(i);
  let stat = stats[lane.c];
  var sum = vec2f();
  for (var n = lane.first; n < lane.end; n++) {
    let row = row_at(n, lane.c);
    for (var s = lane.lane; s < params.S; s += params.lanes) {
      let xhat = (x[row + s] - stat.mean - stat.rest) * stat.scale;
      sum += vec2f(dy[row + s], dy[row + s] * xhat);
    }
  }
  partial_out[i] = sum;
}

@compute @workgroup_size(WG)
fn backward_reduce(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let c = (group.y * groups.x + group.x) * WG + local;
  if (c >= params.C) { return; }
  var total = vec2f();
  for (var block = 0u; block < blocks(); ) {
    var some = vec2f();
    for (let stop = min(block + BLOCKS, blocks()); block < stop; block++) {
      let first = (block * params.C + c) * params.lanes;
      var sum = vec2f();
      for (var i = first; i < first + params.lanes; i++) {
        sum += partial[i];
      }
      some += sum;
    }
    total += some;
  }
  dbias_out[c] = total.x;
  dweight_out[c] = total.y;
}

@compute @workgroup_size(WG)
fn backward_input(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = first_element(group, groups, local);
  if (first >= size()) { return; }
  let count = values_of_channel();
  var at = channel_of(first);
  var stat = stats[at.c];
  var scale = gain(at.c);
  var means = vec2f(dbias[at.c], dweight[at.c]) / count;
  for (var i = first; i < min(first + PER, size()); i++) {
    let xhat = (x[i] - stat.mean - stat.rest) * stat.scale;
    dx[i] = (dy[i] - means.x - xhat * means.y) * scale;
    at.s++;
    if (at.s == params.S) {
      at = Channel(next_channel(at.c), 0u);
      stat = stats[at.c];
      scale = gain(at.c);
      means = vec2f(dbias[at.c], dweight[at.c]) / count;
    }
  }
}

@compute @workgroup_size(WG)
fn backward_input_running(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = first_element(group, groups, local);
  if (first >= size()) { return; }
  var at = channel_of(first);
  var scale = gain(at.c);
  for (var i = first; i < min(first + PER, size()); i++) {
    dx[i] = dy[i] * scale;
    at.s++;
    if (at.s == params.S) {
      at = Channel(next_channel(at.c), 0u);
      scale = gain(at.c);
    }
  }
}
