// avg_pool2d: the mean of each window, where windows lie side by side without gaps or padding.
//
//   out[p, oh, ow] = Σ x[p, oh·KH + ky, ow·KW + kx] / (KH·KW)
//   dx[p, h, w] = dy[p, h / KH, w / KW] / (KH·KW), or 0 beyond the last window
//
//   x, dx    [planes, H, W]
//   out, dy  [planes, OH, OW]
//
// Sums are of rows, and of these. Windows are taken in strips: STRIP neighbours of a row, fewer at its end; a strip costs two
// divisions.
//
// forward, backward    One thread takes a strip of windows; the last of a row, and those of the last row, take what is beyond.
// forward_pairs, backward_pairs  The same of windows of 2 x 2, where W is even: cells are taken by twos.

struct Params {
  planes: u32,
  H: u32, W: u32,
  OH: u32, OW: u32,
  KH: u32, KW: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> x_pairs: array<vec2f>; // x
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx_pairs: array<vec2f>; // dx

override WG: u32 = 64u;
const STRIP: u32 = 8u;

// The windows of one thread.
struct Strip {
  row: u32, // of windows, counted over all planes; none if beyond the last
  plane: u32,
  oh: u32,
  first: u32, end: u32, // ow
}

fn strip_of(group: vec3u, groups: vec3u, local: u32) -> Strip {
  let strips = (params.OW + STRIP - 1u) / STRIP; // of a row
  let i = (group.y * groups.x + group.x) * WG + local;
  let row = i / strips;
  let first = (i - row * strips) * STRIP;
  let plane = row / params.OH;
  let in_range = row < params.planes * params.OH;
  return Strip(row, plane, row - plane * params.OH, first, select(first, min(first + STRIP, params.OW), in_range));
}

fn count() -> f32 { return f32(params.KH * params.KW); }

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let top = (s.plane * params.H + s.oh * params.KH) * params.W;
  for (var ow = s.first; ow < s.end; ow++) {
    var sum = 0.0;
    for (var ky = 0u; ky < params.KH; ky++) {
      let first = top + ky * params.W + ow * params.KW;
      var of_row = 0.0;
      for (var i = first; i < first + params.KW; i++) { of_row += x[i]; }
      sum += of_row;
    }
    out[s.row * params.OW + ow] = sum / count();
  }
}

@compute @workgroup_size(WG)
fn forward_pairs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let upper = (s.plane * params.H + 2 * s.oh) * params.OW; // W is 2·OW
  for (var ow = s.first; ow < s.end; ow++) {
    let both = x_pairs[upper + ow] + x_pairs[upper + params.OW + ow];
    out[s.row * params.OW + ow] = (both.x + both.y) / 4.0;
  }
}

// After the last row of windows a strip takes the rows below, too.
fn last_row(s: Strip) -> u32 {
  return select((s.oh + 1u) * params.KH, params.H, s.oh + 1u == params.OH);
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let plane = s.plane * params.H;
  for (var ow = s.first; ow < s.end; ow++) {
    let g = dy[s.row * params.OW + ow] / count();
    let right = (ow + 1u) * params.KW;
    let end = select(right, params.W, ow + 1u == params.OW);
    for (var h = s.oh * params.KH; h < last_row(s); h++) {
      let below = h >= params.OH * params.KH;
      for (var w = ow * params.KW; w < end; w++) {
        dx[(plane + h) * params.W + w] = select(g, 0.0, below || w >= right);
      }
    }
  }
}

@compute @workgroup_size(WG)
fn backward_pairs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let upper = (s.plane * params.H + 2 * s.oh) * params.OW;
  for (var ow = s.first; ow < s.end; ow++) {
    let g = vec2f(dy[s.row * params.OW + ow] / 4.0);
    dx_pairs[upper + ow] = g;
    dx_pairs[upper + params.OW + ow] = g;
  }
  // Below the last window there may be one row.
  if (params.H == 2 * params.OH || s.oh + 1 < params.OH) { return; }
  for (var ow = s.first; ow < s.end; ow++) { dx_pairs[upper + 2 * params.OW + ow] = vec2f(); }
}
