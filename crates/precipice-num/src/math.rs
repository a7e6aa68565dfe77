//! Elementary functions that give the same bits on every target.
//!
//! Only additions, multiplications and integer operations, never fused: both arithmetics and every
//! instruction set agree. Written so that a loop over them is vectorized.

use std::f32::consts::{FRAC_PI_2, LOG2_E};

/// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has trailing zeros, so that its products with integers are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// e^x within 2 ulp on [-87.3, 88.7]; 0 below, infinity above, NaN for NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // e^x = 2^n e^r with |r| <= ln 2 / 2; the clamp keeps n in the exponent's range.
    let clamped = x.clamp(-87.4, 88.8);
    let shifted = clamped * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let e_r = p * (r * r) + r + 1.0;
    // Two halves of the exponent, because 2^128 has no f32.
    let n = (shifted.to_bits() as i32) - (ROUND.to_bits() as i32);
    let half = n >> 1;
    let value = e_r * power_of_two(half) * power_of_two(n - half);
    let value = if x < -87.336_54 { 0.0 } else { value };
    if x > 88.722_84 { f32::INFINITY } else { value }
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23) as u32)
}

/// tanh x, absolute error below 3e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// ln x within 2 ulp for positive normal x (or 2e-7 absolute near 1). Not for zero, subnormal or negative x.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // x = m 2^e with m in [sqrt(1/2), sqrt 2), ln m = f - f^2/2 + f^3 p(f) with f = m - 1.
    const SQRT_HALF_BITS: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32 - SQRT_HALF_BITS;
    let e = (bits >> 23) as f32;
    let f = f32::from_bits(((bits & 0x007f_ffff) + SQRT_HALF_BITS) as u32) - 1.0;
    let mut p = 7.037_683_6e-2;
    p = p * f - 1.151_461e-1;
    p = p * f + 1.167_699_9e-1;
    p = p * f - 1.242_014_1e-1;
    p = p * f + 1.424_932_3e-1;
    p = p * f - 1.666_805_8e-1;
    p = p * f + 2.000_071_5e-1;
    p = p * f - 2.499_999_4e-1;
    p = p * f + 3.333_333e-1;
    let z = f * f;
    let tail = f * z * p + e * LN_2_LOW - 0.5 * z;
    (f + tail) + e * LN_2_HIGH
}

/// (sin, cos) of 2 pi turns / 2^32, absolute error below 1.5e-7.
#[inline(always)]
pub fn sin_cos_turns(turns: u32) -> (f32, f32) {
    // The nearest quarter turn is exact in integers; the rest is in [-pi/4, pi/4].
    let quadrant = turns.wrapping_add(1 << 29) >> 30;
    let rest = turns.wrapping_sub(quadrant << 30) as i32;
    let x = rest as f32 * (FRAC_PI_2 / (1_u32 << 30) as f32);
    let z = x * x;
    let sin = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * x + x;
    let cos = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let (s, c) = if quadrant & 1 == 0 { (sin, cos) } else { (cos, sin) };
    let sin_sign = (quadrant & 2) << 30;
    let cos_sign = ((quadrant + 1) & 2) << 30;
    (f32::from_bits(s.to_bits() ^ sin_sign), f32::from_bits(c.to_bits() ^ cos_sign))
}

/// Two independent standard normal deviates from two uniform words (Box and Muller 1958).
///
/// The radius has 24 random bits, so that deviates lie in [-5.9, 5.9].
#[inline(always)]
pub fn normal_pair(radius_word: u32, angle_word: u32) -> (f32, f32) {
    let uniform = ((radius_word >> 8) as i32 as f32 + 0.5) * (1.0 / 16_777_216.0);
    let radius = (-2.0 * ln(uniform)).sqrt();
    let (sin, cos) = sin_cos_turns(angle_word);
    (radius * cos, radius * sin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f32, want: f64) -> f64 {
        let spacing = f64::from(f32::from_bits((want as f32).to_bits() + 1)) - f64::from(want as f32);
        (f64::from(got) - want).abs() / spacing.abs()
    }

    #[test]
    fn exp_is_within_two_ulp_over_its_whole_range() {
        let mut worst = 0.0_f64;
        for i in 0..2_000_000 {
            let x = -87.33 + (88.72 + 87.33) * i as f32 / 2e6;
            worst = worst.max(ulps(exp(x), libm::exp(f64::from(x))));
        }
        assert!(worst < 2.0, "worst error {worst} ulp");
    }

    #[test]
    fn exp_has_the_right_limits() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(89.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn ln_is_within_two_ulp_or_2e_7() {
        for bits in (0x0080_0000_u32..0x7f80_0000).step_by(997) {
            let x = f32::from_bits(bits);
            let want = libm::log(f64::from(x));
            assert!(ulps(ln(x), want) < 2.0 || (f64::from(ln(x)) - want).abs() < 2e-7, "ln {x}");
        }
    }

    #[test]
    fn sin_cos_covers_the_circle() {
        for turns in (0..=u32::MAX).step_by(65_521) {
            let angle = f64::from(turns) / 4_294_967_296.0 * std::f64::consts::TAU;
            let (sin, cos) = sin_cos_turns(turns);
            assert!((f64::from(sin) - libm::sin(angle)).abs() < 1.5e-7, "sin at {turns}");
            assert!((f64::from(cos) - libm::cos(angle)).abs() < 1.5e-7, "cos at {turns}");
        }
    }

    #[test]
    fn tanh_is_accurate() {
        for i in -2000..2000 {
            let x = i as f32 / 100.0;
            assert!((f64::from(tanh(x)) - libm::tanh(f64::from(x))).abs() < 3e-7);
        }
    }
}
