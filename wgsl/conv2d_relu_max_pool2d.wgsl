// conv2d, ReLU and max pooling by 2 x 2 windows in one: maxPool2d(relu(conv2d(x, w) + b), 2), NCHW, any stride, padding and
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
// reduce           F*C*KH*KW + F: one element of dw or db: `parts` sums added in index order
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
  // backward_weight: the parts that a dispatch makes; `lanes` is LANES, or parts where that is less. reduce*: those it adds.
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
// filters f0 .., input channel c, taps ky0 .., kx0 .. `slot`: its row of partial.
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
