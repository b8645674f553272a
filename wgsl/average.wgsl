// average: running averages of many parameters in one dispatch.
//
//   a += weight * (p - a)       weight 1:  a = p, whatever a was
//
// Equal averages have weight 1 / (n + 1) where n are averaged already, exponential ones 1 - decay.
//
//   p         f32  parameters, anywhere in one buffer
//   a         f32  their averages, anywhere in another
//   table     [ROWS, 3]  u32, a row for each workgroup: the first element in a, the first in p, how many (at most WG * PER)
//   weights   rows of one word, as per_step.ts describes them: the bits of the weight
//
// A workgroup averages what its row says, a thread PER elements.

struct Params {
  rows: u32,
}

struct Replay {
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> replay: Replay;
@group(0) @binding(2) var<storage, read> weights: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> p: array<f32>;
@group(0) @binding(5) var<storage, read_write> a: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u;
const ROW: u32 = 3u;
const HEAD: u32 = 2u; // words before the weights

@compute @workgroup_size(WG)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) { return; }
  let at_a = table[ROW * row];
  let at_p = table[ROW * row + 1u];
  let count = table[ROW * row + 2u];
  let weight = bitcast<f32>(weights[HEAD + min(replay.step * weights[1], weights[0] - 1u)]);
  for (var i = local; i < count; i += WG) {
    let parameter = p[at_p + i];
    var average = parameter;
    if (weight != 1.0) {
      average = a[at_a + i];
      average += weight * (parameter - average);
    }
    a[at_a + i] = average;
  }
}
