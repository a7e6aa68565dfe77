//! Numbers as people read them.

/// 12345 as "12,345".
pub fn commas(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A step between evaluations, or "?" where it is undefined.
pub fn step(value: Option<f64>) -> String {
    value.map_or_else(|| "?".to_owned(), |x| commas(x.round() as u64))
}

/// 0.1273 as ".127", "–" where it is undefined.
pub fn fraction(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = fixed(value, 3);
    match text.strip_prefix("0.") {
        Some(rest) => format!(".{rest}"),
        None => text,
    }
}

/// With so many digits behind the point; numbers that would fill a line, by their power of ten.
pub fn fixed(value: f64, digits: usize) -> String {
    if value.abs() < 1e9 { format!("{value:.digits$}") } else { format!("{value:.digits$e}") }
}

/// 75.3 as "1 min 15 s".
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "?".to_owned(),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{} min {:02} s", (s / 60.0) as u64, (s % 60.0) as u64),
        s => format!("{} h {:02} min", (s / 3600.0) as u64, (s % 3600.0 / 60.0) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([commas(0), commas(999), commas(1000), commas(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([fraction(0.1273), fraction(1.0), fraction(f64::NAN)], [".127", "1.000", "–"]);
        assert_eq!([fixed(1.5, 2), fixed(-1e300, 2), fraction(2e30)], ["1.50", "-1.00e300", "2.000e30"]);
        assert_eq!([duration(3.21), duration(75.0), duration(3700.0)], ["3.2 s", "1 min 15 s", "1 h 01 min"]);
    }
}
