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
// forward   One thread computes COLUMNS neighbours of ROWS rows of a plane of out, fewer at its ends: what it looks up of its columns
//           serves all of its rows.
// backward  One thread computes STRIP neighbours of a row of dx, fewer at its end. A sum has its terms row by row, in order; each row, and the sums of the rows, in blocks of BLOCK.

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
const COLUMNS: u32 = 4u;
const ROWS: u32 = 16u;
const BLOCK: u32 = 256u;
const NO_ROW: u32 = 0xffffffffu;
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

// (1 - l) * v + l * next; v alone where l is 0.
fn mixed(v: f32, next: f32, l: f32) -> f32 {
  if (BILINEAR == 0u) {
    return v;
  }
  return select(v, (1.0 - l) * v + l * next, l > 0.0);
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tiles = (params.OW + COLUMNS - 1u) / COLUMNS; // of a row
  let bands = (params.OH + ROWS - 1u) / ROWS;       // of a plane
  let i = (group.y * groups.x + group.x) * WG + lane;
  let band = i / tiles;
  let plane = band / bands;
  if (plane >= params.planes) {
    return;
  }
  let ox = (i - band * tiles) * COLUMNS;
  let oy = (band - plane * bands) * ROWS;
  // The cell of each column, the next one where that counts, and its weight.
  var at: array<u32, COLUMNS>;
  var next: array<u32, COLUMNS>;
  var lx: array<f32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) {
    let o = min(ox + j, params.OW - 1u);
    at[j] = first_of(columns(), o);
    lx[j] = l_of(columns(), o);
    next[j] = at[j] + select(0u, 1u, lx[j] > 0.0);
  }
  // Between the columns, two rows of x: that of the output's first cells, and the next one where that counts. The next output
  // often has one of them, or both.
  var upper: array<f32, COLUMNS>;
  var lower: array<f32, COLUMNS>;
  var upper_row = NO_ROW;
  var lower_row = NO_ROW;
  for (var y = oy; y < min(oy + ROWS, params.OH); y++) {
    let ly = l_of(rows(), y);
    let row = plane * params.H + first_of(rows(), y);
    if (row != upper_row) {
      if (row == lower_row) {
        upper = lower;
      } else {
        for (var j = 0u; j < COLUMNS; j++) {
          upper[j] = mixed(x[row * params.W + at[j]], x[row * params.W + next[j]], lx[j]);
        }
      }
      upper_row = row;
    }
    if (ly > 0.0 && row + 1u != lower_row) {
      lower_row = row + 1u;
      for (var j = 0u; j < COLUMNS; j++) {
        lower[j] = mixed(x[lower_row * params.W + at[j]], x[lower_row * params.W + next[j]], lx[j]);
      }
    }
    let base = (plane * params.OH + y) * params.OW + ox;
    for (var j = 0u; j < COLUMNS; j++) {
      if (ox + j < params.OW) {
        out[base + j] = mixed(upper[j], lower[j], ly);
      }
    }
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
