// Written by `npm run embed` from wgsl/*.wgsl. Do not edit.

export const adadelta = `// adadelta: the update of many parameters in one dispatch, as torch.optim.Adadelta defines it for each.
//
//   g = (maximize ? -dp : dp) + decay * p
//   squareAvg = rho * squareAvg + (1 - rho) * g * g
//   delta = sqrt(accDelta + eps) / sqrt(squareAvg + eps) * g
//   accDelta = rho * accDelta + (1 - rho) * delta * delta;  p -= lr * delta
//
// The parameters lie side by side in p, their states at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp     f32
//   squareAvg, accDelta   f32, 0 before the first step
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of lr, rho, 1 - rho, eps, decay, maximize (0 or 1)
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step  A workgroup updates what its row says, a thread PER elements. Where watched is 1, a gradient or a new parameter
//       that is not finite is noted in the watch.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> squareAvg: array<f32>;
@group(0) @binding(8) var<storage, read_write> accDelta: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 6u;

struct Settings {
  lr: f32, rho: f32, take: f32, eps: f32, decay: f32, maximize: bool,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u), setting(5u) != 0.0,
  );
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

// WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
fn root_of(v: f32) -> f32 {
  return select(sqrt(v), 0.0, v == 0.0);
}

fn gradient(s: Settings, at: u32, given: f32) -> f32 {
  var g = select(given, -given, s.maximize);
  if (s.decay != 0.0) { g += s.decay * p[at]; }
  return g;
}

fn delta_of(s: Settings, at: u32, g: f32) -> f32 {
  let squares = s.rho * squareAvg[at] + s.take * g * g;
  let before = accDelta[at];
  let delta = root_of(before + s.eps) / root_of(squares + s.eps) * g;
  squareAvg[at] = squares;
  accDelta[at] = s.rho * before + s.take * delta * delta;
  return delta;
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let parameter = p[at] - s.lr * delta_of(s, at, gradient(s, at, given));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
`

export const adagrad = `// adagrad: the update of many parameters in one dispatch, as torch.optim.Adagrad defines it for each.
//
//   g = (maximize ? -dp : dp) + weight_decay * p
//   sum += first + g * g;  p -= rate * g / (sqrt(sum) + eps)
//
// where rate = lr / (1 + (t - 1) * lr_decay), and first is the initial value of sum in the first step, later 0.
// The parameters lie side by side in p, their sums at the same places in sum, their gradients anywhere in dp.
//
//   p, dp     f32
//   sum       f32, 0 before the first step
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and sum), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of rate, weight_decay, first, eps,
//             maximize (0 or 1)
//   watch     [5]  u32, as finite.wgsl describes it; looked at only where watched is 1
//
// step  A workgroup updates what its row says, a thread PER elements. Where watched is 1, a gradient or a new parameter
//       that is not finite is noted in the watch.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> sum: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 5u;

struct Settings {
  rate: f32, weight_decay: f32, first: f32, eps: f32, maximize: bool,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(setting(0u), setting(1u), setting(2u), setting(3u), setting(4u) != 0.0);
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

// WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
fn root_of(v: f32) -> f32 {
  return select(sqrt(v), 0.0, v == 0.0);
}

fn updated(s: Settings, at: u32, given: f32) -> f32 {
  let before = p[at];
  var g = select(given, -given, s.maximize);
  if (s.weight_decay != 0.0) { g += s.weight_decay * before; }
  let squares = sum[at] + s.first + g * g;
  sum[at] = squares;
  return before - s.rate * (g / (root_of(squares) + s.eps));
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let given = dp[row.at_dp + i];
    let parameter = updated(s, row.at + i, given);
    p[row.at + i] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
`

export const adam = `// adam: the update of many parameters in one dispatch, as torch.optim.Adam and AdamW define it for each.
//
//   g = (maximize ? -dp : dp) + decay * p;  p *= keep
//   expAvg += (1 - beta1) * (g - expAvg);  expAvgSq = beta2 * expAvgSq + (1 - beta2) * g * g
//   p -= step_size * expAvg / (sqrt(v) / root + eps)      v = expAvgSq; with amsgrad the largest so far
//
// where step_size = lr / (1 - beta1^t), root = sqrt(1 - beta2^t); AdamW has keep = 1 - lr * weight_decay and decay = 0, Adam
// keep = 1 and decay = weight_decay.
// The parameters lie side by side in p, their states at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp     f32
//   expAvg, expAvgSq, maxExpAvgSq   f32, 0 before the first step
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of step_size, keep, 1 - beta1, beta2,
//             1 - beta2, eps, root, maximize (0 or 1), decay
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step          A workgroup updates what its row says, a thread PER elements. Where watched is 1, a gradient or a new
//               parameter that is not finite is noted in the watch.
// step_amsgrad  The same with the largest second average.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> expAvg: array<f32>;
@group(0) @binding(8) var<storage, read_write> expAvgSq: array<f32>;
@group(0) @binding(9) var<storage, read_write> maxExpAvgSq: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 9u;

struct Settings {
  step_size: f32, keep: f32, take1: f32, beta2: f32, take2: f32, eps: f32, root: f32, maximize: bool, decay: f32,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u), setting(5u), setting(6u), setting(7u) != 0.0,
    setting(8u),
  );
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

// WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
fn root_of(v: f32) -> f32 {
  return select(sqrt(v), 0.0, v == 0.0);
}

// What the averages make of a gradient: the second one, which the update divides by.
fn average(s: Settings, at: u32, given: f32) -> f32 {
  var g = select(given, -given, s.maximize);
  if (s.decay != 0.0) { g += s.decay * p[at]; }
  let m = expAvg[at];
  expAvg[at] = m + s.take1 * (g - m);
  let v = s.beta2 * expAvgSq[at] + s.take2 * g * g;
  expAvgSq[at] = v;
  return v;
}

fn updated(s: Settings, at: u32, v: f32) -> f32 {
  return p[at] * s.keep - s.step_size * (expAvg[at] / (root_of(v) / s.root + s.eps));
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let given = dp[row.at_dp + i];
    let parameter = updated(s, row.at + i, average(s, row.at + i, given));
    p[row.at + i] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn step_amsgrad(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let v = average(s, at, given);
    // As torch.maximum: what is not finite stays, found by its bits.
    let before = maxExpAvgSq[at];
    var largest = before;
    if (!not_finite(before) && (not_finite(v) || v > before)) { largest = v; }
    maxExpAvgSq[at] = largest;
    let parameter = updated(s, at, largest);
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
`

export const augment = `// augment: images changed at random, each by draws of its own, and normalized.
//
//   out[n, c, y, x] = cut(normal(jitter(image n at the place (sy, sx) that (y, x) comes from)))
//
//   list     entry(n) = first + stride * batch + n, where batch is what \`batches\` has for the step; row = index[entry(n)] is the
//            number of image n in the data set. Where the list ends before entry(n), or row is -1, out is 0.
//   draws    the words of src/tensor/random.ts, stream 'augment', substream epoch: Philox4x32-10 gives four words from
//              counter = (row, block, epoch, 5)    key = (seed low, seed high)
//            block 0: crop y, crop x, flip, rotate; 1: zoom, shift y, shift x; 2: cutout y, cutout x, brightness, contrast.
//            An integer below k is the high half of word * k; u = (word >> 8) / 2^24.
//   places   (dy, dx) = (y - ty, x - tx), the shift t whole;
//            turned by an angle and divided by the zoom about the middle, m = ((H - 1) / 2, (W - 1) / 2):
//              qy = my + (cos (dy - my) - sin (dx - mx)) / zoom,  qx = mx + (cos (dx - mx) + sin (dy - my)) / zoom;
//            mirrored, W - 1 - qx; and moved by the crop's offset, -padding to padding on both axes.
//   image    SAMPLING 0: places are whole, words are copied   1: between the nearest four, a pixel of weight 0 left out
//            2: the nearest, words are copied
//            Outside of the image there are zeros, or with \`reflect\` the image mirrored at its outermost pixels.
//   jitter   v = clamp(v * b), v = clamp(k * v + (1 - k) * mean), both clamped to [0, 1]; mean is the mean over the image's
//            pixels after b, of three channels as 0.2989 r + 0.587 g + 0.114 b
//   normal   (v - channels[c].mean) * channels[c].factor
//   cut      0 in a square of side \`cutout\` about a pixel, as far as it lies in the image
//
//   x, out    [N, C, H, W], words
//   index     [LENGTH]
//   batches   rows of one word, as per_step.ts describes them: the number of a batch; null where stride is 0
//   epochs    rows of three words, likewise: epoch, seed low, seed high; null where nothing is drawn
//   channels  [C, 2]  mean and factor of each
//   means, means_out  [N]
//
// Every thread draws for itself: it waits for no other.
//
// forward  A workgroup takes PLACES places of one image, a thread every WG-th of them, in all channels.
// brightness_mean
//          means_out[n]. A workgroup takes an image; a thread adds up every GROUP-th pixel, in blocks of BLOCK, and the sums of
//          the threads are added pair by pair.

struct Params {
  N: u32, C: u32, H: u32, W: u32,
  chunks: u32, // workgroups that an image has
  length: u32,
  first: u32,
  stride: u32,      // entries in a batch
  which: u32,       // which one it is of several batches in a step of a run
  which_epoch: u32, // and of several epochs
  blocks: u32,      // one bit for each block that is drawn
  padding: u32,
  flip: u32,        // 2^31 times the probability
  rotate: f32,      // turns at most
  zoom: f32, zoom_span: f32,
  shift_y: u32, shift_x: u32,
  cutout: u32,
  brightness: f32, brightness_span: f32,
  contrast: f32, contrast_span: f32,
  jitter: u32,      // 1: brightness, 2: contrast
  is_normal: u32,
  inverse: f32,     // 1 / (H * W)
  reflect: u32, // 1: the image mirrored in place of zeros
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<storage, read> batches: array<u32>;
@group(0) @binding(5) var<storage, read> epochs: array<u32>;
@group(0) @binding(6) var<storage, read> channels: array<vec2f>;
@group(0) @binding(7) var<storage, read> means: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<u32>;
@group(0) @binding(9) var<storage, read_write> means_out: array<f32>;

override WG: u32 = 64u;
const PLACES: u32 = 1024u;
const GROUP: u32 = 64u; // threads of brightness_mean, which decide the order of its sum
const SAMPLING: u32 = 0u; // tune
const BLOCK: u32 = 256u;

const WHOLE: u32 = 0u;
const BILINEAR: u32 = 1u;
const NONE: u32 = 0xffffffffu;
const HEAD: u32 = 2u;    // words before the rows of batches and epochs
const AUGMENT: u32 = 5u; // the stream's number
const INFINITY_BITS: u32 = 0x7f800000u;

// What is drawn for an image.
struct Drawn {
  row: u32, // NONE where there is no image
  top: i32, left: i32,   // the crop's offset
  is_mirrored: u32,
  shift_y: i32, shift_x: i32,
  turned: vec2f,         // cos / zoom, sin / zoom
  cut_y: i32, cut_x: i32, // the first pixel of the square
  brightness: f32, contrast: f32,
}

var<workgroup> sums: array<f32, GROUP>;

// The high and the low half of a product, from halves of 16 bits.
fn multiply(a: u32, b: u32) -> vec2u {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (middle & 0xffffu);
  return vec2u(a_high * b_high + (middle >> 16u) + (carry >> 16u), a * b);
}

// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011).
fn philox(counter: vec4u, seed: vec2u) -> vec4u {
  var c = counter;
  var key = seed;
  for (var round = 0u; round < 10u; round++) {
    let m0 = multiply(0xd2511f53u, c.x);
    let m1 = multiply(0xcd9e8d57u, c.z);
    c = vec4u(m1.x ^ c.y ^ key.x, m1.y, m0.x ^ c.w ^ key.y, m0.y);
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// A whole number from -most to most.
fn around_0(word: u32, most: u32) -> i32 {
  return i32(multiply(word, 2u * most + 1u).x) - i32(most);
}

// Uniform on [0, 1).
fn uniform_of(word: u32) -> f32 {
  return f32(word >> 8u) * 5.9604644775390625e-8; // 2^-24
}

// cos and sin of 2 pi t, |t| <= 1 / 2: a quarter's number, and Taylor's series to the powers 10 and 9 for the rest, |angle| <= pi / 4.
fn turn(t: f32) -> vec2f {
  let quarter = floor(4.0 * t + 0.5);
  let angle = (t - 0.25 * quarter) * 6.28318531;
  let q = angle * angle;
  let c = 1.0 + q * (-0.5 + q * (0.0416666667 + q * (-0.00138888889 + q * (0.0000248015873 - q * 2.75573192e-7))));
  let s = angle * (1.0 + q * (-0.166666667 + q * (0.00833333333 + q * (-0.000198412698 + q * 2.75573192e-6))));
  switch (i32(quarter) & 3) {
    case 1: { return vec2f(-s, c); }
    case 2: { return vec2f(-c, -s); }
    case 3: { return vec2f(s, -c); }
    default: { return vec2f(c, s); }
  }
}

// The row of a batch's n-th image.
fn row_of(n: u32) -> u32 {
  var entry = params.first + n;
  if (params.stride > 0u) {
    entry += params.stride * batches[HEAD + min(replay.step * batches[1] + params.which, batches[0] - 1u)];
  }
  if (entry >= params.length) {
    return NONE;
  }
  return index[entry];
}

fn draw(row: u32) -> Drawn {
  if (row == NONE || params.blocks == 0u) {
    return Drawn(row, 0, 0, 0u, 0, 0, vec2f(1.0, 0.0), 0, 0, 1.0, 1.0);
  }
  let at = HEAD + 3u * min(replay.step * epochs[1] + params.which_epoch, epochs[0] - 1u);
  let epoch = epochs[at];
  let seed = vec2u(epochs[at + 1u], epochs[at + 2u]);
  var words: array<vec4u, 3>;
  for (var block = 0u; block < 3u; block++) {
    if (((params.blocks >> block) & 1u) != 0u) { words[block] = philox(vec4u(row, block, epoch, AUGMENT), seed); }
  }
  let first = words[0];
  let second = words[1];
  let third = words[2];
  let turns = params.rotate * (2.0 * uniform_of(first.w) - 1.0);
  let zoom = params.zoom + params.zoom_span * uniform_of(second.x);
  let before = i32(params.cutout / 2u);
  return Drawn(
    row,
    around_0(first.x, params.padding), around_0(first.y, params.padding),
    select(0u, 1u, (first.z >> 1u) < params.flip),
    around_0(second.y, params.shift_y), around_0(second.z, params.shift_x),
    turn(turns) * (1.0 / zoom),
    i32(multiply(third.x, params.H).x) - before, i32(multiply(third.y, params.W).x) - before,
    params.brightness + params.brightness_span * uniform_of(third.z),
    params.contrast + params.contrast_span * uniform_of(third.w),
  );
}

// The pixels that a place is made of: where they are in a channel, -1 outside of the image, and the weights of the second row and column.
struct Pixels {
  at: vec4i,
  lower: f32, right: f32,
}

fn inside(i: i32, size: u32) -> i32 {
  let n = i32(size);
  if (i >= 0 && i < n) { return i; }
  if (params.reflect == 0u) { return -1; }
  if (n == 1) { return 0; }
  let period = 2 * (n - 1);
  let r = (i % period + period) % period;
  return min(r, period - r);
}

// Where a row and a column of the image meet; -1 if one of them is.
fn at_of(row: i32, column: i32) -> i32 {
  return select(row * i32(params.W) + column, -1, min(row, column) < 0);
}

fn pixels_of(d: Drawn, y: u32, column: u32) -> Pixels {
  let dy = i32(y) - d.shift_y;
  let dx = i32(column) - d.shift_x;
  if (SAMPLING == WHOLE) {
    let sx = d.left + select(dx, i32(params.W) - 1 - dx, d.is_mirrored != 0u);
    return Pixels(vec4i(at_of(inside(dy + d.top, params.H), inside(sx, params.W)), -1, -1, -1), 0.0, 0.0);
  }
  let middle = 0.5 * vec2f(f32(params.W) - 1.0, f32(params.H) - 1.0);
  let v = vec2f(f32(dx), f32(dy)) - middle;
  var along = vec2f(d.turned.x * v.x + d.turned.y * v.y, d.turned.x * v.y - d.turned.y * v.x);
  if (d.is_mirrored != 0u) { along.x = -along.x; }
  let s = along + middle + vec2f(f32(d.left), f32(d.top));
  if (SAMPLING != BILINEAR) {
    let nearest = vec2i(floor(s + 0.5));
    return Pixels(vec4i(at_of(inside(nearest.y, params.H), inside(nearest.x, params.W)), -1, -1, -1), 0.0, 0.0);
  }
  let corner = floor(s);
  let weight = s - corner;
  let i = vec2i(corner);
  let rows = vec2i(inside(i.y, params.H), inside(i.y + 1, params.H));
  let columns = vec2i(inside(i.x, params.W), inside(i.x + 1, params.W));
  let upper = vec2i(at_of(rows.x, columns.x), at_of(rows.x, columns.y));
  return Pixels(vec4i(upper, at_of(rows.y, columns.x), at_of(rows.y, columns.y)), weight.y, weight.x);
}

fn word_at(base: u32, at: i32) -> u32 {
  if (at < 0) { return 0u; }
  return x[base + u32(at)];
}

fn between(base: u32, a: i32, b: i32, l: f32) -> f32 {
  let v = bitcast<f32>(word_at(base, a));
  if (l > 0.0) { return (1.0 - l) * v + l * bitcast<f32>(word_at(base, b)); }
  return v;
}

// A place of a channel of the image.
fn image_at(base: u32, p: Pixels) -> u32 {
  if (SAMPLING != BILINEAR) { return word_at(base, p.at.x); }
  var v = between(base, p.at.x, p.at.y, p.right);
  if (p.lower > 0.0) { v = (1.0 - p.lower) * v + p.lower * between(base, p.at.z, p.at.w, p.right); }
  return bitcast<u32>(v);
}

// NaN stays, by its bits: a driver may assume that there is none.
fn clamped(v: f32) -> f32 {
  if ((bitcast<u32>(v) & 0x7fffffffu) > INFINITY_BITS) { return v; }
  return clamp(v, 0.0, 1.0);
}

fn brightened(word: u32, d: Drawn) -> f32 {
  let v = bitcast<f32>(word);
  if ((params.jitter & 1u) == 0u) { return v; }
  return clamped(v * d.brightness);
}

fn changed(word: u32, c: u32, d: Drawn, mean: f32) -> u32 {
  if (params.jitter == 0u && params.is_normal == 0u) { return word; }
  var v = brightened(word, d);
  if ((params.jitter & 2u) != 0u) { v = clamped(d.contrast * v + (1.0 - d.contrast) * mean); }
  if (params.is_normal != 0u) { v = (v - channels[c].x) * channels[c].y; }
  return bitcast<u32>(v);
}

fn is_cut(d: Drawn, y: u32, column: u32) -> bool {
  // Below the first pixel of the square the difference wraps around.
  return u32(i32(y) - d.cut_y) < params.cutout && u32(i32(column) - d.cut_x) < params.cutout;
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  let n = number / params.chunks;
  if (n >= params.N) { return; }
  let d = draw(row_of(n));
  var mean = 0.0;
  if ((params.jitter & 2u) != 0u) { mean = means[n]; }
  let plane = params.H * params.W;
  let start = (number - n * params.chunks) * PLACES;
  let end = min(start + PLACES, plane);
  let down = WG / params.W;
  let over = WG - down * params.W;
  var p = start + local;
  var y = p / params.W;
  var column = p - y * params.W;
  for (; p < end; p += WG) {
    let base = n * params.C * plane;
    let is_zero = d.row == NONE || is_cut(d, y, column);
    let pixels = pixels_of(d, y, column);
    for (var c = 0u; c < params.C; c++) {
      var word = 0u;
      if (!is_zero) { word = changed(image_at(base + c * plane, pixels), c, d, mean); }
      out[base + c * plane + p] = word;
    }
    y += down;
    column += over;
    if (column >= params.W) {
      column -= params.W;
      y++;
    }
  }
}

@compute @workgroup_size(GROUP)
fn brightness_mean(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let n = group.y * groups.x + group.x;
  if (n >= params.N) { return; }
  let d = draw(row_of(n));
  let plane = params.H * params.W;
  let base = n * params.C * plane;
  var sum = 0.0;
  var part = 0.0;
  for (var p = local; p < plane; p += GROUP) {
    let y = p / params.W;
    let pixels = pixels_of(d, y, p - y * params.W);
    var v = brightened(image_at(base, pixels), d);
    if (params.C == 3u) {
      v *= 0.2989;
      v += 0.587 * brightened(image_at(base + plane, pixels), d);
      v += 0.114 * brightened(image_at(base + 2u * plane, pixels), d);
    }
    part += v;
    if ((p / GROUP) % BLOCK == BLOCK - 1u) {
      sum += part;
      part = 0.0;
    }
  }
  sums[local] = sum + part;
  for (var half = GROUP / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { sums[local] += sums[local + half]; }
  }
  if (local == 0u) { means_out[n] = sums[0] * params.inverse; }
}
`

export const average = `// average: running averages of many parameters in one dispatch.
//
//   a += weight * (p - a)       weight 1:  a = p, whatever a was
//
// Equal averages have weight 1 / (n + 1) where n are averaged already, exponential ones 1 - decay.
//
//   p         f32  parameters, anywhere in one buffer
//   a         f32  their averages, anywhere in another
//   table     [ROWS, 3]  u32, a row for each workgroup: the first element in a, the first in p, how many (at most WG * PER)
//   weights   rows of one word, as per_step.ts describes them: the bits of the weight
//
// A workgroup averages what its row says, a thread PER elements.

struct Params {
  rows: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> weights: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> p: array<f32>;
@group(0) @binding(5) var<storage, read_write> a: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 3u;
const HEAD: u32 = 2u; // words before the weights

@compute @workgroup_size(WG)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) { return; }
  let at_a = table[ROW * row];
  let at_p = table[ROW * row + 1u];
  let count = table[ROW * row + 2u];
  let weight = bitcast<f32>(weights[HEAD + min(replay.step * weights[1], weights[0] - 1u)]);
  for (var i = local; i < count; i += WG) {
    let parameter = p[at_p + i];
    var average = parameter;
    if (weight != 1.0) {
      average = a[at_a + i];
      average += weight * (parameter - average);
    }
    a[at_a + i] = average;
  }
}
`

export const avg_pool2d = `// avg_pool2d: the mean of each window, where windows lie side by side without gaps or padding.
//
//   out[p, oh, ow] = Σ x[p, oh·KH + ky, ow·KW + kx] / (KH·KW)
//   dx[p, h, w] = dy[p, h / KH, w / KW] / (KH·KW), or 0 beyond the last window
//
//   x, dx    [planes, H, W]
//   out, dy  [planes, OH, OW]
//
// Sums are of rows, and of these. Windows are taken in strips: STRIP neighbours of a row, fewer at its end; a strip costs two
// divisions.
//
// forward, backward    One thread takes a strip of windows; the last of a row, and those of the last row, take what is beyond.
// forward_pairs, backward_pairs  The same of windows of 2 x 2, where W is even: cells are taken by twos.

struct Params {
  planes: u32,
  H: u32, W: u32,
  OH: u32, OW: u32,
  KH: u32, KW: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> x_pairs: array<vec2f>; // x
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx_pairs: array<vec2f>; // dx

override WG: u32 = 64u;
const STRIP: u32 = 8u;

// The windows of one thread.
struct Strip {
  row: u32, // of windows, counted over all planes; none if beyond the last
  plane: u32,
  oh: u32,
  first: u32, end: u32, // ow
}

fn strip_of(group: vec3u, groups: vec3u, local: u32) -> Strip {
  let strips = (params.OW + STRIP - 1u) / STRIP; // of a row
  let i = (group.y * groups.x + group.x) * WG + local;
  let row = i / strips;
  let first = (i - row * strips) * STRIP;
  let plane = row / params.OH;
  let in_range = row < params.planes * params.OH;
  return Strip(row, plane, row - plane * params.OH, first, select(first, min(first + STRIP, params.OW), in_range));
}

fn count() -> f32 { return f32(params.KH * params.KW); }

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let top = (s.plane * params.H + s.oh * params.KH) * params.W;
  for (var ow = s.first; ow < s.end; ow++) {
    var sum = 0.0;
    for (var ky = 0u; ky < params.KH; ky++) {
      let first = top + ky * params.W + ow * params.KW;
      var of_row = 0.0;
      for (var i = first; i < first + params.KW; i++) { of_row += x[i]; }
      sum += of_row;
    }
    out[s.row * params.OW + ow] = sum / count();
  }
}

@compute @workgroup_size(WG)
fn forward_pairs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let upper = (s.plane * params.H + 2 * s.oh) * params.OW; // W is 2·OW
  for (var ow = s.first; ow < s.end; ow++) {
    let both = x_pairs[upper + ow] + x_pairs[upper + params.OW + ow];
    out[s.row * params.OW + ow] = (both.x + both.y) / 4.0;
  }
}

// After the last row of windows a strip takes the rows below, too.
fn last_row(s: Strip) -> u32 {
  return select((s.oh + 1u) * params.KH, params.H, s.oh + 1u == params.OH);
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let plane = s.plane * params.H;
  for (var ow = s.first; ow < s.end; ow++) {
    let g = dy[s.row * params.OW + ow] / count();
    let right = (ow + 1u) * params.KW;
    let end = select(right, params.W, ow + 1u == params.OW);
    for (var h = s.oh * params.KH; h < last_row(s); h++) {
      let below = h >= params.OH * params.KH;
      for (var w = ow * params.KW; w < end; w++) {
        dx[(plane + h) * params.W + w] = select(g, 0.0, below || w >= right);
      }
    }
  }
}

@compute @workgroup_size(WG)
fn backward_pairs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let upper = (s.plane * params.H + 2 * s.oh) * params.OW;
  for (var ow = s.first; ow < s.end; ow++) {
    let g = vec2f(dy[s.row * params.OW + ow] / 4.0);
    dx_pairs[upper + ow] = g;
    dx_pairs[upper + params.OW + ow] = g;
  }
  // Below the last window there may be one row.
  if (params.H == 2 * params.OH || s.oh + 1 < params.OH) { return; }
  for (var ow = s.first; ow < s.end; ow++) { dx_pairs[upper + 2 * params.OW + ow] = vec2f(); }
}
`

export const batch_norm = `// batch_norm: normalises each channel by the mean and the variance of its values, those of the batch or running ones.
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
`

export const binary = `// binary: one function of two tensors, element by element, chosen by OP; shapes broadcast as NumPy's do.
//
//   forward     out[i] = f(a[i], b[i])            where: c[i] != 0 ? a[i] : b[i]
//   compare     out[i] = 1 or 0, in bytes
//   compare_integers  as compare, of int32 or bytes
//   backward_a  out[i] = dy[i] * df/da
//   backward_b  out[i] = dy[i] * df/db
//
//   out, dy  [size], flat, as vectors of four; a tensor's memory ends with a whole vector, behind the last element nothing is written
//   a, b, c  RANK 0: as out, flat, the same shape. RANK 1 to 8: the element at i is found by the sizes n0 (the last
//            dimension), n1, … and a stride for each, 0 where the tensor is broadcast
//   bytes    as words of four; c, the condition of where, has bytes too
//   left, right  a and b of compare_integers: int32, or bytes as words of four where BYTES_LEFT, BYTES_RIGHT is 1
//
// NUMBER 1: a is params.number, of integers params.whole; 2: b is. One thread computes PER elements. NaN in a or b gives a NaN of the same bits; a
// comparison with it is false, \`ne\` true. Equal elements share the gradient of maximum and minimum by halves.

struct Params {
  size: u32,
  number: f32,
  whole: i32,
  n0: u32,
  n1: u32,
  n2: u32,
  n3: u32,
  n4: u32,
  n5: u32,
  n6: u32,
  n7: u32,
  a0: u32,
  a1: u32,
  a2: u32,
  a3: u32,
  a4: u32,
  a5: u32,
  a6: u32,
  a7: u32,
  b0: u32,
  b1: u32,
  b2: u32,
  b3: u32,
  b4: u32,
  b5: u32,
  b6: u32,
  b7: u32,
  c0: u32,
  c1: u32,
  c2: u32,
  c3: u32,
  c4: u32,
  c5: u32,
  c6: u32,
  c7: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> c: array<u32>;
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> bytes: array<u32>;
@group(0) @binding(7) var<storage, read> left: array<u32>;
@group(0) @binding(8) var<storage, read> right: array<u32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const OP: u32 = 0u; // tune
const RANK: u32 = 0u; // tune
const NUMBER: u32 = 0u; // tune
const BYTES_LEFT: u32 = 0u; // tune
const BYTES_RIGHT: u32 = 0u; // tune

const ADD: u32 = 0u;
const SUB: u32 = 1u;
const MUL: u32 = 2u;
const DIV: u32 = 3u;
const POW: u32 = 4u;
const MAXIMUM: u32 = 5u;
const MINIMUM: u32 = 6u;
const WHERE: u32 = 7u;
const EQ: u32 = 8u;
const NE: u32 = 9u;
const LT: u32 = 10u;
const LE: u32 = 11u;
const GT: u32 = 12u;
const GE: u32 = 13u;

const INFINITY_BITS: u32 = 0x7f800000u;
const VANISHED: f32 = 128.0; // exp(-VANISHED) is 0 in float32, exp(VANISHED) infinite

// Not constants, since WGSL has none of these: the size of a tensor is below 2^31, which the compiler does not know.
fn nan() -> f32 { return bitcast<f32>(0x7fc00000u | (params.size >> 31u)); }
fn inf() -> f32 { return bitcast<f32>(INFINITY_BITS | (params.size >> 31u)); }

// By its bits, since a driver may assume that there is no NaN and no infinity.
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > INFINITY_BITS; }
fn is_infinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) == INFINITY_BITS; }
fn is_negative(v: f32) -> bool { return (bitcast<u32>(v) & 0x80000000u) != 0u; }

fn exp_of(v: f32) -> f32 {
  if (v > 89.0) { return inf(); }
  return exp(max(v, -VANISHED));
}

fn sqrt_of(v: f32) -> f32 {
  if (v < 0.0) { return nan(); }
  if (v == 0.0 || is_infinite(v)) { return v; }
  return sqrt(v);
}

fn reciprocal_of(v: f32) -> f32 {
  if (v == 0.0) { return select(inf(), -inf(), is_negative(v)); }
  if (is_infinite(v)) { return bitcast<f32>(bitcast<u32>(v) & 0x80000000u); } // 0 of its sign
  return 1.0 / v;
}

fn whole(y: f32) -> bool { return abs(y) >= 8388608.0 || floor(y) == y; }
fn odd(y: f32) -> bool { return abs(y) < 16777216.0 && whole(y) && (u32(abs(y)) & 1u) == 1u; }

// v to the power of y, as C's pow has it. Whole exponents up to 64 by products; others by exp(y log |v|).
fn pow_of(v: f32, y: f32) -> f32 {
  if (y == 0.0) { return 1.0; }
  if (y == 0.5 && !is_infinite(v)) { return sqrt_of(v + 0.0); }
  if (abs(y) <= 64.0 && whole(y)) {
    var n = u32(abs(y));
    var power = v;
    var product = 1.0;
    loop {
      if ((n & 1u) == 1u) { product *= power; }
      n >>= 1u;
      if (n == 0u) { break; }
      power *= power;
    }
    if (y > 0.0) { return product; }
    return reciprocal_of(product);
  }
  let negative = is_negative(v) && odd(y);
  if (v == 0.0) {
    let r = select(inf(), 0.0, y > 0.0);
    return select(r, -r, negative);
  }
  if (is_infinite(v)) {
    let r = select(0.0, inf(), y > 0.0);
    return select(r, -r, negative);
  }
  if (v < 0.0 && !whole(y)) { return nan(); }
  let r = exp_of(y * log(abs(v)));
  return select(r, -r, negative);
}

fn quotient(v: f32, w: f32) -> f32 {
  if (is_nan(v)) { return v; }
  if (is_nan(w)) { return w; }
  let negative = is_negative(v) != is_negative(w);
  if (w == 0.0) {
    if (v == 0.0) { return nan(); }
    return select(inf(), -inf(), negative);
  }
  if (is_infinite(w)) {
    if (is_infinite(v)) { return nan(); }
    return bitcast<f32>((bitcast<u32>(v) ^ bitcast<u32>(w)) & 0x80000000u); // 0 of the quotient's sign
  }
  if (is_infinite(v)) { return select(inf(), -inf(), negative); }
  return v / w;
}

fn power(v: f32, w: f32) -> f32 {
  if (is_nan(v)) { return v; }
  if (is_nan(w)) { return w; }
  return pow_of(v, w);
}

fn natural_log(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  if (v == 0.0) { return -inf(); }
  if (v < 0.0) { return nan(); }
  if (is_infinite(v)) { return v; }
  return log(v);
}

fn value(v: f32, w: f32, chosen: bool) -> f32 {
  if (OP == WHERE) { return select(w, v, chosen); }
  if (is_nan(v)) { return v; }
  if (is_nan(w)) { return w; }
  switch OP {
    case ADD: { return v + w; }
    case SUB: { return v - w; }
    case MUL: { return v * w; }
    case DIV: { return quotient(v, w); }
    case POW: { return pow_of(v, w); }
    case MAXIMUM: { return select(w, v, v > w); }
    default: { return select(w, v, v < w); }
  }
}

fn holds(v: f32, w: f32) -> bool {
  if (is_nan(v) || is_nan(w)) { return OP == NE; }
  switch OP {
    case EQ: { return v == w; }
    case NE: { return v != w; }
    case LT: { return v < w; }
    case LE: { return v <= w; }
    case GT: { return v > w; }
    default: { return v >= w; }
  }
}

fn holds_of_integers(v: i32, w: i32) -> bool {
  switch OP {
    case EQ: { return v == w; }
    case NE: { return v != w; }
    case LT: { return v < w; }
    case LE: { return v <= w; }
    case GT: { return v > w; }
    default: { return v >= w; }
  }
}

// What an element of maximum or minimum passes to the side that \`first\` says is chosen.
fn share(v: f32, w: f32, g: f32, first: bool) -> f32 {
  if (is_nan(v)) { return v; }
  if (is_nan(w)) { return w; }
  if (v == w) { return 0.5 * g; }
  return select(0.0, g, first);
}

fn gradient_a(v: f32, w: f32, chosen: bool, g: f32) -> f32 {
  switch OP {
    case MUL: { return g * w; }
    case DIV: { return quotient(g, w); }
    case POW: {
      if (w == 0.0) { return select(0.0, v, is_nan(v)); }
      return g * (w * power(v, w - 1.0));
    }
    case MAXIMUM: { return share(v, w, g, v > w); }
    case MINIMUM: { return share(v, w, g, v < w); }
    case WHERE: { return select(0.0, g, chosen); }
    default: { return g; }
  }
}

fn gradient_b(v: f32, w: f32, chosen: bool, g: f32) -> f32 {
  switch OP {
    case SUB: { return -g; }
    case MUL: { return g * v; }
    case DIV: { return -g * quotient(quotient(v, w), w); }
    case POW: {
      if (v == 0.0 && w >= 0.0 && !is_nan(w)) { return 0.0; }
      return g * (power(v, w) * natural_log(v));
    }
    case MAXIMUM: { return share(v, w, g, w > v); }
    case MINIMUM: { return share(v, w, g, w < v); }
    case WHERE: { return select(g, 0.0, chosen); }
    default: { return g; }
  }
}

// Where the element at i of the output finds its own in a, b and c.
fn places(i: u32) -> vec3u {
  var n = array<u32, 8>(params.n0, params.n1, params.n2, params.n3, params.n4, params.n5, params.n6, params.n7);
  var strides = array<vec3u, 8>(
    vec3u(params.a0, params.b0, params.c0), vec3u(params.a1, params.b1, params.c1),
    vec3u(params.a2, params.b2, params.c2), vec3u(params.a3, params.b3, params.c3),
    vec3u(params.a4, params.b4, params.c4), vec3u(params.a5, params.b5, params.c5),
    vec3u(params.a6, params.b6, params.c6), vec3u(params.a7, params.b7, params.c7),
  );
  var rest = i;
  var at = vec3u();
  for (var k = 0u; k + 1u < RANK; k++) {
    let next = rest / n[k];
    at += (rest - next * n[k]) * strides[k];
    rest = next;
  }
  return at + rest * strides[max(RANK, 1u) - 1u];
}

fn byte_of(word: u32, i: u32) -> bool { return ((word >> (8u * (i & 3u))) & 0xffu) != 0u; }

struct Four {
  a: vec4f,
  b: vec4f,
  c: vec4<bool>,
}

// The operands of the elements from 4 i on; beyond the last element some that are there.
fn operands(i: u32) -> Four {
  var four: Four;
  if (RANK == 0u) {
    if (NUMBER == 1u) { four.a = vec4f(params.number); } else { four.a = a[i]; }
    if (NUMBER == 2u) { four.b = vec4f(params.number); } else { four.b = b[i]; }
    if (OP == WHERE) {
      let word = c[i];
      four.c = vec4<bool>(byte_of(word, 0u), byte_of(word, 1u), byte_of(word, 2u), byte_of(word, 3u));
    }
    return four;
  }
  // Divisions are dear on drivers for the processor: four elements of one row need those of one.
  let together = RANK == 1u || (params.n0 & 3u) == 0u;
  var at = places(4u * i);
  for (var k = 0u; k < 4u; k++) {
    if (k > 0u) {
      let e = min(4u * i + k, params.size - 1u);
      if (together) { at += select(vec3u(), vec3u(params.a0, params.b0, params.c0), e == 4u * i + k); } else { at = places(e); }
    }
    if (NUMBER == 1u) { four.a[k] = params.number; } else { four.a[k] = a[at.x >> 2u][at.x & 3u]; }
    if (NUMBER == 2u) { four.b[k] = params.number; } else { four.b[k] = b[at.y >> 2u][at.y & 3u]; }
    if (OP == WHERE) { four.c[k] = byte_of(c[at.z >> 2u], at.z); }
  }
  return four;
}

fn write(i: u32, v: vec4f) {
  if (4u * i + 4u <= params.size) {
    out[i] = v;
    return;
  }
  for (var k = 0u; 4u * i + k < params.size; k++) { out[i][k] = v[k]; }
}

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
    let v = operands(i);
    write(i, vec4f(
      value(v.a.x, v.b.x, v.c.x), value(v.a.y, v.b.y, v.c.y), value(v.a.z, v.b.z, v.c.z), value(v.a.w, v.b.w, v.c.w),
    ));
  }
}

@compute @workgroup_size(WG)
fn compare(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    let v = operands(i);
    let truth = vec4u(vec4<bool>(
      holds(v.a.x, v.b.x), holds(v.a.y, v.b.y), holds(v.a.z, v.b.z), holds(v.a.w, v.b.w),
    ));
    bytes[i] = truth.x | (truth.y << 8u) | (truth.z << 16u) | (truth.w << 24u);
  }
}

fn left_at(j: u32) -> i32 {
  if (BYTES_LEFT == 1u) { return i32((left[j >> 2u] >> (8u * (j & 3u))) & 0xffu); }
  return bitcast<i32>(left[j]);
}

fn right_at(j: u32) -> i32 {
  if (BYTES_RIGHT == 1u) { return i32((right[j >> 2u] >> (8u * (j & 3u))) & 0xffu); }
  return bitcast<i32>(right[j]);
}

@compute @workgroup_size(WG)
fn compare_integers(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    var word = 0u;
    for (var k = 0u; k < 4u; k++) {
      let e = min(4u * i + k, params.size - 1u);
      var at = vec3u(e);
      if (RANK > 0u) { at = places(e); }
      var v = params.whole;
      var w = params.whole;
      if (NUMBER != 1u) { v = left_at(at.x); }
      if (NUMBER != 2u) { w = right_at(at.y); }
      word |= select(0u, 1u, holds_of_integers(v, w)) << (8u * k);
    }
    bytes[i] = word;
  }
}

@compute @workgroup_size(WG)
fn backward_a(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    let v = operands(i);
    let g = dy[i];
    write(i, vec4f(
      gradient_a(v.a.x, v.b.x, v.c.x, g.x), gradient_a(v.a.y, v.b.y, v.c.y, g.y),
      gradient_a(v.a.z, v.b.z, v.c.z, g.z), gradient_a(v.a.w, v.b.w, v.c.w, g.w),
    ));
  }
}

@compute @workgroup_size(WG)
fn backward_b(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    let v = operands(i);
    let g = dy[i];
    write(i, vec4f(
      gradient_b(v.a.x, v.b.x, v.c.x, g.x), gradient_b(v.a.y, v.b.y, v.c.y, g.y),
      gradient_b(v.a.z, v.b.z, v.c.z, g.z), gradient_b(v.a.w, v.b.w, v.c.w, g.w),
    ));
  }
}
`

export const clip = `// clip: makes gradients smaller in place, all of them by one factor or each element by itself. One dispatch covers those that
// lie in one buffer.
//
//   norm[0] = sqrt(sum of g[i]^2 over all gradients), or their largest |g[i]|
//   scale:  g[i] = g[i] * min(limit / (norm[0] + 1e-6), 1)
//   clamp:  g[i] = min(max(g[i], -limit), limit)
//
//   g      gradients that are changed, anywhere in one buffer
//   table  [ROWS, 3]  u32, a row for each workgroup: the first element in g (or x), its number, how many (at most BLOCK). Numbers
//                     count elements, those of one gradient after those of another; each begins at a multiple of BLOCK
//   x      what is only read: for partial gradients, as in g
//   sums   [BLOCKS]  a partial result for each BLOCK elements, in the order of their numbers, as bits: the sum of squares, or
//                    the largest |g[i]|. So it does not matter which gradients lie together
//   norm   [1]     as bits
//
// A NaN in any gradient makes the norm NaN, and with it every element. An infinity, or squares that overflow, make the norm
// infinite and the factor 0: finite elements become 0, infinite ones NaN. clamp leaves a NaN as it is. With keep = 1 a norm
// of NaN leaves all gradients as they are, and clamp leaves infinities: what looks at them later finds the one that is bad.
//
// partial   A workgroup makes the partial result of its row; its first thread adds up what the others have, in order.
// total     One workgroup makes the norm of all partial results, in the same way.
// scale     A workgroup changes what its row says.
// clamp_elements
//           Likewise.

struct Params {
  size: u32,     // rows; for total partial results
  first: u32,    // where in sums the partial result of number 0 is
  infinite: u32, // 1 for the largest |g[i]|
  limit: f32,
  keep: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> g: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<u32>;
@group(0) @binding(5) var<storage, read_write> norm: array<u32>;

override WG: u32 = 64u;
const ROW: u32 = 3u;
// A change of these changes the bits of the norm.
const BLOCK: u32 = 1024u;
const GROUP: u32 = 64u;
const TOTAL_GROUP: u32 = 256u;
const INFINITY_BITS: u32 = 0x7f800000u;

var<workgroup> found: array<u32, TOTAL_GROUP>;

// A row of the table; past its end one without elements.
struct Row {
  at: u32, number: u32, count: u32,
}

fn read_row(group: vec3u, groups: vec3u) -> Row {
  let i = group.y * groups.x + group.x;
  if (i >= params.size) {
    return Row(0u, 0u, 0u);
  }
  return Row(table[ROW * i], table[ROW * i + 1u], table[ROW * i + 2u]);
}

// Of numbers without a sign the larger one has the larger bits, an infinity larger ones than all, a NaN larger ones still.
fn size_bits(v: f32) -> u32 {
  return bitcast<u32>(v) & 0x7fffffffu;
}

fn together(a: u32, b: u32) -> u32 {
  if (params.infinite == 1u) { return max(a, b); }
  return bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
}

fn term(v: f32) -> u32 {
  if (params.infinite == 1u) { return size_bits(v); }
  return bitcast<u32>(v * v);
}

// The first so many of \`found\`, in order.
fn all_found(count: u32) -> u32 {
  var sum = found[0];
  for (var k = 1u; k < count; k++) {
    sum = together(sum, found[k]);
  }
  return sum;
}

@compute @workgroup_size(GROUP)
fn partial(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = read_row(group, groups);
  var sum = 0u;
  for (var i = local; i < row.count; i += GROUP) {
    sum = together(sum, term(x[row.at + i]));
  }
  found[local] = sum;
  workgroupBarrier();
  if (local == 0u && row.count > 0u) {
    sums[params.first + row.number / BLOCK] = all_found(GROUP);
  }
}

@compute @workgroup_size(TOTAL_GROUP)
fn total(@builtin(local_invocation_index) local: u32) {
  var sum = 0u;
  for (var i = local; i < params.size; i += TOTAL_GROUP) {
    sum = together(sum, sums[i]);
  }
  found[local] = sum;
  workgroupBarrier();
  if (local != 0u) { return; }
  sum = all_found(TOTAL_GROUP);
  // An adapter may make sqrt of an infinity a NaN.
  if (params.infinite == 0u && sum != 0u && sum < INFINITY_BITS) {
    sum = bitcast<u32>(sqrt(bitcast<f32>(sum)));
  }
  norm[0] = sum;
}

fn factor() -> f32 {
  let bits = norm[0];
  if (bits > INFINITY_BITS) { return select(bitcast<f32>(bits), 1.0, params.keep == 1u); }
  if (bits == INFINITY_BITS) { return 0.0; }
  let divisor = bitcast<f32>(bits) + 1e-6;
  return select(params.limit / divisor, 1.0, params.limit >= divisor);
}

@compute @workgroup_size(WG)
fn scale(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let by = factor();
  let row = read_row(group, groups);
  for (var i = local; i < row.count; i += WG) {
    g[row.at + i] *= by;
  }
}

@compute @workgroup_size(WG)
fn clamp_elements(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = read_row(group, groups);
  let limit = bitcast<u32>(params.limit);
  for (var i = local; i < row.count; i += WG) {
    let v = g[row.at + i];
    let size = size_bits(v);
    let stays = size <= limit || size > INFINITY_BITS || (params.keep == 1u && size == INFINITY_BITS);
    if (!stays) { g[row.at + i] = bitcast<f32>((bitcast<u32>(v) & 0x80000000u) | limit); }
  }
}
`

export const conv2d = `// Convolution in two dimensions (cross-correlation, as in every deep-learning library), NCHW, any stride, padding and dilation,
// and its transpose.
//
//   y[n,f,oy,ox]  = bias[f] + sum over c,ky,kx of x[n,c, oy*SH + ky*DH - PH, ox*SW + kx*DW - PW] * w[f,c,ky,kx]
//   dx[n,c,iy,ix] = sum over f,ky,kx of dy[n,f,oy,ox] * w[f,c,ky,kx], where oy*SH + ky*DH - PH = iy and likewise for ox
//   dw[f,c,ky,kx] = sum over n,oy,ox of x[n,c, oy*SH + ky*DH - PH, ox*SW + kx*DW - PW] * dy[n,f,oy,ox]
//   db[f]         = sum over n,oy,ox of dy[n,f,oy,ox]
// Cells outside the image add nothing, whatever the weight or gradient they would meet. Channels and filters may be in groups: the
// first CG channels and FG filters, the next ones, and so on. A filter sees the channels of its group; c of w counts within it.
//
// Letters: N images, C input channels, H W input rows and columns, F filters, CG FG channels and filters of a group (C and F
// where there is one), KH KW kernel, OH OW output, S stride, P padding, D dilation. Every entry point takes the same Params. PX,
// LANES and the other tuning constants are explained where they stand.
//
// A block is OCB output channels of one group, or what is left of it.
//
// Entry point          threads (one-dimensional; the group index is group.y * groups.x + group.x)
// pack_forward         blocks * ins*KH*KW * ceil(OCB/4): one vec4f of packed: [filter block][c][ky][kx][ceil(OCB/4)]
// pack_backward_input  blocks * ins*KH*KW * ceil(OCB/4): the same, c and f exchanged and the kernel turned by 180°
// forward              workgroups: ceil(N*OH*ceil(OW/PX) / WG) * blocks; a thread makes PX neighbours of OCB filters
// backward_input       workgroups: ceil(N*H*ceil(W/PX) / WG) * blocks; the same, over dx
// backward_weight      ceil(parts/lanes)*lanes * F/FG * ceil(FG/DW_OC) * CG * ceil(KH/DW_TY) * ceil(KW/DW_TX): a thread sums
//                      DW_OC filters by DW_TY x DW_TX taps of an input channel for one part of the sum
// reduce               F*CG*KH*KW + F: one element of dw or db: \`parts\` sums added in index order
// reduce_weight        F*CG*KH*KW: the same for dw alone (a convolution without bias)
//
// A *part* of the sums over n, oy, ox: of the rows of a block of IMAGES images, which are n*OH + oy, those of a piece of
// pieceRows rows; of these every LANES-th; of each, a segment of TERMS columns. Parts are numbered by block, piece, segment and
// lane, the lane last. So a part adds at most TERMS products, and is the same however many images there are.
//
// Bindings, group 0 (an entry point uses those named beside it)
//   0 params          all
//   1 src             forward, backward_weight: x [N,C,H,W]; backward_input: dy [N,F,OH,OW]
//   2 weight          pack_*: w [F,CG,KH,KW]
//   3 packed          pack_*: written; at least 65,536 bytes, as the uniform binding wants them all
//   4 weights_small   forward, backward_input: 65,536 bytes of packed from firstBlock's on (used if WEIGHTS_UNIFORM is 1)
//   5 weights_large   forward, backward_input: packed from firstBlock's on (used if WEIGHTS_UNIFORM is 0)
//   6 bias            forward: [F]; backward_input, which is a transposed convolution then: [C]; null where hasBias is 0
//   7 dst             forward: y [N,F,OH,OW]; backward_input: dx [N,C,H,W]
//   8 dy              backward_weight: [N,F,OH,OW]
//   9 partial         backward_weight: written, [parts, F*CG*KH*KW + F]
//  10 sums            reduce*: [parts, F*CG*KH*KW + F]
//  11 dw              reduce*: [F,CG,KH,KW]
//  12 db              reduce: [F]
//
// The fast loops read cells outside the image as 0 and multiply them. That is exact while all numbers are finite; a sum that
// is not finite is made again with those cells left out, so that NaN and Inf reach the outputs they belong to and no others.

struct Params {
  N: u32, C: u32, H: u32, W: u32,
  F: u32, KH: u32, KW: u32, OH: u32, OW: u32,
  SH: u32, SW: u32, PH: u32, PW: u32, DH: u32, DW: u32,
  hasBias: u32,
  CG: u32, FG: u32,
  // forward, backward_input and pack_*: the blocks that a dispatch makes. packed and weights_* begin with the first one's.
  firstBlock: u32, blocks: u32,
  // The same: the input channels of a group that are summed over. packed has the weights of these.
  in0: u32, ins: u32,
  // backward_weight: how the rows of a block of images are cut into parts.
  pieces: u32, pieceRows: u32, segments: u32,
  // backward_weight: the parts that a dispatch makes; \`lanes\` is LANES, or parts where that is less. reduce*: those it adds.
  firstPart: u32, parts: u32, lanes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> packed: array<vec4f>;
@group(0) @binding(4) var<uniform> weights_small: array<vec4f, 4096>;
@group(0) @binding(5) var<storage, read> weights_large: array<vec4f>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> dst: array<f32>;
@group(0) @binding(8) var<storage, read> dy: array<f32>;
@group(0) @binding(9) var<storage, read_write> partial: array<f32>;
@group(0) @binding(10) var<storage, read> sums: array<f32>;
@group(0) @binding(11) var<storage, read_write> dw: array<f32>;
@group(0) @binding(12) var<storage, read_write> db: array<f32>;

override WG: u32 = 64u;

// forward, backward_input and the pack_* that feeds it, all with the same numbers. PX: neighbours in a row that a thread makes;
// OCB: output channels that it makes; WEIGHTS_UNIFORM 1: read weights_small, where a dispatch's are at most 65,536 bytes;
// KW_FIXED 0: any KW, stride and dilation; otherwise KW must equal it, and SW = DW = 1 (SH and DH are free).
const PX: u32 = 4u; // tune
const OCB: u32 = 8u; // tune
const WEIGHTS_UNIFORM: u32 = 0u; // tune
const KW_FIXED: u32 = 0u; // tune
// backward_weight. IMAGES: images in a block; LANES: threads that share the rows of a piece; DW_OC filters by DW_TY x DW_TX taps: the sums that a thread keeps; DW_SLIDE 1: keep the window of x from one column to the
// next, for SW = DW.
const IMAGES: u32 = 32u; // tune
const LANES: u32 = 8u; // tune
const DW_OC: u32 = 4u; // tune
const DW_TY: u32 = 3u; // tune
const DW_TX: u32 = 3u; // tune
const DW_SLIDE: u32 = 0u; // tune
const TERMS: u32 = 4096u; // a change of it changes the bits of long sums

const OCV = (OCB + 3u) / 4u;
const XN = PX + max(KW_FIXED, 1u) - 1u;

// What forward and backward_input have in common: out[o] = sum of in[(o*step + k*dilate - pad) / part] * weight[k], over
// those k where part divides. ICG and OCG are the channels of a group.
struct Geometry {
  IC: u32, IH: u32, IW: u32, OC: u32, OH: u32, OW: u32, ICG: u32, OCG: u32,
  step: vec2i, dilate: vec2i, pad: vec2i, part: vec2u,
}

fn flat_group(group: vec3u, groups: vec3u) -> u32 {
  return group.y * groups.x + group.x;
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u;
}

// The cell that position t stands for, or -1 if there is none. Integer division is slow on CPU adapters; half a step off the
// integers, the float product rounds down rightly for every t < 2^22.
fn cell(t: i32, part: u32, size: u32) -> i32 {
  let q = i32((f32(t) + 0.5) * (1.0 / f32(part)));
  return select(-1, q, t >= 0 && q * i32(part) == t && q < i32(size));
}

// Where a block lies: its group and its first channel within that.
fn place_of(block: u32, group_channels: u32) -> vec2u {
  let blocks_a_group = (group_channels + OCB - 1u) / OCB;
  let group = block / blocks_a_group;
  return vec2u(group, (block - group * blocks_a_group) * OCB);
}

fn load_weights(i: u32) -> vec4f {
  if (WEIGHTS_UNIFORM == 1u) {
    return weights_small[i];
  }
  return weights_large[i];
}

// One output, channel o of a block, whose weights are the part-th, cells outside left out by control flow: slow, and right for
// NaN and Inf too. ic0: the first input channel of the group.
fn exact_output(g: Geometry, n: u32, ic0: u32, part: u32, o: u32, oy: u32, ox: u32) -> f32 {
  var sum = 0.0;
  for (var ic = params.in0; ic < params.in0 + params.ins; ic++) {
    for (var ky = 0u; ky < params.KH; ky++) {
      let iy = cell(i32(oy) * g.step.y + i32(ky) * g.dilate.y - g.pad.y, g.part.y, g.IH);
      for (var kx = 0u; kx < params.KW; kx++) {
        let ix = cell(i32(ox) * g.step.x + i32(kx) * g.dilate.x - g.pad.x, g.part.x, g.IW);
        if (iy >= 0 && ix >= 0) {
          let tap = ((part * params.ins + ic - params.in0) * params.KH + ky) * params.KW + kx;
          let w = load_weights(tap * OCV + o / 4u)[o % 4u];
          sum += src[((n * g.IC + ic0 + ic) * g.IH + u32(iy)) * g.IW + u32(ix)] * w;
        }
      }
    }
  }
  return sum;
}

fn load_bias(oc: u32) -> f32 {
  let with_bias = params.hasBias != 0u;
  return select(0.0, bias[select(0u, oc, with_bias)], with_bias);
}

fn correlate(g: Geometry, group: u32, lane: u32) {
  let tiles = (g.OW + PX - 1u) / PX;
  let count = params.N * g.OH * tiles;
  let groups_a_block = (count + WG - 1u) / WG;
  let part = min(group / groups_a_block, params.blocks - 1u);
  let place = place_of(params.firstBlock + part, g.OCG);
  let ic0 = place.x * g.ICG;
  let oc0 = place.x * g.OCG + place.y;
  let oc1 = min(oc0 + OCB, (place.x + 1u) * g.OCG);
  let id = (group - part * groups_a_block) * WG + lane;
  let ok = id < count;
  let ox = (id % tiles) * PX;
  let oy = (id / tiles) % g.OH;
  let n = id / (tiles * g.OH);
  let left = i32(ox) * g.step.x - g.pad.x;
  var acc: array<vec4f, PX * OCV>;

  for (var ic = params.in0; ic < params.in0 + params.ins; ic++) {
    for (var ky = 0u; ky < params.KH; ky++) {
      let iy = cell(i32(oy) * g.step.y + i32(ky) * g.dilate.y - g.pad.y, g.part.y, g.IH);
      let row_ok = ok && iy >= 0;
      let row = i32((n * g.IC + ic0 + ic) * g.IH * g.IW) + iy * i32(g.IW);
      let taps = ((part * params.ins + ic - params.in0) * params.KH + ky) * params.KW;
      var xs: array<f32, XN>;
      if (KW_FIXED > 0u) {
        for (var i = 0u; i < XN; i++) {
          let ix = left + i32(i);
          let inside = row_ok && ix >= 0 && ix < i32(g.IW);
          xs[i] = select(0.0, src[select(0u, u32(row + ix), inside)], inside);
        }
        for (var v = 0u; v < OCV; v++) {
          for (var kx = 0u; kx < KW_FIXED; kx++) {
            let w = load_weights((taps + kx) * OCV + v);
            for (var p = 0u; p < PX; p++) {
              acc[p * OCV + v] += xs[p + kx] * w;
            }
          }
        }
      } else {
        for (var kx = 0u; kx < params.KW; kx++) {
          for (var p = 0u; p < PX; p++) {
            let ix = cell(left + i32(p) * g.step.x + i32(kx) * g.dilate.x, g.part.x, g.IW);
            let inside = row_ok && ix >= 0;
            xs[p] = select(0.0, src[select(0u, u32(row + ix), inside)], inside);
          }
          for (var v = 0u; v < OCV; v++) {
            let w = load_weights((taps + kx) * OCV + v);
            for (var p = 0u; p < PX; p++) {
              acc[p * OCV + v] += xs[p] * w;
            }
          }
        }
      }
    }
  }

  var again = false;
  for (var v = 0u; v < OCV; v++) {
    for (var j = 0u; j < 4u; j++) {
      if (v * 4u + j >= OCB) {
        continue;
      }
      let oc = oc0 + v * 4u + j;
      let b = load_bias(min(oc, g.OC - 1u));
      let at = ((n * g.OC + oc) * g.OH + oy) * g.OW + ox;
      for (var p = 0u; p < PX; p++) {
        if (ok && oc < oc1 && ox + p < g.OW) {
          dst[at + p] = acc[p * OCV + v][j] + b;
        }
        again = again || not_finite(acc[p * OCV + v][j]);
      }
    }
  }
  if (ok && again) {
    for (var oc = oc0; oc < oc1; oc++) {
      for (var x = ox; x < min(ox + PX, g.OW); x++) {
        let sum = exact_output(g, n, ic0, part, oc - oc0, oy, x);
        dst[((n * g.OC + oc) * g.OH + oy) * g.OW + x] = sum + load_bias(oc);
      }
    }
  }
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let g = Geometry(
    params.C, params.H, params.W, params.F, params.OH, params.OW, params.CG, params.FG,
    vec2i(i32(params.SW), i32(params.SH)), vec2i(i32(params.DW), i32(params.DH)),
    vec2i(i32(params.PW), i32(params.PH)), vec2u(1u, 1u),
  );
  correlate(g, flat_group(group, groups), lane);
}

// dx at iy gathers dy at (iy + PH - ky*DH) / SH; with the kernel turned round (packed so), ky runs the other way.
@compute @workgroup_size(WG)
fn backward_input(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pad = vec2i(
    i32((params.KW - 1u) * params.DW) - i32(params.PW),
    i32((params.KH - 1u) * params.DH) - i32(params.PH),
  );
  let g = Geometry(
    params.F, params.OH, params.OW, params.C, params.H, params.W, params.FG, params.CG,
    vec2i(1, 1), vec2i(i32(params.DW), i32(params.DH)), pad, vec2u(params.SW, params.SH),
  );
  correlate(g, flat_group(group, groups), lane);
}

fn pack(i: u32, turned: bool) {
  let outs = select(params.FG, params.CG, turned);
  let kernel = params.KH * params.KW;
  if (i >= params.blocks * params.ins * kernel * OCV) {
    return;
  }
  let tap = (i / OCV) % kernel;
  let k = select(tap, kernel - 1u - tap, turned);
  let in = params.in0 + (i / (OCV * kernel)) % params.ins;
  let place = place_of(params.firstBlock + i / (OCV * kernel * params.ins), outs);
  let first = place.y + (i % OCV) * 4u;
  var v = vec4f(0.0);
  for (var j = 0u; j < 4u; j++) {
    let out = first + j;
    if (out < outs && (i % OCV) * 4u + j < OCB) {
      let f = place.x * params.FG + select(out, in, turned);
      let c = select(in, out, turned);
      v[j] = weight[(f * params.CG + c) * kernel + k];
    }
  }
  packed[i] = v;
}

@compute @workgroup_size(WG)
fn pack_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  pack(flat_group(group, groups) * WG + lane, false);
}

@compute @workgroup_size(WG)
fn pack_backward_input(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  pack(flat_group(group, groups) * WG + lane, true);
}

// Where one thread of backward_weight works: every LANES-th row from r0 to r1 of the images from n0 on, columns ox0 to ox1;
// filters f0 to f1, channel c of their group, which is the channel-th of all, taps ky0 .., kx0 .. \`slot\`: its row of partial.
struct Tile {
  n0: u32, r0: u32, r1: u32, ox0: u32, ox1: u32, slot: u32, f0: u32, f1: u32, c: u32, channel: u32, ky0: u32, kx0: u32,
}

// x under tap (ky, kx) of output column ox, 0 outside the image; row is the first element of the row of x, -1 if outside.
fn load_x(row: i32, ox: i32, kx: u32) -> f32 {
  let ix = ox * i32(params.SW) + i32(kx * params.DW) - i32(params.PW);
  let inside = row >= 0 && ix >= 0 && ix < i32(params.W);
  return select(0.0, src[select(0u, u32(row + ix), inside)], inside);
}

fn row_of_x(n: u32, c: u32, oy: u32, ky: u32) -> i32 {
  let iy = i32(oy * params.SH + ky * params.DH) - i32(params.PH);
  return select(-1, i32((n * params.C + c) * params.H * params.W) + iy * i32(params.W), iy >= 0 && iy < i32(params.H));
}

// One partial sum of dw, cells outside left out by control flow.
fn exact_partial(t: Tile, f: u32, ky: u32, kx: u32) -> f32 {
  var sum = 0.0;
  for (var r = t.r0; r < t.r1; r += LANES) {
    let n = t.n0 + r / params.OH;
    let oy = r % params.OH;
    let row = row_of_x(n, t.channel, oy, ky);
    for (var ox = t.ox0; ox < t.ox1; ox++) {
      let ix = i32(ox * params.SW + kx * params.DW) - i32(params.PW);
      if (row >= 0 && ix >= 0 && ix < i32(params.W)) {
        sum += src[row + ix] * dy[((n * params.F + f) * params.OH + oy) * params.OW + ox];
      }
    }
  }
  return sum;
}

@compute @workgroup_size(WG)
fn backward_weight(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = flat_group(group, groups) * WG + lane;
  let tiles_x = (params.KW + DW_TX - 1u) / DW_TX;
  let tiles_y = (params.KH + DW_TY - 1u) / DW_TY;
  let blocks_a_group = (params.FG + DW_OC - 1u) / DW_OC;
  let blocks_f = blocks_a_group * (params.F / params.FG);
  var t: Tile;
  var rest = id;
  t.slot = rest % params.lanes;
  rest /= params.lanes;
  t.kx0 = (rest % tiles_x) * DW_TX;
  rest /= tiles_x;
  t.ky0 = (rest % tiles_y) * DW_TY;
  rest /= tiles_y;
  t.c = rest % params.CG;
  rest /= params.CG;
  let block = rest % blocks_f;
  let g = block / blocks_a_group;
  t.f0 = g * params.FG + (block - g * blocks_a_group) * DW_OC;
  t.f1 = min(t.f0 + DW_OC, (g + 1u) * params.FG);
  t.channel = g * params.CG + t.c;
  rest /= blocks_f;
  t.slot += rest * params.lanes;
  if (t.slot >= params.parts) {
    return;
  }
  let part = params.firstPart + t.slot;
  rest = part / LANES;
  t.ox0 = (rest % params.segments) * TERMS;
  t.ox1 = min(t.ox0 + TERMS, params.OW);
  rest /= params.segments;
  let first_row = (rest % params.pieces) * params.pieceRows;
  t.r0 = first_row + part % LANES;
  t.n0 = rest / params.pieces * IMAGES;
  t.r1 = min(first_row + params.pieceRows, min(IMAGES, params.N - t.n0) * params.OH);

  var acc: array<f32, DW_OC * DW_TY * DW_TX>;
  var acc_b: array<f32, DW_OC>;
  for (var r = t.r0; r < t.r1; r += LANES) {
    let n = t.n0 + r / params.OH;
    let oy = r % params.OH;
    var row: array<i32, DW_TY>;
    for (var j = 0u; j < DW_TY; j++) {
      row[j] = row_of_x(n, t.channel, oy, t.ky0 + j);
    }
    var xs: array<f32, DW_TY * DW_TX>;
    if (DW_SLIDE == 1u) {
      for (var s = 1 - i32(DW_TX); s < 0; s++) {
        for (var j = 0u; j < DW_TY; j++) {
          for (var i = 1u; i < DW_TX; i++) {
            xs[j * DW_TX + i - 1u] = xs[j * DW_TX + i];
          }
          xs[j * DW_TX + DW_TX - 1u] = load_x(row[j], i32(t.ox0) + s, t.kx0 + DW_TX - 1u);
        }
      }
    }
    let dy_row = (n * params.F * params.OH + oy) * params.OW;
    for (var ox = t.ox0; ox < t.ox1; ox++) {
      for (var j = 0u; j < DW_TY; j++) {
        if (DW_SLIDE == 1u) {
          for (var i = 1u; i < DW_TX; i++) {
            xs[j * DW_TX + i - 1u] = xs[j * DW_TX + i];
          }
          xs[j * DW_TX + DW_TX - 1u] = load_x(row[j], i32(ox), t.kx0 + DW_TX - 1u);
        } else {
          for (var i = 0u; i < DW_TX; i++) {
            xs[j * DW_TX + i] = load_x(row[j], i32(ox), t.kx0 + i);
          }
        }
      }
      for (var o = 0u; o < DW_OC; o++) {
        let f = min(t.f0 + o, params.F - 1u);
        let d = dy[dy_row + f * params.OH * params.OW + ox];
        acc_b[o] += d;
        for (var k = 0u; k < DW_TY * DW_TX; k++) {
          acc[o * DW_TY * DW_TX + k] += xs[k] * d;
        }
      }
    }
  }

  let kernel = params.KH * params.KW;
  let weights = params.F * params.CG * kernel;
  let base = t.slot * (weights + params.F);
  var again = false;
  for (var o = 0u; o < DW_OC; o++) {
    let f = t.f0 + o;
    if (f < t.f1) {
      for (var j = 0u; j < DW_TY; j++) {
        for (var i = 0u; i < DW_TX; i++) {
          let v = acc[(o * DW_TY + j) * DW_TX + i];
          again = again || not_finite(v);
          if (t.ky0 + j < params.KH && t.kx0 + i < params.KW) {
            partial[base + (f * params.CG + t.c) * kernel + (t.ky0 + j) * params.KW + t.kx0 + i] = v;
          }
        }
      }
      if (t.c == 0u && t.ky0 == 0u && t.kx0 == 0u) {
        partial[base + weights + f] = acc_b[o];
      }
    }
  }
  if (again) {
    for (var f = t.f0; f < t.f1; f++) {
      for (var ky = t.ky0; ky < min(t.ky0 + DW_TY, params.KH); ky++) {
        for (var kx = t.kx0; kx < min(t.kx0 + DW_TX, params.KW); kx++) {
          partial[base + (f * params.CG + t.c) * kernel + ky * params.KW + kx] = exact_partial(t, f, ky, kx);
        }
      }
    }
  }
}

fn sum_partial(i: u32, stride: u32) -> f32 {
  var sum = 0.0;
  for (var b = 0u; b < params.parts; b++) {
    sum += sums[b * stride + i];
  }
  return sum;
}

@compute @workgroup_size(WG)
fn reduce(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = flat_group(group, groups) * WG + lane;
  let weights = params.F * params.CG * params.KH * params.KW;
  if (i < weights) {
    dw[i] = sum_partial(i, weights + params.F);
  } else if (i < weights + params.F) {
    db[i - weights] = sum_partial(i, weights + params.F);
  }
}

@compute @workgroup_size(WG)
fn reduce_weight(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = flat_group(group, groups) * WG + lane;
  let weights = params.F * params.CG * params.KH * params.KW;
  if (i < weights) {
    dw[i] = sum_partial(i, weights + params.F);
  }
}
`

export const conv2d_relu_max_pool2d = `// conv2d, ReLU and max pooling by 2 x 2 windows in one: maxPool2d(relu(conv2d(x, w) + b), 2), NCHW, any stride, padding and
// dilation of the convolution. Its output, four times the result, is never stored.
//
//   z[n,f,cy,cx]  = bias[f] + sum over c,ky,kx of x[n,c, cy*SH + ky*DH - PH, cx*SW + kx*DW - PW] * w[f,c,ky,kx]
//   out[n,f,oy,ox] = max(0, z[n,f, 2*oy + i, 2*ox + j]) over i,j in 0..1; a last row or column without a partner is left out
//   winner         = 2*i + j of the first largest of the four, or 4 where none is above 0. NaN is above all.
//
// With g[n,f,cy,cx] = dy[n,f,oy,ox] at the winner of each window and nothing anywhere else:
//
//   dx[n,c,iy,ix] = sum over f,ky,kx of g[n,f,cy,cx] * w[f,c,ky,kx], where cy*SH + ky*DH - PH = iy and likewise for cx
//   dw[f,c,ky,kx] = sum over n,cy,cx of x[n,c, cy*SH + ky*DH - PH, cx*SW + kx*DW - PW] * g[n,f,cy,cx]
//   db[f]         = sum over n,cy,cx of g[n,f,cy,cx]
//
// Cells outside the image and cells that did not win add nothing, whatever they would meet.
//
// Letters: N images, C input channels, H W input rows and columns, F filters, KH KW kernel, OH OW rows and columns of the
// result, S stride, P padding, D dilation. Every entry point takes the same Params. The winners of RUN neighbours in a row
// are one word, four bits each, the first lowest; *runs* of a row are ceil(OW/RUN) words.
//
// Entry point      threads (one-dimensional; the group index is group.y * groups.x + group.x)
// pack             ceil(F/OCB)*C*KH*KW + ceil(C/DX_C)*F*(KH+4)*KW: one vec4f of packed, the weights of OCB filters under one tap,
//                  [filter block][c][ky][kx], then those of DX_C channels, [channel block][f][ky + 2][kx], where two rows of
//                  zeros lie above and below each kernel
// forward          workgroups: ceil(N*OH*runs / WG) * ceil(F/OCB); a thread makes RUN neighbours of OCB filters
// backward_input   workgroups: ceil(N*ceil(H/2)*ceil(W/DX_T) / WG) * ceil(C/DX_C); a thread makes two rows of DX_T cells of
//                  DX_C channels of dx
// backward_weight  ceil(parts/lanes)*lanes * ceil(F/DW_OC) * C * ceil(KH/DW_TY) * ceil(KW/DW_TX): a thread sums DW_OC filters by
//                  DW_TY x DW_TX taps of an input channel for one part of the sum
// reduce           F*C*KH*KW + F: one element of dw or db: \`parts\` sums added in index order
// reduce_weight    F*C*KH*KW: the same for dw alone
//
// A *part* of the sums over windows: of the rows of windows of a block of IMAGES images, which are n*OH + oy, those of a piece
// of pieceRows rows; of these every LANES-th; of each, a segment of TERMS windows. Parts are numbered by block, piece, segment
// and lane, the lane last. So a part adds at most TERMS products, and is the same however many images there are.
//
// Bindings, group 0 (an entry point uses those named beside it)
//   0 params         all
//   1 x              forward, backward_weight: [N,C,H,W]
//   2 weights_large  forward, backward_input: all of packed (used if WEIGHTS_UNIFORM is 0)
//   3 weights_small  forward, backward_input: its first 65,536 bytes (used if WEIGHTS_UNIFORM is 1)
//   4 bias           forward: [F]; null where hasBias is 0
//   5 out            forward: [N,F,OH,OW]
//   6 winner_out     forward: [N,F,OH,runs]
//   7 dy             backward_*: [N,F,OH,OW]
//   8 winner         backward_*: what forward wrote
//   9 dx             backward_input: [N,C,H,W]
//  10 partial        backward_weight: written, [parts, F*C*KH*KW + F]
//  11 sums           reduce*: [parts, F*C*KH*KW + F]
//  12 dw             reduce*: [F,C,KH,KW]
//  13 db             reduce: [F]
//  14 weight         pack: w [F,C,KH,KW]
//  15 packed         pack: written; at least 65,536 bytes, as the uniform binding wants them all
//
// The fast loops read what is outside as 0 and multiply it. That is exact while all numbers are finite; a sum that is not
// finite is made again with those products left out, so that NaN and Inf reach the results they belong to and no others.

struct Params {
  N: u32, C: u32, H: u32, W: u32,
  F: u32, KH: u32, KW: u32, OH: u32, OW: u32,
  SH: u32, SW: u32, PH: u32, PW: u32, DH: u32, DW: u32,
  hasBias: u32,
  // backward_weight: how the rows of a block of images are cut into parts.
  pieces: u32, pieceRows: u32, segments: u32,
  // backward_weight: the parts that a dispatch makes; \`lanes\` is LANES, or parts where that is less. reduce*: those it adds.
  firstPart: u32, parts: u32, lanes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weights_large: array<vec4f>;
@group(0) @binding(3) var<uniform> weights_small: array<vec4f, 4096>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> winner_out: array<u32>;
@group(0) @binding(7) var<storage, read> dy: array<f32>;
@group(0) @binding(8) var<storage, read> winner: array<u32>;
@group(0) @binding(9) var<storage, read_write> dx: array<f32>;
@group(0) @binding(10) var<storage, read_write> partial: array<f32>;
@group(0) @binding(11) var<storage, read> sums: array<f32>;
@group(0) @binding(12) var<storage, read_write> dw: array<f32>;
@group(0) @binding(13) var<storage, read_write> db: array<f32>;
@group(0) @binding(14) var<storage, read> weight: array<f32>;
@group(0) @binding(15) var<storage, read_write> packed: array<vec4f>;

override WG: u32 = 64u;

// All entry points. RUN: windows of a row whose winners share a word, at most 8. KW_FIXED 0: any kernel, stride and dilation;
// otherwise KW must equal it, and stride and dilation must be 1. PADDED 0: there is no padding, every tap of every window meets a
// cell; what else the fast loops then read is not stored. WEIGHTS_UNIFORM 1: read weights_small, for packed of at most
// 65,536 bytes.
const RUN: u32 = 2u; // tune
const KW_FIXED: u32 = 0u; // tune
const PADDED: u32 = 1u; // tune
const WEIGHTS_UNIFORM: u32 = 0u; // tune
// forward. OCB: filters that a thread makes.
const OCB: u32 = 4u; // tune
// backward_input. DX_C channels by two rows by DX_T cells: the sums that a thread keeps; DX_T is even. With KW_FIXED: it reads
// DX_WINDOWS windows, from DX_BACK before its first cell's own; cell j of a row of them meets tap kx in cell j + kx - DX_SHIFT.
// DX_WHOLE 1: DX_T cells and DX_WINDOWS windows are all that a row has, and DX_BACK is 0.
const DX_C: u32 = 4u; // tune
const DX_T: u32 = 4u; // tune
const DX_WINDOWS: u32 = 1u; // tune
const DX_BACK: u32 = 0u; // tune
const DX_SHIFT: u32 = 0u; // tune
const DX_WHOLE: u32 = 0u; // tune
// backward_weight. IMAGES: images in a block; LANES: threads that share the rows of a piece; DW_OC filters by
// DW_TY x DW_TX taps: the sums that a thread keeps.
const IMAGES: u32 = 32u; // tune
const LANES: u32 = 8u; // tune
const DW_OC: u32 = 4u; // tune
const DW_TY: u32 = 3u; // tune
const DW_TX: u32 = 3u; // tune
const TERMS: u32 = 4096u; // a change of it changes the bits of long sums

const COLUMNS = 2u * RUN;
const TAPS = max(KW_FIXED, 1u);
const XN = COLUMNS + TAPS - 1u;
const DX_CELLS = 2u * DX_WINDOWS;
const DX_REACH = max(DX_CELLS + TAPS - 1u, DX_SHIFT + DX_T);
const NOBODY = 4u;

fn flat_group(group: vec3u, groups: vec3u) -> u32 {
  return group.y * groups.x + group.x;
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u;
}

fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn load_packed(i: u32) -> vec4f {
  if (WEIGHTS_UNIFORM == 1u) {
    return weights_small[i];
  }
  return weights_large[i];
}

// Where packed has the weights of a block of OCB filters.
fn at_filters(block: u32, c: u32, ky: u32) -> u32 {
  return ((block * params.C + c) * params.KH + ky) * params.KW;
}

// Where packed has the weights of a block of DX_C channels; ky is from -2 to KH + 1.
fn at_channels(block: u32, f: u32, ky: i32) -> u32 {
  let filters = (params.F + OCB - 1u) / OCB;
  return at_filters(filters, 0u, 0u) + ((block * params.F + f) * (params.KH + 4u) + u32(ky + 2)) * params.KW;
}

fn load_bias(f: u32) -> f32 {
  let with_bias = params.hasBias != 0u;
  return select(0.0, bias[select(0u, f, with_bias)], with_bias);
}

fn runs_of_row() -> u32 {
  return (params.OW + RUN - 1u) / RUN;
}

// The first element of row iy of a channel of x, or -1 if there is no such row.
fn row_of_x(n: u32, c: u32, iy: i32) -> i32 {
  let row = i32((n * params.C + c) * params.H * params.W) + iy * i32(params.W);
  return select(-1, row, PADDED == 0u || (iy >= 0 && iy < i32(params.H)));
}

// 0 outside the image.
fn load_x(row: i32, ix: i32) -> f32 {
  if (PADDED == 0u) {
    return x[row + ix];
  }
  let inside = row >= 0 && ix >= 0 && ix < i32(params.W);
  return select(0.0, x[select(0u, u32(row + ix), inside)], inside);
}

// z at a cell, with what is outside the image left out by control flow: slow, and right for NaN and Inf too.
fn exact_cell(n: u32, f: u32, cy: u32, cx: u32) -> f32 {
  var sum = 0.0;
  for (var c = 0u; c < params.C; c++) {
    for (var ky = 0u; ky < params.KH; ky++) {
      let row = row_of_x(n, c, i32(cy * params.SH + ky * params.DH) - i32(params.PH));
      for (var kx = 0u; kx < params.KW; kx++) {
        let ix = i32(cx * params.SW + kx * params.DW) - i32(params.PW);
        if (row >= 0 && ix >= 0 && ix < i32(params.W)) {
          sum += x[row + ix] * load_packed(at_filters(f / OCB, c, ky) + kx)[f % OCB];
        }
      }
    }
  }
  return sum + load_bias(f);
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let runs = runs_of_row();
  let count = params.N * params.OH * runs;
  let groups_a_block = (count + WG - 1u) / WG;
  let group_index = flat_group(group, groups);
  let block = min(group_index / groups_a_block, (params.F - 1u) / OCB);
  let id = (group_index - block * groups_a_block) * WG + lane;
  let ok = id < count;
  let first = (id % runs) * RUN;
  let oy = (id / runs) % params.OH;
  let n = id / (runs * params.OH);
  let f0 = block * OCB;
  // The upper and the lower row of the windows' cells; a component for each filter.
  var acc_u: array<vec4f, COLUMNS>;
  var acc_l: array<vec4f, COLUMNS>;

  for (var c = 0u; c < params.C; c++) {
    if (KW_FIXED > 0u) {
      let top = i32(2u * oy) - i32(params.PH);
      let left = i32(2u * first) - i32(params.PW);
      // The lower row of x under one row of the kernel is the upper one under the next.
      var upper: array<f32, XN>;
      var lower: array<f32, XN>;
      var row = select(-1, row_of_x(n, c, top), ok);
      for (var i = 0u; i < XN; i++) {
        lower[i] = load_x(row, left + i32(i));
      }
      for (var ky = 0u; ky < params.KH; ky++) {
        row = select(-1, row_of_x(n, c, top + i32(ky) + 1), ok);
        for (var i = 0u; i < XN; i++) {
          upper[i] = lower[i];
          lower[i] = load_x(row, left + i32(i));
        }
        let tap = at_filters(block, c, ky);
        for (var kx = 0u; kx < KW_FIXED; kx++) {
          let w = load_packed(tap + kx);
          for (var p = 0u; p < COLUMNS; p++) {
            acc_u[p] += upper[p + kx] * w;
            acc_l[p] += lower[p + kx] * w;
          }
        }
      }
    } else {
      for (var ky = 0u; ky < params.KH; ky++) {
        let iy = i32(2u * oy * params.SH + ky * params.DH) - i32(params.PH);
        let row_u = select(-1, row_of_x(n, c, iy), ok);
        let row_l = select(-1, row_of_x(n, c, iy + i32(params.SH)), ok);
        for (var kx = 0u; kx < params.KW; kx++) {
          let w = load_packed(at_filters(block, c, ky) + kx);
          for (var p = 0u; p < COLUMNS; p++) {
            let ix = i32((2u * first + p) * params.SW + kx * params.DW) - i32(params.PW);
            acc_u[p] += load_x(row_u, ix) * w;
            acc_l[p] += load_x(row_l, ix) * w;
          }
        }
      }
    }
  }

  var again = false;
  for (var o = 0u; o < OCB; o++) {
    let f = f0 + o;
    let b = load_bias(min(f, params.F - 1u));
    let at = ((n * params.F + f) * params.OH + oy) * params.OW + first;
    var word = 0u;
    for (var j = 0u; j < RUN; j++) {
      let z = vec4f(acc_u[2u * j][o], acc_u[2u * j + 1u][o], acc_l[2u * j][o], acc_l[2u * j + 1u][o]) + b;
      var best = 0.0;
      var code = NOBODY;
      for (var k = 0u; k < 4u; k++) {
        again = again || not_finite(z[k]);
        code = select(code, k, z[k] > best);
        best = select(best, z[k], z[k] > best);
      }
      word |= code << (4u * j);
      if (ok && f < params.F && first + j < params.OW) {
        out[at + j] = best;
      }
    }
    if (ok && f < params.F) {
      winner_out[((n * params.F + f) * params.OH + oy) * runs + first / RUN] = word;
    }
  }
  if (ok && again) {
    for (var f = f0; f < min(f0 + OCB, params.F); f++) {
      var word = 0u;
      for (var ox = first; ox < min(first + RUN, params.OW); ox++) {
        var best = 0.0;
        var code = NOBODY;
        for (var k = 0u; k < 4u; k++) {
          let v = exact_cell(n, f, 2u * oy + k / 2u, 2u * ox + k % 2u);
          if (v > best || is_nan(v)) {
            best = v;
            code = k;
          }
        }
        out[((n * params.F + f) * params.OH + oy) * params.OW + ox] = best;
        word |= code << (4u * (ox - first));
      }
      winner_out[((n * params.F + f) * params.OH + oy) * runs + first / RUN] = word;
    }
  }
}

// The winner of the window at ox of a row of windows, counted over all images and filters.
fn load_winner(row: u32, ox: u32) -> u32 {
  return (winner[row * runs_of_row() + ox / RUN] >> (4u * (ox % RUN))) & 15u;
}

// The place in dy whose window holds this cell and was won by it, or -1.
fn gradient_of(n: u32, f: u32, cy: i32, cx: i32) -> i32 {
  let inside = cy >= 0 && cx >= 0 && cy < i32(2u * params.OH) && cx < i32(2u * params.OW);
  let row = select(0u, (n * params.F + f) * params.OH + u32(cy) / 2u, inside);
  let ox = select(0u, u32(cx) / 2u, inside);
  let won = load_winner(row, ox) == (u32(cy) & 1u) * 2u + (u32(cx) & 1u);
  return select(-1, i32(row * params.OW + ox), inside && won);
}

// The cell of z that meets position t of x under the first tap, or -1. Integer division is slow on CPU adapters; half a step
// off the integers, the float product rounds down rightly for every t < 2^22.
fn cell(t: i32, stride: u32) -> i32 {
  let q = i32((f32(t) + 0.5) * (1.0 / f32(stride)));
  return select(-1, q, t >= 0 && q * i32(stride) == t);
}

// One element of dx, with all that adds nothing left out by control flow.
fn exact_dx(n: u32, c: u32, iy: u32, ix: u32) -> f32 {
  var sum = 0.0;
  for (var f = 0u; f < params.F; f++) {
    for (var ky = 0u; ky < params.KH; ky++) {
      let cy = cell(i32(iy + params.PH) - i32(ky * params.DH), params.SH);
      for (var kx = 0u; kx < params.KW; kx++) {
        let at = gradient_of(n, f, cy, cell(i32(ix + params.PW) - i32(kx * params.DW), params.SW));
        if (at >= 0) {
          sum += dy[at] * load_packed(at_channels(c / DX_C, f, i32(ky)) + kx)[c % DX_C];
        }
      }
    }
  }
  return sum;
}

fn load_gradient(at: i32) -> f32 {
  return select(0.0, dy[select(0u, u32(at), at >= 0)], at >= 0);
}

@compute @workgroup_size(WG)
fn backward_input(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tiles = (params.W + DX_T - 1u) / DX_T;
  let pairs = (params.H + 1u) / 2u;
  let count = params.N * pairs * tiles;
  let groups_a_block = (count + WG - 1u) / WG;
  let group_index = flat_group(group, groups);
  let block = min(group_index / groups_a_block, (params.C - 1u) / DX_C);
  let id = (group_index - block * groups_a_block) * WG + lane;
  if (id >= count) {
    return;
  }
  let x0 = (id % tiles) * DX_T;
  let y0 = 2u * ((id / tiles) % pairs);
  let n = id / (tiles * pairs);
  let c0 = block * DX_C;
  // The upper and the lower row, the first cell at DX_SHIFT; a component for each channel. What else a window reaches is
  // added up too and left to the compiler to drop.
  var acc_u: array<vec4f, DX_REACH>;
  var acc_l: array<vec4f, DX_REACH>;

  if (KW_FIXED > 0u) {
    // Row oy of windows meets the upper row of cells under the kernel's rows d and d - 1, the lower under d + 1 and d.
    let bottom = i32(y0 + params.PH);
    let from_y = max(bottom - i32(params.KH) + 1, 0) / 2;
    let to_y = min((bottom + 1) / 2, i32(params.OH) - 1);
    let runs = runs_of_row();
    for (var oy = from_y; oy <= to_y; oy++) {
      let d = bottom - 2 * oy;
      for (var f = 0u; f < params.F; f++) {
        let row = (n * params.F + f) * params.OH + u32(oy);
        var codes: array<u32, DX_WINDOWS>;
        var values: array<f32, DX_WINDOWS>;
        if (DX_WHOLE == 1u) {
          var word = 0u;
          for (var j = 0u; j < DX_WINDOWS; j++) {
            if (j % RUN == 0u) {
              word = winner[row * runs + j / RUN];
            }
            codes[j] = (word >> (4u * (j % RUN))) & 15u;
            values[j] = dy[row * params.OW + j];
          }
        } else {
          for (var j = 0u; j < DX_WINDOWS; j++) {
            let ox = i32(x0 / 2u + j) - i32(DX_BACK);
            let inside = ox >= 0 && ox < i32(params.OW);
            let at = select(0u, u32(ox), inside);
            codes[j] = (winner[row * runs + at / RUN] >> (4u * (at % RUN))) & 15u;
            values[j] = select(0.0, dy[row * params.OW + at], inside);
          }
        }
        var upper: array<f32, DX_CELLS>;
        var lower: array<f32, DX_CELLS>;
        for (var j = 0u; j < DX_CELLS; j++) {
          upper[j] = select(0.0, values[j / 2u], codes[j / 2u] == j % 2u);
          lower[j] = select(0.0, values[j / 2u], codes[j / 2u] == 2u + j % 2u);
        }
        let tap = at_channels(block, f, d - 1);
        var w0: array<vec4f, TAPS>;
        var w1: array<vec4f, TAPS>;
        var w2: array<vec4f, TAPS>;
        for (var kx = 0u; kx < TAPS; kx++) {
          w0[kx] = load_packed(tap + kx);
          w1[kx] = load_packed(tap + params.KW + kx);
          w2[kx] = load_packed(tap + 2u * params.KW + kx);
        }
        // Short nests, each of which the compiler unrolls.
        for (var kx = 0u; kx < TAPS; kx++) {
          for (var j = 0u; j < DX_CELLS; j++) {
            acc_u[j + kx] += lower[j] * w0[kx];
          }
        }
        for (var kx = 0u; kx < TAPS; kx++) {
          for (var j = 0u; j < DX_CELLS; j++) {
            acc_u[j + kx] += upper[j] * w1[kx];
          }
        }
        for (var kx = 0u; kx < TAPS; kx++) {
          for (var j = 0u; j < DX_CELLS; j++) {
            acc_l[j + kx] += lower[j] * w1[kx];
          }
        }
        for (var kx = 0u; kx < TAPS; kx++) {
          for (var j = 0u; j < DX_CELLS; j++) {
            acc_l[j + kx] += upper[j] * w2[kx];
          }
        }
      }
    }
  } else {
    for (var f = 0u; f < params.F; f++) {
      for (var ky = 0u; ky < params.KH; ky++) {
        let cy_u = cell(i32(y0 + params.PH) - i32(ky * params.DH), params.SH);
        let cy_l = cell(i32(y0 + 1u + params.PH) - i32(ky * params.DH), params.SH);
        for (var kx = 0u; kx < params.KW; kx++) {
          let w = load_packed(at_channels(block, f, i32(ky)) + kx);
          for (var p = 0u; p < DX_T; p++) {
            let cx = cell(i32(x0 + p + params.PW) - i32(kx * params.DW), params.SW);
            acc_u[p + DX_SHIFT] += load_gradient(gradient_of(n, f, cy_u, cx)) * w;
            acc_l[p + DX_SHIFT] += load_gradient(gradient_of(n, f, cy_l, cx)) * w;
          }
        }
      }
    }
  }

  var again = false;
  for (var q = 0u; q < DX_C; q++) {
    let at = ((n * params.C + c0 + q) * params.H + y0) * params.W + x0;
    for (var p = 0u; p < DX_T; p++) {
      let upper = acc_u[p + DX_SHIFT][q];
      let lower = acc_l[p + DX_SHIFT][q];
      again = again || not_finite(upper) || not_finite(lower);
      if (c0 + q < params.C && x0 + p < params.W) {
        dx[at + p] = upper;
        if (y0 + 1u < params.H) {
          dx[at + params.W + p] = lower;
        }
      }
    }
  }
  if (again) {
    for (var c = c0; c < min(c0 + DX_C, params.C); c++) {
      for (var iy = y0; iy < min(y0 + 2u, params.H); iy++) {
        for (var ix = x0; ix < min(x0 + DX_T, params.W); ix++) {
          dx[((n * params.C + c) * params.H + iy) * params.W + ix] = exact_dx(n, c, iy, ix);
        }
      }
    }
  }
}

// Where one thread of backward_weight works: every LANES-th row from r0 to r1 of the images from n0 on, windows ox0 to ox1;
// filters f0 .., input channel c, taps ky0 .., kx0 .. \`slot\`: its row of partial.
struct Tile {
  n0: u32, r0: u32, r1: u32, ox0: u32, ox1: u32, slot: u32, f0: u32, c: u32, ky0: u32, kx0: u32,
}

// One partial sum of dw, with all that adds nothing left out by control flow.
fn exact_partial(t: Tile, f: u32, ky: u32, kx: u32) -> f32 {
  var sum = 0.0;
  for (var r = t.r0; r < t.r1; r += LANES) {
    let n = t.n0 + r / params.OH;
    let oy = r % params.OH;
    let row_of_dy = (n * params.F + f) * params.OH + oy;
    for (var ox = t.ox0; ox < t.ox1; ox++) {
      let code = load_winner(row_of_dy, ox);
      let row = row_of_x(n, t.c, i32((2u * oy + (code >> 1u)) * params.SH + ky * params.DH) - i32(params.PH));
      let ix = i32((2u * ox + (code & 1u)) * params.SW + kx * params.DW) - i32(params.PW);
      if (code < NOBODY && row >= 0 && ix >= 0 && ix < i32(params.W)) {
        sum += x[row + ix] * dy[row_of_dy * params.OW + ox];
      }
    }
  }
  return sum;
}

@compute @workgroup_size(WG)
fn backward_weight(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tiles_x = (params.KW + DW_TX - 1u) / DW_TX;
  let tiles_y = (params.KH + DW_TY - 1u) / DW_TY;
  let blocks_f = (params.F + DW_OC - 1u) / DW_OC;
  var t: Tile;
  var rest = flat_group(group, groups) * WG + lane;
  t.slot = rest % params.lanes;
  rest /= params.lanes;
  t.kx0 = (rest % tiles_x) * DW_TX;
  rest /= tiles_x;
  t.ky0 = (rest % tiles_y) * DW_TY;
  rest /= tiles_y;
  t.c = rest % params.C;
  rest /= params.C;
  t.f0 = (rest % blocks_f) * DW_OC;
  rest /= blocks_f;
  t.slot += rest * params.lanes;
  if (t.slot >= params.parts) {
    return;
  }
  let part = params.firstPart + t.slot;
  rest = part / LANES;
  t.ox0 = (rest % params.segments) * TERMS;
  t.ox1 = min(t.ox0 + TERMS, params.OW);
  rest /= params.segments;
  let first_row = (rest % params.pieces) * params.pieceRows;
  t.r0 = first_row + part % LANES;
  t.n0 = rest / params.pieces * IMAGES;
  t.r1 = min(first_row + params.pieceRows, min(IMAGES, params.N - t.n0) * params.OH);

  var acc: array<array<vec4f, DW_TX>, DW_TY>; // a component for each filter
  var acc_b: vec4f;
  let fs = min(vec4u(t.f0) + vec4u(0u, 1u, 2u, 3u), vec4u(params.F - 1u));
  let runs = runs_of_row();
  for (var r = t.r0; r < t.r1; r += LANES) {
    let n = t.n0 + r / params.OH;
    let oy = r % params.OH;
    var row: array<i32, DW_TY + 1u>;
    // x under the taps of all four cells of a window; it slides along the row.
    var xs: array<array<f32, DW_TX + 1u>, DW_TY + 1u>;
    if (KW_FIXED > 0u) {
      for (var j = 0u; j <= DW_TY; j++) {
        row[j] = row_of_x(n, t.c, i32(2u * oy + t.ky0 + j) - i32(params.PH));
        for (var i = 2u; i <= DW_TX; i++) {
          xs[j][i] = load_x(row[j], i32(2u * t.ox0 + t.kx0 + i) - 2 - i32(params.PW));
        }
      }
    }
    for (var run = t.ox0 / RUN; run * RUN < t.ox1; run++) {
      let rows_of_dy = (n * params.F + fs) * params.OH + oy;
      let at = rows_of_dy * runs + run;
      let words = vec4u(winner[at.x], winner[at.y], winner[at.z], winner[at.w]);
      let end = min((run + 1u) * RUN, t.ox1);
      for (var ox = max(run * RUN, t.ox0); ox < end; ox++) {
        if (KW_FIXED > 0u) {
          for (var j = 0u; j <= DW_TY; j++) {
            for (var i = 2u; i <= DW_TX; i++) {
              xs[j][i - 2u] = xs[j][i];
            }
            let ix = i32(2u * ox + t.kx0 + DW_TX) - i32(params.PW);
            xs[j][DW_TX - 1u] = load_x(row[j], ix - 1);
            xs[j][DW_TX] = load_x(row[j], ix);
          }
        }
        let codes = (words >> vec4u(4u * (ox - run * RUN))) & vec4u(15u);
        let from_dy = rows_of_dy * params.OW + ox;
        let values = vec4f(dy[from_dy.x], dy[from_dy.y], dy[from_dy.z], dy[from_dy.w]);
        let g = select(vec4f(), values, codes < vec4u(NOBODY));
        acc_b += g;
        if (KW_FIXED > 0u) {
          let right = (codes & vec4u(1u)) == vec4u(1u);
          let low = (codes & vec4u(2u)) == vec4u(2u);
          // x under the taps, as each filter's winner has it to its right; first of the upper row of cells, then of the lower.
          var under: array<vec4f, DW_TX>;
          for (var j = 0u; j <= DW_TY; j++) {
            for (var i = 0u; i < DW_TX; i++) {
              let next = select(vec4f(xs[j][i]), vec4f(xs[j][i + 1u]), right);
              if (j > 0u) {
                acc[j - 1u][i] += select(under[i], next, low) * g;
              }
              under[i] = next;
            }
          }
        } else {
          let top = (2u * oy + (codes >> vec4u(1u))) * params.SH;
          let left = (2u * ox + (codes & vec4u(1u))) * params.SW;
          for (var j = 0u; j < DW_TY; j++) {
            let iy = vec4i(top + (t.ky0 + j) * params.DH) - i32(params.PH);
            for (var i = 0u; i < DW_TX; i++) {
              let ix = vec4i(left + (t.kx0 + i) * params.DW) - i32(params.PW);
              acc[j][i] += g * vec4f(
                load_x(row_of_x(n, t.c, iy.x), ix.x), load_x(row_of_x(n, t.c, iy.y), ix.y),
                load_x(row_of_x(n, t.c, iy.z), ix.z), load_x(row_of_x(n, t.c, iy.w), ix.w),
              );
            }
          }
        }
      }
    }
  }

  let kernel = params.KH * params.KW;
  let weights = params.F * params.C * kernel;
  let base = t.slot * (weights + params.F);
  var again = false;
  for (var o = 0u; o < DW_OC; o++) {
    let f = t.f0 + o;
    if (f < params.F) {
      for (var j = 0u; j < DW_TY; j++) {
        for (var i = 0u; i < DW_TX; i++) {
          let v = acc[j][i][o];
          again = again || not_finite(v);
          if (t.ky0 + j < params.KH && t.kx0 + i < params.KW) {
            partial[base + (f * params.C + t.c) * kernel + (t.ky0 + j) * params.KW + t.kx0 + i] = v;
          }
        }
      }
      if (t.c == 0u && t.ky0 == 0u && t.kx0 == 0u) {
        partial[base + weights + f] = acc_b[o];
      }
    }
  }
  if (again) {
    for (var f = t.f0; f < min(t.f0 + DW_OC, params.F); f++) {
      for (var ky = t.ky0; ky < min(t.ky0 + DW_TY, params.KH); ky++) {
        for (var kx = t.kx0; kx < min(t.kx0 + DW_TX, params.KW); kx++) {
          partial[base + (f * params.C + t.c) * kernel + ky * params.KW + kx] = exact_partial(t, f, ky, kx);
        }
      }
    }
  }
}

fn sum_partial(i: u32, stride: u32) -> f32 {
  var sum = 0.0;
  for (var p = 0u; p < params.parts; p++) {
    sum += sums[p * stride + i];
  }
  return sum;
}

@compute @workgroup_size(WG)
fn reduce(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = flat_group(group, groups) * WG + lane;
  let weights = params.F * params.C * params.KH * params.KW;
  if (i < weights) {
    dw[i] = sum_partial(i, weights + params.F);
  } else if (i < weights + params.F) {
    db[i - weights] = sum_partial(i, weights + params.F);
  }
}

@compute @workgroup_size(WG)
fn reduce_weight(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = flat_group(group, groups) * WG + lane;
  let weights = params.F * params.C * params.KH * params.KW;
  if (i < weights) {
    dw[i] = sum_partial(i, weights + params.F);
  }
}

@compute @workgroup_size(WG)
fn pack(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = flat_group(group, groups) * WG + lane;
  let by_filters = at_filters((params.F + OCB - 1u) / OCB, 0u, 0u);
  let for_dx = i >= by_filters;
  // What varies from quad to quad after the tap is c for forward and f for dx.
  let rows = select(params.KH, params.KH + 4u, for_dx);
  let middle = select(params.C, params.F, for_dx);
  let per = select(OCB, DX_C, for_dx);
  var rest = select(i, i - by_filters, for_dx);
  let kx = rest % params.KW;
  rest /= params.KW;
  let ky = i32(rest % rows) - select(0, 2, for_dx);
  rest /= rows;
  let other = rest % middle;
  let first = (rest / middle) * per;
  if (first >= select(params.F, params.C, for_dx)) {
    return;
  }
  var quad = vec4f();
  for (var j = 0u; j < per; j++) {
    let f = select(first + j, other, for_dx);
    let c = select(other, first + j, for_dx);
    if (f < params.F && c < params.C && ky >= 0 && ky < i32(params.KH)) {
      quad[j] = weight[((f * params.C + c) * params.KH + u32(ky)) * params.KW + kx];
    }
  }
  packed[i] = quad;
}
`

export const copy = `// copy: elements of a tensor in another order or place. Nothing is computed, so bits stay as they are, NaN's too.
//
//   The coordinates c of an element number i are its digits in the sizes s, the last the fastest. A walk over memory is a
//   first place and a stride for each coordinate; a negative stride counts modulo 2^32.
//   strided     out[out_base + Σ c·b] = x[base + Σ c·a]                for every i below Π s = size
//   padded      out[i] = x[base + Σ (c - b)·a] where 0 <= c - b < e for every coordinate, else word
//   triangle    out[i] = x[i] where column - row <= diagonal (UPPER: >=), else 0        rows and columns are the last two dimensions
//   bytes       as padded, from base on, of bytes, four a word, little-endian; with KEEP what stood in out in place of the constant
//   strided_4, padded_4   the same of vectors of four: places, strides and the last size are counted in these
//   edges       x [O, n, I] → out [O, n + before + after, I]: at a place outside of the middle the nearest element (REPLICATE), or
//               the one at the same distance on the other side of the edge (reflect)
//   edges_back  dy [O, n + before + after, I] → dx [O, n, I]: the sum over the places that an element was taken to, in their
//               order, 32 at a time
//
//   x, out, dy, dx   one 32-bit word an element, looked at as f32 by edges_back alone
//
// One thread takes PER elements, WG apart: the next one's coordinates are a sum of digits, not divisions. edges_back: one an element.

struct Params {
  size: u32,
  base: u32,
  out_base: u32,
  word: u32, // the constant's bits
  diagonal: i32,
  s0: u32, s1: u32, s2: u32, s3: u32, s4: u32, s5: u32, s6: u32, s7: u32, // sizes
  w0: u32, w1: u32, w2: u32, w3: u32, w4: u32, w5: u32, w6: u32, w7: u32, // WG in digits of these sizes
  a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32, a6: u32, a7: u32, // strides of x
  b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32, b6: u32, b7: u32, // strides of out; padded: elements before x's first
  e0: u32, e1: u32, e2: u32, e3: u32, e4: u32, e5: u32, e6: u32, e7: u32, // padded: sizes of x
}

struct Edges {
  size: u32,
  n: u32,
  I: u32,
  before: i32,
  after: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> edge: Edges;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;
@group(0) @binding(4) var<storage, read> x_4: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> out_4: array<vec4u>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const RANK: u32 = 8u; // tune
const UPPER: u32 = 0u; // tune
const KEEP: u32 = 0u; // tune
const REPLICATE: u32 = 0u; // tune
const ROW: u32 = max(RANK, 2u) - 2u; // of the coordinates, the one that counts the rows of a matrix
const TERMS_PER_BLOCK: u32 = 32u;

alias Digits = array<u32, RANK>;

fn all_sizes() -> array<u32, 8> {
  return array<u32, 8>(params.s0, params.s1, params.s2, params.s3, params.s4, params.s5, params.s6, params.s7);
}

fn all_steps() -> array<u32, 8> {
  return array<u32, 8>(params.w0, params.w1, params.w2, params.w3, params.w4, params.w5, params.w6, params.w7);
}

fn all_a() -> array<u32, 8> {
  return array<u32, 8>(params.a0, params.a1, params.a2, params.a3, params.a4, params.a5, params.a6, params.a7);
}

fn all_b() -> array<u32, 8> {
  return array<u32, 8>(params.b0, params.b1, params.b2, params.b3, params.b4, params.b5, params.b6, params.b7);
}

fn all_e() -> array<u32, 8> {
  return array<u32, 8>(params.e0, params.e1, params.e2, params.e3, params.e4, params.e5, params.e6, params.e7);
}

fn first_element(group: vec3u, groups: vec3u, local: u32, per: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * per + local;
}

// The first digit takes what is left: it is not divided.
fn digits_of(i: u32) -> Digits {
  var sizes = all_sizes();
  var c: Digits;
  var rest = i;
  for (var k = 1u; k < RANK; k++) {
    let d = RANK - k;
    let quotient = rest / sizes[d];
    c[d] = rest - quotient * sizes[d];
    rest = quotient;
  }
  c[0] = rest;
  return c;
}

// The coordinates of the element that lies WG further on.
fn advance(before: Digits) -> Digits {
  var sizes = all_sizes();
  var steps = all_steps();
  var c = before;
  var carry = 0u;
  for (var k = 1u; k < RANK; k++) {
    let d = RANK - k;
    let sum = c[d] + steps[d] + carry;
    carry = select(0u, 1u, sum >= sizes[d]);
    c[d] = sum - carry * sizes[d];
  }
  c[0] += steps[0] + carry;
  return c;
}

fn source_of(digits: Digits) -> u32 {
  var a = all_a();
  var c = digits;
  var place = params.base;
  for (var d = 0u; d < RANK; d++) { place += c[d] * a[d]; }
  return place;
}

fn target_of(digits: Digits) -> u32 {
  var b = all_b();
  var c = digits;
  var place = params.out_base;
  for (var d = 0u; d < RANK; d++) { place += c[d] * b[d]; }
  return place;
}

const OUTSIDE: u32 = 0xffffffffu;

// The place in x, or OUTSIDE. What lies before the first element is a large number modulo 2^32.
fn inside_of(digits: Digits) -> u32 {
  var a = all_a();
  var b = all_b();
  var e = all_e();
  var c = digits;
  var place = params.base;
  var inside = true;
  for (var d = 0u; d < RANK; d++) {
    let own = c[d] - b[d];
    inside = inside && own < e[d];
    place += own * a[d];
  }
  return select(OUTSIDE, place, inside);
}

@compute @workgroup_size(WG)
fn strided(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    out[target_of(c)] = x[source_of(c)];
    c = advance(c);
  }
}

@compute @workgroup_size(WG)
fn strided_4(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER / 4);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * (PER / 4), params.size); i += WG) {
    out_4[target_of(c)] = x_4[source_of(c)];
    c = advance(c);
  }
}

@compute @workgroup_size(WG)
fn padded(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    let place = inside_of(c);
    var word = params.word;
    if (place != OUTSIDE) { word = x[place]; }
    out[i] = word;
    c = advance(c);
  }
}

@compute @workgroup_size(WG)
fn padded_4(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER / 4);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * (PER / 4), params.size); i += WG) {
    let place = inside_of(c);
    var words = vec4u(params.word);
    if (place != OUTSIDE) { words = x_4[place]; }
    out_4[i] = words;
    c = advance(c);
  }
}

// A thread takes PER / 4 words. Few bytes are ever moved: their coordinates may cost divisions.
@compute @workgroup_size(WG)
fn bytes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER / 4);
  for (var w = start; w < min(start + WG * (PER / 4), (params.size + 3) / 4); w += WG) {
    var word = 0u;
    if (KEEP == 1) { word = out[w]; }
    for (var k = 0u; k < min(4u, params.size - 4 * w); k++) {
      let place = inside_of(digits_of(4 * w + k));
      var byte = params.word;
      if (KEEP == 1) { byte = (word >> (8 * k)) & 0xffu; }
      if (place != OUTSIDE) { byte = (x[place / 4] >> (8 * (place % 4))) & 0xffu; }
      word = (word & ~(0xffu << (8 * k))) | (byte << (8 * k));
    }
    out[w] = word;
  }
}

// RANK is 3: matrices, rows, columns.
@compute @workgroup_size(WG)
fn triangle(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var c = digits_of(start);
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    let above = i32(c[RANK - 1]) - i32(c[ROW]);
    let kept = select(above <= params.diagonal, above >= params.diagonal, UPPER == 1);
    var word = 0u;
    if (kept) { word = x[i]; }
    out[i] = word;
    c = advance(c);
  }
}

@compute @workgroup_size(WG)
fn edges(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  let last = i32(edge.n) - 1;
  let width = u32(i32(edge.n) + edge.before + edge.after);
  for (var i = start; i < min(start + WG * PER, edge.size); i += WG) {
    let row = i / edge.I;
    let outer = row / width;
    var own = i32(row - outer * width) - edge.before;
    if (REPLICATE == 1) { own = clamp(own, 0, last); } else { own = last - abs(last - abs(own)); }
    out[i] = x[(outer * edge.n + u32(own)) * edge.I + i - row * edge.I];
  }
}

// Σ of dy at column \`at\` over the places \`first\` to \`end\` - 1 of the row that begins at \`row\`.
fn sum_of(row: u32, at: u32, first: i32, end: i32) -> f32 {
  var sum = 0.0;
  for (var block = first; block < end; block += i32(TERMS_PER_BLOCK)) {
    var part = 0.0;
    for (var place = block; place < min(block + i32(TERMS_PER_BLOCK), end); place++) {
      part += dy[(row + u32(place)) * edge.I + at];
    }
    sum += part;
  }
  return sum;
}

@compute @workgroup_size(WG)
fn edges_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= edge.size) { return; }
  let row = i / edge.I;
  let outer = row / edge.n;
  let own = i32(row - outer * edge.n);
  let at = i - row * edge.I;
  let last = i32(edge.n) - 1;
  let width = i32(edge.n) + edge.before + edge.after;
  let first_row = outer * u32(width);
  let place = own + edge.before;
  if (REPLICATE == 1) {
    let first = select(place, 0, own == 0);
    let end = select(place + 1, width, own == last);
    dx[i] = sum_of(first_row, at, max(first, 0), min(end, width));
    return;
  }
  // The mirror images at the first and at the last element, where they are.
  let left = edge.before - own;
  let right = place + 2 * (last - own);
  var sum = 0.0;
  if (own > 0) { sum += sum_of(first_row, at, max(left, 0), min(left + 1, width)); }
  sum += sum_of(first_row, at, max(place, 0), min(place + 1, width));
  if (own < last) { sum += sum_of(first_row, at, max(right, 0), min(right + 1, width)); }
  dx[i] = sum;
}
`

export const cross_entropy = `// cross_entropy: softmax cross-entropy with integer labels, fused so that it is stable for any logits.
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

// \`g\` is the gradient of the row's loss, \`row\` what forward knew of it.
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
`

export const depthwise = `// conv2d of groups of one channel and one filter, and its gradient dx. The sums are those of conv2d.wgsl, in the same order, so
// the bits are the same; but nothing is packed, and a thread goes down a strip of columns and loads a cell of the input once
// for all rows of the kernel.
//
//   out[n,c,oy,ox] = bias[c] + sum over ky,kx of in[n, c, (oy*STEP_Y + ky - padY) / PART_Y, ...] * w[c,ky,kx]
//
// over those ky and kx for which PART divides and the cell lies inside. Forward (TURNED 0): STEP is the stride, PART 1, pad the
// padding. dx (TURNED 1): in is dy, STEP 1, PART the stride, pad the kernel's size less 1 less the padding, and the kernel is
// turned by 180°.
//
// Bindings, group 0
//   0 params
//   1 src     in [N,C,IH,IW]
//   2 weight  [C,1,KH,KW]
//   3 bias    [C]; null where hasBias is 0
//   4 dst     out [N,C,OH,OW]
// Threads: N * C * strips * columns, one-dimensional; the group index is group.y * groups.x + group.x. A thread makes a strip of
// \`rows\` rows by PX columns of one channel of one image.

struct Params {
  N: u32, C: u32, IH: u32, IW: u32, OH: u32, OW: u32,
  // The first strip begins at output -lead, so that PART divides the distance of every strip from pad.
  padY: i32, padX: i32, leadY: i32, leadX: i32,
  hasBias: u32,
  strips: u32, columns: u32,
  // A multiple of PART_Y.
  rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> dst: array<f32>;

override WG: u32 = 64u;

// PX is a multiple of the stride. KH, KW: the kernel; SH, SW: the stride.
const PX: u32 = 8u; // tune
const KH: u32 = 3u; // tune
const KW: u32 = 3u; // tune
const SH: u32 = 1u; // tune
const SW: u32 = 1u; // tune
const TURNED: u32 = 0u; // tune

const STEP_Y = select(SH, 1u, TURNED == 1u);
const STEP_X = select(SW, 1u, TURNED == 1u);
const PART_Y = select(1u, SH, TURNED == 1u);
const PART_X = select(1u, SW, TURNED == 1u);
// Columns of the input that a strip meets.
const XN = ((PX - 1u) * STEP_X + KW - 1u) / PART_X + 1u;
// Rows of the output whose sums a thread keeps: as many as a row of the input is part of, and as are made at a time.
const KEPT = max((KH + STEP_Y - 1u) / STEP_Y, PART_Y);

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u;
}

// One output, cells outside left out by control flow: slow, and right for NaN and Inf too.
fn exact_output(plane: u32, c: u32, oy: u32, ox: u32) -> f32 {
  var sum = 0.0;
  for (var ky = 0u; ky < KH; ky++) {
    let ty = i32(oy * STEP_Y + ky) - params.padY;
    for (var kx = 0u; kx < KW; kx++) {
      let tx = i32(ox * STEP_X + kx) - params.padX;
      if (ty < 0 || tx < 0 || ty % i32(PART_Y) != 0 || tx % i32(PART_X) != 0) {
        continue;
      }
      let y = u32(ty) / PART_Y;
      let x = u32(tx) / PART_X;
      if (y < params.IH && x < params.IW) {
        let k = ky * KW + kx;
        let w = weight[c * KH * KW + select(k, KH * KW - 1u - k, TURNED == 1u)];
        sum += src[(plane * params.IH + y) * params.IW + x] * w;
      }
    }
  }
  return sum;
}

@compute @workgroup_size(WG)
fn correlate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = (group.y * groups.x + group.x) * WG + lane;
  let tiles = params.strips * params.columns;
  let plane = id / tiles;
  if (plane >= params.N * params.C) {
    return;
  }
  let c = plane % params.C;
  let tile = id - plane * tiles;
  let strip = tile / params.columns;
  let y0 = i32(strip * params.rows) - params.leadY;
  let y1 = min(y0 + i32(params.rows), i32(params.OH));
  let ox = i32((tile - strip * params.columns) * PX) - params.leadX;
  let left = (ox * i32(STEP_X) - params.padX) / i32(PART_X);
  let top = (y0 * i32(STEP_Y) - params.padY) / i32(PART_Y);
  let b = select(0.0, bias[select(0u, c, params.hasBias != 0u)], params.hasBias != 0u);

  var w: array<f32, KH * KW>;
  for (var k = 0u; k < KH * KW; k++) {
    w[k] = weight[c * KH * KW + select(k, KH * KW - 1u - k, TURNED == 1u)];
  }
  // At step t the sums of row j are those of output row y0 + PART_Y * t - j: STEP_Y rows of the input are added to them, and the
  // last PART_Y rows are whole then.
  var acc: array<f32, KEPT * PX>;
  var again = false;
  let steps = i32(params.rows / PART_Y + (KEPT + PART_Y - 2u) / PART_Y);
  for (var t = 0; t < steps; t++) {
    for (var s = 0u; s < STEP_Y; s++) {
      let iy = top + t * i32(STEP_Y) + i32(s);
      let row_ok = iy >= 0 && iy < i32(params.IH);
      let row = i32(plane * params.IH * params.IW) + iy * i32(params.IW);
      var xs: array<f32, XN>;
      for (var i = 0u; i < XN; i++) {
        let ix = left + i32(i);
        let inside = row_ok && ix >= 0 && ix < i32(params.IW);
        xs[i] = select(0.0, src[select(0u, u32(row + ix), inside)], inside);
      }
      for (var j = 0u; j < KEPT; j++) {
        let ky = s + STEP_Y * j;
        for (var kx = 0u; kx < KW; kx++) {
          for (var px = 0u; px < PX; px++) {
            if (ky < KH && (px * STEP_X + kx) % PART_X == 0u) {
              acc[j * PX + px] += xs[(px * STEP_X + kx) / PART_X] * w[ky * KW + kx];
            }
          }
        }
      }
    }
    for (var j = KEPT - PART_Y; j < KEPT; j++) {
      let y = y0 + t * i32(PART_Y) - i32(j);
      let row_ok = y >= max(y0, 0) && y < y1;
      let at = (i32(plane * params.OH) + y) * i32(params.OW) + ox;
      for (var px = 0u; px < PX; px++) {
        let x = ox + i32(px);
        if (row_ok && x >= 0 && x < i32(params.OW)) {
          dst[at + i32(px)] = acc[j * PX + px] + b;
        }
        again = again || not_finite(acc[j * PX + px]);
      }
    }
    for (var m = 1u; m <= KEPT * PX; m++) {
      let i = KEPT * PX - m;
      acc[i] = select(0.0, acc[max(i, PART_Y * PX) - PART_Y * PX], i >= PART_Y * PX);
    }
  }
  if (again) {
    for (var y = max(y0, 0); y < y1; y++) {
      for (var x = max(ox, 0); x < min(ox + i32(PX), i32(params.OW)); x++) {
        let sum = exact_output(plane, c, u32(y), u32(x));
        dst[(plane * params.OH + u32(y)) * params.OW + u32(x)] = sum + b;
      }
    }
  }
}
`

export const exact_sum = `// exact_sum: numbers of batches, each times a whole number, added up without rounding.
//
//   sums  u32. With watched = 0 [size, 11], for each element of x:
//     words 0 … 9  the sum: a whole number of 320 bits in units of 2^-149, the lowest word first, negative ones as their
//                  two's complement
//     word 10      1 once an element was NaN or infinite, which is not added
//   With watched = 1 the totals that cross_entropy.wgsl describes, of which [0] stays as it is: x has one element, a mean loss.
//   \`rows\` rows are counted first; a loss that is not finite is noted.
//   x     [size] f32
//
// add  sum += weight * x, a float32 times a whole number of 32 bits. One thread, one element.

struct Params {
  size: u32,
  weight: u32,
  watched: u32,
  rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

override WG: u32 = 64u;
const SUM_WORDS: u32 = 10u;
const FLAG: u32 = 10u;
const STRIDE: u32 = 11u;
const CODE_LOSS: u32 = 1u;

// Where word w of the sum of an element lies.
fn place(element: u32, w: u32) -> u32 {
  if (params.watched == 1u) { return select(4u + w, 2u, w == 0u); }
  return element * STRIDE + w;
}

// The 64 bits of a product of a number below 2^24 and one of 32 bits: low word, high word.
fn product(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u); // below 2^25
  let other = (a & 0xffffu) * (b >> 16u); // below 2^32
  let middle = (cross & 0xffffu) + (other & 0xffffu);
  let high = (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u) + (middle >> 16u);
  return vec2u((middle << 16u) | (low & 0xffffu), high);
}

@compute @workgroup_size(WG)
fn add(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let element = (group.y * groups.x + group.x) * WG + local;
  if (element >= params.size) { return; }
  let bits = bitcast<u32>(x[element]);
  let exponent = (bits >> 23u) & 0xffu;
  if (params.watched == 1u) { sums[1] += params.rows; }
  if (exponent == 0xffu) {
    if (params.watched == 0u) {
      sums[element * STRIDE + FLAG] = 1u;
      return;
    }
    let now = sums[1];
    if (sums[3] >= now) {
      sums[3] = now;
      sums[4] = min(sums[4], CODE_LOSS);
    }
    return;
  }
  var mantissa = bits & 0x7fffffu;
  if (exponent > 0u) { mantissa |= 0x800000u; }
  let bit = max(exponent, 1u) - 1u; // the place of the mantissa's lowest bit
  let first = bit / 32u;
  let shift = bit % 32u;
  let whole = product(mantissa, params.weight);
  var digits = array<u32, 3>(
    whole.x << shift,
    (whole.y << shift) | ((whole.x >> 1u) >> (31u - shift)),
    (whole.y >> 1u) >> (31u - shift),
  );
  var flip = 0u; // a negative number is the complement of its magnitude, and 1
  if ((bits >> 31u) == 1u) { flip = 0xffffffffu; }
  var carry = flip & 1u;
  for (var w = first; w < SUM_WORDS; w++) {
    var digit = 0u;
    if (w < first + 3u) { digit = digits[w - first]; }
    if (w >= first + 3u && flip == 0u && carry == 0u) { break; }
    let at = place(element, w);
    let before = sums[at];
    let added = before + (digit ^ flip);
    let after = added + carry;
    carry = u32(added < before) | u32(after < added);
    sums[at] = after;
  }
}
`

export const fill = `// fill: out[i] = value
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
`

export const finite = `// finite: notes where a NaN or an infinity was first seen.
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
`

export const gather = `// gather: the rows of a batch, in the order of a list of row numbers.
//
//   entry(n)   = first + stride * batch + n, where batch is the number that \`batches\` has for the step
//   images     out[n, r] = f32(bytes[index[entry(n)], r]) * scale
//   labels     out_labels[n] = i32(labels[index[entry(n)]])
//   rows       out_words[n, r] = bytes[index[entry(n)], r], both in words: float32, int32, or four bytes each
//   Where the list ends before entry(n), the row is 0 and the label IGNORED, which crossEntropy leaves out.
//
//   Rows may lie in several parts, one after the other, each with a dispatch that writes the rows of its part. Labels, and
//   what lies past the end of the list, each of them writes alike.
//
//   bytes       [rows, R]  those of the part: row 0 is the row \`part\`; four bytes a word, little-endian, or words in \`rows\`
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

// What a thread of workgroup \`number\` writes of out. Its elements are WG apart: on drivers for the processor a thread costs as
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
`

export const interpolate = `// interpolate: an image of another height and width, by the nearest cell or between the nearest two of each axis.
//
//   out[p, oy, ox] = sum over the cells (iy, ix) that (oy, ox) has of wy(oy, iy) * wx(ox, ix) * x[p, iy, ix]
//   dx[p, iy, ix]  = sum over the (oy, ox) that have the cell (iy, ix) of wy(oy, iy) * wx(ox, ix) * dy[p, oy, ox]
//
//   x, dx    [planes, H, W], planes = N*C
//   out, dy  [planes, OH, OW]
//
// An axis of I cells and O outputs: output o has the cell first(o) with weight 1 - l(o) and, where l(o) > 0, the next one with
// weight l(o). Of the nearest cell l is 0 everywhere. first never decreases, so the outputs that have a cell are neighbours: from
// start(i), the first one whose first cell is i or more. A cell of weight 0 is not looked at: its NaN reaches nothing.
//
//   table    words: of rows, then of columns: first [O], l [O] as float32, start [I + 1]
//
// forward   One thread computes COLUMNS neighbours of ROWS rows of a plane of out, fewer at its ends: what it looks up of its columns
//           serves all of its rows.
// backward  One thread computes STRIP neighbours of a row of dx, fewer at its end. A sum has its terms row by row, in order; each row, and the sums of the rows, in blocks of BLOCK.

struct Params {
  planes: u32, // N*C
  H: u32, W: u32,
  OH: u32, OW: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read> table: array<u32>;

override WG: u32 = 64u;
const STRIP: u32 = 8u; // tune
const COLUMNS: u32 = 4u;
const ROWS: u32 = 16u;
const BLOCK: u32 = 256u;
const NO_ROW: u32 = 0xffffffffu;
// 1 where l may be above 0.
const BILINEAR: u32 = 0u; // tune

// The neighbours of one thread in a row; none if the row is beyond the last.
struct Strip {
  plane: u32, y: u32, first: u32, end: u32,
}

fn strip_of(group: vec3u, groups: vec3u, lane: u32, height: u32, width: u32) -> Strip {
  let strips = (width + STRIP - 1u) / STRIP; // of a row
  let i = (group.y * groups.x + group.x) * WG + lane;
  let row = i / strips;
  let first = (i - row * strips) * STRIP;
  let plane = row / height;
  let in_range = row < params.planes * height;
  return Strip(plane, row - plane * height, first, select(first, min(first + STRIP, width), in_range));
}

// An axis of the table: where its words begin, and how many outputs it has.
struct Axis {
  at: u32, outputs: u32,
}

fn rows() -> Axis {
  return Axis(0u, params.OH);
}

fn columns() -> Axis {
  return Axis(2u * params.OH + params.H + 1u, params.OW);
}

fn first_of(a: Axis, o: u32) -> u32 {
  return table[a.at + o];
}

fn l_of(a: Axis, o: u32) -> f32 {
  if (BILINEAR == 0u) {
    return 0.0;
  }
  return bitcast<f32>(table[a.at + a.outputs + o]);
}

// The outputs that may have cell i: from .x up to before .y it is the next one, whose weight may be 0, from there up to before .z
// the first.
fn range_of(a: Axis, i: u32) -> vec3u {
  let starts = a.at + 2u * a.outputs;
  return vec3u(table[starts + i - min(i, BILINEAR)], table[starts + i], table[starts + i + 1u]);
}

fn weight_of(a: Axis, o: u32, range: vec3u) -> f32 {
  let l = l_of(a, o);
  return select(1.0 - l, l, o < range.y);
}

// (1 - l) * v + l * next; v alone where l is 0.
fn mixed(v: f32, next: f32, l: f32) -> f32 {
  if (BILINEAR == 0u) {
    return v;
  }
  return select(v, (1.0 - l) * v + l * next, l > 0.0);
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tiles = (params.OW + COLUMNS - 1u) / COLUMNS; // of a row
  let bands = (params.OH + ROWS - 1u) / ROWS;       // of a plane
  let i = (group.y * groups.x + group.x) * WG + lane;
  let band = i / tiles;
  let plane = band / bands;
  if (plane >= params.planes) {
    return;
  }
  let ox = (i - band * tiles) * COLUMNS;
  let oy = (band - plane * bands) * ROWS;
  // The cell of each column, the next one where that counts, and its weight.
  var at: array<u32, COLUMNS>;
  var next: array<u32, COLUMNS>;
  var lx: array<f32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) {
    let o = min(ox + j, params.OW - 1u);
    at[j] = first_of(columns(), o);
    lx[j] = l_of(columns(), o);
    next[j] = at[j] + select(0u, 1u, lx[j] > 0.0);
  }
  // Between the columns, two rows of x: that of the output's first cells, and the next one where that counts. The next output
  // often has one of them, or both.
  var upper: array<f32, COLUMNS>;
  var lower: array<f32, COLUMNS>;
  var upper_row = NO_ROW;
  var lower_row = NO_ROW;
  for (var y = oy; y < min(oy + ROWS, params.OH); y++) {
    let ly = l_of(rows(), y);
    let row = plane * params.H + first_of(rows(), y);
    if (row != upper_row) {
      if (row == lower_row) {
        upper = lower;
      } else {
        for (var j = 0u; j < COLUMNS; j++) {
          upper[j] = mixed(x[row * params.W + at[j]], x[row * params.W + next[j]], lx[j]);
        }
      }
      upper_row = row;
    }
    if (ly > 0.0 && row + 1u != lower_row) {
      lower_row = row + 1u;
      for (var j = 0u; j < COLUMNS; j++) {
        lower[j] = mixed(x[lower_row * params.W + at[j]], x[lower_row * params.W + next[j]], lx[j]);
      }
    }
    let base = (plane * params.OH + y) * params.OW + ox;
    for (var j = 0u; j < COLUMNS; j++) {
      if (ox + j < params.OW) {
        out[base + j] = mixed(upper[j], lower[j], ly);
      }
    }
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let s = strip_of(group, groups, lane, params.H, params.W);
  if (s.first >= s.end) {
    return;
  }
  let oys = range_of(rows(), s.y);
  for (var ix = s.first; ix < s.end; ix++) {
    let oxs = range_of(columns(), ix);
    var sum = 0.0;
    var part = 0.0;
    for (var oy = oys.x; oy < oys.z; oy++) {
      let wy = weight_of(rows(), oy, oys);
      if (wy > 0.0) {
        let base = (s.plane * params.OH + oy) * params.OW;
        var row_sum = 0.0;
        var row_part = 0.0;
        for (var ox = oxs.x; ox < oxs.z; ox++) {
          let wx = weight_of(columns(), ox, oxs);
          row_part += wx * select(0.0, dy[base + ox], wx > 0.0);
          if ((ox - oxs.x) % BLOCK == BLOCK - 1u) {
            row_sum += row_part;
            row_part = 0.0;
          }
        }
        part += wy * (row_sum + row_part);
      }
      if ((oy - oys.x) % BLOCK == BLOCK - 1u) {
        sum += part;
        part = 0.0;
      }
    }
    dx[(s.plane * params.H + s.y) * params.W + ix] = sum + part;
  }
}
`

export const layer_wise = `// layer_wise: updates whose length depends on the norms of each parameter and of its gradient or direction, many parameters in
// three dispatches: partial sums, their totals, the update.
//
// LARS (You, Gitman and Ginsburg, 2017):
//   local = trust * |p| / (|dp| + decay * |p| + eps);  d = local * (dp + decay * p)
//   first step:  b = d        later:  b = momentum * b + (1 - dampening) * d
//   p -= lr * (nesterov ? d + momentum * b : b)        without momentum:  p -= lr * d
//
// LAMB (You et al., 2020):
//   expAvg += (1 - beta1) * (dp - expAvg);  expAvgSq = beta2 * expAvgSq + (1 - beta2) * dp * dp
//   d = scale1 * expAvg / (sqrt(expAvgSq) / root + eps) + decay * p;  p -= lr * |p| / |d| * d
//
// where scale1 = 1 / (1 - beta1^t), root = sqrt(1 - beta2^t). Where one of the two norms is 0, local and |p| / |d| are 1. A norm
// that float32 can't hold makes the parameter NaN.
// The parameters lie side by side in p, their states at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp     f32
//   momentumBuffer     as bits: UNSET where there was no step with momentum yet
//   expAvg, expAvgSq   f32, 0 before the first step
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   sums      [ROWS, 2]  of each row the sums of squares of p and of what else has a norm; after totals the two norms of its
//             parameter
//   settings  rows of one update each, as per_step.ts describes them. LARS: the bits of lr, momentum, 1 - dampening, decay,
//             nesterov (0 or 1), trust, eps, 0. LAMB: lr, 1 - beta1, beta2, 1 - beta2, eps, decay, scale1, root
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// lars_norms          A workgroup adds up the squares of its row.
// totals              A workgroup adds up the rows of its row's parameter, if that is the first of them.
// lars, lars_momentum A workgroup updates what its row says, a thread PER elements, without a momentum buffer and with. Where
//                     watched is 1, a gradient or a new parameter that is not finite is noted in the watch.
// lamb_norms          A workgroup takes its row's gradients into the averages, notes those that are not finite, and adds up
//                     the squares of its row.
// lamb                A workgroup updates what its row says, and notes parameters that are not finite.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;
@group(0) @binding(8) var<storage, read_write> momentumBuffer: array<u32>;
@group(0) @binding(9) var<storage, read_write> expAvg: array<f32>;
@group(0) @binding(10) var<storage, read_write> expAvgSq: array<f32>;

// A change of these changes the bits of the norms.
const WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 8u;
const UNSET: u32 = 0x7fc00b0eu; // A NaN that no arithmetic makes.

var<workgroup> found: array<vec2f, WG>;

struct Lars {
  lr: f32, momentum: f32, take: f32, decay: f32, nesterov: bool, trust: f32, eps: f32,
}

struct Lamb {
  lr: f32, take1: f32, beta2: f32, take2: f32, eps: f32, decay: f32, scale1: f32, root: f32,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_lars() -> Lars {
  return Lars(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u) != 0.0, setting(5u), setting(6u),
  );
}

fn read_lamb() -> Lamb {
  return Lamb(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u), setting(5u), setting(6u), setting(7u),
  );
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

// WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
fn root_of(v: f32) -> f32 {
  return select(sqrt(v), 0.0, v == 0.0);
}

// What the threads have found, in order.
fn all_found() -> vec2f {
  var sum = found[0];
  for (var k = 1u; k < WG; k++) {
    sum += found[k];
  }
  return sum;
}

// A quotient of norms; 1 where one of them is 0, NaN where one is not finite.
fn trusted(a: f32, b: f32, quotient: f32) -> f32 {
  if (not_finite(a) || not_finite(b)) {
    var nan = 0x7fc00000u;
    return bitcast<f32>(nan);
  }
  return select(quotient, 1.0, a == 0.0 || b == 0.0);
}

fn lars_direction(s: Lars, row: u32, given: f32, before: f32) -> f32 {
  let of_p = sums[2u * row];
  let of_dp = sums[2u * row + 1u];
  let local = trusted(of_p, of_dp, s.trust * of_p / (of_dp + s.decay * of_p + s.eps));
  var g = given;
  if (s.decay != 0.0) { g += s.decay * before; }
  return local * g;
}

fn lars_collected(s: Lars, at: u32, d: f32) -> f32 {
  let before = momentumBuffer[at];
  var b = d;
  if (before != UNSET) { b = s.momentum * bitcast<f32>(before) + s.take * d; }
  momentumBuffer[at] = bitcast<u32>(b);
  return select(b, d + s.momentum * b, s.nesterov);
}

fn lamb_direction(s: Lamb, at: u32) -> f32 {
  let d = s.scale1 * expAvg[at] / (root_of(expAvgSq[at]) / s.root + s.eps);
  return d + s.decay * p[at];
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn lars_norms(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  var sum = vec2f(0.0);
  for (var i = local; i < row.count; i += WG) {
    let both = vec2f(p[row.at + i], dp[row.at_dp + i]);
    sum += both * both;
  }
  found[local] = sum;
  workgroupBarrier();
  if (local == 0u && row.count > 0u) {
    let all = all_found();
    sums[2u * at_row] = all.x;
    sums[2u * at_row + 1u] = all.y;
  }
}

@compute @workgroup_size(WG)
fn lamb_norms(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_lamb();
  var sum = vec2f(0.0);
  var bad_dp = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let g = dp[row.at_dp + i];
    let before = expAvg[at];
    expAvg[at] = before + s.take1 * (g - before);
    expAvgSq[at] = s.beta2 * expAvgSq[at] + s.take2 * g * g;
    let both = vec2f(p[at], lamb_direction(s, at));
    sum += both * both;
    bad_dp = bad_dp || not_finite(g);
  }
  note_row(row, bad_dp, false);
  found[local] = sum;
  workgroupBarrier();
  if (local == 0u && row.count > 0u) {
    let all = all_found();
    sums[2u * at_row] = all.x;
    sums[2u * at_row + 1u] = all.y;
  }
}

// The sums of a parameter are one after the other, as its rows in the table are: the first row adds up all, in order.
@compute @workgroup_size(WG)
fn totals(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = group.y * groups.x + group.x;
  let code = read_row(first).code_p;
  let is_first = first < params.rows && (first == 0u || read_row(first - 1u).code_p != code);
  var sum = vec2f(0.0);
  for (var i = first + local; is_first && i < params.rows && read_row(i).code_p == code; i += WG) {
    sum += vec2f(sums[2u * i], sums[2u * i + 1u]);
  }
  found[local] = sum;
  workgroupBarrier();
  let all = all_found();
  for (var i = first + local; is_first && i < params.rows && read_row(i).code_p == code; i += WG) {
    sums[2u * i] = root_of(all.x);
    sums[2u * i + 1u] = root_of(all.y);
  }
}

@compute @workgroup_size(WG)
fn lars(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_lars();
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let before = p[at];
    let parameter = before - s.lr * lars_direction(s, at_row, given, before);
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn lars_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_lars();
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let before = p[at];
    let parameter = before - s.lr * lars_collected(s, at, lars_direction(s, at_row, given, before));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn lamb(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_lamb();
  let of_p = sums[2u * at_row];
  let of_d = sums[2u * at_row + 1u];
  let rate = s.lr * trusted(of_p, of_d, of_p / of_d);
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let parameter = p[at] - rate * lamb_direction(s, at);
    p[at] = parameter;
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, false, bad_p);
}
`

export const linear = `// linear: a fully connected layer and its gradients, row-major; with relu = 1, of a ReLU after it too.
//
//   out[n, o] = sum over i of x[n, i] * weight[o, i], plus bias[o]; with relu = 1, 0 where that is <= 0; NaN passes
//   dx[n, i]  = sum over o of dy[n, o] * weight[o, i]
//   dw[o, i]  = sum over n of dy[n, o] * x[n, i]
//   db[o]     = sum over n of dy[n, o]                   with relu = 1, dy counts as 0 where out <= 0
//
// With maskX = 1 x is what a ReLU gave, and dx the gradient of what it took: 0 where x <= 0.
//
//   x, dx         [N, I]
//   weight, dw    [O, I]
//   bias, db      [O]
//   out, dy, y    [N, O]     y: what forward gave for out
//
// Null where they are not looked at: bias with hasBias = 0, y with relu = 0, dx with needX = 0, dw and db with needW = 0.
//
// i and o ascend; the packed kernels add up \`count\` of them from k0 on, and with more = 1 add that to what out or dx holds;
// with last = 0 others follow, and bias, ReLU and mask are left to the last one. The sums over n go by blocks of BLOCK rows,
// n ascending in the block, and then over the blocks of a part in ascending order, starting from +0: their bits depend neither
// on the device's scheduling nor on rows of zeros in dy after the last one (x must be finite there).
//
// A *quad* is four neighbouring rows or columns of an operand at one k, k being the dimension summed over: one vec4f.
// The quads of an operand are stored k by k: quad q at k is element k * quads + q, quads = ceil(rows or columns / 4).
//
// pack_forward    Writes quads of x (ceil(N/4) of them at each i) to left_out, of weight (ceil(O/4) at each i) to right_out,
//                 those of k0 first. One thread writes the same quad at up to STRIP successive i:
//                 (ceil(N/4) + ceil(O/4))*ceil(count/STRIP) threads.
// forward         Reads them as \`left\` and \`right\`. One thread computes an 8 x 8 block of out: ceil(N/8)*ceil(O/8) threads.
// pack_backward   Of \`rows\` rows from n0 on, if needW = 1, quads of dy along O at each n to left_out, and of x along I at each
//                 n to right_out; then of \`count\` o from k0 on, if needX = 1, quads of dy along N at each o to left_out, and of
//                 weight along I at each o to right_out.
//                 One thread writes the same quad at up to STRIP successive k, k being n or o:
//                 needW*(ceil(O/4) + ceil(I/4))*ceil(rows/STRIP) + needX*(ceil(N/4) + ceil(I/4))*ceil(count/STRIP) threads.
// backward        Reads them as \`left\` and \`right\`. One thread computes an 8 x 8 block of dw (ceil(O/8)*ceil(I/8) threads a
//                 part), an 8 x 8 block of dx (ceil(N/8)*ceil(I/8) threads) or 4 elements of db (ceil(O/4) threads a part), in
//                 this order: needW*parts*(ceil(O/8)*ceil(I/8) + ceil(O/4)) + needX*ceil(N/8)*ceil(I/8).
//                 A part of dw and db is the sum over \`share\` rows, a multiple of BLOCK: dw is [parts, O, I] and db [parts, O],
//                 parts = ceil(rows/share). \`reduce\` or sum_parts.wgsl adds them.
// forward_direct, backward_direct
//                 The same, to the same bits, in one dispatch, without packing: for layers so small that it costs more than
//                 it saves. They take all of N, I and O, whatever n0, rows, k0 and count are. backward_direct takes no ReLU of
//                 its own; it has ceil(O/8)*ceil(I/8) threads a part for dw, ceil(N/8)*ceil(I/8) for dx and O a part for db,
//                 in the same order.
// reduce          Adds partial_w [parts, O, I] to dw [O, I] and partial_b [parts, O] to db [O]. One thread an element:
//                 O*I + O.
//
// Past an edge the last row or column is read again, and what comes of it is not stored.

struct Params {
  N: u32,
  I: u32,
  O: u32,
  hasBias: u32, // 0: there is none
  relu: u32,
  needX: u32,
  needW: u32, // dw and db
  parts: u32, // of dw and db
  share: u32, // rows of a part
  maskX: u32, // 1: dx is 0 where x <= 0, x being a ReLU's output and dx the gradient of what that ReLU took
  n0: u32,
  rows: u32, // of dw and db
  k0: u32,
  count: u32,
  more: u32,
  last: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> left_out: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> right_out: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;
@group(0) @binding(10) var<storage, read_write> db: array<f32>;
@group(0) @binding(11) var<storage, read> partial_w: array<f32>;
@group(0) @binding(12) var<storage, read> partial_b: array<f32>;
@group(0) @binding(13) var<storage, read> y: array<f32>;
// x and weight, where I is a multiple of 4.
@group(0) @binding(14) var<storage, read> x_quads: array<vec4f>;
@group(0) @binding(15) var<storage, read> weight_quads: array<vec4f>;
@group(0) @binding(16) var<storage, read> left: array<vec4f>;
@group(0) @binding(17) var<storage, read> right: array<vec4f>;

override WG: u32 = 64u;

const STRIP: u32 = 16u;
const BLOCK: u32 = 32u; // Rows of the batch in one partial sum: a change of it changes the bits of dw and db.

fn quads_of(n: u32) -> u32 {
  return (n + 3u) / 4u;
}

fn eights_of(n: u32) -> u32 {
  return (n + 7u) / 8u;
}

// A strip: the same quad at up to STRIP successive k. Loops over it run on \`to\`: of a count that is at most STRIP, CPU
// drivers make STRIP copies of the loop's body, and take seconds to compile them.
struct Strip {
  at: vec4u, // where its four elements are at the first k
  to: u32, // which element of left_out or right_out the first quad becomes
  step: u32, // from one quad to the next there
  end: u32, // past the last one
}

// Strip i of a matrix of n by size_k elements from k0 on; element \`row\` at k is row * stride + k * stride_k. Its quads start
// at \`first\`.
fn strip_of(i: u32, n: u32, k0: u32, size_k: u32, stride: u32, stride_k: u32, first: u32) -> Strip {
  let step = quads_of(n);
  let q = i % step;
  let k = i / step * STRIP;
  let at = min(q * 4u + vec4u(0u, 1u, 2u, 3u), vec4u(n - 1u)) * stride + (k0 + k) * stride_k;
  return Strip(at, first + k * step + q, step, first + min(k + STRIP, size_k) * step);
}

fn strips_of(n: u32) -> u32 {
  return (n + STRIP - 1u) / STRIP;
}

// Spreads the first \`heavy\` of \`all\` workgroups evenly among the others, as CPU drivers give each core one run of
// workgroups. Every number below \`all\` comes out once.
fn in_turn(g: u32, all: u32, heavy: u32) -> u32 {
  if (all > 0xffffu || heavy > all) {
    return g; // The products below would overflow.
  }
  let before = g * heavy / all;
  return select(heavy + g - before, before, (g + 1u) * heavy / all > before);
}

// An element of out, given its sum.
fn finished(sum: f32, o: u32) -> f32 {
  var result = sum;
  if (params.hasBias == 1u) {
    result += bias[o];
  }
  return select(result, 0.0, params.relu == 1u && result <= 0.0);
}

// An element of the gradient before the ReLU.
fn dy_at(i: u32) -> f32 {
  return select(dy[i], 0.0, params.relu == 1u && y[i] <= 0.0);
}

// An element of dx, given its sum.
fn masked(sum: f32, at: u32) -> f32 {
  return select(sum, 0.0, params.maskX == 1u && params.last == 1u && x[at] <= 0.0);
}

@compute @workgroup_size(WG)
fn pack_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + lane;
  let threads_x = quads_of(params.N) * strips_of(params.count);
  let threads_w = quads_of(params.O) * strips_of(params.count);
  if (i < threads_x) {
    var s = strip_of(i, params.N, params.k0, params.count, params.I, 1u, 0u);
    for (; s.to < s.end; s.to += s.step) {
      left_out[s.to] = vec4f(x[s.at.x], x[s.at.y], x[s.at.z], x[s.at.w]);
      s.at += 1u;
    }
  } else if (i - threads_x < threads_w) {
    var s = strip_of(i - threads_x, params.O, params.k0, params.count, params.I, 1u, 0u);
    for (; s.to < s.end; s.to += s.step) {
      right_out[s.to] = vec4f(weight[s.at.x], weight[s.at.y], weight[s.at.z], weight[s.at.w]);
      s.at += 1u;
    }
  }
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = (group.y * groups.x + group.x) * WG + lane;
  let across = eights_of(params.O);
  let row = block / across * 8u;
  let column = block % across * 8u;
  if (row >= params.N) {
    return;
  }
  let step_i = quads_of(params.N);
  let step_j = quads_of(params.O);
  var i0 = row / 4u;
  var i1 = min(i0 + 1u, step_i - 1u);
  var j0 = column / 4u;
  var j1 = min(j0 + 1u, step_j - 1u);
  // s<row><l or h>: the low and the high four columns of the block's rows.
  var s0l = vec4f(); var s0h = vec4f();
  var s1l = vec4f(); var s1h = vec4f();
  var s2l = vec4f(); var s2h = vec4f();
  var s3l = vec4f(); var s3h = vec4f();
  var s4l = vec4f(); var s4h = vec4f();
  var s5l = vec4f(); var s5h = vec4f();
  var s6l = vec4f(); var s6h = vec4f();
  var s7l = vec4f(); var s7h = vec4f();
  for (var k = 0u; k < params.count; k++) {
    let x0 = left[i0];
    let x1 = left[i1];
    let y0 = right[j0];
    let y1 = right[j1];
    i0 += step_i;
    i1 += step_i;
    j0 += step_j;
    j1 += step_j;
    s0l += x0.x * y0; s0h += x0.x * y1;
    s1l += x0.y * y0; s1h += x0.y * y1;
    s2l += x0.z * y0; s2h += x0.z * y1;
    s3l += x0.w * y0; s3h += x0.w * y1;
    s4l += x1.x * y0; s4h += x1.x * y1;
    s5l += x1.y * y0; s5h += x1.y * y1;
    s6l += x1.z * y0; s6h += x1.z * y1;
    s7l += x1.w * y0; s7h += x1.w * y1;
  }
  // One store in a loop, the sums moving up through it: 64 stores written out cost a second of compile time on CPU
  // drivers.
  let end = min(row + 8u, params.N);
  for (var half = row * 2u; half < end * 2u; half++) {
    let start = half / 2u * params.O;
    let stop = start + min(column + (half & 1u) * 4u + 4u, params.O);
    for (var at = start + column + (half & 1u) * 4u; at < stop; at++) {
      if (params.more == 1u) {
        s0l.x += out[at];
      }
      if (params.last == 1u) {
        s0l.x = finished(s0l.x, at - start);
      }
      out[at] = s0l.x;
      s0l = s0l.yzww;
    }
    s0l = s0h; s0h = s1l; s1l = s1h; s1h = s2l; s2l = s2h;
    s2h = s3l; s3l = s3h; s3h = s4l; s4l = s4h; s4h = s5l;
    s5l = s5h; s5h = s6l; s6l = s6h; s6h = s7l; s7l = s7h;
  }
}

// As forward, of operands as they lie.
@compute @workgroup_size(WG)
fn forward_direct(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = (group.y * groups.x + group.x) * WG + lane;
  let across = eights_of(params.O);
  let row = block / across * 8u;
  let column = block % across * 8u;
  if (row >= params.N) {
    return;
  }
  let four = vec4u(0u, 1u, 2u, 3u);
  let x_low = min(row + four, vec4u(params.N - 1u)) * params.I;
  let x_high = min(row + 4u + four, vec4u(params.N - 1u)) * params.I;
  let w_low = min(column + four, vec4u(params.O - 1u)) * params.I;
  let w_high = min(column + 4u + four, vec4u(params.O - 1u)) * params.I;
  var s0l = vec4f(); var s0h = vec4f();
  var s1l = vec4f(); var s1h = vec4f();
  var s2l = vec4f(); var s2h = vec4f();
  var s3l = vec4f(); var s3h = vec4f();
  var s4l = vec4f(); var s4h = vec4f();
  var s5l = vec4f(); var s5h = vec4f();
  var s6l = vec4f(); var s6h = vec4f();
  var s7l = vec4f(); var s7h = vec4f();
  for (var k = 0u; k < params.I; k++) {
    let x0 = vec4f(x[x_low.x + k], x[x_low.y + k], x[x_low.z + k], x[x_low.w + k]);
    let x1 = vec4f(x[x_high.x + k], x[x_high.y + k], x[x_high.z + k], x[x_high.w + k]);
    let y0 = vec4f(weight[w_low.x + k], weight[w_low.y + k], weight[w_low.z + k], weight[w_low.w + k]);
    let y1 = vec4f(weight[w_high.x + k], weight[w_high.y + k], weight[w_high.z + k], weight[w_high.w + k]);
    s0l += x0.x * y0; s0h += x0.x * y1;
    s1l += x0.y * y0; s1h += x0.y * y1;
    s2l += x0.z * y0; s2h += x0.z * y1;
    s3l += x0.w * y0; s3h += x0.w * y1;
    s4l += x1.x * y0; s4h += x1.x * y1;
    s5l += x1.y * y0; s5h += x1.y * y1;
    s6l += x1.z * y0; s6h += x1.z * y1;
    s7l += x1.w * y0; s7h += x1.w * y1;
  }
  let end = min(row + 8u, params.N);
  for (var half = row * 2u; half < end * 2u; half++) {
    let start = half / 2u * params.O;
    let stop = start + min(column + (half & 1u) * 4u + 4u, params.O);
    for (var at = start + column + (half & 1u) * 4u; at < stop; at++) {
      out[at] = finished(s0l.x, at - start);
      s0l = s0l.yzww;
    }
    s0l = s0h; s0h = s1l; s1l = s1h; s1h = s2l; s2l = s2h;
    s2h = s3l; s3l = s3h; s3h = s4l; s4l = s4h; s4h = s5l;
    s5l = s5h; s5h = s6l; s6l = s6h; s6h = s7l; s7l = s7h;
  }
}

@compute @workgroup_size(WG)
fn pack_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + lane;
  let quads_n = quads_of(params.N);
  let quads_i = quads_of(params.I);
  let quads_o = quads_of(params.O);
  let strips_n = strips_of(params.rows) * params.needW;
  let strips_o = strips_of(params.count) * params.needX;
  // Where the threads of each operand end, and where those quads start that follow others.
  let end_1 = quads_o * strips_n;
  let end_2 = end_1 + quads_i * strips_n;
  let end_3 = end_2 + quads_n * strips_o;
  let end_4 = end_3 + quads_i * strips_o;
  let first_3 = quads_o * params.rows * params.needW;
  let first_4 = quads_i * params.rows * params.needW;
  if (i < end_1 || (i >= end_2 && i < end_3)) {
    var s = strip_of(i, params.O, params.n0, params.rows, 1u, params.O, 0u);
    var step = params.O;
    if (i >= end_2) {
      s = strip_of(i - end_2, params.N, params.k0, params.count, params.O, 1u, first_3);
      step = 1u;
    }
    for (; s.to < s.end; s.to += s.step) {
      left_out[s.to] = vec4f(dy_at(s.at.x), dy_at(s.at.y), dy_at(s.at.z), dy_at(s.at.w));
      s.at += step;
    }
  } else if (i < end_2) {
    var s = strip_of(i - end_1, params.I, params.n0, params.rows, 1u, params.I, 0u);
    for (; s.to < s.end; s.to += s.step) {
      right_out[s.to] = vec4f(x[s.at.x], x[s.at.y], x[s.at.z], x[s.at.w]);
      s.at += params.I;
    }
  } else if (i < end_4) {
    var s = strip_of(i - end_3, params.I, params.k0, params.count, 1u, params.I, first_4);
    for (; s.to < s.end; s.to += s.step) {
      right_out[s.to] = vec4f(weight[s.at.x], weight[s.at.y], weight[s.at.z], weight[s.at.w]);
      s.at += params.I;
    }
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let quads_n = quads_of(params.N);
  let quads_i = quads_of(params.I);
  let quads_o = quads_of(params.O);
  let across = eights_of(params.I);
  let blocks_w = eights_of(params.O) * across;
  let count_w = blocks_w * params.parts * params.needW;
  let count_x = eights_of(params.N) * across * params.needX;
  let thread = in_turn(group.y * groups.x + group.x, groups.x * groups.y, (count_w + WG - 1u) / WG) * WG + lane;
  if (thread >= count_w + count_x) {
    let t = thread - count_w - count_x;
    if (t >= quads_o * params.parts * params.needW) {
      return;
    }
    let part = t / quads_o;
    let end = min((part + 1u) * params.share, params.rows);
    var total = vec4f();
    for (var n = part * params.share; n < end; ) {
      let stop = min(n + BLOCK, end);
      var sum = vec4f();
      for (; n < stop; n++) {
        sum += left[n * quads_o + t % quads_o];
      }
      total += sum;
    }
    let o = t % quads_o * 4u;
    let count = min(4u, params.O - o);
    for (var j = 0u; j < count; j++) {
      db[part * params.O + o + j] = total.x;
      total = total.yzww;
    }
    return;
  }

  let for_w = thread < count_w;
  let t = select(thread - count_w, thread, for_w);
  // dx has one part, and one block of all its k.
  let part = select(0u, t / blocks_w, for_w);
  let row = (t - part * blocks_w) / across * 8u;
  let column = (t - part * blocks_w) % across * 8u;
  let height = select(params.N, params.O, for_w);
  let begin = part * params.share;
  let end = select(params.count, min(begin + params.share, params.rows), for_w);
  let block = select(params.count, BLOCK, for_w);
  let step_i = select(quads_n, quads_o, for_w);
  let step_j = quads_i;
  // Where the quads of the two operands start.
  let before = params.rows * params.needW;
  let first_i = select(quads_o * before, begin * step_i, for_w);
  let first_j = select(quads_i * before, begin * step_j, for_w);
  var i0 = first_i + row / 4u;
  var i1 = first_i + min(row / 4u + 1u, step_i - 1u);
  var j0 = first_j + column / 4u;
  var j1 = first_j + min(column / 4u + 1u, step_j - 1u);
  // t<row><l or h>: the low and the high four columns of the block's rows; s: the same, of one block of k.
  var t0l = vec4f(); var t0h = vec4f();
  var t1l = vec4f(); var t1h = vec4f();
  var t2l = vec4f(); var t2h = vec4f();
  var t3l = vec4f(); var t3h = vec4f();
  var t4l = vec4f(); var t4h = vec4f();
  var t5l = vec4f(); var t5h = vec4f();
  var t6l = vec4f(); var t6h = vec4f();
  var t7l = vec4f(); var t7h = vec4f();
  for (var k = begin; k < end; ) {
    let stop = min(k + block, end);
    var s0l = vec4f(); var s0h = vec4f();
    var s1l = vec4f(); var s1h = vec4f();
    var s2l = vec4f(); var s2h = vec4f();
    var s3l = vec4f(); var s3h = vec4f();
    var s4l = vec4f(); var s4h = vec4f();
    var s5l = vec4f(); var s5h = vec4f();
    var s6l = vec4f(); var s6h = vec4f();
    var s7l = vec4f(); var s7h = vec4f();
    for (; k < stop; k++) {
      let x0 = left[i0];
      let x1 = left[i1];
      let y0 = right[j0];
      let y1 = right[j1];
      i0 += step_i;
      i1 += step_i;
      j0 += step_j;
      j1 += step_j;
      s0l += x0.x * y0; s0h += x0.x * y1;
      s1l += x0.y * y0; s1h += x0.y * y1;
      s2l += x0.z * y0; s2h += x0.z * y1;
      s3l += x0.w * y0; s3h += x0.w * y1;
      s4l += x1.x * y0; s4h += x1.x * y1;
      s5l += x1.y * y0; s5h += x1.y * y1;
      s6l += x1.z * y0; s6h += x1.z * y1;
      s7l += x1.w * y0; s7h += x1.w * y1;
    }
    t0l += s0l; t0h += s0h;
    t1l += s1l; t1h += s1h;
    t2l += s2l; t2h += s2h;
    t3l += s3l; t3h += s3h;
    t4l += s4l; t4h += s4h;
    t5l += s5l; t5h += s5h;
    t6l += s6l; t6h += s6h;
    t7l += s7l; t7h += s7h;
  }
  // One store in a loop, the sums moving up through it: 64 stores written out cost a second of compile time on CPU
  // drivers.
  let last = min(row + 8u, height);
  for (var half = row * 2u; half < last * 2u; half++) {
    let start = (part * params.O + half / 2u) * params.I;
    let stop = start + min(column + (half & 1u) * 4u + 4u, params.I);
    for (var at = start + column + (half & 1u) * 4u; at < stop; at++) {
      if (for_w) {
        dw[at] = t0l.x;
      } else {
        if (params.more == 1u) {
          t0l.x += dx[at];
        }
        dx[at] = masked(t0l.x, at);
      }
      t0l = t0l.yzww;
    }
    t0l = t0h; t0h = t1l; t1l = t1h; t1h = t2l; t2l = t2h;
    t2h = t3l; t3l = t3h; t3h = t4l; t4l = t4h; t4h = t5l;
    t5l = t5h; t5h = t6l; t6l = t6h; t6h = t7l; t7l = t7h;
  }
}

// As backward, of operands as they lie; I must be a multiple of 4, and relu 0.
@compute @workgroup_size(WG)
fn backward_direct(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let quads_i = params.I / 4u;
  let across = eights_of(params.I);
  let blocks_w = eights_of(params.O) * across;
  let count_w = blocks_w * params.parts * params.needW;
  let count_x = eights_of(params.N) * across * params.needX;
  let thread = in_turn(group.y * groups.x + group.x, groups.x * groups.y, (count_w + WG - 1u) / WG) * WG + lane;
  if (thread >= count_w + count_x) {
    let t = thread - count_w - count_x;
    if (t >= params.O * params.parts * params.needW) {
      return;
    }
    let begin = t / params.O * params.share;
    let end = min(begin + params.share, params.N);
    var total = 0.0;
    for (var n = begin; n < end; ) {
      let stop = min(n + BLOCK, end);
      var sum = 0.0;
      for (; n < stop; n++) {
        sum += dy[n * params.O + t % params.O];
      }
      total += sum;
    }
    db[t] = total;
    return;
  }

  let for_w = thread < count_w;
  let t = select(thread - count_w, thread, for_w);
  // dx has one part, and one block of all the k.
  let part = select(0u, t / blocks_w, for_w);
  let row = (t - part * blocks_w) / across * 8u;
  let column = (t - part * blocks_w) % across * 2u; // in quads
  let height = select(params.N, params.O, for_w);
  let four = vec4u(0u, 1u, 2u, 3u);
  let low = min(row + four, vec4u(height - 1u));
  let high = min(row + 4u + four, vec4u(height - 1u));
  var j0 = column;
  var j1 = min(column + 1u, quads_i - 1u);
  // As in backward.
  var t0l = vec4f(); var t0h = vec4f();
  var t1l = vec4f(); var t1h = vec4f();
  var t2l = vec4f(); var t2h = vec4f();
  var t3l = vec4f(); var t3h = vec4f();
  var t4l = vec4f(); var t4h = vec4f();
  var t5l = vec4f(); var t5h = vec4f();
  var t6l = vec4f(); var t6h = vec4f();
  var t7l = vec4f(); var t7h = vec4f();
  // Two loops: in one, which would choose between its operands, the driver for the processor takes 15 % longer.
  if (for_w) {
    let begin = part * params.share;
    let end = min(begin + params.share, params.N);
    var i0 = low + begin * params.O;
    var i1 = high + begin * params.O;
    j0 += begin * quads_i;
    j1 += begin * quads_i;
    for (var n = begin; n < end; ) {
      let stop = min(n + BLOCK, end);
      var s0l = vec4f(); var s0h = vec4f();
      var s1l = vec4f(); var s1h = vec4f();
      var s2l = vec4f(); var s2h = vec4f();
      var s3l = vec4f(); var s3h = vec4f();
      var s4l = vec4f(); var s4h = vec4f();
      var s5l = vec4f(); var s5h = vec4f();
      var s6l = vec4f(); var s6h = vec4f();
      var s7l = vec4f(); var s7h = vec4f();
      for (; n < stop; n++) {
        let x0 = vec4f(dy[i0.x], dy[i0.y], dy[i0.z], dy[i0.w]);
        let x1 = vec4f(dy[i1.x], dy[i1.y], dy[i1.z], dy[i1.w]);
        let y0 = x_quads[j0];
        let y1 = x_quads[j1];
        i0 += params.O;
        i1 += params.O;
        j0 += quads_i;
        j1 += quads_i;
        s0l += x0.x * y0; s0h += x0.x * y1;
        s1l += x0.y * y0; s1h += x0.y * y1;
        s2l += x0.z * y0; s2h += x0.z * y1;
        s3l += x0.w * y0; s3h += x0.w * y1;
        s4l += x1.x * y0; s4h += x1.x * y1;
        s5l += x1.y * y0; s5h += x1.y * y1;
        s6l += x1.z * y0; s6h += x1.z * y1;
        s7l += x1.w * y0; s7h += x1.w * y1;
      }
      t0l += s0l; t0h += s0h;
      t1l += s1l; t1h += s1h;
      t2l += s2l; t2h += s2h;
      t3l += s3l; t3h += s3h;
      t4l += s4l; t4h += s4h;
      t5l += s5l; t5h += s5h;
      t6l += s6l; t6h += s6h;
      t7l += s7l; t7h += s7h;
    }
  } else {
    let i0 = low * params.O;
    let i1 = high * params.O;
    for (var o = 0u; o < params.O; o++) {
      let x0 = vec4f(dy[i0.x + o], dy[i0.y + o], dy[i0.z + o], dy[i0.w + o]);
      let x1 = vec4f(dy[i1.x + o], dy[i1.y + o], dy[i1.z + o], dy[i1.w + o]);
      let y0 = weight_quads[j0];
      let y1 = weight_quads[j1];
      j0 += quads_i;
      j1 += quads_i;
      t0l += x0.x * y0; t0h += x0.x * y1;
      t1l += x0.y * y0; t1h += x0.y * y1;
      t2l += x0.z * y0; t2h += x0.z * y1;
      t3l += x0.w * y0; t3h += x0.w * y1;
      t4l += x1.x * y0; t4h += x1.x * y1;
      t5l += x1.y * y0; t5h += x1.y * y1;
      t6l += x1.z * y0; t6h += x1.z * y1;
      t7l += x1.w * y0; t7h += x1.w * y1;
    }
  }
  let last = min(row + 8u, height);
  for (var half = row * 2u; half < last * 2u; half++) {
    let start = (part * params.O + half / 2u) * params.I;
    let stop = start + min((column + (half & 1u)) * 4u + 4u, params.I);
    if (!for_w && params.maskX == 1u) {
      t0l = select(t0l, vec4f(), x_quads[half / 2u * quads_i + min(column + (half & 1u), quads_i - 1u)] <= vec4f());
    }
    for (var at = start + (column + (half & 1u)) * 4u; at < stop; at++) {
      if (for_w) {
        dw[at] = t0l.x;
      } else {
        dx[at] = t0l.x;
      }
      t0l = t0l.yzww;
    }
    t0l = t0h; t0h = t1l; t1l = t1h; t1h = t2l; t2l = t2h;
    t2h = t3l; t3l = t3h; t3h = t4l; t4l = t4h; t4h = t5l;
    t5l = t5h; t5h = t6l; t6l = t6h; t6h = t7l; t7l = t7h;
  }
}

@compute @workgroup_size(WG)
fn reduce(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + lane;
  let size_w = params.O * params.I;
  if (i < size_w) {
    var sum = 0.0;
    for (var p = 0u; p < params.parts; p++) {
      sum += partial_w[p * size_w + i];
    }
    dw[i] = sum;
  } else if (i - size_w < params.O) {
    var sum = 0.0;
    for (var p = 0u; p < params.parts; p++) {
      sum += partial_b[p * params.O + i - size_w];
    }
    db[i - size_w] = sum;
  }
}
`

export const lion = `// lion: the update of many parameters in one dispatch (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023,
// algorithm 2).
//
//   p = p * keep - lr * sign(expAvg + (1 - beta1) * (dp - expAvg));  expAvg += (1 - beta2) * (dp - expAvg)
//
// where keep = 1 - lr * weight_decay; the sign of 0 is 0, that of NaN is NaN.
// The parameters lie side by side in p, their averages at the same places in expAvg, their gradients anywhere in dp.
//
//   p, dp     f32
//   expAvg    f32, 0 before the first step
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of lr, keep, 1 - beta1, 1 - beta2
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step  A workgroup updates what its row says, a thread PER elements. Where watched is 1, a gradient or a new parameter
//       that is not finite is noted in the watch.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> expAvg: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 4u;

struct Settings {
  lr: f32, keep: f32, take1: f32, take2: f32,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(
    setting(0u), setting(1u), setting(2u), setting(3u),
  );
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

// By bits: adapters may assume that there is no NaN.
fn sign_of(v: f32) -> f32 {
  let bits = bitcast<u32>(v);
  let size = bits & 0x7fffffffu;
  if (size == 0u || size > 0x7f800000u) { return v; }
  return bitcast<f32>((bits & 0x80000000u) | 0x3f800000u);
}

fn updated(s: Settings, at: u32, given: f32) -> f32 {
  let before = expAvg[at];
  let apart = given - before;
  expAvg[at] = before + s.take2 * apart;
  return p[at] * s.keep - s.lr * sign_of(before + s.take1 * apart);
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let parameter = updated(s, at, given);
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
`

export const losses = `// losses: how far each number of an input x is from its target t, chosen by OP; sums of these, and their gradients.
//
//   d = x - t                                              the loss, and its derivative by x
//   MSE              d²                                    2·d
//   L1               |d|                                   the sign of d
//   SMOOTH_L1        s·(d - s·option/2)                    s = d / option, from -1 to 1
//   HUBER            s·(d - s/2)                           s = d, from -option to option
//   BCE_WITH_LOGITS  (1-t)·softplus(x) + t·softplus(-x)    (1-t)·sigmoid(x) - t·sigmoid(-x);  by t: softplus(-x) - softplus(x)
//
//   terms      out[i] = loss(x[i], t[i])
//   sums       partial[k] = Σ loss over TERMS vectors, WG apart; what adds them up is not here
//   gradients  out[i] = g · derivative by x, out_t[i] = g · derivative by t;  g = dy[i], or dy[0] / by where each = 0; OF says which
//
//   x, t, dy, out, out_t  [size], any shape, flat, as vectors of four; a tensor's memory ends with a whole vector
//   partial               [threads]
//
// terms, gradients: one thread takes PER elements. A change of TERMS changes bits. NaN gives NaN; nothing depends on how an adapter
// compares it.

struct Params {
  size: u32,
  each: u32,
  by: f32,
  option: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> t: array<vec4f>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;
@group(0) @binding(6) var<storage, read_write> out_t: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const TERMS: u32 = 16u;

const OF: u32 = 0u; // tune
const OF_INPUT: u32 = 0u;
const OF_TARGET: u32 = 1u;
const OF_BOTH: u32 = 2u;

const OP: u32 = 0u; // tune
const MSE: u32 = 0u;
const L1: u32 = 1u;
const SMOOTH_L1: u32 = 2u;
const HUBER: u32 = 3u;

const INFINITY_BITS: u32 = 0x7f800000u;
const SIGN: u32 = 0x80000000u;
// exp(-VANISHED) is 0 in float32: no driver meets a larger argument.
const VANISHED: f32 = 128.0;

fn size_bits(v: vec4f) -> vec4u {
  return bitcast<vec4u>(v) & vec4u(~SIGN);
}

// v, from -most to most.
fn within(v: vec4f, most: f32) -> vec4f {
  return select(clamp(v, vec4f(-most), vec4f(most)), v, size_bits(v) > vec4u(INFINITY_BITS));
}

// 1 with the sign of v; 0 where v is 0, NaN where it is NaN.
fn sign_of(v: vec4f) -> vec4f {
  let bits = size_bits(v);
  let ones = bitcast<vec4f>(bitcast<vec4u>(vec4f(1.0)) | (bitcast<vec4u>(v) & vec4u(SIGN)));
  return select(ones, v, (bits == vec4u()) | (bits > vec4u(INFINITY_BITS)));
}

// exp(-|v|)
fn decay(v: vec4f) -> vec4f {
  return exp(-min(abs(v), vec4f(VANISHED)));
}

// log(1 + e) for e from 0 to 1; near 0 by 2 artanh(e / (2 + e)), whose series is cut at 2^-28 of the sum.
fn log_of_one_and(e: vec4f) -> vec4f {
  let s = e / (2.0 + e);
  let q = s * s;
  let near = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
  return select(log(1.0 + e), near, e < vec4f(0.4142135));
}

// made, or v where that is NaN.
fn or_nan(made: vec4f, v: vec4f) -> vec4f {
  return select(made, v, size_bits(v) > vec4u(INFINITY_BITS));
}

fn distance_at(i: u32) -> vec4f {
  return x[i] - t[i];
}

// What a loss of the distance changes by with it.
fn slope(d: vec4f) -> vec4f {
  switch OP {
    case MSE: { return 2.0 * d; }
    case L1: { return sign_of(d); }
    case SMOOTH_L1: { return within(d / params.option, 1.0); }
    default: { return within(d, params.option); }
  }
}

fn loss_at(i: u32) -> vec4f {
  if (OP > HUBER) {
    let v = x[i];
    let l = log_of_one_and(decay(v));
    return (1.0 - t[i]) * or_nan(max(v, vec4f()) + l, v) + t[i] * or_nan(max(-v, vec4f()) + l, v);
  }
  let d = distance_at(i);
  let s = slope(d);
  switch OP {
    case MSE: { return d * d; }
    case L1: { return bitcast<vec4f>(size_bits(d)); }
    case SMOOTH_L1: { return s * (d - s * (params.option / 2.0)); }
    default: { return s * (d - s * 0.5); }
  }
}

fn gradient_of_target(i: u32, g: vec4f) -> vec4f {
  if (OP > HUBER) {
    let v = x[i];
    let l = log_of_one_and(decay(v));
    return g * or_nan(max(-v, vec4f()) + l, v) - g * or_nan(max(v, vec4f()) + l, v);
  }
  return -(g * slope(distance_at(i)));
}

fn gradient_of_input(i: u32, g: vec4f) -> vec4f {
  if (OP > HUBER) {
    let v = x[i];
    let e = decay(v);
    let large = 1.0 / (1.0 + e);
    let small = e / (1.0 + e);
    let right = v >= vec4f();
    let up = or_nan(select(small, large, right), v);
    let down = or_nan(select(large, small, right), v);
    return g * ((1.0 - t[i]) * up) - g * (t[i] * down);
  }
  return g * slope(distance_at(i));
}

fn vectors() -> u32 { return (params.size + 3u) / 4u; }

// Which of four elements there are.
fn inside(i: u32) -> vec4<bool> { return 4 * i + vec4u(0, 1, 2, 3) < vec4u(params.size); }

fn thread(group: vec3u, groups: vec3u) -> u32 { return (group.y * groups.x + group.x) * WG; }

@compute @workgroup_size(WG)
fn terms(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = thread(group, groups) * (PER / 4) + local;
  for (var i = start; i < min(start + WG * (PER / 4), vectors()); i += WG) {
    let made = loss_at(i);
    if (4 * i + 4 <= params.size) { out[i] = made; } else { out[i] = select(out[i], made, inside(i)); }
  }
}

@compute @workgroup_size(WG)
fn sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = thread(group, groups);
  let start = first * TERMS + local;
  if (start >= vectors()) { return; }
  var sum = vec4f();
  for (var i = start; i < min(start + WG * TERMS, vectors()); i += WG) {
    var made = loss_at(i);
    if (4 * i + 4 > params.size) { made = select(vec4f(), made, inside(i)); }
    sum += made;
  }
  let pairs = sum.xy + sum.zw;
  partial[first + local] = pairs.x + pairs.y;
}

@compute @workgroup_size(WG)
fn gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  var g = vec4f(dy[0].x);
  if (params.by != 1.0) { g /= params.by; }
  let start = thread(group, groups) * (PER / 4) + local;
  for (var i = start; i < min(start + WG * (PER / 4), vectors()); i += WG) {
    if (params.each == 1) { g = dy[i]; }
    if (OF != OF_TARGET) {
      let made = gradient_of_input(i, g);
      if (4 * i + 4 <= params.size) { out[i] = made; } else { out[i] = select(out[i], made, inside(i)); }
    }
    if (OF != OF_INPUT) {
      let made = gradient_of_target(i, g);
      if (4 * i + 4 <= params.size) { out_t[i] = made; } else { out_t[i] = select(out_t[i], made, inside(i)); }
    }
  }
}
`

export const matmul = `// matmul: out = op(a) * op(b), row-major, k in ascending order.
// A dispatch adds up \`count\` k from k0 on; with more = 1 their sums are added to what out holds.
//
//   out[m, n] = sum over k of op(a)[m, k] * op(b)[k, n]
//
//   a      [M, K], or [K, M] with transposeA = 1: op(a) is [M, K]
//   b      [K, N], or [N, K] with transposeB = 1: op(b) is [K, N]
//   out    [M, N]
//
// With BATCH = 1 each of them is a list of such matrices, \`matrices_a\` and \`matrices_b\` long. Matrix g of out is the product
// of one of a and one of b, which the coordinates of g say: coordinate d, of n<d> numbers, counts a<d> matrices of a and b<d>
// of b; coordinate 0 is the fastest. All else is said of one matrix each.
//
// A *quad* is four neighbouring rows or columns of an operand at one k, k being the dimension summed over: one vec4f.
// The quads of an operand are stored k by k: quad q at k is element k * quads + q, quads = ceil(rows or columns / 4).
// The kernel reads four rows of op(a) and four columns of op(b) at a time as quads. Where a is stored as [K, M] and M
// is a multiple of 4, and where b is stored as [K, N] and N is a multiple of 4, they are quads as they stand. The
// others are rewritten as quads first: packA = 0 is allowed only if transposeA = 1 and M % 4 = 0, packB = 0 only if
// transposeB = 0 and N % 4 = 0.
//
// pack    Writes ceil(M/4)*count quads of a to packed_a, if packA = 1, and ceil(N/4)*count of b to packed_b, if packB = 1,
//         those of k0 first. One thread writes the same quad at up to STRIP successive k:
//         (ceil(M/4)*packA + ceil(N/4)*packB)*ceil(count/STRIP) threads, those of all matrices of a first, matrix by matrix.
//         Not needed if packA = packB = 0.
// matmul  \`left\` is a or packed_a, \`right\` is b or packed_b. One thread computes an 8 x 8 block of out:
//         ceil(M/8)*ceil(N/8) threads, along N first, then matrix by matrix of out.
//
// Past an edge the last row or column is read again, and what comes of it is not stored.

struct Params {
  M: u32,
  K: u32,
  N: u32,
  transposeA: u32,
  transposeB: u32,
  packA: u32,
  packB: u32,
  k0: u32,
  count: u32,
  more: u32,
  matrices_a: u32,
  matrices_b: u32,
  n0: u32, a0: u32, b0: u32,
  n1: u32, a1: u32, b1: u32,
  n2: u32, a2: u32, b2: u32,
  n3: u32, a3: u32, b3: u32,
  n4: u32, a4: u32, b4: u32,
  n5: u32, a5: u32, b5: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> packed_a: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> packed_b: array<vec4f>;
@group(0) @binding(5) var<storage, read> left: array<vec4f>;
@group(0) @binding(6) var<storage, read> right: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

override WG: u32 = 64u;

// Whether there are several matrices, and in how many coordinates they are counted: 1 or 6.
const BATCH: u32 = 0u; // tune
const RANK: u32 = 1u; // tune

const STRIP: u32 = 16u;

@compute @workgroup_size(WG)
fn pack(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // The loops run on \`to\`: of a count that is at most STRIP, CPU drivers make STRIP copies of the loop's body, and take
  // seconds to compile them.
  var i = (group.y * groups.x + group.x) * WG + lane;
  let quads_a = (params.M + 3u) / 4u;
  let quads_b = (params.N + 3u) / 4u;
  let strips = (params.count + STRIP - 1u) / STRIP;
  let threads_a = quads_a * strips * params.packA;
  let threads_b = quads_b * strips * params.packB;
  // Elements and quads before those of this thread's matrix.
  var before = 0u;
  var packed_before = 0u;
  if (BATCH == 1u) {
    let all_a = threads_a * params.matrices_a;
    let in_a = i < all_a;
    let threads = max(select(threads_b, threads_a, in_a), 1u);
    let own = select(i - all_a, i, in_a);
    let matrix = own / threads;
    if (!in_a && matrix >= params.matrices_b) {
      return;
    }
    before = matrix * params.K * select(params.N, params.M, in_a);
    packed_before = matrix * params.count * select(quads_b, quads_a, in_a);
    // From here on as if there were this matrix alone.
    i = own % threads + select(threads_a, 0u, in_a);
  }
  let four = vec4u(0u, 1u, 2u, 3u);
  if (i < threads_a) {
    let k = i / quads_a * STRIP;
    let m = min(i % quads_a * 4u + four, vec4u(params.M - 1u));
    var at = before + select(m * params.K + params.k0 + k, (params.k0 + k) * params.M + m, params.transposeA == 1u);
    let step = select(1u, params.M, params.transposeA == 1u);
    var to = packed_before + k * quads_a + i % quads_a;
    let end = packed_before + min(k + STRIP, params.count) * quads_a;
    for (; to < end; to += quads_a) {
      packed_a[to] = vec4f(a[at.x], a[at.y], a[at.z], a[at.w]);
      at += step;
    }
    return;
  }
  i -= threads_a;
  if (i < threads_b) {
    let k = i / quads_b * STRIP;
    let n = min(i % quads_b * 4u + four, vec4u(params.N - 1u));
    var at = before + select((params.k0 + k) * params.N + n, n * params.K + params.k0 + k, params.transposeB == 1u);
    let step = select(params.N, 1u, params.transposeB == 1u);
    var to = packed_before + k * quads_b + i % quads_b;
    let end = packed_before + min(k + STRIP, params.count) * quads_b;
    for (; to < end; to += quads_b) {
      packed_b[to] = vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
      at += step;
    }
  }
}

// The matrices of a and of b that matrix g of out is the product of.
fn factors(g: u32) -> vec2u {
  if (RANK == 1u) {
    return g * vec2u(params.a0, params.b0);
  }
  var rest = g;
  var at = rest % params.n0 * vec2u(params.a0, params.b0);
  rest /= params.n0;
  at += rest % params.n1 * vec2u(params.a1, params.b1);
  rest /= params.n1;
  at += rest % params.n2 * vec2u(params.a2, params.b2);
  rest /= params.n2;
  at += rest % params.n3 * vec2u(params.a3, params.b3);
  rest /= params.n3;
  at += rest % params.n4 * vec2u(params.a4, params.b4);
  return at + rest / params.n4 * vec2u(params.a5, params.b5);
}

@compute @workgroup_size(WG)
fn matmul(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  var block = (group.y * groups.x + group.x) * WG + lane;
  let across = (params.N + 7u) / 8u;
  let step_i = (params.M + 3u) / 4u;
  let step_j = (params.N + 3u) / 4u;
  // What was packed begins with k0.
  var first_i = select(params.k0 * step_i, 0u, params.packA == 1u);
  var first_j = select(params.k0 * step_j, 0u, params.packB == 1u);
  var first = 0u;
  if (BATCH == 1u) {
    let blocks = (params.M + 7u) / 8u * across;
    let g = block / blocks;
    if (g >= params.n0 * params.n1 * params.n2 * params.n3 * params.n4 * params.n5) {
      return;
    }
    block %= blocks;
    let at = factors(g);
    first_i += at.x * step_i * select(params.K, params.count, params.packA == 1u);
    first_j += at.y * step_j * select(params.K, params.count, params.packB == 1u);
    first = g * params.M * params.N;
  }
  let row = block / across * 8u;
  let column = block % across * 8u;
  if (row >= params.M) {
    return;
  }
  var i0 = first_i + row / 4u;
  var i1 = first_i + min(row / 4u + 1u, step_i - 1u);
  var j0 = first_j + column / 4u;
  var j1 = first_j + min(column / 4u + 1u, step_j - 1u);
  // s<row><l or h>: the low and the high four columns of the block's rows.
  var s0l = vec4f(); var s0h = vec4f();
  var s1l = vec4f(); var s1h = vec4f();
  var s2l = vec4f(); var s2h = vec4f();
  var s3l = vec4f(); var s3h = vec4f();
  var s4l = vec4f(); var s4h = vec4f();
  var s5l = vec4f(); var s5h = vec4f();
  var s6l = vec4f(); var s6h = vec4f();
  var s7l = vec4f(); var s7h = vec4f();
  for (var k = 0u; k < params.count; k++) {
    let x0 = left[i0];
    let x1 = left[i1];
    let y0 = right[j0];
    let y1 = right[j1];
    i0 += step_i;
    i1 += step_i;
    j0 += step_j;
    j1 += step_j;
    s0l += x0.x * y0; s0h += x0.x * y1;
    s1l += x0.y * y0; s1h += x0.y * y1;
    s2l += x0.z * y0; s2h += x0.z * y1;
    s3l += x0.w * y0; s3h += x0.w * y1;
    s4l += x1.x * y0; s4h += x1.x * y1;
    s5l += x1.y * y0; s5h += x1.y * y1;
    s6l += x1.z * y0; s6h += x1.z * y1;
    s7l += x1.w * y0; s7h += x1.w * y1;
  }
  // One store in a loop, the sums moving up through it: 64 stores written out cost a second of compile time on CPU
  // drivers.
  let end = min(row + 8u, params.M);
  for (var half = row * 2u; half < end * 2u; half++) {
    let start = first + half / 2u * params.N;
    let stop = start + min(column + (half & 1u) * 4u + 4u, params.N);
    for (var at = start + column + (half & 1u) * 4u; at < stop; at++) {
      if (params.more == 1u) {
        s0l.x += out[at];
      }
      out[at] = s0l.x;
      s0l = s0l.yzww;
    }
    s0l = s0h; s0h = s1l; s1l = s1h; s1h = s2l; s2l = s2h;
    s2h = s3l; s3l = s3h; s3h = s4l; s4l = s4h; s4h = s5l;
    s5l = s5h; s5h = s6l; s6l = s6h; s6h = s7l; s7l = s7h;
  }
}
`

export const max_pool2d = `// max_pool2d: the largest value of each window, and where it was.
//
//   out[n, c, oh, ow] = max over (ky, kx) of x[n, c, oh*SH - PH + ky, ow*SW - PW + kx], cells outside the image left out
//   winner[n, c, oh, ow] = h*W + w of the first maximum in row-major order
//   dx[n, c, h, w] = sum of dy over the windows whose winner is (h, w), in row-major order of the windows
//
//   x, dx            [N, C, H, W]
//   out, dy, winner  [N, C, OH, OW]
//
// NaN is taken as greater than anything, by its bits: comparisons with NaN differ between adapters.
//
// Windows are taken in strips: STRIP neighbours of a row, fewer at its end; a strip costs two divisions.
//
// forward            One thread computes a strip of windows.
// forward_pairs      The same for windows of 2 x 2, 2 apart, without padding, where W is even: cells are loaded by twos.
// forward_pairs_values
//                    The same without the winners.
// backward           One thread computes PER cells of dx, looking at every window that covers the cell.
// backward_disjoint  The same where windows do not overlap (KH <= SH and KW <= SW): one thread writes the cells of a strip
//                    of windows, and those between a window and the next.

struct Params {
  planes: u32, // N*C
  H: u32, W: u32,
  OH: u32, OW: u32,
  KH: u32, KW: u32,
  SH: u32, SW: u32,
  PH: u32, PW: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> winner_out: array<u32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read> winner: array<u32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read> x_pairs: array<vec2f>; // x

override WG: u32 = 64u;
// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
const PER: u32 = 16u; // tune
const STRIP: u32 = 8u; // tune

// The windows of one thread.
struct Strip {
  row: u32, // of windows, counted over all planes; none if beyond the last
  plane: u32,
  oh: u32,
  first: u32, end: u32, // ow
}

fn strip_of(group: vec3u, groups: vec3u, local: u32) -> Strip {
  let strips = (params.OW + STRIP - 1u) / STRIP; // of a row
  let i = (group.y * groups.x + group.x) * WG + local;
  let row = i / strips;
  let first = (i - row * strips) * STRIP;
  let plane = row / params.OH;
  let in_range = row < params.planes * params.OH;
  return Strip(row, plane, row - plane * params.OH, first, select(first, min(first + STRIP, params.OW), in_range));
}

fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let plane = s.plane * params.H * params.W;
  // The window inside the image; padding is at most half a window, so it is never empty.
  let top = max(s.oh * params.SH, params.PH) - params.PH;
  let bottom = min(s.oh * params.SH + params.KH - params.PH, params.H);
  for (var ow = s.first; ow < s.end; ow++) {
    let left = max(ow * params.SW, params.PW) - params.PW;
    let right = min(ow * params.SW + params.KW - params.PW, params.W);
    var at = top * params.W + left;
    var best = x[plane + at];
    for (var h = top; h < bottom; h++) {
      for (var w = left; w < right; w++) {
        let v = x[plane + h * params.W + w];
        if (v > best || is_nan(v)) {
          best = v;
          at = h * params.W + w;
        }
      }
    }
    out[s.row * params.OW + ow] = best;
    winner_out[s.row * params.OW + ow] = at;
  }
}

struct Best {
  value: f32, at: u32,
}

fn best_of_pairs(s: Strip, ow: u32) -> Best {
  let row_pairs = params.W / 2u;
  let first = 2u * s.oh * row_pairs + ow;
  let pair = s.plane * params.H * row_pairs + first;
  let upper = x_pairs[pair];
  let lower = x_pairs[pair + row_pairs];
  var best = Best(upper.x, 2u * first);
  var wins = upper.y > best.value || is_nan(upper.y);
  best = Best(select(best.value, upper.y, wins), select(best.at, 2u * first + 1u, wins));
  wins = lower.x > best.value || is_nan(lower.x);
  best = Best(select(best.value, lower.x, wins), select(best.at, 2u * first + params.W, wins));
  wins = lower.y > best.value || is_nan(lower.y);
  best = Best(select(best.value, lower.y, wins), select(best.at, 2u * first + params.W + 1u, wins));
  return best;
}

@compute @workgroup_size(WG)
fn forward_pairs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  for (var ow = s.first; ow < s.end; ow++) {
    let best = best_of_pairs(s, ow);
    out[s.row * params.OW + ow] = best.value;
    winner_out[s.row * params.OW + ow] = best.at;
  }
}

@compute @workgroup_size(WG)
fn forward_pairs_values(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  for (var ow = s.first; ow < s.end; ow++) {
    out[s.row * params.OW + ow] = best_of_pairs(s, ow).value;
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  let cells = params.H * params.W;
  for (var i = start; i < min(start + WG * PER, params.planes * cells); i += WG) {
    let plane_number = i / cells;
    let at = i - plane_number * cells;
    let plane = plane_number * params.OH * params.OW;
    let row = at / params.W;
    let h = row + params.PH;
    let w = at - row * params.W + params.PW;
    // Windows that cover the cell: oh*SH <= h < oh*SH + KH, in padded coordinates.
    let first_oh = (max(h + params.SH, params.KH) - params.KH) / params.SH;
    let end_oh = min(h / params.SH + 1u, params.OH);
    let first_ow = (max(w + params.SW, params.KW) - params.KW) / params.SW;
    let end_ow = min(w / params.SW + 1u, params.OW);
    var sum = 0.0;
    for (var oh = first_oh; oh < end_oh; oh++) {
      for (var ow = first_ow; ow < end_ow; ow++) {
        let o = plane + oh * params.OW + ow;
        if (winner[o] == at) { sum += dy[o]; }
      }
    }
    dx[i] = sum;
  }
}

@compute @workgroup_size(WG)
fn backward_disjoint(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let plane = s.plane * params.H * params.W;
  // From a window's first cell to the next one's; the outermost windows own what is left at the edges.
  let top = max(s.oh * params.SH, params.PH) - params.PH;
  let bottom = select((s.oh + 1u) * params.SH - params.PH, params.H, s.oh + 1u == params.OH);
  for (var ow = s.first; ow < s.end; ow++) {
    let left = max(ow * params.SW, params.PW) - params.PW;
    let right = select((ow + 1u) * params.SW - params.PW, params.W, ow + 1u == params.OW);
    let at = winner[s.row * params.OW + ow];
    let value = dy[s.row * params.OW + ow];
    for (var h = top; h < bottom; h++) {
      for (var w = left; w < right; w++) {
        let cell = h * params.W + w;
        dx[plane + cell] = select(0.0, value, cell == at);
      }
    }
  }
}
`

export const muon = `// muon: what an update of matrices along their orthogonalized momentum needs beside matrix products (Jordan et al., 2024,
// kellerjordan.github.io/posts/muon).
//
//   momentumBuffer += (1 - momentum) * (dp - momentumBuffer)
//   u = nesterov ? dp + momentum * (momentumBuffer - dp) : momentumBuffer;  x = u / (|u| + 1e-7)
//   five times:  x = a x + b x m + c x m m, m = x^T x or, with the products on the other side, x x^T
//   p = keep * p - lr * x
//
// where keep = 1 - lr * weight_decay; the last x has the factor sqrt(max(1, rows / columns)), by way of its a, b and c.
// The parameters lie side by side in p, momentumBuffer and u at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp           f32
//   momentumBuffer  f32, 0 before the first step
//   u               f32, u and then x
//   y, z            f32, [size]; what m and m m make of x
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   sums      [ROWS, 2]  of each row the sum of squares of u, and 0; in normalize the norm of its parameter's u
//   settings  rows of one update each, as per_step.ts describes them: the bits of lr, keep, momentum, 1 - momentum, nesterov
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// collect    A workgroup takes its row's gradients into the momentum and makes u, with the sum of its squares. Where watched is
//            1, a gradient that is not finite is noted in the watch. layer_wise's totals makes the norms.
// normalize  A workgroup divides its row's u by the norm.
// combine    u = a u + b y + c z, [size], a thread PER elements.
// step       A workgroup updates what its row says, and notes parameters that are not finite.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
  size: u32, // for combine
  a: f32,
  b: f32,
  c: f32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;
@group(0) @binding(8) var<storage, read_write> momentumBuffer: array<f32>;
@group(0) @binding(9) var<storage, read_write> u: array<f32>;
@group(0) @binding(10) var<storage, read> y: array<f32>;
@group(0) @binding(11) var<storage, read> z: array<f32>;

// A change of these changes the bits of the norms.
const WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 5u;

var<workgroup> found: array<f32, WG>;

struct Settings {
  lr: f32, keep: f32, momentum: f32, take: f32, nesterov: bool,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(setting(0u), setting(1u), setting(2u), setting(3u), setting(4u) != 0.0);
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn collect(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_settings();
  var sum = 0.0;
  var bad_dp = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let g = dp[row.at_dp + i];
    let before = momentumBuffer[at];
    let buffer = before + s.take * (g - before);
    let v = select(buffer, g + s.momentum * (buffer - g), s.nesterov);
    momentumBuffer[at] = buffer;
    u[at] = v;
    sum += v * v;
    bad_dp = bad_dp || not_finite(g);
  }
  note_row(row, bad_dp, false);
  found[local] = sum;
  workgroupBarrier();
  if (local != 0u || row.count == 0u) { return; }
  for (var k = 1u; k < WG; k++) {
    sum += found[k];
  }
  sums[2u * at_row] = sum;
  sums[2u * at_row + 1u] = 0.0;
}

@compute @workgroup_size(WG)
fn normalize(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  for (var i = local; i < row.count; i += WG) {
    u[row.at + i] /= sums[2u * at_row] + 1e-7;
  }
}

@compute @workgroup_size(WG)
fn combine(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  for (var i = start; i < min(start + WG * PER, params.size); i += WG) {
    u[i] = params.a * u[i] + params.b * y[i] + params.c * z[i];
  }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at_row = group.y * groups.x + group.x;
  let row = read_row(at_row);
  let s = read_settings();
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let parameter = s.keep * p[at] - s.lr * u[at];
    p[at] = parameter;
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, false, bad_p);
}
`

export const norm = `// norm: each row normalised by its own mean and variance, or by its own mean square, and then scaled by channels.
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
`

export const random = `// random: random numbers, and dropout.
//
//   draw              out[i] = u, uniform on [0, 1) in steps of 2^-24         OP 0, rand
//                     out[i] = xi, standard normal                           OP 1, randn
//                     out[i] = 1 where word >> 1 is below \`below\`, else 0    OP 2, bernoulli
//   dropout           out[i] = x[i] * scale where word >> 1 is below \`below\`, else x[i] * 0
//   dropout_backward  dx[i] = dy[i], likewise, by the draw that dropout noted
//
// The words of a draw are a pure function of the seed, the draw's number n and the element's number i, those of
// src/tensor/random.ts, stream 'draw', substream n mod 2^32: Philox4x32-10 gives the words 4b … 4b + 3 from
//   counter = (b, n >> 32, n mod 2^32, 4)    key = (seed low, seed high)
// Element i has word i: u = (word_i >> 8) / 2^24; the words 2j and 2j + 1 give two normal numbers by Box and Muller (1958):
//   u1 = ((word_2j >> 8) + 1) / 2^24,  u2 = (word_2j+1 >> 8) / 2^24,  r = sqrt(-2 ln u1)
//   xi_2j = r cos(2 pi u2),  xi_2j+1 = r sin(2 pi u2)
// The logarithm, sine and cosine are series: WGSL allows its own cosine an error of 2^-11.
//
//   x, out, dy, dx  [size], any shape, flat, as vectors of four; a tensor's memory ends with a whole vector, so that the last
//                   may hold numbers of no meaning
//   settings        rows of one draw each, as per_step.ts describes them: n low, n high, seed low, seed high
//   noted           [1]  what dropout drew by: the row
//   noticed         [1]  the same, read
//
// One thread computes PER elements, a block of Philox for every four. What is dropped is x * 0, as PyTorch has it: NaN gives NaN,
// so do infinities, and 0 keeps the sign of x. By bits, since a driver may assume that there is no NaN.

struct Params {
  size: u32,
  which: u32, // which one it is of several draws in a step of a run
  below: u32, // 2^31 times the probability
  scale: f32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<storage, read> x: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> noted: array<vec4u>;
@group(0) @binding(6) var<storage, read> dy: array<vec4f>;
@group(0) @binding(7) var<storage, read> noticed: array<vec4u>;
@group(0) @binding(8) var<storage, read_write> dx: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const OP: u32 = 0u; // tune

const RAND: u32 = 0u;
const RANDN: u32 = 1u;

const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 4u;
const DRAW: u32 = 4u; // the stream's number
const INFINITY_BITS: u32 = 0x7f800000u;

// The high and the low half of a product, from halves of 16 bits.
fn multiply(a: u32, b: u32) -> vec2u {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (middle & 0xffffu);
  return vec2u(a_high * b_high + (middle >> 16u) + (carry >> 16u), a * b);
}

// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011).
fn philox(counter: vec4u, seed: vec2u) -> vec4u {
  var c = counter;
  var key = seed;
  for (var round = 0u; round < 10u; round++) {
    let m0 = multiply(0xd2511f53u, c.x);
    let m1 = multiply(0xcd9e8d57u, c.z);
    c = vec4u(m1.x ^ c.y ^ key.x, m1.y, m0.x ^ c.w ^ key.y, m0.y);
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// The words of four elements.
fn words_of(row: vec4u, block: u32) -> vec4u {
  return philox(vec4u(block, row.y, row.x, DRAW), row.zw);
}

// -ln(k / 2^24) for k from 1 to 2^24, both exact in f32. k = m 2^e with m in (0.7, 1.42), so that the terms of
// ln m = 2 (s + s^3/3 + s^5/5 + …), s = (m - 1) / (m + 1), |s| < 0.18, are below 2^-24 of the first from s^11 on.
fn minus_log(k: u32) -> f32 {
  let bits = bitcast<u32>(f32(k));
  var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
  var e = i32(bits >> 23u) - 151; // 127, and the 24 of 2^24
  if (m > 1.41421356) {
    m *= 0.5;
    e += 1;
  }
  let s = (m - 1.0) / (m + 1.0);
  let q = s * s;
  let series = 1.0 + q * (0.333333333 + q * (0.2 + q * (0.142857143 + q * 0.111111111)));
  return -(f32(e) * 0.693147181 + 2.0 * s * series);
}

// cos and sin of 2 pi k / 2^24: a quarter's number, and Taylor's series to the powers 10 and 9 for the rest, |angle| <= pi / 4.
fn turn(k: u32) -> vec2f {
  let quarter = (k + 0x200000u) >> 22u;
  let angle = f32(i32(k) - i32(quarter << 22u)) * (1.57079633 / 4194304.0);
  let q = angle * angle;
  let c = 1.0 + q * (-0.5 + q * (0.0416666667 + q * (-0.00138888889 + q * (0.0000248015873 - q * 2.75573192e-7))));
  let s = angle * (1.0 + q * (-0.166666667 + q * (0.00833333333 + q * (-0.000198412698 + q * 2.75573192e-6))));
  switch (quarter & 3u) {
    case 1u: { return vec2f(-s, c); }
    case 2u: { return vec2f(-c, -s); }
    case 3u: { return vec2f(s, -c); }
    default: { return vec2f(c, s); }
  }
}

fn normal_pair(word1: u32, word2: u32) -> vec2f {
  let square = 2.0 * minus_log((word1 >> 8u) + 1u);
  if (square <= 0.0) { return vec2f(0.0); } // WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
  return sqrt(square) * turn(word2 >> 8u);
}

fn hits(words: vec4u) -> vec4<bool> {
  return (words >> vec4u(1u)) < vec4u(params.below);
}

// What is drawn for four elements.
fn numbers_of(words: vec4u) -> vec4f {
  switch OP {
    case RAND: { return vec4f(words >> vec4u(8u)) * 5.9604644775390625e-8; } // 2^-24
    case RANDN: { return vec4f(normal_pair(words.x, words.y), normal_pair(words.z, words.w)); }
    default: { return select(vec4f(0.0), vec4f(1.0), hits(words)); }
  }
}

// Behind the last element nothing is written.
fn write(i: u32, v: vec4f) {
  if (4u * i + 4u <= params.size) {
    out[i] = v;
    return;
  }
  for (var k = 0u; 4u * i + k < params.size; k++) { out[i][k] = v[k]; }
}

fn kept(v: f32, hit: bool) -> f32 {
  let bits = bitcast<u32>(v);
  let size = bits & 0x7fffffffu;
  if (size > INFINITY_BITS) { return v; }
  if (hit) { return v * params.scale; }
  // The size of a tensor is below 2^31, which the compiler does not know: WGSL has no constant that is NaN.
  if (size == INFINITY_BITS) { return bitcast<f32>(0x7fc00000u | (params.size >> 31u)); }
  return bitcast<f32>(bits & 0x80000000u);
}

fn all_kept(v: vec4f, words: vec4u) -> vec4f {
  let hit = hits(words);
  return vec4f(kept(v.x, hit.x), kept(v.y, hit.y), kept(v.z, hit.z), kept(v.w, hit.w));
}

// The draw's number and the seed.
fn row_of_step() -> vec4u {
  let at = HEAD + SETTINGS * min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return vec4u(settings[at], settings[at + 1u], settings[at + 2u], settings[at + 3u]);
}

// A thread takes PER / 4 vectors, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_vector(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * (PER / 4) + local;
}

@compute @workgroup_size(WG)
fn draw(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = row_of_step();
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    write(i, numbers_of(words_of(row, i)));
  }
}

@compute @workgroup_size(WG)
fn dropout(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = row_of_step();
  let start = first_vector(group, groups, local);
  if (start == 0u) { noted[0] = row; }
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    out[i] = all_kept(x[i], words_of(row, i));
  }
}

@compute @workgroup_size(WG)
fn dropout_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = noticed[0];
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    dx[i] = all_kept(dy[i], words_of(row, i));
  }
}
`

export const reduce = `// reduce: one value of many, along any dimensions, and the gradients of such values.
//
//   fold      out[o, b, i] = finish(sum, product or largest over r of map(x[o, r, i]))      r over the rows of part b
//   first_of  places[o, b, i] = the least r with the largest x[o, r, i] of part b; peaks has the keys of these x
//   gradient  dx[j] of x[j] and of what the result of element j has: its gradient dy and, in stat, aux and aux2, more
//   scan      out[o, r, i] = sum over s <= r, or s >= r, of x[o, s, i]
//
//   x            [outer, R, inner]: the dimensions that are reduced, and what lies around them
//   out, places, peaks
//                [outer, PARTS, inner]; passes follow until one part is left. Of first_of these take the peaks as x, and the places
//                that belong to them as best
//   x, dx        of gradient: the whole input, [size]
//   stat, aux, aux2, dy
//                as the results. The dimensions of the input are, from the last one on, runs that stay and runs that are
//                reduced, in turns; place(j) is where element j's result is
//   sums         [outer, BLOCKS, inner]: sums of blocks of SCAN rows, then of all blocks before
//
// A part is at most FOLD rows, \`lanes\` apart, combined in order: neighbouring threads read neighbouring elements. The parts of
// a result are combined by the next pass in the same way, so an error grows with the logarithm of R. A change of FOLD, BLOCK,
// PART, LANES or SCAN changes bits.
//
// Numbers are held as bits. The largest is found among keys, which are in the order of the numbers, NaN above all; for the
// smallest, keys are inverted, but that of NaN. So nothing depends on how an adapter compares NaN.
//
// fold, first_of  One thread makes one result of a pass.
// fold_vectors    As fold, where inner is a multiple of four: four neighbours a thread.
// fold_lines, fold_blocks
//                 As fold, where inner is 1, of BLOCK neighbours: parts of PART, in order, each of LANES vectors of four side by
//                 side. A thread makes a result, or W threads of a workgroup do, with the same bits. x begins each o with a whole
//                 vector of four.
// gradient        A thread takes PER elements, by fours.
// scan_sums       One thread adds up one block.
// scan            One thread takes one block.

struct Params {
  outer: u32,
  M: u32,      // R * inner
  W: u32,      // lanes * inner; of fold_blocks the threads of a result
  B: u32,      // PARTS * inner
  invert: u32, // all bits for the smallest, none for the largest
  finish: u32,
  by: f32,
}

// Of the whole input, from its last dimension on: k0 stay, r0 are reduced, k1 stay …; the rest stays.
struct Runs {
  size: u32,
  k0: u32, r0: u32,
  k1: u32, r1: u32,
  k2: u32, r2: u32,
  k3: u32, r3: u32,
  one: u32,   // 1 where only r0 is reduced
  fours: u32,
  by: f32,
}

struct Search {
  outer: u32,
  R: u32,
  inner: u32,
  lanes: u32,
  parts: u32,
  first: u32,  // 1 in the first pass; 0 where x has keys
  invert: u32, // as of Params
}

struct Scan {
  outer: u32,
  R: u32,
  inner: u32,
  blocks: u32,
  reverse: u32, // 1 for sums over s >= r
  carry: u32,   // 1 where sums are added
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> runs: Runs;
@group(0) @binding(2) var<uniform> search: Search;
@group(0) @binding(3) var<uniform> scans: Scan;
@group(0) @binding(4) var<storage, read> x: array<u32>;
@group(0) @binding(5) var<storage, read> x_vectors: array<vec4u>; // x
@group(0) @binding(6) var<storage, read> x_numbers: array<f32>;   // x
@group(0) @binding(7) var<storage, read_write> out: array<u32>;
@group(0) @binding(8) var<storage, read_write> out_vectors: array<vec4u>; // out
@group(0) @binding(9) var<storage, read_write> out_numbers: array<f32>;   // out
@group(0) @binding(10) var<storage, read> best: array<u32>;
@group(0) @binding(11) var<storage, read> stat: array<f32>;
@group(0) @binding(12) var<storage, read> aux: array<f32>;
@group(0) @binding(13) var<storage, read> aux2: array<f32>;
@group(0) @binding(14) var<storage, read> dy: array<f32>;
@group(0) @binding(15) var<storage, read> earlier: array<f32>;      // sums
@group(0) @binding(16) var<storage, read_write> sums: array<f32>;
@group(0) @binding(17) var<storage, read_write> peaks: array<u32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const FOLD: u32 = 64u;
const GROUP: u32 = 64u;
const BLOCK: u32 = 4096u;
const PART: u32 = 256u;
const LANES: u32 = 4u;
const SCAN: u32 = 64u;

const OP: u32 = 0u; // tune
const SUM: u32 = 0u;
const PRODUCT: u32 = 1u;
const LARGEST: u32 = 2u;

// What is done to an element before, with s and t for what its result has in stat and aux.
const MAP: u32 = 0u; // tune
const NONE: u32 = 0u;
const SIZE: u32 = 1u;            // |x|
const SQUARED: u32 = 2u;         // x^2
const CENTRED: u32 = 3u;         // x - s
const CENTRED_SQUARED: u32 = 4u; // (x - s - t)^2
const SAME: u32 = 5u;            // 1 where x is s, else 0
const SAME_SIZE: u32 = 6u;       // 1 where |x| is s, else 0
const NOT_ZERO: u32 = 7u;        // x, or 1 where it is 0
const IS_ZERO: u32 = 8u;         // 1 where x is 0, else 0
const COUNTED: u32 = 9u;         // 0 where x is 0, else 1
const POWERS: u32 = 10u;         // |x| to the power of runs.by
const EXPONENTIAL: u32 = 11u;    // exp(x - s)

// What is done to the result of the last pass.
const DIVIDE: u32 = 1u;      // made / by
const DIVIDE_PLUS: u32 = 2u; // made / by + s
const DIVIDE_ROOT: u32 = 3u; // sqrt(made / by)
const ROOT: u32 = 4u;        // sqrt(made)
const POWERED: u32 = 5u;     // made to the power of by
const LOG_PLUS: u32 = 6u;    // log(made) + s, or s where that is not finite
// 1 in kernels that know POWERED and LOG_PLUS, which take long to compile.
const LONG: u32 = 0u; // tune

// The gradient of which values, with u for what their result has in aux2.
const OF: u32 = 0u; // tune
const OF_SUM: u32 = 0u;       // dy
const OF_MEAN: u32 = 1u;      // dy / by
const OF_EXTREME: u32 = 2u;   // dy / t where x is s, else 0
const OF_PRODUCT: u32 = 3u;   // s the product, t that of all that are not 0, u the number of those that are
const OF_VARIANCE: u32 = 4u;  // dy * ((x - s - t) * by)
const OF_DEVIATION: u32 = 5u; // dy * ((x - s - t) / u) * by, 0 where u is 0
const OF_SIZES: u32 = 6u;     // dy with the sign of x
const OF_LENGTH: u32 = 7u;    // dy * (x / s), 0 where s is 0
const OF_NORM: u32 = 8u;      // dy * (|x| / s)^by with the sign of x, 0 where x or s is 0
const OF_LARGEST: u32 = 9u;   // dy / t with the sign of x where |x| is s, else 0
const OF_LOG_SUM: u32 = 10u;  // dy * exp(x - s)

// How four neighbours lie among the results: anyhow, one after the other (k0 is a multiple of four), or in one place (k0 is
// 1 and r0 a multiple of four).
const IN_ORDER: u32 = 1u;
const TOGETHER: u32 = 2u;

// exp(-VANISHED) is 0 in float32: no driver meets a larger argument.
const VANISHED: f32 = 128.0;
const INFINITY_BITS: u32 = 0x7f800000u;
const SIGN: u32 = 0x80000000u;
const ALL: u32 = 0xffffffffu;

var<workgroup> found: array<vec4u, GROUP>;

fn thread(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG + local;
}

// Without a sign.
fn size_bits(v: vec4f) -> vec4u {
  return bitcast<vec4u>(v) & vec4u(~SIGN);
}

// Of no number the key is 0 or ALL.
fn keys(bits: vec4u) -> vec4u {
  return keys_by(bits, params.invert);
}

fn keys_by(bits: vec4u, invert: u32) -> vec4u {
  let ordered = select(bits | vec4u(SIGN), ~bits, (bits & vec4u(SIGN)) != vec4u());
  return select(ordered ^ vec4u(invert), vec4u(ALL), (bits & vec4u(~SIGN)) > vec4u(INFINITY_BITS));
}

fn bits_of(keys: vec4u) -> vec4u {
  let ordered = keys ^ vec4u(params.invert);
  return select(~ordered, ordered & vec4u(~SIGN), (ordered & vec4u(SIGN)) != vec4u());
}

// What changes nothing.
fn nothing() -> vec4u {
  return bitcast<vec4u>(vec4f(select(0.0, 1.0, OP == PRODUCT)));
}

fn combined(a: vec4u, b: vec4u) -> vec4u {
  if (OP == LARGEST) { return max(a, b); }
  if (OP == PRODUCT) { return bitcast<vec4u>(bitcast<vec4f>(a) * bitcast<vec4f>(b)); }
  return bitcast<vec4u>(bitcast<vec4f>(a) + bitcast<vec4f>(b));
}

// made / by, which may be 0.
fn divided(made: vec4f) -> vec4f {
  if (params.by != 0.0) { return made / params.by; }
  // Not constants, since WGSL has none of these: there is no finish of this number.
  let infinite = bitcast<vec4f>(vec4u(INFINITY_BITS | (params.finish & SIGN)));
  let not_number = bitcast<vec4f>(vec4u(0x7fc00000u | (params.finish & SIGN)));
  let bits = size_bits(made);
  return select(infinite, not_number, (bits == vec4u()) | (bits > vec4u(INFINITY_BITS)));
}

// Of numbers from 0 on: an adapter may make sqrt of 0 or of an infinity a NaN.
fn root(v: vec4f) -> vec4f {
  let bits = size_bits(v);
  return select(sqrt(v), v, (bits == vec4u()) | (bits >= vec4u(INFINITY_BITS)));
}

// |v| to the power of y, which is not 0.
fn power(v: vec4f, y: f32) -> vec4f {
  let bits = size_bits(v);
  let up = exp2(y * log2(abs(v)));
  // 0 and infinity become each other for y < 0.
  let ends = select(bits, vec4u(INFINITY_BITS) - bits, vec4<bool>(y < 0.0));
  let special = bitcast<vec4f>(select(ends, bits, bits > vec4u(INFINITY_BITS)));
  return select(up, special, (bits == vec4u()) | (bits >= vec4u(INFINITY_BITS)));
}

fn finished(made: vec4u, s: vec4f) -> vec4u {
  if (OP == LARGEST) { return bits_of(made); }
  let v = bitcast<vec4f>(made);
  switch params.finish {
    case DIVIDE_PLUS: { return bitcast<vec4u>(divided(v) + s); }
    case DIVIDE: { return bitcast<vec4u>(divided(v)); }
    case DIVIDE_ROOT: { return bitcast<vec4u>(root(divided(v))); }
    case ROOT: { return bitcast<vec4u>(root(v)); }
    default: {}
  }
  if (LONG == 1 && params.finish == POWERED) { return bitcast<vec4u>(power(v, params.by)); }
  if (LONG == 1 && params.finish == LOG_PLUS) {
    return bitcast<vec4u>(select(log(v) + s, s, size_bits(s) >= vec4u(INFINITY_BITS)));
  }
  return made;
}

// What an element of a fold is; only a first pass has a MAP.
fn taken(bits: vec4u, s: vec4f, t: vec4f) -> vec4u {
  if (OP == LARGEST) { return keys(select(bits, bits & vec4u(~SIGN), vec4<bool>(MAP == SIZE))); }
  let v = bitcast<vec4f>(bits);
  switch MAP {
    case NONE: { return bits; }
    case SIZE: { return bits & vec4u(~SIGN); }
    case SQUARED: { return bitcast<vec4u>(v * v); }
    case CENTRED: { return bitcast<vec4u>(v - s); }
    case CENTRED_SQUARED: {
      let d = v - s - t;
      return bitcast<vec4u>(d * d);
    }
    case SAME: { return ones(same(v, s)); }
    case SAME_SIZE: { return ones(same(abs(v), s)); }
    case NOT_ZERO: { return select(bits, ones(vec4<bool>(true)), is_zero(v)); }
    case IS_ZERO: { return ones(is_zero(v)); }
    case COUNTED: { return ones(!is_zero(v)); }
    case EXPONENTIAL: { return bitcast<vec4u>(exponential(v - s)); }
    default: { return bitcast<vec4u>(power(v, runs.by)); }
  }
}

// Where the elements of a result lie: of the o-th outer place, from \`first\` on, \`step\` apart, before \`end\`. In elements, or in
// vectors, as its arguments are.
struct Part {
  o: u32, first: u32, end: u32,
}

fn part_of(result: u32, B: u32, W: u32, M: u32) -> Part {
  let o = result / B;
  let j = result - o * B;
  let before = j / W * W;
  let first = before * FOLD + (j - before);
  return Part(o, first, min((before + W) * FOLD, M));
}

// What the result of element i, and those of its neighbours, have in stat and aux: all that a thread takes belong to them.
struct Own {
  s: vec4f, t: vec4f,
}

fn own_of(i: u32, neighbours: vec4u) -> Own {
  if ((MAP < CENTRED || MAP > SAME_SIZE) && MAP != EXPONENTIAL) { return Own(); }
  let to = place(i) + neighbours;
  if (MAP == CENTRED_SQUARED) { return Own(stats_at(to), aux_at(to)); }
  return Own(stats_at(to), vec4f());
}

// What is added at the end.
fn added(to: vec4u) -> vec4f {
  if (params.finish != DIVIDE_PLUS && params.finish != LOG_PLUS) { return vec4f(); }
  return stats_at(to);
}

@compute @workgroup_size(WG)
fn fold(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  if (result >= params.outer * params.B) { return; }
  let part = part_of(result, params.B, params.W, params.M);
  let own = own_of(part.o * params.M + part.first, vec4u());
  var made = nothing();
  for (var i = part.first; i < part.end; i += params.W) {
    made = combined(made, taken(vec4u(x[part.o * params.M + i]), own.s, own.t));
  }
  out[result] = finished(made, added(vec4u(result))).x;
}

@compute @workgroup_size(WG)
fn fold_vectors(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  let M = params.M / 4;
  if (result >= params.outer * (params.B / 4)) { return; }
  let part = part_of(result, params.B / 4, params.W / 4, M);
  let own = own_of(4 * (part.o * M + part.first), vec4u(0, 1, 2, 3));
  var made = nothing();
  for (var i = part.first; i < part.end; i += params.W / 4) {
    made = combined(made, taken(x_vectors[part.o * M + i], own.s, own.t));
  }
  out_vectors[result] = finished(made, added(4 * result + vec4u(0, 1, 2, 3)));
}

// Of a block of BLOCK neighbours in row o, from \`first\` on to \`end\`.
struct Block {
  o: u32, first: u32, end: u32,
}

fn block_of(result: u32) -> Block {
  let o = result / params.B;
  let first = (result - o * params.B) * BLOCK;
  return Block(o, first, min(first + BLOCK, params.M));
}

// Four neighbours; past the end of the row nothing.
fn four(o: u32, i: u32, own: Own) -> vec4u {
  let v = taken(x_vectors[(o * params.M + i) / 4], own.s, own.t);
  if (i + 4 <= params.M) { return v; }
  return select(nothing(), v, vec4u(i, i + 1, i + 2, i + 3) < vec4u(params.M));
}

fn together(lanes: array<vec4u, LANES>) -> vec4u {
  return combined(combined(lanes[0], lanes[1]), combined(lanes[2], lanes[3]));
}

fn write_block(result: u32, made: vec4u) {
  let pairs = combined(made, made.zwxy);
  out[result] = finished(combined(pairs, pairs.yxwz), added(vec4u(result))).x;
}

@compute @workgroup_size(WG)
fn fold_lines(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  if (result >= params.outer * params.B) { return; }
  let block = block_of(result);
  let own = own_of(block.o * params.M, vec4u());
  var made = nothing();
  for (var first = block.first; first < block.end; first += PART) {
    let end = min(first + PART, block.end);
    var lanes = array<vec4u, LANES>(nothing(), nothing(), nothing(), nothing());
    var i = first;
    for (; i + 4 * LANES <= end; i += 4 * LANES) {
      let at = (block.o * params.M + i) / 4;
      lanes[0] = combined(lanes[0], taken(x_vectors[at], own.s, own.t));
      lanes[1] = combined(lanes[1], taken(x_vectors[at + 1], own.s, own.t));
      lanes[2] = combined(lanes[2], taken(x_vectors[at + 2], own.s, own.t));
      lanes[3] = combined(lanes[3], taken(x_vectors[at + 3], own.s, own.t));
    }
    if (i < end) { lanes[0] = combined(lanes[0], four(block.o, i, own)); }
    if (i + 4 < end) { lanes[1] = combined(lanes[1], four(block.o, i + 4, own)); }
    if (i + 8 < end) { lanes[2] = combined(lanes[2], four(block.o, i + 8, own)); }
    if (i + 12 < end) { lanes[3] = combined(lanes[3], four(block.o, i + 12, own)); }
    made = combined(made, together(lanes));
  }
  write_block(result, made);
}

@compute @workgroup_size(GROUP)
fn fold_blocks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = (group.y * groups.x + group.x) * (GROUP / params.W) + local / params.W;
  let own_place = local % params.W;
  var block = Block();
  if (result < params.outer * params.B) { block = block_of(result); }
  let own = own_of(block.o * params.M, vec4u());
  let first = block.first + own_place / LANES * PART;
  var lane = nothing();
  for (var i = first + 4 * (own_place % LANES); i < min(first + PART, block.end); i += 4 * LANES) {
    lane = combined(lane, four(block.o, i, own));
  }
  found[local] = lane;
  workgroupBarrier();
  if (own_place != 0 || block.first == block.end) { return; }
  var made = nothing();
  for (var k = local; block.first + (k - local) / LANES * PART < block.end; k += LANES) {
    made = combined(made, together(array<vec4u, LANES>(found[k], found[k + 1], found[k + 2], found[k + 3])));
  }
  write_block(result, made);
}

// The place of the result of element i.
fn place(i: u32) -> u32 {
  let rows = i / runs.k0;
  let within = i - rows * runs.k0;
  let rest = rows / runs.r0;
  if (runs.one == 1) { return within + rest * runs.k0; }
  var found = within;
  var stride = runs.k0;
  let q1 = rest / runs.k1;
  found += (rest - q1 * runs.k1) * stride;
  stride *= runs.k1;
  let rest1 = q1 / runs.r1;
  let q2 = rest1 / runs.k2;
  found += (rest1 - q2 * runs.k2) * stride;
  stride *= runs.k2;
  let rest2 = q2 / runs.r2;
  let q3 = rest2 / runs.k3;
  found += (rest2 - q3 * runs.k3) * stride;
  stride *= runs.k3;
  return found + (q3 / runs.r3) * stride;
}

// The places of four neighbours; past the end any that there is.
fn places(i: u32) -> vec4u {
  if (runs.fours == TOGETHER) { return vec4u(place(i)); }
  if (runs.fours == IN_ORDER) { return place(i) + vec4u(0, 1, 2, 3); }
  let last = runs.size - 1;
  return vec4u(place(i), place(min(i + 1, last)), place(min(i + 2, last)), place(min(i + 3, last)));
}

fn gradients_at(places: vec4u) -> vec4f {
  return vec4f(dy[places.x], dy[places.y], dy[places.z], dy[places.w]);
}

fn stats_at(places: vec4u) -> vec4f {
  return vec4f(stat[places.x], stat[places.y], stat[places.z], stat[places.w]);
}

fn aux_at(places: vec4u) -> vec4f {
  return vec4f(aux[places.x], aux[places.y], aux[places.z], aux[places.w]);
}

fn aux2_at(places: vec4u) -> vec4f {
  return vec4f(aux2[places.x], aux2[places.y], aux2[places.z], aux2[places.w]);
}

// Whether two numbers are equal, or both NaN.
fn same(a: vec4f, b: vec4f) -> vec4<bool> {
  let sizes = size_bits(a);
  let others = size_bits(b);
  let nans = (sizes > vec4u(INFINITY_BITS)) & (others > vec4u(INFINITY_BITS));
  return (bitcast<vec4u>(a) == bitcast<vec4u>(b)) | ((sizes | others) == vec4u()) | nans;
}

// g with the sign of v; 0 where v is 0, NaN where it is NaN.
fn signed(g: vec4f, v: vec4f) -> vec4f {
  let bits = size_bits(v);
  let turned = bitcast<vec4f>(bitcast<vec4u>(g) ^ (bitcast<vec4u>(v) & vec4u(SIGN)));
  return select(turned, v, (bits == vec4u()) | (bits > vec4u(INFINITY_BITS)));
}

fn ones(where_true: vec4<bool>) -> vec4u {
  return bitcast<vec4u>(select(vec4f(), vec4f(1.0), where_true));
}

// exp(v) of numbers up to 0; NaN stays one.
fn exponential(v: vec4f) -> vec4f {
  return select(exp(max(v, vec4f(-VANISHED))), v, size_bits(v) > vec4u(INFINITY_BITS));
}

fn is_zero(v: vec4f) -> vec4<bool> {
  return size_bits(v) == vec4u();
}

fn of_product(v: vec4f, product: vec4f, others: vec4f, zeros: vec4f, g: vec4f) -> vec4f {
  let of_zero = select(product, others, zeros == vec4f(1.0));
  // Nothing is divided by 0.
  let quotient = product / select(v, vec4f(1.0), is_zero(v));
  return g * select(quotient, of_zero, is_zero(v));
}

fn gradient_of(i: u32) -> vec4f {
  let to = places(4 * i);
  let g = gradients_at(to);
  if (OF == OF_SUM) { return g; }
  if (OF == OF_MEAN) { return g / runs.by; }
  let v = bitcast<vec4f>(x_vectors[i]);
  if (OF == OF_SIZES) { return signed(g, v); }
  let s = stats_at(to);
  switch OF {
    case OF_LOG_SUM: { return g * exponential(v - s); }
    case OF_LENGTH: { return select(g * (v / s), vec4f(), is_zero(s)); }
    case OF_NORM: {
      let shares = signed(power(v / s, runs.by), v);
      return select(g * shares, vec4f(), is_zero(s) | is_zero(v));
    }
    default: {}
  }
  let t = aux_at(to);
  switch OF {
    case OF_EXTREME: { return select(vec4f(), g / t, same(v, s)); }
    case OF_LARGEST: { return select(vec4f(), signed(g / t, v), same(abs(v), s)); }
    case OF_VARIANCE: { return g * ((v - s - t) * runs.by); }
    case OF_DEVIATION: {
      let u = aux2_at(to);
      return select(g * ((v - s - t) / u) * runs.by, vec4f(), is_zero(u));
    }
    default: { return of_product(v, s, t, aux2_at(to), g); }
  }
}

// A thread takes PER / 4 vectors, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_vector(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * (PER / 4) + local;
}

fn last_vector(start: u32) -> u32 {
  return min(start + WG * (PER / 4), (runs.size + 3) / 4);
}

// Writes four neighbours; what lies past the end stays as it is.
fn write(i: u32, made: vec4u) {
  if (runs.fours != 0 || 4 * i + 4 <= runs.size) {
    out_vectors[i] = made;
    return;
  }
  out_vectors[i] = select(made, out_vectors[i], 4 * i + vec4u(0, 1, 2, 3) >= vec4u(runs.size));
}

@compute @workgroup_size(WG)
fn gradient(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < last_vector(start); i += WG) {
    write(i, bitcast<vec4u>(gradient_of(i)));
  }
}

// Keys of numbers, of which -0 and 0 are the same one.
fn places_keys(bits: vec4u) -> vec4u {
  return keys_by(select(bits, vec4u(), bits == vec4u(SIGN)), search.invert);
}

@compute @workgroup_size(WG)
fn first_of(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  let B = search.parts * search.inner;
  if (result >= search.outer * B) { return; }
  let M = search.R * search.inner;
  let W = search.lanes * search.inner;
  let part = part_of(result, B, W, M);
  var r = part.first / search.inner;
  // No key is less than 0.
  var peak = 0u;
  var least = ALL;
  for (var i = part.first; i < part.end; i += W) {
    let at = part.o * M + i;
    var key = x[at];
    var own = r;
    if (search.first == 1u) { key = places_keys(vec4u(key)).x; } else { own = best[at]; }
    // Parts are apart: an equal one may come before.
    if (key > peak || (key == peak && own < least)) {
      peak = key;
      least = own;
    }
    r += search.lanes;
  }
  out[result] = least;
  peaks[result] = peak;
}

// As the first pass of first_of, where inner is 1: of BLOCK neighbours.
@compute @workgroup_size(WG)
fn first_of_lines(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  if (result >= search.outer * search.parts) { return; }
  let o = result / search.parts;
  let first = (result - o * search.parts) * BLOCK;
  let end = min(first + BLOCK, search.R);
  var found_keys = vec4u();
  var found_at = vec4u(ALL);
  for (var i = first; i < end; i += 4) {
    let own = places_keys(x_vectors[(o * search.R + i) / 4]);
    let rows = i + vec4u(0, 1, 2, 3);
    let better = ((own > found_keys) | ((own == found_keys) & (found_at == vec4u(ALL)))) & (rows < vec4u(end));
    found_keys = select(found_keys, own, better);
    found_at = select(found_at, rows, better);
  }
  var peak = 0u;
  var least = ALL;
  for (var k = 0u; k < 4; k++) {
    if (found_keys[k] > peak || (found_keys[k] == peak && found_at[k] < least)) {
      peak = found_keys[k];
      least = found_at[k];
    }
  }
  out[result] = least;
  peaks[result] = peak;
}

// A block of rows of a scan: where its first row lies, its rows, and the step to the next one. In reverse they are counted from
// the last row on.
struct Rows {
  first: u32, count: u32, step: u32, block: u32,
}

fn rows_of(result: u32) -> Rows {
  let of_outer = scans.blocks * scans.inner;
  let o = result / of_outer;
  let j = result - o * of_outer;
  let block = j / scans.inner;
  let i = j - block * scans.inner;
  let begin = block * SCAN;
  let row = select(begin, scans.R - 1u - begin, scans.reverse == 1u);
  let step = select(scans.inner, ~scans.inner + 1u, scans.reverse == 1u); // modulo 2^32
  return Rows((o * scans.R + row) * scans.inner + i, min(SCAN, scans.R - begin), step, block);
}

@compute @workgroup_size(WG)
fn scan_sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  if (result >= scans.outer * scans.blocks * scans.inner) { return; }
  let rows = rows_of(result);
  var sum = 0.0;
  for (var r = 0u; r < rows.count; r++) {
    sum += x_numbers[rows.first + r * rows.step];
  }
  sums[result] = sum;
}

@compute @workgroup_size(WG)
fn scan(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let result = thread(group, groups, local);
  if (result >= scans.outer * scans.blocks * scans.inner) { return; }
  let rows = rows_of(result);
  var carried = 0.0;
  if (scans.carry == 1u && rows.block > 0u) { carried = earlier[result - scans.inner]; }
  var sum = 0.0;
  for (var r = 0u; r < rows.count; r++) {
    let at = rows.first + r * rows.step;
    sum += x_numbers[at];
    out_numbers[at] = carried + sum;
  }
}
`

export const rmsprop = `// rmsprop: the update of many parameters in one dispatch, as torch.optim.RMSprop defines it for each.
//
//   g = (maximize ? -dp : dp) + decay * p
//   squareAvg = alpha * squareAvg + (1 - alpha) * g * g
//   centered:  gradAvg += (1 - alpha) * (g - gradAvg);  v = squareAvg - gradAvg^2, at least 0    else  v = squareAvg
//   step = g / (sqrt(v) + eps);  with momentum:  step = momentumBuffer = momentum * momentumBuffer + step
//   p -= lr * step
//
// v is 0 where rounding makes the variance negative, which it never is.
// The parameters lie side by side in p, their states at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp     f32
//   squareAvg, gradAvg, momentumBuffer   f32, 0 before the first step
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of lr, alpha, 1 - alpha, eps, decay, momentum,
//             maximize (0 or 1)
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step                    A workgroup updates what its row says, a thread PER elements. Where watched is 1, a gradient or a new
//                         parameter that is not finite is noted in the watch.
// step_momentum, step_centered, step_centered_momentum
//                         The same with momentum, centered, or both.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> squareAvg: array<f32>;
@group(0) @binding(8) var<storage, read_write> gradAvg: array<f32>;
@group(0) @binding(9) var<storage, read_write> momentumBuffer: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 7u;

struct Settings {
  lr: f32, alpha: f32, take: f32, eps: f32, decay: f32, momentum: f32, maximize: bool,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u), setting(5u), setting(6u) != 0.0,
  );
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

// WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
fn root_of(v: f32) -> f32 {
  return select(sqrt(v), 0.0, v == 0.0);
}

fn gradient(s: Settings, at: u32, given: f32) -> f32 {
  var g = select(given, -given, s.maximize);
  if (s.decay != 0.0) { g += s.decay * p[at]; }
  return g;
}

fn average(s: Settings, at: u32, g: f32) -> f32 {
  let v = s.alpha * squareAvg[at] + s.take * g * g;
  squareAvg[at] = v;
  return v;
}

// The variance: a NaN stays, found by its bits.
fn centre(s: Settings, at: u32, g: f32, squares: f32) -> f32 {
  let before = gradAvg[at];
  let mean = before + s.take * (g - before);
  gradAvg[at] = mean;
  let v = squares - mean * mean;
  if (!not_finite(v) && v < 0.0) { return 0.0; }
  return v;
}

fn collected(s: Settings, at: u32, step: f32) -> f32 {
  let m = s.momentum * momentumBuffer[at] + step;
  momentumBuffer[at] = m;
  return m;
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let g = gradient(s, at, given);
    let v = average(s, at, g);
    let parameter = p[at] - s.lr * (g / (root_of(v) + s.eps));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn step_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let g = gradient(s, at, given);
    let v = average(s, at, g);
    let parameter = p[at] - s.lr * collected(s, at, g / (root_of(v) + s.eps));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn step_centered(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let g = gradient(s, at, given);
    let v = centre(s, at, g, average(s, at, g));
    let parameter = p[at] - s.lr * (g / (root_of(v) + s.eps));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn step_centered_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let g = gradient(s, at, given);
    let v = centre(s, at, g, average(s, at, g));
    let parameter = p[at] - s.lr * collected(s, at, g / (root_of(v) + s.eps));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
`

export const rnn_gates = `// rnn_gates: one step of a recurrent layer behind its two products, and its gradient, chosen by KIND.
//
//   i = x W_ih^T + b_ih and s = h W_hh^T + b_hh have G numbers a hidden unit, gate after gate: i_0 [H], i_1 [H], …
//   RNN, RELU  G = 1   h' = f(i + s)
//   LSTM       G = 4   a, f, g, o = i + s;  c' = sigmoid(f) c + sigmoid(a) tanh(g);  h' = sigmoid(o) tanh(c')
//   GRU        G = 3   r = sigmoid(i_0 + s_0);  z = sigmoid(i_1 + s_1);  n = tanh(i_2 + r s_2);  h' = n + z (h - n)
//
//   A sequence [ROWS, …] has the row of batch entry n and this step at row + stride n.
//   of_input   [ROWS, G H]   i
//   of_state   [N, G H]      s
//   h, c       [N, H]        the states, in place; c of the LSTM alone
//   out        [ROWS, S H]   h', of the LSTM (S = 2) followed by c'
//   before     [ROWS, H]     h as the step finds it, for the gradient of W_hh
//   kept       [ROWS, 5 H]   for backward: LSTM the four gates and c, GRU r, z, n, s_2 and h. Others need h' alone
//   held       what was kept; of RNN and RELU it is out
//   dy         [ROWS, S H]   the gradient of out
//   dh         [N, H]        what the later step adds to that of h' by its product with W_hh
//   carry      [N, H]        in place: what it adds otherwise, to c' of the LSTM, to h' of the GRU
//   d_input    [ROWS, G H]   the gradient of i
//   d_state    [ROWS, G H]   of the GRU that of s; elsewhere it is that of i
//   d_step     [N, G H]      the rows of this step of the gradient of s
//
// forward, backward  One thread computes PER elements of the step's [N, H].

struct Params {
  N: u32,
  H: u32,
  row: u32,
  stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> of_input: array<f32>;
@group(0) @binding(2) var<storage, read> of_state: array<f32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> before: array<f32>;
@group(0) @binding(7) var<storage, read_write> kept: array<f32>;
@group(0) @binding(8) var<storage, read> held: array<f32>;
@group(0) @binding(9) var<storage, read> dy: array<f32>;
@group(0) @binding(10) var<storage, read> dh: array<f32>;
@group(0) @binding(11) var<storage, read_write> carry: array<f32>;
@group(0) @binding(12) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(13) var<storage, read_write> d_state: array<f32>;
@group(0) @binding(14) var<storage, read_write> d_step: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const KIND: u32 = 0u; // tune

const RNN: u32 = 0u; // by tanh
const RELU: u32 = 1u;
const LSTM: u32 = 2u;
const GRU: u32 = 3u;

const INFINITY_BITS: u32 = 0x7f800000u;
// exp(-VANISHED) is 0 in float32.
const VANISHED: f32 = 128.0;
const HALF_LN_2: f32 = 0.34657359;

// By its bits, since a driver may assume that there is no NaN.
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > INFINITY_BITS; }

// exp(v) - 1 for v from 0 to 20, near 0 by its series, as wgsl/unary.wgsl has it.
fn expm1_of(v: f32) -> f32 {
  if (v <= HALF_LN_2) {
    return v + v * v * (1.0 / 2.0 + v * (1.0 / 6.0 + v * (1.0 / 24.0 + v * (1.0 / 120.0 + v * (1.0 / 720.0 + v * (1.0 / 5040.0 + v / 40320.0))))));
  }
  return exp(v) - 1.0;
}

fn tanh_of(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  let e = expm1_of(2.0 * min(abs(v), 10.0));
  let t = e / (e + 2.0);
  return select(t, -t, (bitcast<u32>(v) & 0x80000000u) != 0u);
}

fn sigmoid_of(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  let t = exp(-min(abs(v), VANISHED));
  return select(t, 1.0, v >= 0.0) / (1.0 + t);
}

// Where an element lies: its number in [N, H], and of a sequence of so many numbers a unit the one of \`gate\`.
fn in_sequence(e: u32, numbers: u32, gate: u32) -> u32 {
  let n = e / params.H;
  return ((params.row + params.stride * n) * numbers + gate) * params.H + e % params.H;
}

fn in_step(e: u32, numbers: u32, gate: u32) -> u32 {
  let n = e / params.H;
  return (n * numbers + gate) * params.H + e % params.H;
}

// i + s of a gate.
fn sum_of(e: u32, numbers: u32, gate: u32) -> f32 {
  return of_input[in_sequence(e, numbers, gate)] + of_state[in_step(e, numbers, gate)];
}

fn keep(e: u32, place: u32, value: f32) { kept[in_sequence(e, 5u, place)] = value; }
fn held_at(e: u32, place: u32) -> f32 { return held[in_sequence(e, 5u, place)]; }

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  for (var e = start; e < min(start + WG * PER, params.N * params.H); e += WG) {
    let h0 = h[e];
    var h1 = 0.0;
    if (KIND == LSTM) {
      let a = sigmoid_of(sum_of(e, 4u, 0u));
      let f = sigmoid_of(sum_of(e, 4u, 1u));
      let g = tanh_of(sum_of(e, 4u, 2u));
      let o = sigmoid_of(sum_of(e, 4u, 3u));
      let c0 = c[e];
      let c1 = f * c0 + a * g;
      h1 = o * tanh_of(c1);
      c[e] = c1;
      out[in_sequence(e, 2u, 0u)] = h1;
      out[in_sequence(e, 2u, 1u)] = c1;
      keep(e, 0u, a);
      keep(e, 1u, f);
      keep(e, 2u, g);
      keep(e, 3u, o);
      keep(e, 4u, c0);
    } else if (KIND == GRU) {
      let r = sigmoid_of(sum_of(e, 3u, 0u));
      let z = sigmoid_of(sum_of(e, 3u, 1u));
      let s = of_state[in_step(e, 3u, 2u)];
      let n = tanh_of(of_input[in_sequence(e, 3u, 2u)] + r * s);
      h1 = n + z * (h0 - n);
      out[in_sequence(e, 1u, 0u)] = h1;
      keep(e, 0u, r);
      keep(e, 1u, z);
      keep(e, 2u, n);
      keep(e, 3u, s);
      keep(e, 4u, h0);
    } else {
      let v = sum_of(e, 1u, 0u);
      if (KIND == RELU) { h1 = select(v, 0.0, v <= 0.0); } else { h1 = tanh_of(v); }
      out[in_sequence(e, 1u, 0u)] = h1;
    }
    before[in_sequence(e, 1u, 0u)] = h0;
    h[e] = h1;
  }
}

// The gradient of a gate, for both of its sums.
fn give(e: u32, numbers: u32, gate: u32, value: f32) {
  d_input[in_sequence(e, numbers, gate)] = value;
  d_step[in_step(e, numbers, gate)] = value;
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  for (var e = start; e < min(start + WG * PER, params.N * params.H); e += WG) {
    if (KIND == LSTM) {
      let a = held_at(e, 0u);
      let f = held_at(e, 1u);
      let g = held_at(e, 2u);
      let o = held_at(e, 3u);
      let c0 = held_at(e, 4u);
      let t = tanh_of(f * c0 + a * g);
      let d = dy[in_sequence(e, 2u, 0u)] + dh[e];
      let dc = dy[in_sequence(e, 2u, 1u)] + carry[e] + d * o * (1.0 - t * t);
      carry[e] = dc * f;
      give(e, 4u, 0u, dc * g * (a * (1.0 - a)));
      give(e, 4u, 1u, dc * c0 * (f * (1.0 - f)));
      give(e, 4u, 2u, dc * a * (1.0 - g * g));
      give(e, 4u, 3u, d * t * (o * (1.0 - o)));
    } else if (KIND == GRU) {
      let r = held_at(e, 0u);
      let z = held_at(e, 1u);
      let n = held_at(e, 2u);
      let s = held_at(e, 3u);
      let h0 = held_at(e, 4u);
      let d = dy[in_sequence(e, 1u, 0u)] + dh[e] + carry[e];
      carry[e] = d * z;
      let dn = d * (1.0 - z) * (1.0 - n * n);
      let dr = dn * s * (r * (1.0 - r));
      let dz = d * (h0 - n) * (z * (1.0 - z));
      give(e, 3u, 0u, dr);
      give(e, 3u, 1u, dz);
      d_state[in_sequence(e, 3u, 0u)] = dr;
      d_state[in_sequence(e, 3u, 1u)] = dz;
      d_input[in_sequence(e, 3u, 2u)] = dn;
      d_state[in_sequence(e, 3u, 2u)] = dn * r;
      d_step[in_step(e, 3u, 2u)] = dn * r;
    } else {
      let v = held[in_sequence(e, 1u, 0u)];
      let d = dy[in_sequence(e, 1u, 0u)] + dh[e];
      if (KIND == RELU) { give(e, 1u, 0u, select(d, 0.0, v <= 0.0)); } else { give(e, 1u, 0u, d * (1.0 - v * v)); }
    }
  }
}
`

export const schedule_free = `// schedule_free: the update of many parameters in one dispatch (Defazio et al., "The Road Less Scheduled", 2024; y and z are
// kept, as in their code, and x is what both say).
//
//   SGD: d = dp      AdamW: expAvgSq = beta2 * expAvgSq + (1 - beta2) * dp * dp;  d = dp / (sqrt(expAvgSq) + eps)
//   d += decay * y;  y += share * (z - y) + pull * d;  z -= rate * d
//
// y is the parameter; share is what the newest z weighs in x, the mean of all, and pull = rate * (beta * (1 - share) - 1).
// The parameters lie side by side in p, their states at the same places in theirs, their gradients anywhere in dp.
//
//   p, dp     f32
//   z, expAvgSq   as bits: UNSET before the first step, in which z starts as the parameter, expAvgSq as 0
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and the states), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of rate, share, pull, decay, beta2, 1 - beta2,
//             eps; SGD does not look at the last three
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step        A workgroup updates what its row says, a thread PER elements. Where watched is 1, a gradient or a new parameter
//             that is not finite is noted in the watch.
// step_adamw  The same as AdamW.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> z: array<u32>;
@group(0) @binding(8) var<storage, read_write> expAvgSq: array<u32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 7u;
const UNSET: u32 = 0x7fc00b0eu; // A NaN that no arithmetic makes.

struct Settings {
  rate: f32, share: f32, pull: f32, decay: f32, beta2: f32, take2: f32, eps: f32,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(
    setting(0u), setting(1u), setting(2u), setting(3u), setting(4u), setting(5u), setting(6u),
  );
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

// WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
fn root_of(v: f32) -> f32 {
  return select(sqrt(v), 0.0, v == 0.0);
}

fn normalized(s: Settings, at: u32, g: f32) -> f32 {
  let before = expAvgSq[at];
  var v = s.take2 * g * g;
  if (before != UNSET) { v += s.beta2 * bitcast<f32>(before); }
  expAvgSq[at] = bitcast<u32>(v);
  return g / (root_of(v) + s.eps);
}

fn updated(s: Settings, at: u32, direction: f32) -> f32 {
  let y = p[at];
  var d = direction;
  if (s.decay != 0.0) { d += s.decay * y; }
  var before = y;
  if (z[at] != UNSET) { before = bitcast<f32>(z[at]); }
  z[at] = bitcast<u32>(before - s.rate * d);
  return y + s.share * (before - y) + s.pull * d;
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let parameter = updated(s, at, given);
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn step_adamw(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let at = row.at + i;
    let given = dp[row.at_dp + i];
    let parameter = updated(s, at, normalized(s, at, given));
    p[at] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
`

export const sgd = `// sgd: the update of many parameters in one dispatch, as torch.optim.SGD defines it for each.
//
//   g = maximize ? -dp : dp;  g += weight_decay * p
//   first step:  b = g        later:  b = momentum * b + (1 - dampening) * g
//   p -= lr * (nesterov ? g + momentum * b : b)        without momentum:  p -= lr * g
//
// The parameters lie side by side in p, their momentum at the same places in momentum, their gradients anywhere in dp.
//
//   p, dp     f32
//   momentum  momentum buffers, as bits: UNSET where there was no step with momentum yet
//   table     [ROWS, 5]  u32, a row for each workgroup: the first element in p (and momentum), the first in dp, how many
//             elements (at most WG * PER), what is noted for the gradient, what is noted for the parameter
//   settings  rows of one update each, as per_step.ts describes them: the bits of lr, momentum, dampening, weight_decay,
//             nesterov, maximize (0 or 1)
//   watch     [5]  u32, as finite.wgsl describes it; null where watched is 0
//
// step           A workgroup updates what its row says, a thread PER elements; no momentum. Where watched is 1, a gradient
//                or a new parameter that is not finite is noted in the watch.
// step_momentum  The same with the momentum buffer.

struct Params {
  rows: u32,
  which: u32, // which one it is of several updates in a step of a run
  watched: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> dp: array<f32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> watch: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> momentum: array<u32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 5u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 6u;
const UNSET: u32 = 0x7fc00b0eu; // A NaN that no arithmetic makes.

struct Settings {
  lr: f32, momentum: f32, dampening: f32, weight_decay: f32, nesterov: bool, maximize: bool,
}

fn setting(i: u32) -> f32 {
  let row = min(replay.step * settings[1] + params.which, settings[0] - 1u);
  return bitcast<f32>(settings[HEAD + SETTINGS * row + i]);
}

fn read_settings() -> Settings {
  return Settings(setting(0u), setting(1u), setting(2u), setting(3u), setting(4u) != 0.0, setting(5u) != 0.0);
}

// A row of the table; past its end one without elements.
struct Row {
  at: u32, at_dp: u32, count: u32, code_dp: u32, code_p: u32,
}

fn read_row(group: u32) -> Row {
  if (group >= params.rows) {
    return Row(0u, 0u, 0u, 0u, 0u);
  }
  let i = group * ROW;
  return Row(table[i], table[i + 1u], table[i + 2u], table[i + 3u], table[i + 4u]);
}

fn gradient(s: Settings, given: f32, parameter: f32) -> f32 {
  var g = given;
  if (s.maximize) { g = -g; }
  if (s.weight_decay != 0.0) { g += s.weight_decay * parameter; }
  return g;
}

fn updated(s: Settings, row: Row, i: u32, given: f32) -> f32 {
  let before = p[row.at + i];
  return before - s.lr * gradient(s, given, before);
}

fn updated_momentum(s: Settings, row: Row, i: u32, given: f32) -> f32 {
  let parameter = p[row.at + i];
  let g = gradient(s, given, parameter);
  let before = momentum[row.at + i];
  var m = g;
  if (before != UNSET) { m = s.momentum * bitcast<f32>(before) + (1.0 - s.dampening) * g; }
  momentum[row.at + i] = bitcast<u32>(m);
  return parameter - s.lr * select(m, g + s.momentum * m, s.nesterov);
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

fn note(code: u32) {
  let now = atomicLoad(&watch[1]);
  if (atomicLoad(&watch[3]) < now) { return; }
  atomicMin(&watch[3], now);
  atomicMin(&watch[4], code);
}

fn note_row(row: Row, bad_dp: bool, bad_p: bool) {
  if (params.watched == 0u) { return; }
  if (bad_dp) { note(row.code_dp); }
  if (bad_p) { note(row.code_p); }
}

@compute @workgroup_size(WG)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let given = dp[row.at_dp + i];
    let parameter = updated(s, row, i, given);
    p[row.at + i] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}

@compute @workgroup_size(WG)
fn step_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = read_settings();
  let row = read_row(group.y * groups.x + group.x);
  var bad_dp = false;
  var bad_p = false;
  for (var i = local; i < row.count; i += WG) {
    let given = dp[row.at_dp + i];
    let parameter = updated_momentum(s, row, i, given);
    p[row.at + i] = parameter;
    bad_dp = bad_dp || not_finite(given);
    bad_p = bad_p || not_finite(parameter);
  }
  note_row(row, bad_dp, bad_p);
}
`

export const sgld = `// sgld: the noise of stochastic gradient Langevin dynamics, added to many parameters in one dispatch.
//
//   p += scale * xi(seed, t, i)       scale 0 leaves p as it is, bit for bit
//
// xi is standard normal, a pure function of the seed, the step t and the element's number i. Its random words are those of
// src/tensor/random.ts, stream 'noise', substream t + 1: Philox4x32-10 gives the words 4b … 4b + 3 from
//   counter = (b, 0, t + 1, 3)    key = (seed low, seed high)
// and the words 2j and 2j + 1 give two numbers by Box and Muller (1958):
//   u1 = ((word_2j >> 8) + 1) / 2^24,  u2 = (word_2j+1 >> 8) / 2^24,  r = sqrt(-2 ln u1)
//   xi_2j = r cos(2 pi u2),  xi_2j+1 = r sin(2 pi u2)
// The logarithm, sine and cosine are series: WGSL allows its own cosine an error of 2^-11.
//
//   p         f32  parameters, anywhere in one buffer
//   table     [ROWS, 3]  u32, a row for each workgroup: the first element in p, its number i (a multiple of 4), how many
//             elements (at most WG * PER)
//   settings  rows of one step's noise each, as per_step.ts describes them: t + 1, seed low, seed high, the bits of scale
//
// A workgroup takes what its row says, a thread PER elements, four at a time.

struct Params {
  rows: u32,
  which: u32, // which one it is of several in a step of a run
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> p: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 3u;
const HEAD: u32 = 2u; // words before the settings' rows
const SETTINGS: u32 = 4u;
const NOISE: u32 = 3u; // the stream's number

// The high and the low half of a product, from halves of 16 bits.
fn multiply(a: u32, b: u32) -> vec2u {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (middle & 0xffffu);
  return vec2u(a_high * b_high + (middle >> 16u) + (carry >> 16u), a * b);
}

// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011).
fn philox(counter: vec4u, seed: vec2u) -> vec4u {
  var x = counter;
  var key = seed;
  for (var round = 0u; round < 10u; round++) {
    let m0 = multiply(0xd2511f53u, x.x);
    let m1 = multiply(0xcd9e8d57u, x.z);
    x = vec4u(m1.x ^ x.y ^ key.x, m1.y, m0.x ^ x.w ^ key.y, m0.y);
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return x;
}

// -ln(k / 2^24) for k from 1 to 2^24, both exact in f32. k = m 2^e with m in (0.7, 1.42), so that the terms of
// ln m = 2 (s + s^3/3 + s^5/5 + …), s = (m - 1) / (m + 1), |s| < 0.18, are below 2^-24 of the first from s^11 on.
fn minus_log(k: u32) -> f32 {
  let bits = bitcast<u32>(f32(k));
  var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
  var e = i32(bits >> 23u) - 151; // 127, and the 24 of 2^24
  if (m > 1.41421356) {
    m *= 0.5;
    e += 1;
  }
  let s = (m - 1.0) / (m + 1.0);
  let q = s * s;
  let series = 1.0 + q * (0.333333333 + q * (0.2 + q * (0.142857143 + q * 0.111111111)));
  return -(f32(e) * 0.693147181 + 2.0 * s * series);
}

// cos and sin of 2 pi k / 2^24: a quarter's number, and Taylor's series to x^10 and x^9 for the rest, |x| <= pi / 4.
fn turn(k: u32) -> vec2f {
  let quarter = (k + 0x200000u) >> 22u;
  let x = f32(i32(k) - i32(quarter << 22u)) * (1.57079633 / 4194304.0);
  let q = x * x;
  let c = 1.0 + q * (-0.5 + q * (0.0416666667 + q * (-0.00138888889 + q * (0.0000248015873 - q * 2.75573192e-7))));
  let s = x * (1.0 + q * (-0.166666667 + q * (0.00833333333 + q * (-0.000198412698 + q * 2.75573192e-6))));
  switch (quarter & 3u) {
    case 1u: { return vec2f(-s, c); }
    case 2u: { return vec2f(-c, -s); }
    case 3u: { return vec2f(s, -c); }
    default: { return vec2f(c, s); }
  }
}

fn normal_pair(word1: u32, word2: u32) -> vec2f {
  let square = 2.0 * minus_log((word1 >> 8u) + 1u);
  if (square <= 0.0) { return vec2f(0.0); } // WGSL's square root of 0 is whatever 1 / inverseSqrt(0) is.
  return sqrt(square) * turn(word2 >> 8u);
}

@compute @workgroup_size(WG)
fn add_noise(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  let at_settings = HEAD + SETTINGS * min(replay.step * settings[1] + params.which, settings[0] - 1u);
  let t = settings[at_settings];
  let seed = vec2u(settings[at_settings + 1u], settings[at_settings + 2u]);
  let scale = bitcast<f32>(settings[at_settings + 3u]);
  if (row >= params.rows || scale == 0.0) { return; }
  let at = table[ROW * row];
  let block = table[ROW * row + 1u] / 4u;
  let count = table[ROW * row + 2u];
  for (var i = 4u * local; i < count; i += 4u * WG) {
    let words = philox(vec4u(block + i / 4u, 0u, t, NOISE), seed);
    let xi = vec4f(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
    for (var j = 0u; j < min(4u, count - i); j++) {
      p[at + i + j] += scale * xi[j];
    }
  }
}
`

export const softmax = `// softmax: exp(x) of rows whose sum is made 1, and its logarithm, along any dimension. No number overflows.
//
//   m[o, i] = max_d x[o, d, i]        z[o, i] = sum_d exp(x[o, d, i] - m[o, i])
//   softmax      out = exp(x - m) / z          dx = out * (dy - sum_d dy * out)
//   logSoftmax   out = (x - m) - log(z)        dx = dy - exp(out) * sum_d dy
//
//   x, y, out, dy, dx  [outer, D, inner], looked at by fours; y is out, for backward. A tensor's memory ends with a whole vector
//   largest, total     [outer, inner]: m, and z or the sum of the gradient
//   terms              [outer, D, inner]: dy * out
//
// A row with a NaN, with infinity or with minus infinity alone is NaN, as in PyTorch. The largest is found by the bits of its
// key, NaN above all, so that nothing depends on how an adapter compares NaN.
//
// thread_forward, thread_backward  One thread takes one row, in order.
// lines_forward, lines_backward    One thread takes one row of neighbours (inner = 1): parts of PART elements, in order, each of
//                                  LANES vectors of four side by side.
// groups_forward, groups_backward  A thread takes one lane of a part; the same bits. A row has at most GROUP / LANES parts.
// rows_forward, rows_backward      Where largest and total are known: a thread takes PER elements.
// weigh                            terms, likewise.

struct Params {
  outer: u32,
  D: u32,
  inner: u32,
  threads: u32, // of a row, in groups_forward and groups_backward
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read> y: array<vec4f>;
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(6) var<storage, read> largest: array<f32>;
@group(0) @binding(7) var<storage, read> total: array<f32>;
@group(0) @binding(8) var<storage, read_write> terms: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const GROUP: u32 = 64u;
const PART: u32 = 256u;
const LANES: u32 = 4u;
const ALIGNED: u32 = 0u; // tune
const BACKWARD: u32 = 0u; // tune

const OP: u32 = 0u; // tune
const SOFTMAX: u32 = 0u;
const LOG_SOFTMAX: u32 = 1u;

const SIGN: u32 = 0x80000000u;
const INFINITY_BITS: u32 = 0x7f800000u;
const NAN_BITS: u32 = 0x7fc00000u;
// exp(-VANISHED) is 0 in float32: no driver meets a larger argument.
const VANISHED: f32 = 128.0;

var<workgroup> keys: array<u32, GROUP>;
var<workgroup> sums: array<vec4f, GROUP>;

// A NaN that the compiler cannot see coming: constants may not be NaN. A row has fewer than 2^31 elements.
fn nan() -> f32 {
  return bitcast<f32>(NAN_BITS | (params.D & SIGN));
}

fn size_bits(v: f32) -> u32 {
  return bitcast<u32>(v) & ~SIGN;
}

// In the order of the numbers; of no number it is 0.
fn key(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if (size_bits(v) > INFINITY_BITS) { return ~0u; }
  return select(bits | SIGN, ~bits, (bits & SIGN) != 0u);
}

fn of_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & ~SIGN, (key & SIGN) != 0u));
}

// exp(v) for v up to 0.
fn power(v: f32) -> f32 {
  return select(exp(max(v, -VANISHED)), v, size_bits(v) > INFINITY_BITS);
}

fn value(v: f32, m: f32, z: f32) -> f32 {
  if (size_bits(m) >= INFINITY_BITS) { return nan(); }
  if (OP == SOFTMAX) { return power(v - m) / z; }
  return (v - m) - log(z);
}

fn term(of_y: f32, of_dy: f32) -> f32 {
  return select(of_dy, of_dy * of_y, OP == SOFTMAX);
}

fn gradient(of_y: f32, of_dy: f32, sum: f32) -> f32 {
  if (OP == SOFTMAX) { return of_y * (of_dy - sum); }
  return of_dy - power(of_y) * sum;
}

// The first element of a row.
fn start_of(row: u32) -> u32 {
  let o = row / params.inner;
  return o * params.D * params.inner + (row - o * params.inner);
}

@compute @workgroup_size(WG)
fn thread_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WG + local;
  if (row >= params.outer * params.inner) { return; }
  let start = start_of(row);
  let end = start + params.D * params.inner;
  var best = 0u;
  for (var i = start; i < end; i += params.inner) {
    best = max(best, key(x[i / 4][i % 4]));
  }
  let m = of_key(best);
  var z = 0.0;
  for (var i = start; i < end; i += params.inner) {
    z += power(x[i / 4][i % 4] - m);
  }
  for (var i = start; i < end; i += params.inner) {
    out[i / 4][i % 4] = value(x[i / 4][i % 4], m, z);
  }
}

@compute @workgroup_size(WG)
fn thread_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WG + local;
  if (row >= params.outer * params.inner) { return; }
  let start = start_of(row);
  let end = start + params.D * params.inner;
  var sum = 0.0;
  for (var i = start; i < end; i += params.inner) {
    sum += term(y[i / 4][i % 4], dy[i / 4][i % 4]);
  }
  for (var i = start; i < end; i += params.inner) {
    dx[i / 4][i % 4] = gradient(y[i / 4][i % 4], dy[i / 4][i % 4], sum);
  }
}

// Four neighbours from element e on, of which \`left\` or more are in the row; behind it the last one again.
fn x_four(e: u32, left: u32) -> vec4f {
  if (ALIGNED == 1u) { return x[e / 4]; }
  let at = e + min(vec4u(0, 1, 2, 3), vec4u(left - 1));
  let k = at % 4;
  return vec4f(x[at.x / 4][k.x], x[at.y / 4][k.y], x[at.z / 4][k.z], x[at.w / 4][k.w]);
}

fn y_four(e: u32, left: u32) -> vec4f {
  if (ALIGNED == 1u) { return y[e / 4]; }
  let at = e + min(vec4u(0, 1, 2, 3), vec4u(left - 1));
  let k = at % 4;
  return vec4f(y[at.x / 4][k.x], y[at.y / 4][k.y], y[at.z / 4][k.z], y[at.w / 4][k.w]);
}

fn dy_four(e: u32, left: u32) -> vec4f {
  if (ALIGNED == 1u) { return dy[e / 4]; }
  let at = e + min(vec4u(0, 1, 2, 3), vec4u(left - 1));
  let k = at % 4;
  return vec4f(dy[at.x / 4][k.x], dy[at.y / 4][k.y], dy[at.z / 4][k.z], dy[at.w / 4][k.w]);
}

fn out_four(e: u32, left: u32) -> vec4f {
  if (ALIGNED == 1u) { return out[e / 4]; }
  let at = e + min(vec4u(0, 1, 2, 3), vec4u(left - 1));
  let k = at % 4;
  return vec4f(out[at.x / 4][k.x], out[at.y / 4][k.y], out[at.z / 4][k.z], out[at.w / 4][k.w]);
}

fn write_out(e: u32, left: u32, v: vec4f) {
  if (ALIGNED == 1u) {
    out[e / 4] = v;
    return;
  }
  for (var k = 0u; k < min(left, 4u); k++) { out[(e + k) / 4][(e + k) % 4] = v[k]; }
}

fn write_dx(e: u32, left: u32, v: vec4f) {
  if (ALIGNED == 1u) {
    dx[e / 4] = v;
    return;
  }
  for (var k = 0u; k < min(left, 4u); k++) { dx[(e + k) / 4][(e + k) % 4] = v[k]; }
}

// 0 for what lies behind the row.
fn within(v: vec4f, left: u32) -> vec4f {
  if (left >= 4u) { return v; }
  return select(vec4f(), v, vec4u(0, 1, 2, 3) < vec4u(left));
}

fn keys_of(v: vec4f) -> vec4u {
  return vec4u(key(v.x), key(v.y), key(v.z), key(v.w));
}

fn most(keys: vec4u) -> u32 {
  return max(max(keys.x, keys.y), max(keys.z, keys.w));
}

fn powers(v: vec4f) -> vec4f {
  return vec4f(power(v.x), power(v.y), power(v.z), power(v.w));
}

// The term of z at e. That of softmax is kept in out: it is divided by z later.
fn forward_term(e: u32, left: u32, m: f32) -> vec4f {
  let v = powers(x_four(e, left) - m);
  if (OP == SOFTMAX) { write_out(e, left, v); }
  return within(v, left);
}

fn write_values(e: u32, left: u32, m: f32, z: f32) {
  if (size_bits(m) >= INFINITY_BITS) {
    write_out(e, left, vec4f(nan()));
  } else if (OP == SOFTMAX) {
    write_out(e, left, out_four(e, left) / z);
  } else {
    write_out(e, left, (x_four(e, left) - m) - log(z));
  }
}

fn backward_term(e: u32, left: u32) -> vec4f {
  if (OP == SOFTMAX) { return within(dy_four(e, left) * y_four(e, left), left); }
  return within(dy_four(e, left), left);
}

fn write_gradients(e: u32, left: u32, sum: f32) {
  let of_y = y_four(e, left);
  let of_dy = dy_four(e, left);
  if (OP == SOFTMAX) {
    write_dx(e, left, of_y * (of_dy - sum));
  } else {
    write_dx(e, left, of_dy - powers(of_y) * sum);
  }
}

fn term_at(e: u32, left: u32, m: f32) -> vec4f {
  if (BACKWARD == 1u) { return backward_term(e, left); }
  return forward_term(e, left, m);
}

fn of_lanes(lanes: array<vec4f, LANES>) -> vec4f {
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

fn of_four(v: vec4f) -> f32 {
  return (v.x + v.z) + (v.y + v.w);
}

// The sum of the terms of a row: parts of PART, in order, each of LANES vectors side by side.
fn sum_of_row(row: u32, m: f32) -> f32 {
  let start = row * params.D;
  var sum = vec4f();
  for (var first = 0u; first < params.D; first += PART) {
    let end = min(first + PART, params.D);
    var lanes = array<vec4f, LANES>(vec4f(), vec4f(), vec4f(), vec4f());
    for (var i = first; i < end; i += 4 * LANES) {
      lanes[0] += term_at(start + i, end - i, m);
      if (i + 4 < end) { lanes[1] += term_at(start + i + 4, end - i - 4, m); }
      if (i + 8 < end) { lanes[2] += term_at(start + i + 8, end - i - 8, m); }
      if (i + 12 < end) { lanes[3] += term_at(start + i + 12, end - i - 12, m); }
    }
    sum += of_lanes(lanes);
  }
  return of_four(sum);
}

@compute @workgroup_size(WG)
fn lines_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WG + local;
  if (row >= params.outer) { return; }
  let start = row * params.D;
  var best = vec4u();
  for (var i = 0u; i < params.D; i += 4) {
    best = max(best, keys_of(x_four(start + i, params.D - i)));
  }
  let m = of_key(most(best));
  let z = sum_of_row(row, m);
  for (var i = 0u; i < params.D; i += 4) {
    write_values(start + i, params.D - i, m, z);
  }
}

@compute @workgroup_size(WG)
fn lines_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WG + local;
  if (row >= params.outer) { return; }
  let start = row * params.D;
  let sum = sum_of_row(row, 0.0);
  for (var i = 0u; i < params.D; i += 4) {
    write_gradients(start + i, params.D - i, sum);
  }
}

// What a thread of a workgroup does: of a row the vectors of one lane of one part.
struct Lane {
  row: u32, place: u32, first: u32, end: u32,
}

fn lane_of(group: vec3u, groups: vec3u, local: u32) -> Lane {
  let row = (group.y * groups.x + group.x) * (GROUP / params.threads) + local / params.threads;
  let place = local % params.threads;
  let first = place / LANES * PART;
  let end = select(0u, min(first + PART, params.D), row < params.outer);
  return Lane(row, place, first + 4 * (place % LANES), end);
}

// The sum of the terms of a row, for all of its threads, as sum_of_row makes it.
fn sum_of_threads(own: Lane, m: f32, local: u32) -> f32 {
  var lane = vec4f();
  for (var i = own.first; i < own.end; i += 4 * LANES) {
    lane += term_at(own.row * params.D + i, params.D - i, m);
  }
  sums[local] = lane;
  workgroupBarrier();
  var sum = vec4f();
  for (var part = 0u; part * PART < params.D; part++) {
    let k = local - own.place + part * LANES;
    sum += of_lanes(array<vec4f, LANES>(sums[k], sums[k + 1], sums[k + 2], sums[k + 3]));
  }
  return of_four(sum);
}

@compute @workgroup_size(GROUP)
fn groups_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let own = lane_of(group, groups, local);
  let start = own.row * params.D;
  var best = vec4u();
  for (var i = own.first; i < own.end; i += 4 * LANES) {
    best = max(best, keys_of(x_four(start + i, params.D - i)));
  }
  keys[local] = most(best);
  workgroupBarrier();
  var top = 0u;
  for (var k = 0u; k < params.threads; k++) { top = max(top, keys[local - own.place + k]); }
  let m = of_key(top);
  let z = sum_of_threads(own, m, local);
  for (var i = own.first; i < own.end; i += 4 * LANES) {
    write_values(start + i, params.D - i, m, z);
  }
}

@compute @workgroup_size(GROUP)
fn groups_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let own = lane_of(group, groups, local);
  let sum = sum_of_threads(own, 0.0, local);
  for (var i = own.first; i < own.end; i += 4 * LANES) {
    write_gradients(own.row * params.D + i, params.D - i, sum);
  }
}

// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * PER + local;
}

fn last_element(start: u32) -> u32 {
  return min(start + WG * PER, params.outer * params.D * params.inner);
}

fn row_of(i: u32) -> u32 {
  let before = i / params.inner;
  return before / params.D * params.inner + (i - before * params.inner);
}

@compute @workgroup_size(WG)
fn rows_forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < last_element(start); i += WG) {
    let row = row_of(i);
    out[i / 4][i % 4] = value(x[i / 4][i % 4], largest[row], total[row]);
  }
}

@compute @workgroup_size(WG)
fn rows_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < last_element(start); i += WG) {
    dx[i / 4][i % 4] = gradient(y[i / 4][i % 4], dy[i / 4][i % 4], total[row_of(i)]);
  }
}

@compute @workgroup_size(WG)
fn weigh(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
  for (var i = start; i < last_element(start); i += WG) {
    terms[i / 4][i % 4] = term(y[i / 4][i % 4], dy[i / 4][i % 4]);
  }
}
`

export const sum_parts = `// sum_parts: adds up the parts of sums that were made by separate threads or dispatches, in a fixed order.
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
`

export const take = `// take: elements of a tensor at places that another tensor, the index, names; and the sums that are their gradients.
//
//   x [O, R, I], index of whole numbers: one that is not from 0 to R - 1 gives \`wrong\` in out, and nothing to a gradient;
//   of elements, where skip = 1, the padding gives 0 in out, wherever it lies
//   rows         out[o, j, i] = x[o, index[j], i]                  out [O, J, I]
//   rows_back    dx[o, r, i]  = Σ dy[o, j, i] over index[j] = r    in the order of j, 32 terms at a time
//   rows_4, rows_back_4     the same of vectors of four: I is counted in these
//   elements       out[o, j, i] = x[o, index[o, j, i], i]                  out and index [O, J, I]
//   elements_back  dx[o, r, i]  = Σ dy[o, j, i] over index[o, j, i] = r    in the order of j, 32 terms at a time
//   scatter        the same, bit for bit, in a time that does not depend on R
//   one_hot        out[j, i] = 1 where index[j] = i, else 0                out [J, I]: R is I
//
//   rows_back needs the index in order. Each entry of an order is a pair: an index, NONE where it counts for nothing, and its j.
//   sort_blocks  the pairs of BLOCK neighbours in order: a pair's place is the number of those before it
//   merge        of runs of \`run\` pairs in order, two neighbours in order: the place is the pair's own and the number of those of
//                the other run before it. No two pairs are equal.
//   starts_of    starts[r] = the number of pairs with an index below r, for r up to R
//
//   index  [J] words or bytes, four bytes a word, little-endian
//   x, out one 32-bit word an element;  pairs [J];  starts [R + 1]
//
// rows, elements, one_hot: one thread takes PER elements, WG apart. The others: one thread, one element, vector, pair or start.

struct Params {
  size: u32,
  R: u32,
  J: u32,
  I: u32,
  step_j: u32, // WG is (step_o · J + step_j) · I + step_i
  step_i: u32,
  step_o: u32,
  bytes: u32,
  wrong: u32,
  padding: i32, // an index that counts for nothing in a gradient
  run: u32,
  skip: u32,    // 1: it counts for nothing forward either
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;
@group(0) @binding(4) var<storage, read> x_4: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> out_4: array<vec4u>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;
@group(0) @binding(8) var<storage, read> dy_4: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> dx_4: array<vec4f>;
@group(0) @binding(10) var<storage, read> pairs: array<vec2u>;
@group(0) @binding(11) var<storage, read_write> pairs_out: array<vec2u>;
@group(0) @binding(12) var<storage, read> starts: array<u32>;
@group(0) @binding(13) var<storage, read_write> starts_out: array<u32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const BLOCK: u32 = 256u;
const TERMS_PER_BLOCK: u32 = 32u;
const NONE: u32 = 0xffffffffu;
const ONE_BITS: u32 = 0x3f800000u;

// Where an element stands.
struct Place {
  o: u32,
  j: u32,
  i: u32,
}

fn first_element(group: vec3u, groups: vec3u, local: u32, per: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * per + local;
}

fn place_of(element: u32) -> Place {
  let row = element / params.I;
  let o = row / params.J;
  return Place(o, row - o * params.J, element - row * params.I);
}

// The place of the element that lies WG further on: a sum of digits, since divisions are dear on drivers for the processor.
fn advance(before: Place) -> Place {
  var i = before.i + params.step_i;
  let over_i = u32(i >= params.I);
  i -= over_i * params.I;
  var j = before.j + params.step_j + over_i;
  let over_j = u32(j >= params.J);
  j -= over_j * params.J;
  return Place(before.o + params.step_o + over_j, j, i);
}

fn index_at(at: u32) -> u32 {
  if (params.bytes == 1) { return (index[at / 4] >> (8 * (at % 4))) & 0xffu; }
  return index[at]; // a negative one is larger than any size
}

@compute @workgroup_size(WG)
fn rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var p = place_of(start);
  for (var e = start; e < min(start + WG * PER, params.size); e += WG) {
    let r = index_at(p.j);
    var word = params.wrong;
    if (r < params.R) { word = x[(p.o * params.R + r) * params.I + p.i]; }
    out[e] = word;
    p = advance(p);
  }
}

@compute @workgroup_size(WG)
fn rows_4(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER / 4);
  var p = place_of(start);
  for (var e = start; e < min(start + WG * (PER / 4), params.size); e += WG) {
    let r = index_at(p.j);
    var words = vec4u(params.wrong);
    if (r < params.R) { words = x_4[(p.o * params.R + r) * params.I + p.i]; }
    out_4[e] = words;
    p = advance(p);
  }
}

fn is_skipped(r: u32) -> bool { return params.skip == 1u && i32(r) == params.padding; }

@compute @workgroup_size(WG)
fn elements(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var p = place_of(start);
  for (var e = start; e < min(start + WG * PER, params.size); e += WG) {
    let r = index_at(e);
    var word = params.wrong;
    if (is_skipped(r)) { word = 0u; } else if (r < params.R) { word = x[(p.o * params.R + r) * params.I + p.i]; }
    out[e] = word;
    p = advance(p);
  }
}

@compute @workgroup_size(WG)
fn elements_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let e = first_element(group, groups, local, 1);
  if (e >= params.size) { return; }
  let row = e / params.I;
  let o = row / params.R;
  let r = row - o * params.R;
  let i = e - row * params.I;
  var sum = 0.0;
  for (var block = 0u; block < params.J; block += TERMS_PER_BLOCK) {
    var part = 0.0;
    for (var j = block; j < min(block + TERMS_PER_BLOCK, params.J); j++) {
      let at = (o * params.J + j) * params.I + i;
      if (index_at(at) == r && !is_skipped(r)) { part += dy[at]; }
    }
    sum += part;
  }
  dx[e] = sum;
}

// Into dx, which is full of zeros.
@compute @workgroup_size(WG)
fn scatter(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let line = first_element(group, groups, local, 1);
  if (line >= params.size) { return; }
  let o = line / params.I;
  let i = line - o * params.I;
  let start = o * params.J * params.I + i;
  for (var block = 0u; block < params.J; block += TERMS_PER_BLOCK) {
    let end = min(block + TERMS_PER_BLOCK, params.J);
    for (var j = block; j < end; j++) {
      let r = index_at(start + j * params.I);
      if (r >= params.R || is_skipped(r)) { continue; }
      // The first of a block with an index adds up those of the others.
      var before = block;
      while (before < j && index_at(start + before * params.I) != r) { before++; }
      if (before < j) { continue; }
      var part = 0.0;
      for (var k = j; k < end; k++) {
        let at = start + k * params.I;
        if (index_at(at) == r) { part += dy[at]; }
      }
      dx[(o * params.R + r) * params.I + i] += part;
    }
  }
}

@compute @workgroup_size(WG)
fn one_hot(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local, PER);
  var p = place_of(start);
  for (var e = start; e < min(start + WG * PER, params.size); e += WG) {
    let r = index_at(p.j);
    var word = select(0u, ONE_BITS, r == p.i);
    if (r >= params.I) { word = params.wrong; }
    out[e] = word;
    p = advance(p);
  }
}

// An index out of range is NONE, as the padding is.
fn pair_of(j: u32) -> vec2u {
  let r = index_at(j);
  return vec2u(select(NONE, r, r < params.R && i32(r) != params.padding), j);
}

fn less(a: vec2u, b: vec2u) -> bool {
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}

@compute @workgroup_size(WG)
fn sort_blocks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let j = first_element(group, groups, local, 1);
  if (j >= params.J) { return; }
  let own = pair_of(j);
  let first = j - j % BLOCK;
  var place = first;
  for (var k = first; k < min(first + BLOCK, params.J); k++) {
    if (less(pair_of(k), own)) { place++; }
  }
  pairs_out[place] = own;
}

// How many of the pairs from \`first\` to \`end\` - 1, which are in order, come before a pair.
fn count_below(pair: vec2u, first: u32, end: u32) -> u32 {
  var low = first;
  var high = end;
  while (low < high) {
    let middle = low + (high - low) / 2;
    if (less(pairs[middle], pair)) { low = middle + 1; } else { high = middle; }
  }
  return low - first;
}

@compute @workgroup_size(WG)
fn merge(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at = first_element(group, groups, local, 1);
  if (at >= params.J) { return; }
  let own = at - at % params.run;
  let both = at - at % (2 * params.run);
  let other = select(both, min(both + params.run, params.J), own == both);
  let end = min(other + params.run, params.J);
  let pair = pairs[at];
  pairs_out[both + at - own + count_below(pair, other, end)] = pair;
}

@compute @workgroup_size(WG)
fn starts_of(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let r = first_element(group, groups, local, 1);
  if (r > params.R) { return; }
  starts_out[r] = count_below(vec2u(r, 0), 0, params.J);
}

@compute @workgroup_size(WG)
fn rows_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let e = first_element(group, groups, local, 1);
  if (e >= params.size) { return; }
  let row = e / params.I;
  let o = row / params.R;
  let r = row - o * params.R;
  let i = e - row * params.I;
  let end = starts[r + 1];
  var sum = 0.0;
  for (var block = starts[r]; block < end; block += TERMS_PER_BLOCK) {
    var part = 0.0;
    for (var k = block; k < min(block + TERMS_PER_BLOCK, end); k++) {
      part += dy[(o * params.J + pairs[k].y) * params.I + i];
    }
    sum += part;
  }
  dx[e] = sum;
}

@compute @workgroup_size(WG)
fn rows_back_4(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let e = first_element(group, groups, local, 1);
  if (e >= params.size) { return; }
  let row = e / params.I;
  let o = row / params.R;
  let r = row - o * params.R;
  let i = e - row * params.I;
  let end = starts[r + 1];
  var sum = vec4f();
  for (var block = starts[r]; block < end; block += TERMS_PER_BLOCK) {
    var part = vec4f();
    for (var k = block; k < min(block + TERMS_PER_BLOCK, end); k++) {
      part += dy_4[(o * params.J + pairs[k].y) * params.I + i];
    }
    sum += part;
  }
  dx_4[e] = sum;
}
`

export const unary = `// unary: one function of each element, chosen by OP.
//
//   forward   out[i] = f(x[i])
//   backward  dx[i] = dy[i] * f'(x[i])
//
//   x, out, dy, dx  [size], any shape, flat, as vectors of four; a tensor's memory ends with a whole vector, so that the last
//                   may hold numbers of no meaning
//
// One thread computes PER elements. NaN gives NaN, with the same bits, and has a derivative that is NaN (relu's passes dy). What
// WGSL leaves open is said here: infinities, numbers outside of a function's domain, and overflow. exp, log, sqrt, inverseSqrt
// and division are the device's, within WGSL's table of accuracies; sine, cosine, erf and what is near 0 are worked out here.

struct Params {
  size: u32,
  a: f32,
  b: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const OP: u32 = 0u; // tune

const NEG: u32 = 0u;
const ABS: u32 = 1u;
const SIGN: u32 = 2u;
const SQUARE: u32 = 3u;
const SQRT: u32 = 4u;
const RSQRT: u32 = 5u;
const RECIPROCAL: u32 = 6u;
const EXP: u32 = 7u;
const EXPM1: u32 = 8u;
const LOG: u32 = 9u;
const LOG1P: u32 = 10u;
const SIN: u32 = 11u;
const COS: u32 = 12u;
const TANH: u32 = 13u;
const SIGMOID: u32 = 14u;
const RELU: u32 = 15u;
const LEAKY_RELU: u32 = 16u; // a: the slope on the left
const ELU: u32 = 17u;        // a: alpha
const GELU: u32 = 18u;       // by the error function
const GELU_TANH: u32 = 19u;  // by its approximation
const SILU: u32 = 20u;
const SOFTPLUS: u32 = 21u;
const ERF: u32 = 22u;
const CLAMP: u32 = 23u;      // a, b: the bounds

const INFINITY_BITS: u32 = 0x7f800000u;
// exp(-VANISHED) is 0 in float32, exp(VANISHED) infinite: no driver meets a larger argument.
const VANISHED: f32 = 128.0;
const LN_2: f32 = 0.69314718;
const HALF_LN_2: f32 = 0.34657359;
const HALF_PI: f32 = 1.57079633;
const QUARTER_PI: f32 = 0.78539816;
const SQRT_HALF: f32 = 0.70710678;
const TWO_OVER_SQRT_PI: f32 = 1.12837917;
const ONE_OVER_SQRT_2PI: f32 = 0.39894228;
const GELU_SCALE: f32 = 0.79788456;  // sqrt(2 / pi)
const GELU_CUBIC: f32 = 0.044715;

// Not constants, since WGSL has none of these: the size of a tensor is below 2^31, which the compiler does not know.
fn nan() -> f32 { return bitcast<f32>(0x7fc00000u | (params.size >> 31u)); }
fn inf() -> f32 { return bitcast<f32>(INFINITY_BITS | (params.size >> 31u)); }

// By its bits, since a driver may assume that there is no NaN and no infinity.
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > INFINITY_BITS; }
fn is_infinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) == INFINITY_BITS; }
fn is_negative(v: f32) -> bool { return (bitcast<u32>(v) & 0x80000000u) != 0u; }

fn exp_of(v: f32) -> f32 {
  if (v > 89.0) { return inf(); }
  return exp(max(v, -VANISHED));
}

fn sqrt_of(v: f32) -> f32 {
  if (v < 0.0) { return nan(); }
  if (v == 0.0 || is_infinite(v)) { return v; }
  return sqrt(v);
}

fn rsqrt_of(v: f32) -> f32 {
  if (v == 0.0) { return select(inf(), -inf(), is_negative(v)); }
  if (v < 0.0) { return nan(); }
  if (is_infinite(v)) { return 0.0; }
  return inverseSqrt(v);
}

fn reciprocal_of(v: f32) -> f32 {
  if (v == 0.0) { return select(inf(), -inf(), is_negative(v)); }
  if (is_infinite(v)) { return bitcast<f32>(bitcast<u32>(v) & 0x80000000u); } // 0 of its sign
  return 1.0 / v;
}

// exp(v) - 1. Near 0 by its series, whose terms from the ninth on are below 2^-30 of the sum.
fn expm1_of(v: f32) -> f32 {
  if (abs(v) <= HALF_LN_2) {
    return v + v * v * (1.0 / 2.0 + v * (1.0 / 6.0 + v * (1.0 / 24.0 + v * (1.0 / 120.0 + v * (1.0 / 720.0 + v * (1.0 / 5040.0 + v / 40320.0))))));
  }
  return exp_of(v) - 1.0;
}

// log(1 + v) for v from sqrt(1/2) - 1 to sqrt(2) - 1: 2 artanh(v / (2 + v)), whose series is cut at 2^-28 of the sum.
fn log_near_one(v: f32) -> f32 {
  let s = v / (2.0 + v);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
}

fn log_of(v: f32) -> f32 {
  if (v == 0.0) { return -inf(); }
  if (v < 0.0) { return nan(); }
  if (is_infinite(v)) { return v; }
  if (v > SQRT_HALF && v < 1.4142135) { return log_near_one(v - 1.0); } // an exact difference
  return log(v);
}

// log(1 + v), which keeps the digits of small numbers.
fn log1p_of(v: f32) -> f32 {
  if (v > -0.2928932 && v < 0.4142135) { return log_near_one(v); }
  return log_of(1.0 + v);
}

// The high word of the product of a number below 2^24 and any, by halves.
fn high_word(m: u32, w: u32) -> u32 {
  let low = (m & 0xfffu) * (w & 0xffffu);
  let a = (m >> 12u) * (w & 0xffffu);
  let b = (m & 0xfffu) * (w >> 16u);
  let c = (m >> 12u) * (w >> 16u);
  // m * w = low + a * 2^12 + b * 2^16 + c * 2^28
  let bits = (low >> 12u) + (a & 0xfffffu) + ((b & 0xffffu) << 4u) + ((c & 0xfu) << 16u);
  return (bits >> 20u) + (a >> 20u) + (b >> 16u) + (c >> 4u);
}

const TWO_OVER_PI = array<u32, 8>(
  0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu,
);

struct Reduced {
  r: f32,       // from -pi/4 to pi/4
  quarter: u32, // v = r + quarter * pi/2, modulo 2 pi
}

// The argument of sine and cosine, reduced exactly: 96 bits of 2/pi from where they matter, times the mantissa, in integers
// (Payne and Hanek, "Radian Reduction for Trigonometric Functions", SIGNUM 18, 1983).
fn reduced(v: f32) -> Reduced {
  if (abs(v) <= QUARTER_PI) { return Reduced(v, 0u); }
  let bits = bitcast<u32>(v);
  let m = (bits & 0x7fffffu) | 0x800000u;
  let first = ((bits >> 23u) & 0xffu) - 120u; // of the window's bits, in TWO_OVER_PI
  var words = TWO_OVER_PI;
  let word = first >> 5u;
  let shift = first & 31u;
  var window: array<u32, 3>;
  for (var i = 0u; i < 3u; i++) {
    window[i] = (words[word + i] << shift) | ((words[word + i + 1u] >> 1u) >> (31u - shift));
  }
  let r2 = high_word(m, window[2]);
  let r1 = m * window[1] + r2;
  let carry = select(0u, 1u, r1 < r2);
  let r0 = m * window[0] + high_word(m, window[1]) + carry;
  let quarter = (r0 + 0x20000000u) >> 30u;
  var high = r0 - (quarter << 30u); // in units of 2^-30, a signed number
  var low = r1;
  let negative = (high & 0x80000000u) != 0u;
  if (negative) {
    low = ~low + 1u;
    high = ~high + select(0u, 1u, low == 0u);
  }
  var zeros = countLeadingZeros(high);
  if (high == 0u) { zeros = 32u + countLeadingZeros(low); }
  var top = low << (zeros & 31u);
  if (zeros < 32u) { top = (high << zeros) | ((low >> 1u) >> (31u - zeros)); }
  let fraction = f32(top) * bitcast<f32>((97u - zeros) << 23u); // 2^(-30 - zeros)
  let r = fraction * HALF_PI;
  let minus = negative != is_negative(v);
  return Reduced(select(r, -r, minus), select(quarter, (4u - quarter) & 3u, is_negative(v)));
}

// The polynomials of fdlibm's k_sinf.c and k_cosf.c, for r from -pi/4 to pi/4.
fn turned(r: f32, quarter: u32) -> f32 {
  let q = r * r;
  let sine = r + r * q * (-0.16666667 + q * (8.333334e-3 + q * (-1.9841270e-4 + q * 2.7557314e-6)));
  let cosine = 1.0 - (0.5 * q - q * q * (4.1666668e-2 + q * (-1.3888889e-3 + q * 2.4801588e-5)));
  let v = select(sine, cosine, (quarter & 1u) != 0u);
  return select(v, -v, (quarter & 2u) != 0u);
}

fn sin_of(v: f32) -> f32 {
  if (is_infinite(v)) { return nan(); }
  let at = reduced(v);
  return turned(at.r, at.quarter);
}

fn cos_of(v: f32) -> f32 {
  if (is_infinite(v)) { return nan(); }
  let at = reduced(v);
  return turned(at.r, at.quarter + 1u);
}

// By expm1(2 |v|), which keeps the digits of small numbers: from 10 on it is 1.
fn tanh_of(v: f32) -> f32 {
  let e = expm1_of(2.0 * min(abs(v), 10.0));
  let t = e / (e + 2.0);
  return select(t, -t, is_negative(v));
}

// 1 - tanh(v)^2 = 4 t / (1 + t)^2 with t = exp(-2 |v|)
fn sech2_of(v: f32) -> f32 {
  let t = exp(-2.0 * min(abs(v), 0.5 * VANISHED));
  let d = 1.0 + t;
  return 4.0 * t / (d * d);
}

// exp(-|v|) is at most 1: exp(-v) would overflow from v = -89 on.
fn decay(v: f32) -> f32 { return exp(-min(abs(v), VANISHED)); }

fn sigmoid_of(v: f32) -> f32 {
  let t = decay(v);
  return select(t, 1.0, v >= 0.0) / (1.0 + t);
}

// The complement of the error function, to 1.2e-7 of its value for every z >= 0 (Press, Teukolsky, Vetterling and Flannery,
// Numerical Recipes, 2nd edition, section 6.2).
fn erfc_of(z: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.5 * z);
  let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 +
    t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  return t * exp(max(p - z * z, -VANISHED));
}

// Up to 0.84 by fdlibm's rational function of s_erff.c.
fn erf_of(v: f32) -> f32 {
  let z = min(abs(v), 10.0);
  if (z < 0.84375) {
    let q = v * v;
    let r = 0.12837917 + q * (-0.32504210 + q * (-2.8481750e-2 + q * (-5.7702703e-3 + q * -2.3763017e-5)));
    let s = 1.0 + q * (0.39791721 + q * (6.5022253e-2 + q * (5.0813063e-3 + q * (1.3249474e-4 + q * -3.9602282e-6))));
    return v + v * (r / s);
  }
  let e = 1.0 - erfc_of(z);
  return select(e, -e, is_negative(v));
}

// The distribution function of the normal distribution. On the left without a difference, so that its tail keeps its digits.
fn normal_of(v: f32) -> f32 {
  let z = min(abs(v) * SQRT_HALF, 13.0);
  if (z < 0.84375) { return 0.5 + 0.5 * erf_of(v * SQRT_HALF); }
  let tail = 0.5 * erfc_of(z);
  return select(1.0 - tail, tail, is_negative(v));
}

// What the tanh of gelu's approximation is taken of.
fn gelu_inner(v: f32) -> f32 { return GELU_SCALE * (v + GELU_CUBIC * v * v * v); }

// 0.5 * (1 + tanh(u)) = sigmoid(2 u)
fn gelu_share(v: f32) -> f32 { return sigmoid_of(2.0 * gelu_inner(clamp(v, -100.0, 100.0))); }

fn value(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  switch OP {
    case NEG: { return -v; }
    case ABS: { return abs(v); }
    case SIGN: { return select(select(0.0, 1.0, v > 0.0), -1.0, v < 0.0); }
    case SQUARE: { return v * v; }
    case SQRT: { return sqrt_of(v); }
    case RSQRT: { return rsqrt_of(v); }
    case RECIPROCAL: { return reciprocal_of(v); }
    case EXP: { return exp_of(v); }
    case EXPM1: { return expm1_of(v); }
    case LOG: { return log_of(v); }
    case LOG1P: { return log1p_of(v); }
    case SIN: { return sin_of(v); }
    case COS: { return cos_of(v); }
    case TANH: { return tanh_of(v); }
    case SIGMOID: { return sigmoid_of(v); }
    case RELU: { return select(v, 0.0, v <= 0.0); }
    case LEAKY_RELU: { return select(params.a * v, v, v > 0.0); }
    case ELU: { return select(params.a * expm1_of(min(v, 0.0)), v, v > 0.0); }
    case GELU: {
      if (is_infinite(v)) { return select(v, nan(), is_negative(v)); }
      return v * normal_of(v);
    }
    case GELU_TANH: {
      if (is_infinite(v)) { return select(v, nan(), is_negative(v)); }
      return v * gelu_share(v);
    }
    case SILU: {
      if (is_infinite(v)) { return select(v, nan(), is_negative(v)); }
      return v * sigmoid_of(v);
    }
    case SOFTPLUS: { return max(v, 0.0) + log1p_of(decay(v)); }
    case ERF: { return erf_of(v); }
    default: { return min(max(v, params.a), params.b); } // CLAMP
  }
}

fn slope(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  switch OP {
    case NEG: { return -1.0; }
    case ABS: { return select(select(0.0, 1.0, v > 0.0), -1.0, v < 0.0); }
    case SQUARE: { return 2.0 * v; }
    case SQRT: { return reciprocal_of(2.0 * sqrt_of(v)); }
    case RSQRT: {
      let r = rsqrt_of(v);
      return -0.5 * r * (r * r);
    }
    case RECIPROCAL: {
      let r = reciprocal_of(v);
      return -(r * r);
    }
    case EXP, EXPM1: { return exp_of(v); }
    case LOG: { return reciprocal_of(v); }
    case LOG1P: { return reciprocal_of(1.0 + v); }
    case SIN: { return cos_of(v); }
    case COS: { return -sin_of(v); }
    case TANH: { return sech2_of(v); }
    case SIGMOID: {
      let t = decay(v);
      let d = 1.0 + t;
      return t / (d * d);
    }
    case LEAKY_RELU: { return select(params.a, 1.0, v > 0.0); }
    case ELU: { return select(params.a * exp_of(min(v, 0.0)), 1.0, v > 0.0); }
    case GELU: {
      if (is_infinite(v)) { return nan(); }
      return normal_of(v) + v * (ONE_OVER_SQRT_2PI * exp(-min(0.5 * v * v, VANISHED)));
    }
    case GELU_TANH: {
      if (is_infinite(v)) { return nan(); }
      let w = clamp(v, -100.0, 100.0);
      return gelu_share(v) + 0.5 * w * (sech2_of(gelu_inner(w)) * (GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * w * w)));
    }
    case SILU: {
      if (is_infinite(v)) { return nan(); }
      let t = decay(v);
      let s = select(t, 1.0, v >= 0.0) / (1.0 + t);
      let r = select(1.0, t, v >= 0.0) / (1.0 + t);
      return s * (1.0 + v * r);
    }
    case SOFTPLUS: { return sigmoid_of(v); }
    case ERF: { return TWO_OVER_SQRT_PI * exp(-min(v * v, VANISHED)); }
    default: { return 0.0; } // of those that have a gradient of their own
  }
}

fn gradient(v: f32, g: f32) -> f32 {
  switch OP {
    case RELU: { return select(g, 0.0, v <= 0.0); }
    case SIGN: { return select(0.0, v, is_nan(v)); }
    case CLAMP: {
      if (is_nan(v)) { return v; }
      return select(0.0, g, v >= params.a && v <= params.b);
    }
    default: { return g * slope(v); }
  }
}

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
    out[i] = vec4f(value(v.x), value(v.y), value(v.z), value(v.w));
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
    let v = x[i];
    let g = dy[i];
    dx[i] = vec4f(gradient(v.x, g.x), gradient(v.y, g.y), gradient(v.z, g.z), gradient(v.w, g.w));
  }
}
`
