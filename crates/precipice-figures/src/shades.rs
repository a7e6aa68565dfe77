//! Colors of attention: on a white page strong attention is dark, on a dark page it is bright.

use super::style;

/// Colors of the scale.
const LEVELS: usize = 128;

/// A place on the scale from 0 to 1, and red, green, blue there.
type Stop = (f64, [f64; 3]);

/// From almost white to dark blue, by no color that another scale has.
const LIGHT: [Stop; 5] = [
    (0.0, [250.0, 252.0, 250.0]),
    (0.25, [203.0, 222.0, 233.0]),
    (0.5, [104.0, 178.0, 207.0]),
    (0.75, [34.0, 116.0, 172.0]),
    (1.0, [10.0, 42.0, 98.0]),
];
/// From almost black to almost white; where the ink changes, light and dark ink can be read.
const DARK: [Stop; 5] = [
    (0.0, [9.0, 18.0, 30.0]),
    (0.25, [20.0, 58.0, 96.0]),
    (0.59, [63.0, 135.0, 191.0]),
    (0.8, [142.0, 200.0, 236.0]),
    (1.0, [244.0, 251.0, 255.0]),
];

/// The color of a share from 0 to 1, on a white page.
pub(super) fn attention(share: f64) -> String {
    level(&LIGHT, (share.clamp(0.0, 1.0) * (LEVELS - 1) as f64).round() as usize)
}

/// What a color of attention, or an ink on it, is on a dark page; none if it is another color.
pub(super) fn on_dark_page(color: &str) -> Option<String> {
    match color {
        style::ON_STRONG => Some(style::ON_WEAK.to_owned()),
        style::ON_WEAK => Some(style::ON_STRONG.to_owned()),
        _ => (0..LEVELS).find(|i| level(&LIGHT, *i) == color).map(|i| level(&DARK, i)),
    }
}

fn level(stops: &[Stop], i: usize) -> String {
    let at = i as f64 / (LEVELS - 1) as f64;
    let after = stops.iter().position(|stop| stop.0 >= at).unwrap_or(stops.len() - 1).max(1);
    let ((a, from), (b, to)) = (stops[after - 1], stops[after]);
    let channel = |c: usize| (from[c] + (to[c] - from[c]) * (at - a) / (b - a)).round() as u8;
    format!("#{:02x}{:02x}{:02x}", channel(0), channel(1), channel(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heat::Scale;
    use crate::testing::luminance;

    #[test]
    fn strong_attention_is_dark_on_white_and_bright_on_dark() {
        let all: Vec<String> = (0..LEVELS).map(|i| level(&LIGHT, i)).collect();
        assert!(all.is_sorted_by(|a, b| luminance(a) > luminance(b)));
        let dark: Vec<String> = all.iter().map(|color| on_dark_page(color).unwrap()).collect();
        assert!(dark.is_sorted_by(|a, b| luminance(a) < luminance(b)));
    }

    #[test]
    fn values_are_read_on_their_cells_on_both_pages() {
        for i in 0..=100 {
            let (cell, ink) =
                (Scale::Attention.color(f64::from(i) / 100.0), Scale::Attention.ink(f64::from(i) / 100.0));
            let contrast = |a: &str, b: &str| {
                let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
                a.max(b) / a.min(b)
            };
            assert!(contrast(&cell, ink) > 3.0, "{i}: {cell} {ink}");
            let on_dark = on_dark_page(&cell).unwrap();
            assert!(contrast(&on_dark, &on_dark_page(ink).unwrap()) > 3.5, "{i}: {on_dark}");
        }
    }

    #[test]
    fn other_scales_are_left_alone() {
        let scales = [Scale::Fraction, Scale::Contrast { bound: 1.0 }, Scale::Loss { high: 1.0 }];
        for scale in scales {
            let colors = (0..=2000).map(|i| scale.color(f64::from(i) / 1000.0 - 1.0));
            let taken: Vec<String> = colors.filter(|color| on_dark_page(color).is_some()).collect();
            assert!(taken.is_empty(), "{scale:?}: {taken:?}");
        }
    }
}
