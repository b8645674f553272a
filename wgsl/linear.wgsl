// linear: a fully connected layer and its gradients, row-major; with relu = 1, of a ReLU after it too.
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
// i and o ascend; the packed kernels add up `count` of them from k0 on, and with more = 1 add that to what out or dx holds;
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
// forward         Reads them as `left` and `right`. One thread computes an 8 x 8 block of out: ceil(N/8)*ceil(O/8) threads.
// pack_backward   Of `rows` rows from n0 on, if needW = 1, quads of dy along O at each n to left_out, and of x along I at each
//                 n to right_out; then of `count` o from k0 on, if needX = 1, quads of dy along N at each o to left_out, and of
//                 weight along I at each o to right_out.
//                 One thread writes the same quad at up to STRIP successive k, k being n or o:
//                 needW*(ceil(O/4) + ceil(I/4))*ceil(rows/STRIP) + needX*(ceil(N/4) + ceil(I/4))*ceil(count/STRIP) threads.
// backward        Reads them as `left` and `right`. One thread computes an 8 x 8 block of dw (ceil(O/8)*ceil(I/8) threads a
//                 part), an 8 x 8 block of dx (ceil(N/8)*ceil(I/8) threads) or 4 elements of db (ceil(O/4) threads a part), in
//                 this order: needW*parts*(ceil(O/8)*ceil(I/8) + ceil(O/4)) + needX*ceil(N/8)*ceil(I/8).
//                 A part of dw and db is the sum over `share` rows, a multiple of BLOCK: dw is [parts, O, I] and db [parts, O],
//                 parts = ceil(rows/share). `reduce` or sum_parts.wgsl adds them.
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

// A strip: the same quad at up to STRIP successive k. Loops over it run on `to`: of a count that is at most STRIP, CPU
// drivers make STRIP copies of the loop's body, and take seconds to compile them.
struct Strip {
  at: vec4u, // where its four elements are at the first k
  to: u32, // which element of left_out or right_out the first quad becomes
  step: u32, // from one quad to the next there
  end: u32, // past the last one
}

// Strip i of a matrix of n by size_k elements from k0 on; element `row` at k is row * stride + k * stride_k. Its quads start
// at `first`.
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

// Spreads the first `heavy` of `all` workgroups evenly among the others, as CPU drivers give each core one run of
// workgroups. Every number below `all` comes out once.
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
