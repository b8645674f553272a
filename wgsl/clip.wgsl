// clip: makes gradients smaller in place, all of them by one factor or each element by itself. One dispatch covers those that
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

// The first so many of `found`, in order.
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
