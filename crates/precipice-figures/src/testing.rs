//! Helpers of the figures' tests.

use super::{Figure, FigureError, Series};

/// 41 steps from 0 to 4,000.
pub(super) fn steps() -> Vec<f64> {
    (0..=40).map(|i| f64::from(i) * 100.0).collect()
}

/// A jump from `low` to `high` at step 2,520.
pub(super) fn sigmoid(steps: &[f64], low: f64, high: f64) -> Vec<f64> {
    let rise = |s: &f64| 1.0 / (1.0 + libm::exp(-(s - 2520.0) / 60.0));
    steps.iter().map(|s| low + (high - low) * rise(s)).collect()
}

pub(super) fn series(name: &str, values: Vec<f64>) -> Series {
    Series { name: name.into(), values }
}

/// Drawing again gives the same SVG, and PNG and PDF can be made of it (that these have
/// the same bytes every time is tested where they are made).
pub(super) fn assert_draws(figure: &Figure, again: impl Fn() -> Result<Figure, FigureError>) {
    assert!(figure == &again().unwrap(), "SVG bytes differ");
    let (png, pdf) = (figure.png().unwrap(), figure.pdf().unwrap());
    assert!(png.starts_with(b"\x89PNG"));
    assert!(pdf.starts_with(b"%PDF"));
}

/// Every label stands in the SVG.
pub(super) fn shows(figure: &Figure, labels: &[&str]) {
    for label in labels {
        assert!(figure.svg().contains(label), "{label:?} is not in the figure");
    }
}

/// WCAG's relative luminance of `#rrggbb`, 0 to 1.
pub(crate) fn luminance(hex: &str) -> f64 {
    let part = |i: usize| {
        let x = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
        if x <= 0.03928 { x / 12.92 } else { libm::pow((x + 0.055) / 1.055, 2.4) }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}
