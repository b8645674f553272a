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
// forward            One thread computes PER windows.
// backward           One thread computes PER cells of dx, looking at every window that covers the cell.
// backward_disjoint  The same where windows do not overlap (KH <= SH and KW <= SW): one thread writes the cells of PER
//                    windows, and those between a window and the next.

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

override WG: u32 = 64u;
const PER: u32 = 16u; // tune

// A thread takes PER elements, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * PER + local;
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
  let start = first_element(group, groups, local);
  let size = params.planes * params.OH * params.OW;
  for (var i = start; i < min(start + WG * PER, size); i += WG) {
    let row = i / params.OW;
    let plane_number = row / params.OH;
    let oh = row - plane_number * params.OH;
    let ow = i - row * params.OW;
    let plane = plane_number * params.H * params.W;
    // The window inside the image; padding is at most half a window, so it is never empty.
    let top = max(oh * params.SH, params.PH) - params.PH;
    let bottom = min(oh * params.SH + params.KH - params.PH, params.H);
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
    out[i] = best;
    winner_out[i] = at;
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_element(group, groups, local);
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
  let start = first_element(group, groups, local);
  let size = params.planes * params.OH * params.OW;
  for (var i = start; i < min(start + WG * PER, size); i += WG) {
    let row = i / params.OW;
    let plane_number = row / params.OH;
    let oh = row - plane_number * params.OH;
    let ow = i - row * params.OW;
    let plane = plane_number * params.H * params.W;
    // From this window's first cell to the next one's; the outermost windows own what is left at the edges.
    let top = max(oh * params.SH, params.PH) - params.PH;
    let bottom = select((oh + 1u) * params.SH - params.PH, params.H, oh + 1u == params.OH);
    let left = max(ow * params.SW, params.PW) - params.PW;
    let right = select((ow + 1u) * params.SW - params.PW, params.W, ow + 1u == params.OW);
    let at = winner[i];
    let value = dy[i];
    for (var h = top; h < bottom; h++) {
      for (var w = left; w < right; w++) {
        let cell = h * params.W + w;
        dx[plane + cell] = select(0.0, value, cell == at);
      }
    }
  }
}
