//! Legends and labels at a panel's edge.

use super::canvas::{Area, Canvas, TextStyle};
use super::{style, text};

/// One entry of a legend: a name, its color, and how it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub name: String,
    pub color: &'static str,
    pub stroke: Stroke,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Solid,
    Dashed,
    /// Dots that leave room for the dashes that they lie on.
    Dotted,
    Points,
    Rings,
}

impl Stroke {
    /// The stroke of a line that lies on one of this stroke: what is below shows through its gaps.
    pub fn over(self) -> Self {
        if self == Stroke::Solid { Stroke::Dashed } else { Stroke::Dotted }
    }

    /// The one of two that covers less.
    pub fn finer(self, other: Self) -> Self {
        if other == Stroke::Solid || self == Stroke::Dotted { self } else { other }
    }

    /// Lengths of a line's strokes and gaps, if it has any.
    pub fn dashes(self) -> Option<&'static str> {
        match self {
            Stroke::Dashed => Some(style::PREDICTION_DASH),
            Stroke::Dotted => Some(style::DOTS),
            Stroke::Solid | Stroke::Points | Stroke::Rings => None,
        }
    }
}

/// A label at the right edge of a panel, `y` in page coordinates.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EdgeLabel {
    pub y: f64,
    pub text: String,
    pub color: &'static str,
}

const SWATCH: f64 = 26.0;
const SWATCH_GAP: f64 = 7.0;
const ENTRY_GAP: f64 = 22.0;
const EDGE_GAP: f64 = 12.0;

/// Draws entries from `left` in as many lines as they need before `right`; returns the
/// first free y below them.
pub(super) fn legend(canvas: &mut Canvas, entries: &[Entry], left: f64, right: f64, top: f64) -> f64 {
    let row = style::line_height(style::BODY_SIZE);
    let (mut x, mut y) = (left, top + row / 2.0);
    for entry in entries {
        // A name that is longer than a line is broken, and the next one begins below it.
        let lines = text::wrap(&entry.name, style::BODY_SIZE, right - left - SWATCH - SWATCH_GAP);
        let words = text::widest(lines.iter().map(String::as_str), style::BODY_SIZE);
        let width = SWATCH + SWATCH_GAP + words;
        if x > left && x + width > right {
            (x, y) = (left, y + row);
        }
        let end = (x + SWATCH, y);
        match entry.stroke {
            stroke @ (Stroke::Solid | Stroke::Dashed | Stroke::Dotted) => {
                canvas.line((x, y), end, entry.color, style::SERIES_WIDTH, stroke.dashes());
            }
            Stroke::Rings => canvas.ring((x + SWATCH / 2.0, y), style::POINT_RADIUS, entry.color),
            Stroke::Points => canvas.disk((x + SWATCH / 2.0, y), style::POINT_RADIUS, entry.color),
        }
        for (i, line) in lines.iter().enumerate() {
            canvas.centered_text((end.0 + SWATCH_GAP, y + i as f64 * row), line, TextStyle::body());
        }
        if lines.len() > 1 {
            (x, y) = (right, y + (lines.len() - 1) as f64 * row);
        }
        x += width + ENTRY_GAP;
    }
    match entries.is_empty() {
        true => top,
        false => y + row / 2.0,
    }
}

/// Room that `labels` take to the right of a panel.
pub(super) fn edge_room<'a>(labels: impl IntoIterator<Item = &'a str>) -> f64 {
    EDGE_GAP + 4.0 + text::widest(labels, style::BODY_SIZE)
}

/// Draws labels right of `plot`, moved apart where they would overlap, each joined to
/// the height it belongs to.
pub(super) fn edge_labels(canvas: &mut Canvas, plot: Area, mut labels: Vec<EdgeLabel>) {
    labels.retain(|label| label.y.is_finite());
    labels.sort_by(|a, b| a.y.total_cmp(&b.y));
    let half = style::line_height(style::BODY_SIZE) / 2.0;
    let wanted: Vec<f64> = labels.iter().map(|label| label.y).collect();
    // What stands at the bottom keeps clear of the last tick's name, which reaches beyond the panel.
    let placed = spread(&wanted, 2.0 * half, (plot.top, plot.bottom() - 4.0));
    for (label, y) in labels.iter().zip(placed) {
        let from = (plot.right() + 1.0, label.y);
        let to = (plot.right() + EDGE_GAP - 2.0, y);
        canvas.line(from, to, label.color, style::AXIS_WIDTH, None);
        let at = (plot.right() + EDGE_GAP + 1.0, y);
        canvas.centered_text(at, &label.text, TextStyle::body().color(label.color));
    }
}

/// Moves ascending heights apart by at least `gap`, within `bounds` if they fit there.
fn spread(wanted: &[f64], gap: f64, bounds: (f64, f64)) -> Vec<f64> {
    let mut placed: Vec<f64> = Vec::with_capacity(wanted.len());
    for &y in wanted {
        let lowest = placed.last().map_or(bounds.0, |above| above + gap);
        placed.push(y.max(lowest));
    }
    let mut highest = bounds.1;
    for y in placed.iter_mut().rev() {
        *y = y.min(highest);
        highest = *y - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_longer_than_a_line_are_broken() {
        let entry = |name: String| Entry { name, color: style::BLUE, stroke: Stroke::Solid };
        let height = |names: &[&str]| {
            let (mut canvas, _) = Canvas::new(400.0, "t");
            let entries: Vec<Entry> = names.iter().map(|name| entry((*name).to_owned())).collect();
            legend(&mut canvas, &entries, 0.0, 400.0, 0.0) / style::line_height(style::BODY_SIZE)
        };
        let long = "several words ".repeat(12);
        assert_eq!(height(&["one", "two"]), 1.0);
        let lines = height(&[&long]);
        assert!(lines >= 3.0);
        assert_eq!(height(&["one", &long, "two"]), lines + 2.0);
    }

    #[test]
    fn crowded_labels_move_apart() {
        assert_eq!(spread(&[5.0, 50.0], 10.0, (0.0, 100.0)), [5.0, 50.0]);
        assert_eq!(spread(&[5.0, 6.0], 10.0, (0.0, 100.0)), [5.0, 15.0]);
        assert_eq!(spread(&[99.0, 99.0], 10.0, (0.0, 100.0)), [90.0, 100.0]);
        assert!(spread(&[], 10.0, (0.0, 100.0)).is_empty());
    }
}
