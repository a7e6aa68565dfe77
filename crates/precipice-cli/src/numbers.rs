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

/// 1234567 as "1.2 MB".
pub fn size(bytes: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let bytes_f = bytes as f64;
    // 999,950 and more would be written as 1000.0 kB.
    match units.into_iter().find(|(_, unit)| bytes_f >= 0.99995 * unit) {
        Some((name, unit)) if bytes_f < 99.95 * unit => format!("{:.1} {name}", bytes_f / unit),
        Some((name, unit)) => format!("{:.0} {name}", bytes_f / unit),
        None => format!("{bytes} B"),
    }
}

/// 7300 seconds as "2 h": how long ago something was.
pub fn age(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{} min", (s / 60.0) as u64),
        s if s < 86_400.0 => format!("{} h", (s / 3600.0) as u64),
        s => format!("{} d", (s / 86_400.0) as u64),
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
        let sizes = [0, 999, 1000, 12_345, 999_949, 999_950, 123_456_789].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "12.3 kB", "1000 kB", "1.0 MB", "123 MB"]);
        assert_eq!([age(59.0), age(60.0), age(7300.0), age(200_000.0)], ["59 s", "1 min", "2 h", "2 d"]);
        assert_eq!([duration(3.21), duration(75.0), duration(3700.0)], ["3.2 s", "1 min 15 s", "1 h 01 min"]);
    }
}
