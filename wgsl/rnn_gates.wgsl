// rnn_gates: one step of a recurrent layer behind its two products, and its gradient, chosen by KIND.
//
//   i = x W_ih^T + b_ih and s = h W_hh^T + b_hh have G numbers a hidden unit, gate after gate: i_0 [H], i_1 [H], …
//   RNN, RELU  G = 1   h' = f(i + s)
//   LSTM       G = 4   a, f, g, o = i + s;  c' = sigmoid(f) c + sigmoid(a) tanh(g);  h' = sigmoid(o) tanh(c')
//   GRU        G = 3   r = sigmoid(i_0 + s_0);  z = sigmoid(i_1 + s_1);  n = tanh(i_2 + r s_2);  h' = n + z (h - n)
//
//   A sequence [ROWS, …] has the row of batch entry n and this step at row + stride n.
//   of_input   [ROWS, G H]   i
//   of_state   [N, G H]      s
//   h, c       [N, H]        the states, in place; c of the LSTM alone
//   out        [ROWS, S H]   h', of the LSTM (S = 2) followed by c'
//   before     [ROWS, H]     h as the step finds it, for the gradient of W_hh
//   kept       [ROWS, 5 H]   for backward: LSTM the four gates and c, GRU r, z, n, s_2 and h. Others need h' alone
//   held       what was kept; of RNN and RELU it is out
//   dy         [ROWS, S H]   the gradient of out
//   dh         [N, H]        what the later step adds to that of h' by its product with W_hh
//   carry      [N, H]        in place: what it adds otherwise, to c' of the LSTM, to h' of the GRU
//   d_input    [ROWS, G H]   the gradient of i
//   d_state    [ROWS, G H]   of the GRU that of s; elsewhere it is that of i
//   d_step     [N, G H]      the rows of this step of the gradient of s
//
// forward, backward  One thread computes PER elements of the step's [N, H].

struct Params {
  N: u32,
  H: u32,
  row: u32,
  stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> of_input: array<f32>;
@group(0) @binding(2) var<storage, read> of_state: array<f32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> before: array<f32>;
@group(0) @binding(7) var<storage, read_write> kept: array<f32>;
@group(0) @binding(8) var<storage, read> held: array<f32>;
@group(0) @binding(9) var<storage, read> dy: array<f32>;
@group(0) @binding(10) var<storage, read> dh: array<f32>;
@group(0) @binding(11) var<storage, read_write> carry: array<f32>;
@group(0) @binding(12) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(13) var<storage, read_write> d_state: array<f32>;
@group(0) @binding(14) var<storage, read_write> d_step: array<f32>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const KIND: u32 = 0u; // tune

const RNN: u32 = 0u; // by tanh
const RELU: u32 = 1u;
const LSTM: u32 = 2u;
const GRU: u32 = 3u;

const INFINITY_BITS: u32 = 0x7f800000u;
// exp(-VANISHED) is 0 in float32.
const VANISHED: f32 = 128.0;
const HALF_LN_2: f32 = 0.34657359;

// By its bits, since a driver may assume that there is no NaN.
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > INFINITY_BITS; }

// exp(v) - 1 for v from 0 to 20, near 0 by its series, as wgsl/unary.wgsl has it.
fn expm1_of(v: f32) -> f32 {
  if (v <= HALF_LN_2) {
    return v + v * v * (1.0 / 2.0 + v * (1.0 / 6.0 + v * (1.0 / 24.0 + v * (1.0 / 120.0 + v * (1.0 / 720.0 + v * (1.0 / 5040.0 + v / 40320.0))))));
  }
  return exp(v) - 1.0;
}

fn tanh_of(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  let e = expm1_of(2.0 * min(abs(v), 10.0));
  let t = e / (e + 2.0);
  return select(t, -t, (bitcast<u32>(v) & 0x80000000u) != 0u);
}

fn sigmoid_of(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  let t = exp(-min(abs(v), VANISHED));
  return select(t, 1.0, v >= 0.0) / (1.0 + t);
}

// Where an element lies: its number in [N, H], and of a sequence of so many numbers a unit the one of `gate`.
fn in_sequence(e: u32, numbers: u32, gate: u32) -> u32 {
  let n = e / params.H;
  return ((params.row + params.stride * n) * numbers + gate) * params.H + e % params.H;
}

fn in_step(e: u32, numbers: u32, gate: u32) -> u32 {
  let n = e / params.H;
  return (n * numbers + gate) * params.H + e % params.H;
}

// i + s of a gate.
fn sum_of(e: u32, numbers: u32, gate: u32) -> f32 {
  return of_input[in_sequence(e, numbers, gate)] + of_state[in_step(e, numbers, gate)];
}

fn keep(e: u32, place: u32, value: f32) { kept[in_sequence(e, 5u, place)] = value; }
fn held_at(e: u32, place: u32) -> f32 { return held[in_sequence(e, 5u, place)]; }

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  for (var e = start; e < min(start + WG * PER, params.N * params.H); e += WG) {
    let h0 = h[e];
    var h1 = 0.0;
    if (KIND == LSTM) {
      let a = sigmoid_of(sum_of(e, 4u, 0u));
      let f = sigmoid_of(sum_of(e, 4u, 1u));
      let g = tanh_of(sum_of(e, 4u, 2u));
      let o = sigmoid_of(sum_of(e, 4u, 3u));
      let c0 = c[e];
      let c1 = f * c0 + a * g;
      h1 = o * tanh_of(c1);
      c[e] = c1;
      out[in_sequence(e, 2u, 0u)] = h1;
      out[in_sequence(e, 2u, 1u)] = c1;
      keep(e, 0u, a);
      keep(e, 1u, f);
      keep(e, 2u, g);
      keep(e, 3u, o);
      keep(e, 4u, c0);
    } else if (KIND == GRU) {
      let r = sigmoid_of(sum_of(e, 3u, 0u));
      let z = sigmoid_of(sum_of(e, 3u, 1u));
      let s = of_state[in_step(e, 3u, 2u)];
      let n = tanh_of(of_input[in_sequence(e, 3u, 2u)] + r * s);
      h1 = n + z * (h0 - n);
      out[in_sequence(e, 1u, 0u)] = h1;
      keep(e, 0u, r);
      keep(e, 1u, z);
      keep(e, 2u, n);
      keep(e, 3u, s);
      keep(e, 4u, h0);
    } else {
      let v = sum_of(e, 1u, 0u);
      if (KIND == RELU) { h1 = select(v, 0.0, v <= 0.0); } else { h1 = tanh_of(v); }
      out[in_sequence(e, 1u, 0u)] = h1;
    }
    before[in_sequence(e, 1u, 0u)] = h0;
    h[e] = h1;
  }
}

// The gradient of a gate, for both of its sums.
fn give(e: u32, numbers: u32, gate: u32, value: f32) {
  d_input[in_sequence(e, numbers, gate)] = value;
  d_step[in_step(e, numbers, gate)] = value;
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (group.y * groups.x + group.x) * WG * PER + local;
  for (var e = start; e < min(start + WG * PER, params.N * params.H); e += WG) {
    if (KIND == LSTM) {
      let a = held_at(e, 0u);
      let f = held_at(e, 1u);
      let g = held_at(e, 2u);
      let o = held_at(e, 3u);
      let c0 = held_at(e, 4u);
      let t = tanh_of(f * c0 + a * g);
      let d = dy[in_sequence(e, 2u, 0u)] + dh[e];
      let dc = dy[in_sequence(e, 2u, 1u)] + carry[e] + d * o * (1.0 - t * t);
      carry[e] = dc * f;
      give(e, 4u, 0u, dc * g * (a * (1.0 - a)));
      give(e, 4u, 1u, dc * c0 * (f * (1.0 - f)));
      give(e, 4u, 2u, dc * a * (1.0 - g * g));
      give(e, 4u, 3u, d * t * (o * (1.0 - o)));
    } else if (KIND == GRU) {
      let r = held_at(e, 0u);
      let z = held_at(e, 1u);
      let n = held_at(e, 2u);
      let s = held_at(e, 3u);
      let h0 = held_at(e, 4u);
      let d = dy[in_sequence(e, 1u, 0u)] + dh[e] + carry[e];
      carry[e] = d * z;
      let dn = d * (1.0 - z) * (1.0 - n * n);
      let dr = dn * s * (r * (1.0 - r));
      let dz = d * (h0 - n) * (z * (1.0 - z));
      give(e, 3u, 0u, dr);
      give(e, 3u, 1u, dz);
      d_state[in_sequence(e, 3u, 0u)] = dr;
      d_state[in_sequence(e, 3u, 1u)] = dz;
      d_input[in_sequence(e, 3u, 2u)] = dn;
      d_state[in_sequence(e, 3u, 2u)] = dn * r;
      d_step[in_step(e, 3u, 2u)] = dn * r;
    } else {
      let v = held[in_sequence(e, 1u, 0u)];
      let d = dy[in_sequence(e, 1u, 0u)] + dh[e];
      if (KIND == RELU) { give(e, 1u, 0u, select(d, 0.0, v <= 0.0)); } else { give(e, 1u, 0u, d * (1.0 - v * v)); }
    }
  }
}
