// binary: one function of two tensors, element by element, chosen by OP; shapes broadcast as NumPy's do.
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
// comparison with it is false, `ne` true. Equal elements share the gradient of maximum and minimum by halves.

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

// What an element of maximum or minimum passes to the side that `first` says is chosen.
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
