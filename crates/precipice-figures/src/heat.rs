//! Colored cells, the scales that color them, and color bars.

use kuva::plot::ColorMap;
use kuva::render::render_utils::compute_tick_step;

use super::canvas::{Area, Canvas, TextStyle};
use super::{shades, style, text};

/// How a value becomes a color.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Attention, 0 to 1: white to dark blue, on a dark page black to light blue. The color follows the square root, so that
    /// attention spread thin over many tokens stays visible.
    Attention,
    /// A signed quantity from `-bound` (blue) over 0 (white) to `bound` (red).
    Contrast { bound: f64 },
    /// A loss in nats from 0 (dark) to `high` (light).
    Loss { high: f64 },
    /// A share, 0 to 1: white to dark blue.
    Fraction,
    /// A time from `low` (dark) to `high` (light), by its logarithm.
    Steps { low: f64, high: f64 },
}

impl Scale {
    /// The color of a value as `#rrggbb`; values beyond the ends take the end's color.
    pub fn color(self, value: f64) -> String {
        if !value.is_finite() {
            return style::UNDEFINED.into();
        }
        match self {
            Scale::Attention => shades::attention(value.max(0.0).sqrt()),
            Scale::Contrast { bound } => ColorMap::RedBlue.map(0.5 - 0.5 * value / bound),
            Scale::Loss { high } => ColorMap::Viridis.map(value / high),
            Scale::Fraction => ColorMap::Blues.map(value.clamp(0.0, 1.0)),
            Scale::Steps { .. } => ColorMap::Viridis.map(0.15 + 0.8 * self.lateness(value)),
        }
    }

    /// Text on a cell of this value: white where the cell is dark.
    pub fn ink(self, value: f64) -> &'static str {
        let dark = match self {
            Scale::Attention => value > 0.35,
            Scale::Contrast { bound } => value.abs() > 0.75 * bound,
            Scale::Loss { high } => value < 0.5 * high,
            Scale::Fraction => value > 0.55,
            Scale::Steps { .. } => self.lateness(value) < 0.5,
        };
        if self == Scale::Attention {
            return if dark { style::ON_STRONG } else { style::ON_WEAK };
        }
        if dark { style::ON_DARK_CELL } else { style::ON_LIGHT_CELL }
    }

    /// Where a time lies between the ends, 0 to 1.
    fn lateness(self, value: f64) -> f64 {
        match self {
            Scale::Steps { low, high } if high > low && low > 0.0 => {
                (libm::log(value / low) / libm::log(high / low)).clamp(0.0, 1.0)
            }
            _ => 0.0,
        }
    }

    fn range(self) -> (f64, f64) {
        match self {
            Scale::Attention | Scale::Fraction => (0.0, 1.0),
            Scale::Steps { low, high } => (low, high),
            Scale::Contrast { bound } => (-bound, bound),
            Scale::Loss { high } => (0.0, high),
        }
    }
}

/// Draws cells between `x_edges` and `y_edges` (page coordinates, ascending); `values`
/// is row-major, one row per gap between y edges; `None` leaves the cell out.
pub(super) fn cells(canvas: &mut Canvas, x_edges: &[f64], y_edges: &[f64], values: &[Option<f64>], scale: Scale) {
    let n_columns = x_edges.len().saturating_sub(1).max(1);
    let last = (x_edges.last().copied(), y_edges.last().copied());
    let rects = values.iter().enumerate().filter_map(|(idx, value)| {
        let (row, column) = (idx / n_columns, idx % n_columns);
        let x = x_edges.get(column..column + 2)?;
        let y = y_edges.get(row..row + 2)?;
        // Neighbors overlap by half a unit: no hairlines between anti-aliased cells.
        let right = (x[1] + 0.5).min(last.0?);
        let bottom = (y[1] + 0.5).min(last.1?);
        let area = Area { left: x[0], top: y[0], width: right - x[0], height: bottom - y[0] };
        Some((area, scale.color((*value)?)))
    });
    canvas.fills(rects.collect::<Vec<_>>());
}

/// A vertical color bar in `area` with tick labels and `name` to its right.
pub(super) fn color_bar(canvas: &mut Canvas, area: Area, scale: Scale, name: &str) {
    const N_BANDS: usize = 96;
    let (low, high) = scale.range();
    let edge = |i: usize| area.top + area.height * i as f64 / N_BANDS as f64;
    let y_edges: Vec<f64> = (0..=N_BANDS).map(edge).collect();
    let value = |i: usize| high - (high - low) * (i as f64 + 0.5) / N_BANDS as f64;
    let values: Vec<Option<f64>> = (0..N_BANDS).map(|i| Some(value(i))).collect();
    cells(canvas, &[area.left, area.right()], &y_edges, &values, scale);
    canvas.outline(area, style::INK, style::AXIS_WIDTH);
    let labels = ticks(scale);
    let look = TextStyle::body();
    for (value, label) in &labels {
        let y = area.bottom() - (value - low) / (high - low) * area.height;
        let end = (area.right() + style::TICK_LENGTH, y);
        canvas.line((area.right(), y), end, style::INK, style::AXIS_WIDTH, None);
        canvas.centered_text((end.0 + 4.0, y), label, look);
    }
    let x = area.right() + bar_room(scale) - area.width - 4.0;
    canvas.upward_text((x, area.center().1), name, look);
}

/// Width of a color bar of this scale with everything to its right.
pub(super) fn bar_room(scale: Scale) -> f64 {
    let labels = ticks(scale);
    let widest = text::widest(labels.iter().map(|(_, s)| s.as_str()), style::BODY_SIZE);
    BAR_WIDTH + style::TICK_LENGTH + 4.0 + widest + 8.0 + f64::from(style::BODY_SIZE)
}

/// Width of the bar itself.
pub(super) const BAR_WIDTH: f64 = 16.0;
/// A shorter bar has no room for its ticks and name, a longer one tells no more.
pub(super) const SHORTEST_BAR: f64 = 170.0;
pub(super) const LONGEST_BAR: f64 = 260.0;

/// Ticks of a color bar: five evenly spaced ones, or round ones where the ends are not round.
fn ticks(scale: Scale) -> Vec<(f64, String)> {
    let (low, high) = scale.range();
    let values = match scale {
        Scale::Loss { .. } | Scale::Steps { .. } => round_ticks(low, high),
        Scale::Attention | Scale::Fraction | Scale::Contrast { .. } => {
            (0..5).map(|i| low + (high - low) * f64::from(i) / 4.0).collect()
        }
    };
    values.into_iter().map(|value| (value, text::tick(value))).collect()
}

/// Three to five round values in a range.
pub(super) fn round_ticks(low: f64, high: f64) -> Vec<f64> {
    let step = compute_tick_step(low, high, 4);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|v| *v <= high + 1e-9).collect()
}

/// A round number no less than `value`: 1, 2, 4, 6 or 8 times a power of ten.
pub(super) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = libm::pow(10.0, libm::log10(value).floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    let fits = |step: &&f64| **step * power >= value * (1.0 - 1e-9);
    steps.iter().find(fits).unwrap_or(&10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_and_extreme_values_have_colors() {
        let scale = Scale::Contrast { bound: 2.0 };
        assert_eq!(scale.color(f64::NAN), style::UNDEFINED);
        assert_eq!(scale.color(9.0), scale.color(2.0));
        assert_ne!(scale.color(1.0), scale.color(-1.0));
        assert_eq!(Scale::Attention.color(-0.1), Scale::Attention.color(0.0));
    }

    #[test]
    fn bounds_are_round() {
        assert_eq!(round_up(0.0), 1.0);
        assert_eq!(round_up(f64::NAN), 1.0);
        assert_eq!(round_up(3.1), 4.0);
        assert_eq!(round_up(8.5), 10.0);
        assert_eq!(round_up(20.0), 20.0);
    }
}
