// take: elements of a tensor at places that another tensor, the index, names; and the sums that are their gradients.
//
//   x [O, R, I], index of whole numbers: one that is not from 0 to R - 1 gives `wrong` in out, and nothing to a gradient;
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
//   merge        of runs of `run` pairs in order, two neighbours in order: the place is the pair's own and the number of those of
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

// How many of the pairs from `first` to `end` - 1, which are in order, come before a pair.
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
