// exact_sum: numbers of batches, each times a whole number, added up without rounding.
//
//   sums  u32. With watched = 0 [size, 11], for each element of x:
//     words 0 … 9  the sum: a whole number of 320 bits in units of 2^-149, the lowest word first, negative ones as their
//                  two's complement
//     word 10      1 once an element was NaN or infinite, which is not added
//   With watched = 1 the totals that cross_entropy.wgsl describes, of which [0] stays as it is: x has one element, a mean loss.
//   `rows` rows are counted first; a loss that is not finite is noted.
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
