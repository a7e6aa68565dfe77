//! The rows of a run on a terminal: the learning curve and what the last row says.

use precipice::measure::{Column, Metric, Row, metric};
use precipice::spec::RunSpec;
use precipice::task::{EvalSet, Facts, Set};

use crate::chart;
use crate::lines::flow;
use crate::numbers::{fixed, fraction};
use crate::screen::Size;

/// Rows of the chart, as the terminal is high.
const ROWS_MIN: usize = 4;
const ROWS_MAX: usize = 12;
/// Characters of the chart at most; more show nothing more.
const WIDTH_MAX: usize = 160;
/// Of the numbers at the axis.
const MARGIN: usize = 4;
/// Before every line of text.
const INDENT: &str = "    ";

/// What a task's progress is called; with the evaluation set where there are several.
pub fn progress_words(facts: &Facts) -> String {
    let is_on = |set: &&EvalSet| metric::ACCURACY.on(&set.prefix) == Column::of_progress(facts);
    match facts.eval_sets.iter().find(is_on) {
        Some(set) if facts.eval_sets.len() > 1 => format!("{} ({})", facts.progress.words, set.words),
        _ => facts.progress.words.clone(),
    }
}

/// The curve of a run so far.
pub struct Curve {
    facts: Facts,
    n_steps: u64,
    /// What rises, and what it is called.
    column: Column,
    pub words: String,
    /// Share of the run, and what has risen.
    points: Vec<(f64, f64)>,
    last: Option<Row>,
}

impl Curve {
    /// Of a run that has no rows yet.
    pub fn new(spec: &RunSpec) -> Self {
        let facts = spec.facts();
        let (column, words) = (Column::of_progress(&facts), progress_words(&facts));
        Self { n_steps: spec.train.steps, column, words, facts, points: Vec::new(), last: None }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Row) {
        self.points.push((row.step as f64 / self.n_steps.max(1) as f64, self.value(row)));
        self.last = Some(row.clone());
    }

    /// What has risen.
    pub fn value(&self, row: &Row) -> f64 {
        row.get(&self.column)
    }

    /// Rows so far.
    pub fn n_rows(&self) -> usize {
        self.points.len()
    }

    /// "1/N = .125"
    pub fn floor(&self) -> String {
        format!("{} = {}", self.facts.progress.floor_words, fraction(self.facts.progress.floor))
    }

    /// The value above which a network has learned.
    pub fn threshold(&self) -> f64 {
        self.facts.progress.threshold()
    }

    /// What the last row says of progress and loss.
    pub fn parts(&self) -> Vec<String> {
        let Some(row) = &self.last else { return Vec::new() };
        let loss = fraction(row.get(&Column::of_loss(&self.facts)));
        vec![format!("{} {}", self.words, fraction(self.value(row))), format!("loss {loss}")]
    }

    /// The chart with what the last row says below it; nothing before there is a row.
    pub fn lines(&self, Size { width, height }: Size) -> Vec<String> {
        let Some(row) = &self.last else { return Vec::new() };
        let floor = format!("  ┈ {}", self.floor());
        let is_floor_shown = width >= 60;
        let beside = if is_floor_shown { floor.chars().count() } else { 0 };
        let columns = width.saturating_sub(MARGIN + beside).min(WIDTH_MAX);
        let text = self.text(row, width);
        // The bar and what the shell writes have their lines, too.
        let n_rows = (height / 3).clamp(ROWS_MIN, ROWS_MAX).min(height.saturating_sub(text.len() + 3));
        let drawn = chart::lines(&self.points, self.facts.progress.floor, columns, n_rows);
        let mut lines: Vec<String> = drawn
            .into_iter()
            .enumerate()
            .map(|(i, line)| {
                let name = if i == 0 {
                    "1 "
                } else if i + 1 == n_rows {
                    "0 "
                } else {
                    ""
                };
                let note = if i + 1 == n_rows && is_floor_shown { &floor } else { "" };
                format!("{name:>MARGIN$}{line}{note}")
            })
            .collect();
        lines.extend(text);
        lines
    }

    /// What the last row says: progress and loss, other sets, attention, order parameters, nearness to descent.
    fn text(&self, row: &Row, width: usize) -> Vec<String> {
        let mut first = self.parts();
        if self.facts.targets.are_labels() {
            for set in &self.facts.eval_sets {
                let column = metric::ACCURACY.on(&set.prefix);
                let value = row.get(&column);
                if column != self.column && value.is_finite() {
                    first.push(format!("{} {}", set.words, fraction(value)));
                }
            }
        }
        let named = |name: &str, metric: Metric| {
            let value = row.get(&metric.main());
            value.is_finite().then(|| format!("{name} {}", fraction(value)))
        };
        let attention = [("ILA1", metric::ILA1), ("TILA2", metric::TILA2), ("TLA2", metric::TLA2)];
        let attention: Vec<String> = attention.into_iter().filter_map(|(name, metric)| named(name, metric)).collect();
        let order = [("beta", metric::BETA), ("alpha\u{2032}", metric::ALPHA_LABELS), ("xi", metric::XI)];
        let order: Vec<String> = order
            .into_iter()
            .map(|(name, metric)| (name, row.get(&metric.main())))
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| format!("{name} {}", fixed(value, 2)))
            .collect();
        let circuits = if attention.is_empty() { attention } else { prefixed("attention", attention) };
        let mut lines = flow(&first, INDENT, width);
        for parts in [circuits, order, self.descent(row)] {
            lines.extend(flow(&parts, INDENT, width));
        }
        lines
    }

    /// Losses of the predictors, and how near the network is to those that descend.
    fn descent(&self, row: &Row) -> Vec<String> {
        if self.facts.targets.are_labels() {
            return Vec::new();
        }
        let loss = |predictor| row.get(&Column::of_predictor(&self.facts, Set::MAIN, predictor));
        let reached = self.facts.predictors.iter().map(|predictor| (predictor.words.clone(), loss(predictor)));
        let cosines = self.facts.predictors.iter().map(|predictor| {
            let cosine = row.get(&metric::SENSITIVITY_COSINE.at([&predictor.name]));
            (format!("cosine with {}", predictor.words), cosine)
        });
        let known = reached.chain(cosines).filter(|(_, value)| value.is_finite());
        known.map(|(words, value)| format!("{words} {}", fraction(value))).collect()
    }
}

/// The word before the first of the parts.
fn prefixed(word: &str, mut parts: Vec<String>) -> Vec<String> {
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, &format!("{word} "));
    }
    parts
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;

    fn row(step: u64) -> Row {
        let mut row = Row { step, ..Row::default() };
        for metric in
            [metric::ACCURACY, metric::LOSS, metric::ILA1, metric::TILA2, metric::TLA2, metric::BETA, metric::XI]
        {
            row.push(metric.main(), 0.123_456);
        }
        row
    }

    #[test]
    fn nothing_is_wider_or_higher_than_the_terminal() {
        let mut spec = RunSpec::default();
        spec.train.steps = 9_999_999_999;
        let mut curve = Curve::new(&spec);
        assert!(curve.lines(Size { width: 79, height: 24 }).is_empty());
        curve.push(&row(0));
        curve.push(&row(9_000_000_000));
        for width in [40, 60, 80, 100, 200] {
            for height in [8, 10, 24, 40, 100] {
                let lines = curve.lines(Size { width, height });
                assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{width}: {lines:?}");
                assert!(lines.len() < height, "{height}: {lines:?}");
                let text = lines.join("\n");
                assert!(["ILA1 .123", "TILA2", "TLA2", "beta 0.12", "xi"].iter().all(|name| text.contains(name)));
                assert!(!text.contains("alpha"), "what was not measured is not shown");
            }
        }
        // The chart grows with the terminal.
        let of = |height| curve.lines(Size { width: 80, height }).len();
        assert!(of(24) < of(40) && of(40) == of(100));
    }
}
