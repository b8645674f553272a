// interpolate: an image of another height and width, by the nearest cell or between the nearest two of each axis.
//
//   out[p, oy, ox] = sum over the cells (iy, ix) that (oy, ox) has of wy(oy, iy) * wx(ox, ix) * x[p, iy, ix]
//   dx[p, iy, ix]  = sum over the (oy, ox) that have the cell (iy, ix) of wy(oy, iy) * wx(ox, ix) * dy[p, oy, ox]
//
//   x, dx    [planes, H, W], planes = N*C
//   out, dy  [planes, OH, OW]
//
// An axis of I cells and O outputs: output o has the cell first(o) with weight 1 - l(o) and, where l(o) > 0, the next one with
// weight l(o). Of the nearest cell l is 0 everywhere. first never decreases, so the outputs that have a cell are neighbours: from
// start(i), the first one whose first cell is i or more. A cell of weight 0 is not looked at: its NaN reaches nothing.
//
//   table    words: of rows, then of columns: first [O], l [O] as float32, start [I + 1]
//
// forward   One thread computes STRIP neighbours of a row of out, fewer at its end.
// backward  The same of dx. A sum has its terms row by row, in order; each row, and the sums of the rows, in blocks of BLOCK.

struct Params {
  planes: u32, // N*C
  H: u32, W: u32,
  OH: u32, OW: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read> table: array<u32>;

override WG: u32 = 64u;
const STRIP: u32 = 8u; // tune
const BLOCK: u32 = 256u;
// 1 where l may be above 0.
const BILINEAR: u32 = 0u; // tune

// The neighbours of one thread in a row; none if the row is beyond the last.
struct Strip {
  plane: u32, y: u32, first: u32, end: u32,
}

fn strip_of(group: vec3u, groups: vec3u, lane: u32, height: u32, width: u32) -> Strip {
  let strips = (width + STRIP - 1u) / STRIP; // of a row
  let i = (group.y * groups.x + group.x) * WG + lane;
  let row = i / strips;
  let first = (i - row * strips) * STRIP;
  let plane = row / height;
  let in_range = row < params.planes * height;
  return Strip(plane, row - plane * height, first, select(first, min(first + STRIP, width), in_range));
}

// An axis of the table: where its words begin, and how many outputs it has.
struct Axis {
  at: u32, outputs: u32,
}

fn rows() -> Axis {
  return Axis(0u, params.OH);
}

fn columns() -> Axis {
  return Axis(2u * params.OH + params.H + 1u, params.OW);
}

fn first_of(a: Axis, o: u32) -> u32 {
  return table[a.at + o];
}

fn l_of(a: Axis, o: u32) -> f32 {
  if (BILINEAR == 0u) {
    return 0.0;
  }
  return bitcast<f32>(table[a.at + a.outputs + o]);
}

// The outputs that may have cell i: from .x up to before .y it is the next one, whose weight may be 0, from there up to before .z
// the first.
fn range_of(a: Axis, i: u32) -> vec3u {
  let starts = a.at + 2u * a.outputs;
  return vec3u(table[starts + i - min(i, BILINEAR)], table[starts + i], table[starts + i + 1u]);
}

fn weight_of(a: Axis, o: u32, range: vec3u) -> f32 {
  let l = l_of(a, o);
  return select(1.0 - l, l, o < range.y);
}

// A row of x between its cells.
fn between(row: u32, ix: u32, l: f32) -> f32 {
  let v = x[row + ix];
  if (l > 0.0) {
    return (1.0 - l) * v + l * x[row + ix + 1u];
  }
  return v;
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let s = strip_of(group, groups, lane, params.OH, params.OW);
  if (s.first >= s.end) {
    return;
  }
  let ly = l_of(rows(), s.y);
  let row = (s.plane * params.H + first_of(rows(), s.y)) * params.W;
  let base = (s.plane * params.OH + s.y) * params.OW;
  for (var ox = s.first; ox < s.end; ox++) {
    let ix = first_of(columns(), ox);
    let lx = l_of(columns(), ox);
    var v = between(row, ix, lx);
    if (ly > 0.0) {
      v = (1.0 - ly) * v + ly * between(row + params.W, ix, lx);
    }
    out[base + ox] = v;
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let s = strip_of(group, groups, lane, params.H, params.W);
  if (s.first >= s.end) {
    return;
  }
  let oys = range_of(rows(), s.y);
  for (var ix = s.first; ix < s.end; ix++) {
    let oxs = range_of(columns(), ix);
    var sum = 0.0;
    var part = 0.0;
    for (var oy = oys.x; oy < oys.z; oy++) {
      let wy = weight_of(rows(), oy, oys);
      if (wy > 0.0) {
        let base = (s.plane * params.OH + oy) * params.OW;
        var row_sum = 0.0;
        var row_part = 0.0;
        for (var ox = oxs.x; ox < oxs.z; ox++) {
          let wx = weight_of(columns(), ox, oxs);
          row_part += wx * select(0.0, dy[base + ox], wx > 0.0);
          if ((ox - oxs.x) % BLOCK == BLOCK - 1u) {
            row_sum += row_part;
            row_part = 0.0;
          }
        }
        part += wy * (row_sum + row_part);
      }
      if ((oy - oys.x) % BLOCK == BLOCK - 1u) {
        sum += part;
        part = 0.0;
      }
    }
    dx[(s.plane * params.H + s.y) * params.W + ix] = sum + part;
  }
}
