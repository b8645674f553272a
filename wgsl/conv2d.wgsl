// Convolution in two dimensions (cross-correlation, as in every deep-learning library), NCHW, any stride, padding and dilation,
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
// reduce               F*CG*KH*KW + F: one element of dw or db: `parts` sums added in index order
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
  // backward_weight: the parts that a dispatch makes; `lanes` is LANES, or parts where that is less. reduce*: those it adds.
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
// filters f0 to f1, channel c of their group, which is the channel-th of all, taps ky0 .., kx0 .. `slot`: its row of partial.
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
