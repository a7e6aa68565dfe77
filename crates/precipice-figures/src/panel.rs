//! A panel of lines over optimizer steps: axes, grid, gaps at undefined values, the jump.

use std::sync::Arc;

use kuva::plot::{BandPlot, LinePlot, ScatterPlot};
use kuva::render::annotations::{ReferenceLine, ShadedRegion};
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;
use kuva::render::render_utils::compute_tick_step;
use kuva::render::theme::Theme;

use super::canvas::{Area, Canvas, TextStyle};
use super::legend::{Entry, Stroke};
use super::{Jump, check, style, text};

/// Room kuva gets around a plot area for tick labels; the page leaves it free.
const MARGIN: f64 = 60.0;
/// What most panels are drawn over.
const STEPS: &str = "optimizer step";
/// Height of the step axis' tick labels and name below the lowest panel.
pub(super) const STEP_AXIS_SPACE: f64 = 50.0;

/// A plot area with its two ranges and what is drawn in it.
pub(super) struct Panel {
    area: Area,
    x: (f64, f64),
    y: (f64, f64),
    plots: Vec<Plot>,
    references: Vec<ReferenceLine>,
    regions: Vec<ShadedRegion>,
    categories: Option<Vec<String>>,
    x_name: String,
    is_logarithmic: bool,
    has_grid: bool,
}

impl Panel {
    /// An empty panel; `x` and `y` are ranges in data units, low end first.
    pub fn new(area: Area, x: (f64, f64), y: (f64, f64)) -> Self {
        Panel {
            area,
            x,
            y,
            plots: Vec::new(),
            references: Vec::new(),
            regions: Vec::new(),
            categories: None,
            x_name: STEPS.into(),
            is_logarithmic: false,
            has_grid: true,
        }
    }

    /// The same panel over something else than optimizer steps.
    pub fn over(mut self, x_name: &str) -> Self {
        self.x_name = x_name.into();
        self
    }

    /// The same panel with both axes logarithmic; both ranges must be above 0. No page coordinates.
    pub fn logarithmic(mut self) -> Self {
        self.is_logarithmic = true;
        self
    }

    /// The same panel without a grid, to be drawn over something.
    pub fn without_grid(mut self) -> Self {
        self.has_grid = false;
        self
    }

    /// A dashed vertical line.
    pub fn mark(&mut self, x: f64) {
        self.mark_in(x, style::JUMP, style::REFERENCE_DASH);
    }

    /// A vertical line of a color, with dashes or "none".
    pub fn mark_in(&mut self, x: f64, color: &str, dashes: &str) {
        let line = ReferenceLine::vertical(x)
            .with_color(color)
            .with_stroke_width(style::REFERENCE_WIDTH)
            .with_dasharray(dashes);
        self.references.push(line);
    }

    /// A panel whose vertical axis names rows instead of numbers, first name on top.
    pub fn with_rows(area: Area, x: (f64, f64), names: &[String]) -> Self {
        let mut panel = Panel::new(area, x, (0.5, names.len() as f64 + 0.5));
        panel.categories = Some(names.iter().rev().cloned().collect());
        panel
    }

    /// Page coordinate of a step.
    pub fn map_x(&self, step: f64) -> f64 {
        self.area.left + (step - self.x.0) / (self.x.1 - self.x.0) * self.area.width
    }

    /// Page coordinate of a value.
    pub fn map_y(&self, value: f64) -> f64 {
        self.area.bottom() - (value - self.y.0) / (self.y.1 - self.y.0) * self.area.height
    }

    /// A line through `values` over `steps`, broken where a value is not finite; a value
    /// alone between gaps is a dot, and so are all values of an entry of points.
    pub fn series(&mut self, steps: &[f64], values: &[f64], entry: &Entry) {
        for run in finite_runs(&[values]) {
            let points = || run.clone().map(|i| (steps[i], values[i]));
            if run.len() == 1 || matches!(entry.stroke, Stroke::Points | Stroke::Rings) {
                let dot = ScatterPlot::new().with_data(points()).with_size(style::POINT_RADIUS).with_color(entry.color);
                self.plots.push(Plot::Scatter(dot));
                continue;
            }
            let mut line =
                LinePlot::new().with_data(points()).with_color(entry.color).with_stroke_width(style::SERIES_WIDTH);
            if let Some(dashes) = entry.stroke.dashes() {
                line = line.with_line_style(kuva::plot::LineStyle::Custom(dashes.into()));
            }
            self.plots.push(Plot::Line(line));
        }
    }

    /// A band of `errors` (one standard error) above and below `values`.
    pub fn band(&mut self, steps: &[f64], values: &[f64], errors: &[f64], color: &str) {
        for run in finite_runs(&[values, errors]) {
            let low = run.clone().map(|i| values[i] - errors[i]);
            let high = run.clone().map(|i| values[i] + errors[i]);
            let band = BandPlot::new(run.clone().map(|i| steps[i]), low, high)
                .with_color(color)
                .with_opacity(style::BAND_OPACITY);
            self.plots.push(Plot::Band(band));
        }
    }

    /// A dashed horizontal line.
    pub fn reference(&mut self, value: f64) {
        let line = ReferenceLine::horizontal(value)
            .with_color(style::MUTED)
            .with_stroke_width(style::REFERENCE_WIDTH)
            .with_dasharray(style::REFERENCE_DASH);
        self.references.push(line);
    }

    /// The transition: a line at `t50`, a band of the 10-90 % width around it.
    pub fn jump(&mut self, jump: &Jump) {
        if jump.t50 < self.x.0 || jump.t50 > self.x.1 {
            return;
        }
        let line = ReferenceLine::vertical(jump.t50)
            .with_color(style::JUMP)
            .with_stroke_width(style::JUMP_WIDTH)
            .with_dasharray("none");
        self.references.push(line);
        if jump.width_10_90 > 0.0 && jump.width_10_90.is_finite() {
            let half = jump.width_10_90 / 2.0;
            let low = (jump.t50 - half).max(self.x.0);
            let high = (jump.t50 + half).min(self.x.1);
            if low < high {
                let region =
                    ShadedRegion::vertical(low, high).with_color(style::JUMP).with_opacity(style::JUMP_OPACITY);
                self.regions.push(region);
            }
        }
    }

    /// The words above the panel that say when the jump came.
    pub fn jump_label(&self, canvas: &mut Canvas, jump: &Jump, color: &str) {
        let words = jump_words(jump);
        let half = text::width(&words, style::BODY_SIZE) / 2.0;
        let low = self.area.left + half;
        let high = (self.area.right() - half).max(low);
        let at = (self.map_x(jump.t50).clamp(low, high), self.area.top - 6.0);
        canvas.text(at, &words, TextStyle::body().middle().color(color));
    }

    /// Draws the panel; the name of the step axis comes under the lowest one only.
    pub fn draw(self, canvas: &mut Canvas, y_label: &str, lowest: bool) {
        let (left, width) = (self.area.left - MARGIN, self.area.width + 2.0 * MARGIN);
        let (top, height) = (self.area.top - MARGIN, self.area.height + 2.0 * MARGIN);
        let mut layout = self.axes(lowest).with_width(width).with_height(height);
        let has_rows = self.categories.is_some();
        // Numbers of seven digits reach as far as the name would stand.
        let wide = if self.y.1 >= 100_000.0 { 10.0 } else { 0.0 };
        layout.reference_lines = self.references;
        layout.shaded_regions = self.regions;
        let mut plots = self.plots;
        // kuva leaves the axes out when there is nothing to plot.
        plots.push(Plot::Line(LinePlot::new()));
        canvas.place(render_multiple(plots, layout), (left, top));
        let (middle_x, middle_y) = self.area.center();
        let label = TextStyle::body();
        // Names of rows take more room than numbers do.
        let label_left = if has_rows { style::PADDING } else { self.area.left - style::AXIS_SPACE - wide };
        let at = (label_left + f64::from(style::BODY_SIZE), middle_y);
        canvas.upright_name(at, y_label, self.area.height);
        if lowest {
            let at = (middle_x, self.area.bottom() + STEP_AXIS_SPACE - 6.0);
            canvas.text(at, &self.x_name, label.middle());
        }
    }

    fn axes(&self, lowest: bool) -> Layout {
        let mut theme = Theme::light();
        theme.axis_color = style::INK.into();
        theme.tick_color = style::INK.into();
        theme.grid_color = style::GRID.into();
        let is_steps = self.x_name == STEPS;
        // A tick label needs some fifty units.
        let ticks = ((self.area.width / 55.0) as usize).clamp(2, 6);
        let step_labels = move |v: f64| match (lowest, is_steps) {
            (true, true) => text::thousands(v),
            (true, false) => text::number(v),
            (false, _) => String::new(),
        };
        let mut layout = Layout::new(self.x, self.y)
            .with_theme(theme)
            .with_force_margins(MARGIN, MARGIN)
            .with_force_margins_y(MARGIN, MARGIN)
            .with_x_axis_min(self.x.0)
            .with_x_axis_max(self.x.1)
            .with_y_axis_min(self.y.0)
            .with_y_axis_max(self.y.1)
            .with_x_tick_format(TickFormat::Custom(Arc::new(step_labels)))
            .with_y_tick_format(TickFormat::Custom(Arc::new(text::number)))
            .with_tick_size(style::BODY_SIZE)
            .with_tick_length(style::TICK_LENGTH)
            .with_tick_width(style::AXIS_WIDTH)
            .with_axis_line_width(style::AXIS_WIDTH);
        if self.is_logarithmic {
            layout = layout.with_log_scale();
        } else {
            let least = if is_steps { 1.0 } else { 0.0 };
            layout = layout
                .with_x_tick_step(tick_step(self.x, ticks).max(least))
                .with_y_tick_step(tick_step(self.y, 5))
                .with_show_grid(self.has_grid);
        }
        if let Some(names) = &self.categories {
            layout = layout.with_y_categories(names.clone()).with_show_grid(false);
        }
        layout
    }
}

/// From the first step (0 when that is near) to the last one; never empty.
pub(super) fn step_range(steps: &[f64]) -> (f64, f64) {
    let first = steps.first().copied().unwrap_or(0.0);
    let last = steps.last().copied().unwrap_or(first);
    let low = match first > 0.0 && first <= 0.1 * last {
        true => 0.0,
        false => first,
    };
    match last > low {
        true => (low, last),
        false => around(low, 1.0),
    }
}

/// From the least to the greatest finite value with 5 % to spare; never empty.
pub(super) fn value_range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|v| check::is_shown(*v));
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let spare = 0.05 * (high - low);
    match spare > 1e-9 * high.abs() {
        true => (low - spare, high + spare),
        false => around(low, 0.5),
    }
}

/// A range around one value, at least `least` to either side.
fn around(value: f64, least: f64) -> (f64, f64) {
    let half = least.max(0.05 * value.abs());
    (value - half, value + half)
}

/// "jump at 2,520", with onset and width when they are known.
fn jump_words(jump: &Jump) -> String {
    let mut words = format!("jump at {}", text::thousands(jump.t50));
    if jump.onset_step.is_finite() {
        words.push_str(&format!(" · plateau ends {}", text::thousands(jump.onset_step)));
    }
    if jump.width_10_90.is_finite() {
        let width = text::thousands(jump.width_10_90);
        words.push_str(&format!(" · 10–90\u{202f}% in {width} steps"));
    }
    words
}

fn tick_step(range: (f64, f64), target: usize) -> f64 {
    compute_tick_step(range.0, range.1, target)
}

/// The index ranges over which all lists are finite.
fn finite_runs(lists: &[&[f64]]) -> Vec<std::ops::Range<usize>> {
    let n = lists.iter().map(|list| list.len()).min().unwrap_or(0);
    let defined = |i: usize| lists.iter().all(|list| check::is_shown(list[i]));
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for i in (0..n).filter(|&i| defined(i)) {
        match runs.last_mut() {
            Some(run) if run.end == i => run.end = i + 1,
            _ => runs.push(i..i + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_values_break_runs() {
        let nan = f64::NAN;
        assert_eq!(finite_runs(&[&[nan, 1.0, 2.0, nan, 3.0]]), [1..3, 4..5]);
        assert_eq!(finite_runs(&[&[1.0, 2.0, 3.0], &[nan, 0.1, nan]]).len(), 1);
        assert!(finite_runs(&[&[nan]]).is_empty());
    }

    #[test]
    fn ranges_are_never_empty() {
        assert_eq!(step_range(&[100.0, 4000.0]), (0.0, 4000.0));
        assert_eq!(step_range(&[3000.0, 4000.0]), (3000.0, 4000.0));
        assert_eq!(step_range(&[0.0]), (-1.0, 1.0));
        assert_eq!(value_range([f64::NAN]), (0.0, 1.0));
        assert_eq!(value_range([2.0]), (1.5, 2.5));
        assert_eq!(value_range([0.0, 10.0]), (-0.5, 10.5));
    }

    #[test]
    fn unknown_parts_of_a_jump_are_not_mentioned() {
        let jump = Jump { onset_step: f64::NAN, t50: 2520.4, width_10_90: f64::NAN };
        assert_eq!(jump_words(&jump), "jump at 2,520");
    }
}
