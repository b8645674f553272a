// unary: one function of each element, chosen by OP.
//
//   forward   out[i] = f(x[i])
//   backward  dx[i] = dy[i] * f'(x[i])
//
//   x, out, dy, dx  [size], any shape, flat, as vectors of four; a tensor's memory ends with a whole vector, so that the last
//                   may hold numbers of no meaning
//
// One thread computes PER elements. NaN gives NaN, with the same bits, and has a derivative that is NaN (relu's passes dy). What
// WGSL leaves open is said here: infinities, numbers outside of a function's domain, and overflow. exp, log, sqrt, inverseSqrt
// and division are the device's, within WGSL's table of accuracies; sine, cosine, erf and what is near 0 are worked out here.

struct Params {
  size: u32,
  a: f32,
  b: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;

override WG: u32 = 64u;
const PER: u32 = 16u; // tune
const OP: u32 = 0u; // tune

const NEG: u32 = 0u;
const ABS: u32 = 1u;
const SIGN: u32 = 2u;
const SQUARE: u32 = 3u;
const SQRT: u32 = 4u;
const RSQRT: u32 = 5u;
const RECIPROCAL: u32 = 6u;
const EXP: u32 = 7u;
const EXPM1: u32 = 8u;
const LOG: u32 = 9u;
const LOG1P: u32 = 10u;
const SIN: u32 = 11u;
const COS: u32 = 12u;
const TANH: u32 = 13u;
const SIGMOID: u32 = 14u;
const RELU: u32 = 15u;
const LEAKY_RELU: u32 = 16u; // a: the slope on the left
const ELU: u32 = 17u;        // a: alpha
const GELU: u32 = 18u;       // by the error function
const GELU_TANH: u32 = 19u;  // by its approximation
const SILU: u32 = 20u;
const SOFTPLUS: u32 = 21u;
const ERF: u32 = 22u;
const CLAMP: u32 = 23u;      // a, b: the bounds

const INFINITY_BITS: u32 = 0x7f800000u;
// exp(-VANISHED) is 0 in float32, exp(VANISHED) infinite: no driver meets a larger argument.
const VANISHED: f32 = 128.0;
const LN_2: f32 = 0.69314718;
const HALF_LN_2: f32 = 0.34657359;
const HALF_PI: f32 = 1.57079633;
const QUARTER_PI: f32 = 0.78539816;
const SQRT_HALF: f32 = 0.70710678;
const TWO_OVER_SQRT_PI: f32 = 1.12837917;
const ONE_OVER_SQRT_2PI: f32 = 0.39894228;
const GELU_SCALE: f32 = 0.79788456;  // sqrt(2 / pi)
const GELU_CUBIC: f32 = 0.044715;

// Not constants, since WGSL has none of these: the size of a tensor is below 2^31, which the compiler does not know.
fn nan() -> f32 { return bitcast<f32>(0x7fc00000u | (params.size >> 31u)); }
fn inf() -> f32 { return bitcast<f32>(INFINITY_BITS | (params.size >> 31u)); }

// By its bits, since a driver may assume that there is no NaN and no infinity.
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > INFINITY_BITS; }
fn is_infinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) == INFINITY_BITS; }
fn is_negative(v: f32) -> bool { return (bitcast<u32>(v) & 0x80000000u) != 0u; }

fn exp_of(v: f32) -> f32 {
  if (v > 89.0) { return inf(); }
  return exp(max(v, -VANISHED));
}

fn sqrt_of(v: f32) -> f32 {
  if (v < 0.0) { return nan(); }
  if (v == 0.0 || is_infinite(v)) { return v; }
  return sqrt(v);
}

fn rsqrt_of(v: f32) -> f32 {
  if (v == 0.0) { return select(inf(), -inf(), is_negative(v)); }
  if (v < 0.0) { return nan(); }
  if (is_infinite(v)) { return 0.0; }
  return inverseSqrt(v);
}

fn reciprocal_of(v: f32) -> f32 {
  if (v == 0.0) { return select(inf(), -inf(), is_negative(v)); }
  if (is_infinite(v)) { return bitcast<f32>(bitcast<u32>(v) & 0x80000000u); } // 0 of its sign
  return 1.0 / v;
}

// exp(v) - 1. Near 0 by its series, whose terms from the ninth on are below 2^-30 of the sum.
fn expm1_of(v: f32) -> f32 {
  if (abs(v) <= HALF_LN_2) {
    return v + v * v * (1.0 / 2.0 + v * (1.0 / 6.0 + v * (1.0 / 24.0 + v * (1.0 / 120.0 + v * (1.0 / 720.0 + v * (1.0 / 5040.0 + v / 40320.0))))));
  }
  return exp_of(v) - 1.0;
}

// log(1 + v) for v from sqrt(1/2) - 1 to sqrt(2) - 1: 2 artanh(v / (2 + v)), whose series is cut at 2^-28 of the sum.
fn log_near_one(v: f32) -> f32 {
  let s = v / (2.0 + v);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
}

fn log_of(v: f32) -> f32 {
  if (v == 0.0) { return -inf(); }
  if (v < 0.0) { return nan(); }
  if (is_infinite(v)) { return v; }
  if (v > SQRT_HALF && v < 1.4142135) { return log_near_one(v - 1.0); } // an exact difference
  return log(v);
}

// log(1 + v), which keeps the digits of small numbers.
fn log1p_of(v: f32) -> f32 {
  if (v > -0.2928932 && v < 0.4142135) { return log_near_one(v); }
  return log_of(1.0 + v);
}

// The high word of the product of a number below 2^24 and any, by halves.
fn high_word(m: u32, w: u32) -> u32 {
  let low = (m & 0xfffu) * (w & 0xffffu);
  let a = (m >> 12u) * (w & 0xffffu);
  let b = (m & 0xfffu) * (w >> 16u);
  let c = (m >> 12u) * (w >> 16u);
  // m * w = low + a * 2^12 + b * 2^16 + c * 2^28
  let bits = (low >> 12u) + (a & 0xfffffu) + ((b & 0xffffu) << 4u) + ((c & 0xfu) << 16u);
  return (bits >> 20u) + (a >> 20u) + (b >> 16u) + (c >> 4u);
}

const TWO_OVER_PI = array<u32, 8>(
  0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu,
);

struct Reduced {
  r: f32,       // from -pi/4 to pi/4
  quarter: u32, // v = r + quarter * pi/2, modulo 2 pi
}

// The argument of sine and cosine, reduced exactly: 96 bits of 2/pi from where they matter, times the mantissa, in integers
// (Payne and Hanek, "Radian Reduction for Trigonometric Functions", SIGNUM 18, 1983).
fn reduced(v: f32) -> Reduced {
  if (abs(v) <= QUARTER_PI) { return Reduced(v, 0u); }
  let bits = bitcast<u32>(v);
  let m = (bits & 0x7fffffu) | 0x800000u;
  let first = ((bits >> 23u) & 0xffu) - 120u; // of the window's bits, in TWO_OVER_PI
  var words = TWO_OVER_PI;
  let word = first >> 5u;
  let shift = first & 31u;
  var window: array<u32, 3>;
  for (var i = 0u; i < 3u; i++) {
    window[i] = (words[word + i] << shift) | ((words[word + i + 1u] >> 1u) >> (31u - shift));
  }
  let r2 = high_word(m, window[2]);
  let r1 = m * window[1] + r2;
  let carry = select(0u, 1u, r1 < r2);
  let r0 = m * window[0] + high_word(m, window[1]) + carry;
  let quarter = (r0 + 0x20000000u) >> 30u;
  var high = r0 - (quarter << 30u); // in units of 2^-30, a signed number
  var low = r1;
  let negative = (high & 0x80000000u) != 0u;
  if (negative) {
    low = ~low + 1u;
    high = ~high + select(0u, 1u, low == 0u);
  }
  var zeros = countLeadingZeros(high);
  if (high == 0u) { zeros = 32u + countLeadingZeros(low); }
  var top = low << (zeros & 31u);
  if (zeros < 32u) { top = (high << zeros) | ((low >> 1u) >> (31u - zeros)); }
  let fraction = f32(top) * bitcast<f32>((97u - zeros) << 23u); // 2^(-30 - zeros)
  let r = fraction * HALF_PI;
  let minus = negative != is_negative(v);
  return Reduced(select(r, -r, minus), select(quarter, (4u - quarter) & 3u, is_negative(v)));
}

// The polynomials of fdlibm's k_sinf.c and k_cosf.c, for r from -pi/4 to pi/4.
fn turned(r: f32, quarter: u32) -> f32 {
  let q = r * r;
  let sine = r + r * q * (-0.16666667 + q * (8.333334e-3 + q * (-1.9841270e-4 + q * 2.7557314e-6)));
  let cosine = 1.0 - (0.5 * q - q * q * (4.1666668e-2 + q * (-1.3888889e-3 + q * 2.4801588e-5)));
  let v = select(sine, cosine, (quarter & 1u) != 0u);
  return select(v, -v, (quarter & 2u) != 0u);
}

fn sin_of(v: f32) -> f32 {
  if (is_infinite(v)) { return nan(); }
  let at = reduced(v);
  return turned(at.r, at.quarter);
}

fn cos_of(v: f32) -> f32 {
  if (is_infinite(v)) { return nan(); }
  let at = reduced(v);
  return turned(at.r, at.quarter + 1u);
}

// By expm1(2 |v|), which keeps the digits of small numbers: from 10 on it is 1.
fn tanh_of(v: f32) -> f32 {
  let e = expm1_of(2.0 * min(abs(v), 10.0));
  let t = e / (e + 2.0);
  return select(t, -t, is_negative(v));
}

// 1 - tanh(v)^2 = 4 t / (1 + t)^2 with t = exp(-2 |v|)
fn sech2_of(v: f32) -> f32 {
  let t = exp(-2.0 * min(abs(v), 0.5 * VANISHED));
  let d = 1.0 + t;
  return 4.0 * t / (d * d);
}

// exp(-|v|) is at most 1: exp(-v) would overflow from v = -89 on.
fn decay(v: f32) -> f32 { return exp(-min(abs(v), VANISHED)); }

fn sigmoid_of(v: f32) -> f32 {
  let t = decay(v);
  return select(t, 1.0, v >= 0.0) / (1.0 + t);
}

// The complement of the error function, to 1.2e-7 of its value for every z >= 0 (Press, Teukolsky, Vetterling and Flannery,
// Numerical Recipes, 2nd edition, section 6.2).
fn erfc_of(z: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.5 * z);
  let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 +
    t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  return t * exp(max(p - z * z, -VANISHED));
}

// Up to 0.84 by fdlibm's rational function of s_erff.c.
fn erf_of(v: f32) -> f32 {
  let z = min(abs(v), 10.0);
  if (z < 0.84375) {
    let q = v * v;
    let r = 0.12837917 + q * (-0.32504210 + q * (-2.8481750e-2 + q * (-5.7702703e-3 + q * -2.3763017e-5)));
    let s = 1.0 + q * (0.39791721 + q * (6.5022253e-2 + q * (5.0813063e-3 + q * (1.3249474e-4 + q * -3.9602282e-6))));
    return v + v * (r / s);
  }
  let e = 1.0 - erfc_of(z);
  return select(e, -e, is_negative(v));
}

// The distribution function of the normal distribution. On the left without a difference, so that its tail keeps its digits.
fn normal_of(v: f32) -> f32 {
  let z = min(abs(v) * SQRT_HALF, 13.0);
  if (z < 0.84375) { return 0.5 + 0.5 * erf_of(v * SQRT_HALF); }
  let tail = 0.5 * erfc_of(z);
  return select(1.0 - tail, tail, is_negative(v));
}

// What the tanh of gelu's approximation is taken of.
fn gelu_inner(v: f32) -> f32 { return GELU_SCALE * (v + GELU_CUBIC * v * v * v); }

// 0.5 * (1 + tanh(u)) = sigmoid(2 u)
fn gelu_share(v: f32) -> f32 { return sigmoid_of(2.0 * gelu_inner(clamp(v, -100.0, 100.0))); }

fn value(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  switch OP {
    case NEG: { return -v; }
    case ABS: { return abs(v); }
    case SIGN: { return select(select(0.0, 1.0, v > 0.0), -1.0, v < 0.0); }
    case SQUARE: { return v * v; }
    case SQRT: { return sqrt_of(v); }
    case RSQRT: { return rsqrt_of(v); }
    case RECIPROCAL: { return reciprocal_of(v); }
    case EXP: { return exp_of(v); }
    case EXPM1: { return expm1_of(v); }
    case LOG: { return log_of(v); }
    case LOG1P: { return log1p_of(v); }
    case SIN: { return sin_of(v); }
    case COS: { return cos_of(v); }
    case TANH: { return tanh_of(v); }
    case SIGMOID: { return sigmoid_of(v); }
    case RELU: { return select(v, 0.0, v <= 0.0); }
    case LEAKY_RELU: { return select(params.a * v, v, v > 0.0); }
    case ELU: { return select(params.a * expm1_of(min(v, 0.0)), v, v > 0.0); }
    case GELU: {
      if (is_infinite(v)) { return select(v, nan(), is_negative(v)); }
      return v * normal_of(v);
    }
    case GELU_TANH: {
      if (is_infinite(v)) { return select(v, nan(), is_negative(v)); }
      return v * gelu_share(v);
    }
    case SILU: {
      if (is_infinite(v)) { return select(v, nan(), is_negative(v)); }
      return v * sigmoid_of(v);
    }
    case SOFTPLUS: { return max(v, 0.0) + log1p_of(decay(v)); }
    case ERF: { return erf_of(v); }
    default: { return min(max(v, params.a), params.b); } // CLAMP
  }
}

fn slope(v: f32) -> f32 {
  if (is_nan(v)) { return v; }
  switch OP {
    case NEG: { return -1.0; }
    case ABS: { return select(select(0.0, 1.0, v > 0.0), -1.0, v < 0.0); }
    case SQUARE: { return 2.0 * v; }
    case SQRT: { return reciprocal_of(2.0 * sqrt_of(v)); }
    case RSQRT: {
      let r = rsqrt_of(v);
      return -0.5 * r * (r * r);
    }
    case RECIPROCAL: {
      let r = reciprocal_of(v);
      return -(r * r);
    }
    case EXP, EXPM1: { return exp_of(v); }
    case LOG: { return reciprocal_of(v); }
    case LOG1P: { return reciprocal_of(1.0 + v); }
    case SIN: { return cos_of(v); }
    case COS: { return -sin_of(v); }
    case TANH: { return sech2_of(v); }
    case SIGMOID: {
      let t = decay(v);
      let d = 1.0 + t;
      return t / (d * d);
    }
    case LEAKY_RELU: { return select(params.a, 1.0, v > 0.0); }
    case ELU: { return select(params.a * exp_of(min(v, 0.0)), 1.0, v > 0.0); }
    case GELU: {
      if (is_infinite(v)) { return nan(); }
      return normal_of(v) + v * (ONE_OVER_SQRT_2PI * exp(-min(0.5 * v * v, VANISHED)));
    }
    case GELU_TANH: {
      if (is_infinite(v)) { return nan(); }
      let w = clamp(v, -100.0, 100.0);
      return gelu_share(v) + 0.5 * w * (sech2_of(gelu_inner(w)) * (GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * w * w)));
    }
    case SILU: {
      if (is_infinite(v)) { return nan(); }
      let t = decay(v);
      let s = select(t, 1.0, v >= 0.0) / (1.0 + t);
      let r = select(1.0, t, v >= 0.0) / (1.0 + t);
      return s * (1.0 + v * r);
    }
    case SOFTPLUS: { return sigmoid_of(v); }
    case ERF: { return TWO_OVER_SQRT_PI * exp(-min(v * v, VANISHED)); }
    default: { return 0.0; } // of those that have a gradient of their own
  }
}

fn gradient(v: f32, g: f32) -> f32 {
  switch OP {
    case RELU: { return select(g, 0.0, v <= 0.0); }
    case SIGN: { return select(0.0, v, is_nan(v)); }
    case CLAMP: {
      if (is_nan(v)) { return v; }
      return select(0.0, g, v >= params.a && v <= params.b);
    }
    default: { return g * slope(v); }
  }
}

// A thread takes PER / 4 vectors, WG apart: on drivers for the processor a thread costs as much as several elements.
fn first_vector(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WG * (PER / 4) + local;
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    let v = x[i];
    out[i] = vec4f(value(v.x), value(v.y), value(v.z), value(v.w));
  }
}

@compute @workgroup_size(WG)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = first_vector(group, groups, local);
  for (var i = start; i < min(start + WG * (PER / 4), (params.size + 3) / 4); i += WG) {
    let v = x[i];
    let g = dy[i];
    dx[i] = vec4f(gradient(v.x, g.x), gradient(v.y, g.y), gradient(v.z, g.z), gradient(v.w, g.w));
  }
}
