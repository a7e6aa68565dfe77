//! Axes with a tick at every swept value, and the marks of seeds above them.

use super::canvas::{Area, Canvas, TextStyle};
use super::heat::round_ticks;
use super::legend::{EdgeLabel, edge_labels};
use super::{check, style, text};

/// The swept values along the horizontal axis.
pub(super) struct Axis<'a> {
    /// Where each stands, from 0 to 1.
    places: Vec<f64>,
    labels: &'a [String],
    is_ordered: bool,
}

/// Share of the axis that is left free at either end.
const MARGIN: f64 = 0.06;
/// Lines of a name.
const LINES_MAX: usize = 4;
/// Height of the words above a panel.
pub(super) const WORDS_SPACE: f64 = 18.0;
/// Half of the dash at a median.
const DASH: f64 = 20.0;
/// How far the seeds of a value stand apart at most.
const SPREAD: f64 = 14.0;

impl<'a> Axis<'a> {
    /// Numbers where they belong, by their logarithms where that spreads them more evenly; words side by side.
    pub fn new(x: Option<&[f64]>, labels: &'a [String]) -> Self {
        let n = labels.len() as f64;
        let places = match x {
            Some(x) if x.len() > 1 => {
                let logarithms: Vec<f64> = x.iter().map(|x| libm::log(*x)).collect();
                let is_positive = x.iter().all(|x| *x > 0.0);
                let of = if is_positive && unevenness(&logarithms) < unevenness(x) { &logarithms[..] } else { x };
                let (low, high) = (of[0], of[of.len() - 1]);
                of.iter().map(|x| MARGIN + (1.0 - 2.0 * MARGIN) * (x - low) / (high - low)).collect()
            }
            _ => (0..labels.len()).map(|i| (i as f64 + 0.5) / n).collect(),
        };
        Self { places, labels, is_ordered: x.is_some() }
    }

    /// Number of values.
    pub fn n(&self) -> usize {
        self.labels.len()
    }

    fn at(&self, area: Area, i: usize) -> f64 {
        area.left + self.places[i] * area.width
    }

    /// Room between neighbors, the least.
    fn pitch(&self, area: Area) -> f64 {
        self.places.windows(2).map(|pair| pair[1] - pair[0]).fold(1.0, f64::min) * area.width
    }

    /// Names of the values below a panel, where there is room, and of the axis; returns their height.
    pub fn draw_names(&self, canvas: &mut Canvas, area: Area, name: &str) -> f64 {
        let row = style::line_height(style::BODY_SIZE);
        let top = area.bottom() + style::TICK_LENGTH + 2.0;
        let room = if self.is_ordered { f64::INFINITY } else { self.pitch(area) - 12.0 };
        let (mut n_lines, mut end) = (1, f64::NEG_INFINITY);
        for (i, label) in self.labels.iter().enumerate() {
            let lines = text::wrap(label, style::BODY_SIZE, room);
            let (x, half) = (self.at(area, i), text::widest(lines.iter().map(String::as_str), style::BODY_SIZE) / 2.0);
            // Names of numbers follow from their neighbors', those of words do not.
            if self.is_ordered && x - half < end + 8.0 {
                continue;
            }
            end = x + half;
            for (k, line) in lines.iter().take(LINES_MAX).enumerate() {
                canvas.centered_text((x, top + (k as f64 + 0.5) * row), line, TextStyle::body().middle());
            }
            n_lines = n_lines.max(lines.len().min(LINES_MAX));
        }
        let below = style::TICK_LENGTH + 2.0 + n_lines as f64 * row;
        let at = (area.center().0, area.bottom() + below + row / 2.0 + 2.0);
        canvas.centered_text(at, name, TextStyle::body().middle());
        below + row + 2.0
    }
}

/// The greatest gap between neighbors over the mean gap.
fn unevenness(x: &[f64]) -> f64 {
    let gaps = x.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.fold(0.0, f64::max) * (x.len() - 1) as f64 / (x[x.len() - 1] - x[0])
}

/// One panel over such an axis.
pub(super) struct Marks<'a> {
    area: Area,
    x: &'a Axis<'a>,
    y: (f64, f64),
    is_logarithmic: bool,
}

/// From this ratio on values are drawn by their logarithms.
const WIDE: f64 = 30.0;

impl<'a> Marks<'a> {
    /// A panel for these values; for shares from 0 to 1.
    pub fn new(area: Area, x: &'a Axis<'a>, shown: impl Iterator<Item = f64>, is_share: bool) -> Self {
        let shown = shown.filter(|y| check::is_shown(*y));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        let is_logarithmic = !is_share && low > 0.0 && high > WIDE * low;
        let y = match (low > high, is_share && low >= -0.06 && high <= 1.06, is_logarithmic) {
            (true, ..) => (0.0, 1.0),
            (_, true, _) => (0.0, 1.05),
            (.., true) => (low / 1.3, high * 1.3),
            _ => (low.min(0.0), if high > 0.0 { 1.08 * high } else { high + 1.0 }),
        };
        Self { area, x, y, is_logarithmic }
    }

    fn map_y(&self, y: f64) -> f64 {
        let (low, high) = self.y;
        let share =
            if self.is_logarithmic { libm::log(y / low) / libm::log(high / low) } else { (y - low) / (high - low) };
        self.area.bottom() - share * self.area.height
    }

    fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.y;
        if !self.is_logarithmic {
            return round_ticks(low, high);
        }
        let decades = (-12..=12).map(|k| libm::pow(10.0, f64::from(k)));
        let all = decades.flat_map(|ten| [1.0, 2.0, 5.0].map(|digit| digit * ten));
        all.filter(|tick| (low..=high).contains(tick)).collect()
    }

    /// Frame, ticks, grid and dashed lines.
    pub fn draw_axes(&self, canvas: &mut Canvas, y_name: &str, references: &[(String, f64)]) {
        let Area { left, top, .. } = self.area;
        let (right, bottom) = (self.area.right(), self.area.bottom());
        let ink = |canvas: &mut Canvas, from, to| canvas.line(from, to, style::INK, style::AXIS_WIDTH, None);
        for tick in self.ticks() {
            let y = self.map_y(tick);
            canvas.line((left, y), (right, y), style::GRID, style::AXIS_WIDTH, None);
            ink(canvas, (left - style::TICK_LENGTH, y), (left, y));
            canvas.centered_text((left - style::TICK_LENGTH - 4.0, y), &text::number(tick), TextStyle::body().end());
        }
        for i in 0..self.x.n() {
            let x = self.x.at(self.area, i);
            canvas.line((x, top), (x, bottom), style::GRID, style::AXIS_WIDTH, None);
            ink(canvas, (x, bottom), (x, bottom + style::TICK_LENGTH));
        }
        let label = |(name, value): &(String, f64)| EdgeLabel {
            y: self.map_y(*value),
            text: name.clone(),
            color: style::MUTED,
        };
        let labels: Vec<EdgeLabel> = references.iter().map(label).collect();
        for EdgeLabel { y, .. } in &labels {
            let dash = Some(style::REFERENCE_DASH);
            canvas.line((left, *y), (right, *y), style::MUTED, style::REFERENCE_WIDTH, dash);
        }
        edge_labels(canvas, self.area, labels);
        ink(canvas, (left, top), (left, bottom));
        ink(canvas, (left, bottom), (right, bottom));
        let at = (left - style::AXIS_SPACE + f64::from(style::BODY_SIZE), self.area.center().1);
        canvas.upright_name(at, y_name, self.area.height);
    }

    /// A dash at each median, joined where the values are ordered; broken where one is not known.
    pub fn draw_medians(&self, canvas: &mut Canvas, medians: &[(usize, f64)], color: &str) {
        let is_known = |median: &(usize, f64)| check::is_shown(median.1);
        let place = |&(i, y): &(usize, f64)| (self.x.at(self.area, i), self.map_y(y));
        if self.x.is_ordered {
            for run in medians.split(|median| !is_known(median)) {
                canvas.polyline(&run.iter().map(place).collect::<Vec<_>>(), color, style::SERIES_WIDTH, None);
            }
        }
        let dash = DASH.min(0.45 * self.x.pitch(self.area));
        for (x, y) in medians.iter().filter(|median| is_known(median)).map(place) {
            canvas.line((x - dash, y), (x + dash, y), color, style::SERIES_WIDTH, None);
        }
    }

    /// A vertical line between the ends, without a cap where it leaves what was seen.
    pub fn draw_interval(&self, canvas: &mut Canvas, i: usize, interval: [f64; 2], color: &str) {
        if interval.iter().any(|end| end.is_nan()) || !check::is_shown(interval[0]) {
            return;
        }
        let x = self.x.at(self.area, i);
        let ends = interval.map(|end| if end.is_finite() { self.map_y(end) } else { self.area.top });
        canvas.line((x, ends[0]), (x, ends[1]), color, style::REFERENCE_WIDTH, None);
        for (end, y) in interval.iter().zip(ends) {
            if end.is_finite() {
                canvas.line((x - 5.0, y), (x + 5.0, y), color, style::REFERENCE_WIDTH, None);
            }
        }
    }

    /// The `k`-th of `n` seeds of the `i`-th of some quantities: a disk, or a ring where it had not happened.
    pub fn draw_seed(
        &self,
        canvas: &mut Canvas,
        (at, y): (usize, f64),
        (k, n): (usize, usize),
        (i, of): (usize, usize),
        (color, is_open): (&str, bool),
    ) {
        if !check::is_shown(y) {
            return;
        }
        // Side by side, quantities beside each other.
        let width = (0.8 * self.x.pitch(self.area)).min(2.0 * SPREAD) / of as f64;
        let shift = width * ((k as f64 + 0.5) / n as f64 - 0.5 + i as f64 - (of as f64 - 1.0) / 2.0);
        let place = (self.x.at(self.area, at) + shift, self.map_y(y));
        let radius = if n > 60 { 0.6 * style::POINT_RADIUS } else { style::POINT_RADIUS };
        if is_open { canvas.ring(place, radius, color) } else { canvas.disk(place, radius, color) }
    }

    /// Words above the panel, where they have room; else the legend says it.
    pub fn draw_words(&self, canvas: &mut Canvas, words: &[String]) {
        let widest = text::widest(words.iter().map(String::as_str), style::SMALL_SIZE);
        let is_crowded = widest > self.x.pitch(self.area) - 6.0 && self.x.n() > 1;
        for (i, words) in words.iter().enumerate().filter(|_| !is_crowded) {
            let half = text::width(words, style::SMALL_SIZE) / 2.0;
            let (low, high) = (self.area.left + half, self.area.right() - half);
            let at = (self.x.at(self.area, i).clamp(low, high.max(low)), self.area.top - WORDS_SPACE / 2.0);
            canvas.centered_text(at, words, TextStyle::small().middle().color(style::MUTED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_double_are_evenly_spread() {
        let labels: Vec<String> = (0..4).map(|i| i.to_string()).collect();
        let gaps = |x: &[f64]| {
            let places = Axis::new(Some(x), &labels).places;
            [places[1] - places[0], places[3] - places[2]]
        };
        let [first, last] = gaps(&[8.0, 16.0, 32.0, 64.0]);
        assert!((first - last).abs() < 1e-12);
        let [first, last] = gaps(&[1.0, 2.0, 3.0, 4.0]);
        assert!((first - last).abs() < 1e-12);
        assert!(gaps(&[0.0, 1.0, 10.0, 100.0])[0] < 0.01, "no logarithm of 0");
    }
}
