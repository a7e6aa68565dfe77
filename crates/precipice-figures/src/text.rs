//! Numbers as the project writes them, and how wide text is.

/// A step or count with commas: `2520.0` -> "2,520". Rounds to whole numbers.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let negative = value < 0.0 && digits != "0";
    if negative { format!("\u{2212}{grouped}") } else { grouped }
}

/// A number with `places` decimals and no zero before the point: `.125`, `−.50`, `2.08`.
/// Undefined values give an en dash.
pub(super) fn decimal(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return "\u{2013}".into();
    }
    let digits = format!("{:.*}", places, value.abs());
    let is_zero = digits.chars().all(|c| c == '0' || c == '.');
    let body = match digits.strip_prefix("0.") {
        Some(fraction) => format!(".{fraction}"),
        None => digits,
    };
    if value < 0.0 && !is_zero { format!("\u{2212}{body}") } else { body }
}

/// Names a moment of a run: "step 2,000 · accuracy .13".
pub fn moment_name(step: u64, accuracy: f64) -> String {
    format!("step {} · accuracy {}", thousands(step as f64), decimal(accuracy, 2))
}

/// A tick label: as few decimals as tell it apart, no zero before the point.
pub(super) fn tick(value: f64) -> String {
    let shown = decimal(value, 3);
    match shown.contains('.') {
        true => match shown.trim_end_matches('0').trim_end_matches('.') {
            "" | "\u{2212}" => "0".into(),
            trimmed => trimmed.into(),
        },
        false => shown,
    }
}

/// A tick label of any size: with commas from 1,000 on.
pub(super) fn number(value: f64) -> String {
    if value.abs() >= 1000.0 { thousands(value) } else { tick(value) }
}

/// Width of `text` in SVG units at `size`: DejaVu Sans' advances, grouped.
pub(super) fn width(text: &str, size: u32) -> f64 {
    text.chars().map(advance).sum::<f64>() * f64::from(size)
}

/// The widest of several texts, 0 for none.
pub(super) fn widest<'a>(texts: impl IntoIterator<Item = &'a str>, size: u32) -> f64 {
    texts.into_iter().map(|text| width(text, size)).fold(0.0, f64::max)
}

/// Breaks `text` at spaces into lines no wider than `limit` (a longer word stays whole).
pub(super) fn wrap(text: &str, size: u32, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// Advance of one character, in units of the font size, rounded up within its group.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '\'' | '|' => 0.3,
        ' ' | '.' | ',' | ':' | ';' | '/' | '·' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '-' | '[' | ']' => 0.41,
        'm' | 'w' | 'M' | 'W' | '%' => 0.98,
        '=' | '+' | '±' | '×' | '−' | '→' | '<' | '>' => 0.84,
        '₀'..='₉' => 0.41,
        '0'..='9' | 'a'..='z' => 0.64,
        'A'..='Z' => 0.76,
        _ if c as u32 >= 0x2e80 => 1.0,
        _ => 0.66,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_commas() {
        assert_eq!(thousands(0.0), "0");
        assert_eq!(thousands(999.6), "1,000");
        assert_eq!(thousands(2520.0), "2,520");
        assert_eq!(thousands(-1_234_567.0), "−1,234,567");
    }

    #[test]
    fn fractions_have_no_leading_zero() {
        assert_eq!(decimal(0.125, 3), ".125");
        assert_eq!(decimal(2.079, 2), "2.08");
        assert_eq!(decimal(-0.001, 2), ".00");
        assert_eq!(decimal(f64::NAN, 2), "–");
        assert_eq!(tick(0.0), "0");
        assert_eq!(tick(0.25), ".25");
        assert_eq!(tick(-2.0), "−2");
        assert_eq!(tick(10.0), "10");
    }

    #[test]
    fn long_text_breaks_at_spaces() {
        let lines = wrap("one two three", 10, width("one two", 10));
        assert_eq!(lines, ["one two", "three"]);
        assert!(wrap("", 10, 50.0).is_empty());
    }
}
