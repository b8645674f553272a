// metrics: adds a batch to the running totals of an epoch.
//
//   totals[0] += number of rows whose largest logit (the first of equals) is at the label
//   totals[1] += N
//   totals[2] += loss * N     float32 bits; the mean loss of the batch times its rows
//   totals[3]                 the rows before the first batch in which a value was not finite; 0xffffffff before
//   totals[4]                 what that value was, the least code where there were several; 0xffffffff before
//
// The last two are written as finite.wgsl does, with the rows so far for a clock; here for the sum of the losses, with
// code 1. Other kernels note what they see in between.
//
//   logits  [N, C]
//   labels  [N]   int32, or bytes, four a word
//   loss    [1]
//   totals  [5]   u32
//
// A row that holds NaN is not right, wherever its label is.
//
// One thread looks at one row. Integer atomics only: their order cannot be seen in the sum. The first thread alone adds
// the loss.

struct Params {
  N: u32,
  C: u32,
  label_bytes: u32, // 1 when labels are bytes
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> totals: array<atomic<u32>>;

override WG: u32 = 64u;

fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn not_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
}

fn note(code: u32) {
  let now = atomicLoad(&totals[1]);
  if (atomicLoad(&totals[3]) < now) { return; }
  atomicMin(&totals[3], now);
  atomicMin(&totals[4], code);
}

fn label(n: u32) -> u32 {
  if (params.label_bytes == 1u) {
    return (labels[n / 4u] >> (8u * (n % 4u))) & 0xffu;
  }
  return labels[n];
}

@compute @workgroup_size(WG)
fn accumulate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let n = (group.y * groups.x + group.x) * WG + local;
  if (n >= params.N) { return; }
  var best = logits[n * params.C];
  var at = 0u;
  var nan_found = is_nan(best);
  for (var c = 1u; c < params.C; c++) {
    let v = logits[n * params.C + c];
    nan_found = nan_found || is_nan(v);
    if (v > best) {
      best = v;
      at = c;
    }
  }
  if (at == label(n) && !nan_found) { atomicAdd(&totals[0], 1u); }
  if (n == 0u) {
    let sum = bitcast<f32>(atomicLoad(&totals[2])) + loss[0] * f32(params.N);
    atomicStore(&totals[2], bitcast<u32>(sum));
    if (not_finite(sum)) { note(1u); }
    atomicAdd(&totals[1], params.N);
  }
}
