// max_pool2d: the largest value of each window, and where it was.
//
//   out[n, c, oh, ow] = max over (ky, kx) of x[n, c, oh*SH - PH + ky, ow*SW - PW + kx], cells outside the image left out
//   winner[n, c, oh, ow] = h*W + w of the first maximum in row-major order
//   dx[n, c, h, w] = sum of dy over the windows whose winner is (h, w), in row-major order of the windows
//
//   x, dx            [N, C, H, W]
//   out, dy, winner  [N, C, OH, OW]
//
// NaN is taken as greater than anything, by its bits: comparisons with NaN differ between adapters.
//
// Windows are taken in strips: STRIP neighbours of a row, fewer at its end; a strip costs two divisions.
//
// forward            One thread computes a strip of windows.
// forward_pairs      The same for windows of 2 x 2, 2 apart, without padding, where W is even: cells are loaded by twos.
// forward_pairs_values
//                    The same without the winners.
// backward           One thread computes PER cells of dx, looking at every window that covers the cell.
// backward_disjoint  The same where windows do not overlap (KH <= SH and KW <= SW): one thread writes the cells of a strip
//                    of windows, and those between a window and the next.

struct Params {
  planes: u32, // N*C
  H: u32, W: u32,
  OH: u32, OW: u32,
  KH: u32, KW: u32,
  SH: u32, SW: u32,
  PH: u32, PW: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> winner_out: array<u32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read> winner: array<u32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read> x_pairs: array<vec2f>; // x

override WG: u32 = 64u;
// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
const PER: u32 = 16u; // tune
const STRIP: u32 = 8u; // tune

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

fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let plane = s.plane * params.H * params.W;
  // The window inside the image; padding is at most half a window, so it is never empty.
  let top = max(s.oh * params.SH, params.PH) - params.PH;
  let bottom = min(s.oh * params.SH + params.KH - params.PH, params.H);
  for (var ow = s.first; ow < s.end; ow++) {
    let left = max(ow * params.SW, params.PW) - params.PW;
    let right = min(ow * params.SW + params.KW - params.PW, params.W);
    var at = top * params.W + left;
    var best = x[plane + at];
    for (var h = top; h < bottom; h++) {
      for (var w = left; w < right; w++) {
        let v = x[plane + h * params.W + w];
        if (v > best || is_nan(v)) {
          best = v;
          at = h * params.W + w;
        }
      }
    }
    out[s.row * params.OW + ow] = best;
    winner_out[s.row * params.OW + ow] = at;
  }
}

struct Best {
  value: f32, at: u32,
}

fn best_of_pairs(s: Strip, ow: u32) -> Best {
  let row_pairs = params.W / 2u;
  let first = 2u * s.oh * row_pairs + ow;
  let pair = s.plane * params.H * row_pairs + first;
  let upper = x_pairs[pair];
  let lower = x_pairs[pair + row_pairs];
  var best = Best(upper.x, 2u * first);
  var wins = upper.y > best.value || is_nan(upper.y);
  best = Best(select(best.value, upper.y, wins), select(best.at, 2u * first + 1u, wins));
  wins = lower.x > best.value || is_nan(lower.x);
  best = Best(select(best.value, lower.x, wins), select(best.at, 2u * first + params.W, wins));
  wins = lower.y > best.value || is_nan(lower.y);
  best = Best(select(best.value, lower.y, wins), select(best.at, 2u * first + params.W + 1u, wins));
  return best;
}

@compute @workgroup_size(WG)
fn forward_pairs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  for (var ow = s.first; ow < s.end; ow++) {
    let best = best_of_pairs(s, ow);
    out[s.row * params.OW + ow] = best.value;
    winner_out[s.row * params.OW + ow] = best.at;
  }
}

@compute @workgroup_size(WG)
fn forward_pairs_values(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  for (var ow = s.first; ow < s.end; ow++) {
    out[s.row * params.OW + ow] = best_of_pairs(s, ow).value;
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  let cells = params.H * params.W;
  for (var i = start; i < min(start + WG * PER, params.planes * cells); i += WG) {
    let plane_number = i / cells;
    let at = i - plane_number * cells;
    let plane = plane_number * params.OH * params.OW;
    let row = at / params.W;
    let h = row + params.PH;
    let w = at - row * params.W + params.PW;
    // Windows that cover the cell: oh*SH <= h < oh*SH + KH, in padded coordinates.
    let first_oh = (max(h + params.SH, params.KH) - params.KH) / params.SH;
    let end_oh = min(h / params.SH + 1u, params.OH);
    let first_ow = (max(w + params.SW, params.KW) - params.KW) / params.SW;
    let end_ow = min(w / params.SW + 1u, params.OW);
    var sum = 0.0;
    for (var oh = first_oh; oh < end_oh; oh++) {
      for (var ow = first_ow; ow < end_ow; ow++) {
        let o = plane + oh * params.OW + ow;
        if (winner[o] == at) { sum += dy[o]; }
      }
    }
    dx[i] = sum;
  }
}

@compute @workgroup_size(WG)
fn backward_disjoint(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let s = strip_of(group, groups, local);
  let plane = s.plane * params.H * params.W;
  // From a window's first cell to the next one's; the outermost windows own what is left at the edges.
  let top = max(s.oh * params.SH, params.PH) - params.PH;
  let bottom = select((s.oh + 1u) * params.SH - params.PH, params.H, s.oh + 1u == params.OH);
  for (var ow = s.first; ow < s.end; ow++) {
    let left = max(ow * params.SW, params.PW) - params.PW;
    let right = select((ow + 1u) * params.SW - params.PW, params.W, ow + 1u == params.OW);
    let at = winner[s.row * params.OW + ow];
    let value = dy[s.row * params.OW + ow];
    for (var h = top; h < bottom; h++) {
      for (var w = left; w < right; w++) {
        let cell = h * params.W + w;
        dx[plane + cell] = select(0.0, value, cell == at);
      }
    }
  }
}
