// reduce: one value of many, along any dimensions, and the gradients of such values.
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
// A part is at most FOLD rows, `lanes` apart, combined in order: neighbouring threads read neighbouring elements. The parts of
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

// Where the elements of a result lie: of the o-th outer place, from `first` on, `step` apart, before `end`. In elements, or in
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

// Of a block of BLOCK neighbours in row o, from `first` on to `end`.
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
