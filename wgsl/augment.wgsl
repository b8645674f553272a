// augment: images changed at random, each by draws of its own, and normalized.
//
//   out[n, c, y, x] = cut(normal(jitter(image n at the place (sy, sx) that (y, x) comes from)))
//
//   list     entry(n) = first + stride * batch + n, where batch is what `batches` has for the step; row = index[entry(n)] is the
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
//            Outside of the image there are zeros, or with `reflect` the image mirrored at its outermost pixels.
//   jitter   v = clamp(v * b), v = clamp(k * v + (1 - k) * mean), both clamped to [0, 1]; mean is the mean over the image's
//            pixels after b, of three channels as 0.2989 r + 0.587 g + 0.114 b
//   normal   (v - channels[c].mean) * channels[c].factor
//   cut      0 in a square of side `cutout` about a pixel, as far as it lies in the image
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
