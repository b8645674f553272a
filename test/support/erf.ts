// The error function in float64, which JavaScript lacks.

/** erf and its complement, to some 1e-13 of the value. */
export function erfs(x: number): { erf: number; erfc: number } {
  const z = Math.abs(x)
  if (z < 2.5) {
    // 2/√π · exp(−z²) · Σ 2ⁿ z²ⁿ⁺¹ / (2n + 1)!!, all terms of which are positive.
    let term = z
    let sum = z
    for (let n = 1; term > 1e-18 * sum; n++) {
      term *= (2 * z * z) / (2 * n + 1)
      sum += term
    }
    const erf = (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum
    return x < 0 ? { erf: -erf, erfc: 1 + erf } : { erf, erfc: 1 - erf }
  }
  // The continued fraction of Laplace, from its 200th term backwards.
  let fraction = z
  for (let n = 200; n > 0; n--) fraction = z + n / 2 / fraction
  const erfc = Math.exp(-z * z) / (Math.sqrt(Math.PI) * fraction)
  return x < 0 ? { erf: erfc - 1, erfc: 2 - erfc } : { erf: 1 - erfc, erfc }
}

/** The distribution function of the normal distribution. */
export const normal = (x: number): number => 0.5 * erfs(-x / Math.SQRT2).erfc
