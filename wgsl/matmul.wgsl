// matmul: out = op(a) * op(b), row-major, k in ascending order.
// A dispatch adds up `count` k from k0 on; with more = 1 their sums are added to what out holds.
//
//   out[m, n] = sum over k of op(a)[m, k] * op(b)[k, n]
//
//   a      [M, K], or [K, M] with transposeA = 1: op(a) is [M, K]
//   b      [K, N], or [N, K] with transposeB = 1: op(b) is [K, N]
//   out    [M, N]
//
// With BATCH = 1 each of them is a list of such matrices, `matrices_a` and `matrices_b` long. Matrix g of out is the product
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
// matmul  `left` is a or packed_a, `right` is b or packed_b. One thread computes an 8 x 8 block of out:
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
  // The loops run on `to`: of a count that is at most STRIP, CPU drivers make STRIP copies of the loop's body, and take
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
