// conv2d of groups of one channel and one filter, and its gradient dx. The sums are those of conv2d.wgsl, in the same order, so
// the bits are the same; but nothing is packed, and a thread goes down a strip of columns and loads a cell of the input once
// for all rows of the kernel.
//
//   out[n,c,oy,ox] = bias[c] + sum over ky,kx of in[n, c, (oy*STEP_Y + ky - padY) / PART_Y, ...] * w[c,ky,kx]
//
// over those ky and kx for which PART divides and the cell lies inside. Forward (TURNED 0): STEP is the stride, PART 1, pad the
// padding. dx (TURNED 1): in is dy, STEP 1, PART the stride, pad the kernel's size less 1 less the padding, and the kernel is
// turned by 180°.
//
// Bindings, group 0
//   0 params
//   1 src     in [N,C,IH,IW]
//   2 weight  [C,1,KH,KW]
//   3 bias    [C]; null where hasBias is 0
//   4 dst     out [N,C,OH,OW]
// Threads: N * C * strips * columns, one-dimensional; the group index is group.y * groups.x + group.x. A thread makes a strip of
// `rows` rows by PX columns of one channel of one image.

struct Params {
  N: u32, C: u32, IH: u32, IW: u32, OH: u32, OW: u32,
  // The first strip begins at output -lead, so that PART divides the distance of every strip from pad.
  padY: i32, padX: i32, leadY: i32, leadX: i32,
  hasBias: u32,
  strips: u32, columns: u32,
  // A multiple of PART_Y.
  rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> dst: array<f32>;

override WG: u32 = 64u;

// PX is a multiple of the stride. KH, KW: the kernel; SH, SW: the stride.
const PX: u32 = 8u; // tune
const KH: u32 = 3u; // tune
const KW: u32 = 3u; // tune
const SH: u32 = 1u; // tune
const SW: u32 = 1u; // tune
const TURNED: u32 = 0u; // tune

const STEP_Y = select(SH, 1u, TURNED == 1u);
const STEP_X = select(SW, 1u, TURNED == 1u);
const PART_Y = select(1u, SH, TURNED == 1u);
const PART_X = select(1u, SW, TURNED == 1u);
// Columns of the input that a strip meets.
const XN = ((PX - 1u) * STEP_X + KW - 1u) / PART_X + 1u;
// Rows of the output whose sums a thread keeps: as many as a row of the input is part of, and as are made at a time.
const KEPT = max((KH + STEP_Y - 1u) / STEP_Y, PART_Y);

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u;
}

// One output, cells outside left out by control flow: slow, and right for NaN and Inf too.
fn exact_output(plane: u32, c: u32, oy: u32, ox: u32) -> f32 {
  var sum = 0.0;
  for (var ky = 0u; ky < KH; ky++) {
    let ty = i32(oy * STEP_Y + ky) - params.padY;
    for (var kx = 0u; kx < KW; kx++) {
      let tx = i32(ox * STEP_X + kx) - params.padX;
      if (ty < 0 || tx < 0 || ty % i32(PART_Y) != 0 || tx % i32(PART_X) != 0) {
        continue;
      }
      let y = u32(ty) / PART_Y;
      let x = u32(tx) / PART_X;
      if (y < params.IH && x < params.IW) {
        let k = ky * KW + kx;
        let w = weight[c * KH * KW + select(k, KH * KW - 1u - k, TURNED == 1u)];
        sum += src[(plane * params.IH + y) * params.IW + x] * w;
      }
    }
  }
  return sum;
}

@compute @workgroup_size(WG)
fn correlate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = (group.y * groups.x + group.x) * WG + lane;
  let tiles = params.strips * params.columns;
  let plane = id / tiles;
  if (plane >= params.N * params.C) {
    return;
  }
  let c = plane % params.C;
  let tile = id - plane * tiles;
  let strip = tile / params.columns;
  let y0 = i32(strip * params.rows) - params.leadY;
  let y1 = min(y0 + i32(params.rows), i32(params.OH));
  let ox = i32((tile - strip * params.columns) * PX) - params.leadX;
  let left = (ox * i32(STEP_X) - params.padX) / i32(PART_X);
  let top = (y0 * i32(STEP_Y) - params.padY) / i32(PART_Y);
  let b = select(0.0, bias[select(0u, c, params.hasBias != 0u)], params.hasBias != 0u);

  var w: array<f32, KH * KW>;
  for (var k = 0u; k < KH * KW; k++) {
    w[k] = weight[c * KH * KW + select(k, KH * KW - 1u - k, TURNED == 1u)];
  }
  // At step t the sums of row j are those of output row y0 + PART_Y * t - j: STEP_Y rows of the input are added to them, and the
  // last PART_Y rows are whole then.
  var acc: array<f32, KEPT * PX>;
  var again = false;
  let steps = i32(params.rows / PART_Y + (KEPT + PART_Y - 2u) / PART_Y);
  for (var t = 0; t < steps; t++) {
    for (var s = 0u; s < STEP_Y; s++) {
      let iy = top + t * i32(STEP_Y) + i32(s);
      let row_ok = iy >= 0 && iy < i32(params.IH);
      let row = i32(plane * params.IH * params.IW) + iy * i32(params.IW);
      var xs: array<f32, XN>;
      for (var i = 0u; i < XN; i++) {
        let ix = left + i32(i);
        let inside = row_ok && ix >= 0 && ix < i32(params.IW);
        xs[i] = select(0.0, src[select(0u, u32(row + ix), inside)], inside);
      }
      for (var j = 0u; j < KEPT; j++) {
        let ky = s + STEP_Y * j;
        for (var kx = 0u; kx < KW; kx++) {
          for (var px = 0u; px < PX; px++) {
            if (ky < KH && (px * STEP_X + kx) % PART_X == 0u) {
              acc[j * PX + px] += xs[(px * STEP_X + kx) / PART_X] * w[ky * KW + kx];
            }
          }
        }
      }
    }
    for (var j = KEPT - PART_Y; j < KEPT; j++) {
      let y = y0 + t * i32(PART_Y) - i32(j);
      let row_ok = y >= max(y0, 0) && y < y1;
      let at = (i32(plane * params.OH) + y) * i32(params.OW) + ox;
      for (var px = 0u; px < PX; px++) {
        let x = ox + i32(px);
        if (row_ok && x >= 0 && x < i32(params.OW)) {
          dst[at + i32(px)] = acc[j * PX + px] + b;
        }
        again = again || not_finite(acc[j * PX + px]);
      }
    }
    for (var m = 1u; m <= KEPT * PX; m++) {
      let i = KEPT * PX - m;
      acc[i] = select(0.0, acc[max(i, PART_Y * PX) - PART_Y * PX], i >= PART_Y * PX);
    }
  }
  if (again) {
    for (var y = max(y0, 0); y < y1; y++) {
      for (var x = max(ox, 0); x < min(ox + i32(PX), i32(params.OW)); x++) {
        let sum = exact_output(plane, c, u32(y), u32(x));
        dst[(plane * params.OH + u32(y)) * params.OW + u32(x)] = sum + b;
      }
    }
  }
}
