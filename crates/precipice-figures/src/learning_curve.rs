//! Accuracy and loss over training: the plateau, the jump, and what chance would give.

use super::canvas::{Area, Canvas};
use super::legend::{EdgeLabel, Entry, Stroke, edge_labels, edge_room, legend};
use super::panel::{Panel, STEP_AXIS_SPACE, step_range, value_range};
use super::{Figure, FigureError, Jump, Series, check, style, text};

/// The data of a learning curve.
#[derive(Clone, Debug, PartialEq)]
pub struct LearningCurve {
    /// Heading of the page.
    pub title: String,
    /// Optimizer steps, strictly increasing.
    pub steps: Vec<f64>,
    /// Fractions from 0 to 1.
    pub accuracy: Vec<Series>,
    /// Cross-entropies in nats.
    pub loss: Vec<Series>,
    /// L: chance is 1/L and ln L.
    pub n_labels: usize,
    /// What is reached without the context's help.
    pub guess: Guess,
    /// Further accuracies to compare with: names and values; left out when `NaN`.
    pub references: Vec<(String, f64)>,
    /// Panels below, of what else was measured.
    pub more: Vec<MorePanel>,
    /// The transition to mark, if there is one.
    pub jump: Option<Jump>,
}

/// A guess among the labels of the context.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    /// Its accuracy.
    pub accuracy: f64,
    /// What that is called: `1/N`.
    pub words: String,
    /// What its loss is called, minus the logarithm of the accuracy: `ln N`.
    pub loss_words: String,
}

impl Guess {
    /// One of the labels of N exemplars, of which `copies` are right.
    pub fn among(n_exemplars: usize, copies: usize) -> Self {
        let words = if copies == 1 { ["1/N", "ln N"] } else { ["B/N", "ln N/B"] };
        let [words, loss_words] = words.map(str::to_owned);
        Self { accuracy: copies as f64 / n_exemplars as f64, words, loss_words }
    }
}

/// A panel on the same steps.
#[derive(Clone, Debug, PartialEq)]
pub struct MorePanel {
    /// Of its axis.
    pub y_name: String,
    /// Its curves.
    pub series: Vec<Series>,
}

/// A dashed line: its label and its value.
type Reference = (String, f64);

/// A panel before it is drawn.
struct Drawn<'a> {
    y_name: &'a str,
    series: &'a [Series],
    y: (f64, f64),
    height: f64,
    references: Vec<Reference>,
}

impl<'a> Drawn<'a> {
    fn new(y_name: &'a str, series: &'a [Series], y: (f64, f64), height: f64, references: Vec<Reference>) -> Self {
        Self { y_name, series, y, height, references }
    }
}

const ACCURACY_HEIGHT: f64 = 230.0;
const LOSS_HEIGHT: f64 = 190.0;
const MORE_HEIGHT: f64 = 150.0;
const PANEL_GAP: f64 = 20.0;
/// Characters.
const LONGEST_SHARED: usize = 34;

/// Draws accuracy above loss on one step axis.
///
/// # Errors
/// No steps or no series, series of another length than `steps`, steps that do not rise,
/// a count of 0, a jump without `t50`.
pub fn learning_curve(data: &LearningCurve) -> Result<Figure, FigureError> {
    validate(data)?;
    let accuracy_lines = accuracy_references(data);
    let loss_lines = loss_references(data.n_labels, &data.guess);
    let lines = || accuracy_lines.iter().chain(&loss_lines);
    let room = edge_room(lines().map(|(name, _)| name.as_str()));
    let x = step_range(&data.steps);
    let colors = Colors::of(data);
    let y = loss_range(data, &loss_lines);
    let mut panels = vec![
        Drawn::new("accuracy", &data.accuracy, (0.0, 1.05), ACCURACY_HEIGHT, accuracy_lines),
        Drawn::new("loss (nats)", &data.loss, y, LOSS_HEIGHT, loss_lines),
    ];
    for more in &data.more {
        let y = value_range(more.series.iter().flat_map(|series| series.values.iter().copied()));
        panels.push(Drawn::new(&more.y_name, &more.series, y, MORE_HEIGHT, Vec::new()));
    }
    let (mut canvas, mut top) = Canvas::new(style::WIDTH, &data.title);
    let left = style::PADDING + style::AXIS_SPACE;
    let width = style::WIDTH - style::PADDING - left - room;
    let (mut shown, n_panels) = (Vec::new(), panels.len());
    for (i, drawn) in panels.into_iter().enumerate() {
        let entries = colors.entries(&drawn);
        // What the panel above says of the same lines is not said again, nor what the axis says.
        let is_told = entries == shown || entries.len() == 1 && entries[0].name == drawn.y_name;
        if colors.0.len() > 1 && !is_told {
            top = legend(&mut canvas, &entries, left, style::WIDTH - style::PADDING, top) + 4.0;
            shown.clone_from(&entries);
        }
        if i == 0 && data.jump.is_some() {
            top += style::line_height(style::BODY_SIZE);
        }
        let area = Area { left, top: top + 6.0, width, height: drawn.height };
        let mut panel = Panel::new(area, x, drawn.y);
        add_lines(&mut panel, data, drawn.series, &entries);
        if let Some(jump) = data.jump.as_ref().filter(|_| i == 0) {
            panel.jump_label(&mut canvas, jump, style::JUMP_INK);
        }
        finish_panel(&mut canvas, panel, area, drawn.references, drawn.y_name, i + 1 == n_panels);
        top = area.bottom() + if i + 1 == n_panels { STEP_AXIS_SPACE } else { PANEL_GAP };
    }
    Ok(canvas.finish(top))
}

/// From 0 to the greatest loss or reference.
fn loss_range(data: &LearningCurve, lines: &[Reference]) -> (f64, f64) {
    let values = data.loss.iter().flat_map(|series| series.values.clone());
    let shown = values.chain(lines.iter().map(|(_, value)| *value));
    (0.0, value_range(shown.chain([0.0])).1)
}

fn validate(data: &LearningCurve) -> Result<(), FigureError> {
    check::steps(&data.steps)?;
    check::non_empty("accuracy", data.accuracy.len())?;
    check::non_empty("loss", data.loss.len())?;
    check::series("accuracy", &data.accuracy, data.steps.len())?;
    check::series("loss", &data.loss, data.steps.len())?;
    check::positive("n_labels", data.n_labels)?;
    for panel in &data.more {
        check::series(&panel.y_name, &panel.series, data.steps.len())?;
    }
    check::jump(data.jump.as_ref())
}

/// Names in order of appearance: a name keeps its color in all panels, and shares it with none.
struct Colors<'a>(Vec<&'a str>);

impl<'a> Colors<'a> {
    fn of(data: &'a LearningCurve) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let more = data.more.iter().flat_map(|panel| &panel.series);
        for series in data.accuracy.iter().chain(&data.loss).chain(more) {
            if !names.contains(&series.name.as_str()) {
                names.push(&series.name);
            }
        }
        Self(names)
    }

    /// The lines of a panel. One that lies on an earlier one is broken, so that both are seen.
    fn entries(&self, panel: &Drawn<'_>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for (i, series) in panel.series.iter().enumerate() {
            let nth = self.0.iter().position(|name| *name == series.name).unwrap_or(0);
            // The second time round the colors, dashed.
            let fresh = if nth < style::MANY_SERIES.len() { Stroke::Solid } else { Stroke::Dashed };
            let color = style::MANY_SERIES[nth % style::MANY_SERIES.len()];
            let below = panel.series[..i].iter().zip(&entries).filter(|(other, _)| is_hidden(series, other, panel));
            let stroke = below.map(|(_, entry)| entry.stroke.over()).fold(fresh, Stroke::finer);
            entries.push(Entry { name: series.name.clone(), color, stroke });
        }
        entries
    }
}

/// Whether two lines lie on each other, within the width of a line, at three of four steps or more.
fn is_hidden(one: &Series, other: &Series, panel: &Drawn<'_>) -> bool {
    let near = style::SERIES_WIDTH * (panel.y.1 - panel.y.0) / panel.height;
    let pairs = one.values.iter().zip(&other.values).filter(|(a, b)| a.is_finite() && b.is_finite());
    let (n, n_near) = pairs.fold((0, 0), |(n, n_near), (a, b)| (n + 1, n_near + usize::from((a - b).abs() < near)));
    n > 0 && 4 * n_near >= 3 * n
}

fn add_lines(panel: &mut Panel, data: &LearningCurve, list: &[Series], entries: &[Entry]) {
    if let Some(jump) = &data.jump {
        panel.jump(jump);
    }
    for series in list {
        if let Some(entry) = entries.iter().find(|entry| entry.name == series.name) {
            panel.series(&data.steps, &series.values, entry);
        }
    }
}

fn finish_panel(
    canvas: &mut Canvas,
    mut panel: Panel,
    area: Area,
    references: Vec<Reference>,
    y_label: &str,
    lowest: bool,
) {
    let mut labels = Vec::new();
    for (text, value) in references {
        panel.reference(value);
        labels.push(EdgeLabel { y: panel.map_y(value), text, color: style::MUTED });
    }
    panel.draw(canvas, y_label, lowest);
    edge_labels(canvas, area, labels);
}

fn accuracy_references(data: &LearningCurve) -> Vec<Reference> {
    let Guess { accuracy, words, .. } = &data.guess;
    let mut lines = pair("1/L", 1.0 / data.n_labels as f64, words, *accuracy, 3);
    let mut shown: Vec<(String, f64)> = Vec::new();
    for (name, value) in data.references.iter().filter(|(_, value)| check::is_shown(*value)) {
        // Those that coincide share a label, as long as it leaves room for the plot.
        let shares = |(names, other): &&mut (String, f64)| {
            (*other - value).abs() < 0.01 && names.len() + name.len() < LONGEST_SHARED
        };
        match shown.iter_mut().find(shares) {
            Some((names, _)) => *names += &format!(", {name}"),
            None => shown.push((name.clone(), *value)),
        }
    }
    lines.extend(shown.into_iter().map(|(names, value)| (format!("{names} {}", text::decimal(value, 3)), value)));
    lines
}

/// ln L and ln N/B, the losses of a uniform guess over all labels and over the context's.
pub(super) fn loss_references(n_labels: usize, guess: &Guess) -> Vec<Reference> {
    let (chance, of_guess) = (libm::log(n_labels as f64), libm::log(1.0 / guess.accuracy));
    pair("ln L", chance, &guess.loss_words, of_guess, 2)
}

/// Two labelled lines, or one when they coincide.
fn pair(first: &str, a: f64, second: &str, b: f64, places: usize) -> Vec<Reference> {
    if a == b {
        let both = if first == second { first.to_owned() } else { format!("{first} = {second}") };
        let name = format!("{both} = {}", text::decimal(a, places));
        return vec![(name, a)];
    }
    vec![
        (format!("{first} = {}", text::decimal(a, places)), a),
        (format!("{second} = {}", text::decimal(b, places)), b),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, series, shows, sigmoid, steps};

    fn curve() -> LearningCurve {
        let steps = steps();
        LearningCurve {
            title: "Copying, N = 8".into(),
            accuracy: vec![series("in context", sigmoid(&steps, 0.125, 0.99))],
            loss: vec![series("in context", sigmoid(&steps, 2.1, 0.05))],
            steps,
            n_labels: 32,
            guess: Guess::among(8, 1),
            references: vec![("nearest neighbor".into(), 0.896)],
            more: Vec::new(),
            jump: Some(Jump { onset_step: 2300.0, t50: 2520.0, width_10_90: 240.0 }),
        }
    }

    #[test]
    fn every_reference_and_the_jump_are_named() {
        let mut data = curve();
        data.accuracy.push(series("in weights", vec![0.03; data.steps.len()]));
        let figure = learning_curve(&data).unwrap();
        assert_draws(&figure, || learning_curve(&data));
        let labels = [
            "Copying, N = 8",
            "1/L = .031",
            "1/N = .125",
            "ln L = 3.47",
            "ln N = 2.08",
            "nearest neighbor .896",
            "jump at 2,520 · plateau ends 2,300",
            "in 240 steps",
            "in context",
            "in weights",
            "accuracy",
            "loss (nats)",
            "optimizer step",
        ];
        shows(&figure, &labels);
    }

    #[test]
    fn coinciding_references_share_a_label() {
        let data = LearningCurve { n_labels: 8, ..curve() };
        shows(&learning_curve(&data).unwrap(), &["1/L = 1/N = .125"]);
    }

    /// The strokes of a figure's lines by color, as the panels draw them.
    fn dashes(figure: &Figure, color: &str) -> Vec<bool> {
        let of_color = format!("stroke=\"{color}\"");
        let paths = figure.svg().split('<').filter(|tag| tag.starts_with("path") && tag.contains(&of_color));
        paths.map(|tag| tag.contains("stroke-dasharray")).collect()
    }

    #[test]
    fn a_line_on_another_is_broken() {
        let mut data = curve();
        data.accuracy.push(series("stated", data.accuracy[0].values.clone()));
        data.accuracy.push(series("left out", vec![0.5; data.steps.len()]));
        let figure = learning_curve(&data).unwrap();
        assert_eq!(dashes(&figure, style::MANY_SERIES[0]), [false, false], "accuracy and loss");
        assert_eq!(dashes(&figure, style::MANY_SERIES[1]), [true]);
        assert_eq!(dashes(&figure, style::MANY_SERIES[2]), [false]);
        let panel = Drawn::new("accuracy", &data.accuracy, (0.0, 1.05), ACCURACY_HEIGHT, Vec::new());
        assert_eq!(Colors::of(&data).entries(&panel)[1].stroke, Stroke::Dashed, "the legend says so");
        data.accuracy.push(series("third", data.accuracy[0].values.clone()));
        let panel = Drawn::new("accuracy", &data.accuracy, (0.0, 1.05), ACCURACY_HEIGHT, Vec::new());
        assert_eq!(Colors::of(&data).entries(&panel)[3].stroke, Stroke::Dotted);
    }

    #[test]
    fn each_panel_names_its_own_lines_in_colors_of_their_own() {
        let mut data = curve();
        let flat = |name: &str, value: f64| series(name, vec![value; data.steps.len()]);
        let extra = ["b", "c", "d", "e", "f"].iter().enumerate().map(|(i, name)| flat(name, 0.1 * i as f64));
        let more = MorePanel { y_name: "score".into(), series: vec![flat("on pairs", 0.2), flat("on reverses", 0.6)] };
        data.accuracy.extend(extra);
        data.more.push(more);
        let names = Colors::of(&data);
        assert_eq!(names.0.len(), 8);
        let all = style::MANY_SERIES;
        assert!((0..all.len()).all(|i| !all[..i].contains(&all[i])));
        let svg = learning_curve(&data).unwrap().svg().to_owned();
        let at = |text: &str| svg.find(&format!(">{text}<")).unwrap_or_else(|| panic!("{text}"));
        let is_between = |text: &str, above: &str, below: &str| at(above) < at(text) && at(text) < at(below);
        assert!(at("f") < at("accuracy") && is_between("on reverses", "loss (nats)", "score"));
        assert_eq!(svg.matches(">in context<").count(), 2, "the loss has other lines than the accuracy");
    }

    #[test]
    fn one_row_and_undefined_values_are_drawn() {
        let mut data = curve();
        data.accuracy[0].values.fill(f64::NAN);
        data.loss[0].values[3] = f64::INFINITY;
        assert!(learning_curve(&data).unwrap().png().is_ok());
        let single = LearningCurve {
            steps: vec![0.0],
            accuracy: vec![series("a", vec![0.1])],
            loss: vec![series("a", vec![f64::NAN])],
            jump: None,
            ..curve()
        };
        let figure = learning_curve(&single).unwrap();
        assert!(figure.svg().contains("<circle"));
        assert!(figure.png().is_ok());
    }

    #[test]
    fn bad_shapes_are_errors() {
        let wrong = |change: fn(&mut LearningCurve)| {
            let mut data = curve();
            change(&mut data);
            learning_curve(&data).unwrap_err().to_string()
        };
        assert!(wrong(|d| d.steps.clear()).contains("steps is empty"));
        assert!(wrong(|d| d.loss.clear()).contains("loss is empty"));
        assert!(wrong(|d| d.steps.reverse()).contains("strictly increasing"));
        assert!(
            wrong(|d| {
                d.accuracy[0].values.pop();
            })
            .contains("40 values")
        );
        assert!(wrong(|d| d.n_labels = 0).contains("at least 1"));
        assert!(wrong(|d| d.jump.as_mut().unwrap().t50 = f64::NAN).contains("t50"));
    }
}
