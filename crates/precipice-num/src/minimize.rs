//! The minimum of a function of one variable, without its slope.

const RATIO: f64 = 0.618_033_988_749_894_9;

/// Where a function with one valley between `low` and `high` is least, to 1e-6 of the interval, by golden
/// sections. Near a smooth minimum values differ by the square of that, which is their rounding.
/// NaN counts as higher than any number, provided it stands on the right.
pub fn golden_section(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let width = high - low;
    let (mut a, mut b) = (high - RATIO * width, low + RATIO * width);
    let (mut at_a, mut at_b) = (f(a), f(b));
    while high - low > 1e-6 * width {
        if at_a <= at_b || at_b.is_nan() {
            (high, b, at_b) = (b, a, at_a);
            a = high - RATIO * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + RATIO * (high - low);
            at_b = f(b);
        }
    }
    low.midpoint(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_is_found() {
        for minimum in [-0.9, 0.0, 1.25, 4.9] {
            let valley = |x: f64| if x > 4.95 { f64::NAN } else { (x - minimum) * (x - minimum) * (1.0 + x * x) };
            let x = golden_section(minimum - 0.7, 5.0, valley);
            assert!((x - minimum).abs() < 1e-5, "{x} {minimum}");
        }
    }
}
