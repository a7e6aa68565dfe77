//! What depends on one swept quantity: every seed a point, medians, and what had not happened by the end.

use super::canvas::{Area, Canvas};
use super::legend::{Entry, Stroke, legend};
use super::marks::{Axis, Marks, WORDS_SPACE};
use super::{Figure, FigureError, check, style};

/// The data of a dependence figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    /// Heading of the page.
    pub title: String,
    /// Name of the swept quantity.
    pub x_name: String,
    /// What each of its values is called.
    pub x_labels: Vec<String>,
    /// Its values, rising, where they are numbers; else they stand side by side.
    pub x: Option<Vec<f64>>,
    /// From top to bottom.
    pub panels: Vec<DependencePanel>,
    /// What stands below; may be empty.
    pub note: String,
}

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct DependencePanel {
    /// Name of the vertical axis.
    pub y_name: String,
    /// Whether the axis goes from 0 to 1.
    pub is_share: bool,
    /// What is measured.
    pub series: Vec<DependenceSeries>,
    /// What the intervals around medians are: `95 % interval`, `range of seeds`.
    pub interval_name: String,
    /// Dashed lines with their labels.
    pub references: Vec<(String, f64)>,
}

/// One quantity, at each value of the swept one.
#[derive(Clone, Debug, PartialEq)]
pub struct DependenceSeries {
    /// What the legend says.
    pub name: String,
    /// One for each value of x.
    pub points: Vec<DependencePoint>,
}

/// The seeds at one value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DependencePoint {
    /// One value a seed.
    pub seeds: Vec<f64>,
    /// Seeds in which it had not happened: until when it is known not to have.
    pub censored: Vec<f64>,
    /// NaN where it is not known.
    pub median: f64,
    /// Ends of the median's interval; an infinite one lies beyond what was seen, `NaN`s draw none.
    pub interval: [f64; 2],
}

const HEIGHT: f64 = 240.0;
const GAP: f64 = 30.0;
/// Seeds of one value that are drawn; they are spread over the range by taking every n-th.
const SEEDS_MAX: usize = 200;

/// Draws the panels one below the other.
///
/// # Errors
/// No panels, series or values; lists of other lengths than there are values; numbers that do not rise.
///
/// ```
/// use precipice_figures::{Dependence, DependencePanel, DependencePoint, DependenceSeries, dependence};
/// let point = |median: f64| DependencePoint { seeds: vec![median], median, interval: [f64::NAN; 2], ..Default::default() };
/// let late = DependencePoint { censored: vec![3000.0], median: f64::NAN, interval: [f64::NAN; 2], ..Default::default() };
/// let series = DependenceSeries { name: "a seed".to_owned(), points: vec![point(900.0), point(1400.0), late] };
/// let panel = DependencePanel { y_name: "jump".to_owned(), is_share: false, interval_name: String::new(), series: vec![series], references: Vec::new() };
/// let figure = dependence(&Dependence {
///     title: "When it jumps".to_owned(),
///     x_name: "labels".to_owned(),
///     x_labels: ["32", "16", "8"].map(str::to_owned).to_vec(),
///     x: None,
///     panels: vec![panel],
///     note: String::new(),
/// })?;
/// assert!(figure.svg().contains("not by 3,000"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn dependence(data: &Dependence) -> Result<Figure, FigureError> {
    validate(data)?;
    let (mut canvas, mut top) = Canvas::new(style::WIDTH, &data.title);
    let left = style::PADDING + style::AXIS_SPACE;
    let width = style::WIDTH - left - style::PADDING - references_room(data);
    let x = Axis::new(data.x.as_deref(), &data.x_labels);
    for (i, panel) in data.panels.iter().enumerate() {
        let entries = entries(panel);
        top = legend(&mut canvas, &entries, left, style::WIDTH - style::PADDING, top) + 12.0;
        let has_words = (0..x.n()).any(|at| !censored_words(&panel.series, at).is_empty());
        top += if has_words { WORDS_SPACE - 6.0 } else { 0.0 };
        let area = Area { left, top, width, height: HEIGHT };
        draw_panel(&mut canvas, panel, &x, area);
        let is_lowest = i + 1 == data.panels.len();
        top = area.bottom() + if is_lowest { x.draw_names(&mut canvas, area, &data.x_name) } else { GAP };
    }
    let bottom = canvas.note(top + 6.0, &data.note);
    Ok(canvas.finish(bottom))
}

fn validate(data: &Dependence) -> Result<(), FigureError> {
    check::non_empty("values of x", data.x_labels.len())?;
    check::non_empty("panels", data.panels.len())?;
    if let Some(x) = &data.x {
        check::length("x", x.len(), data.x_labels.len())?;
        check::steps(x)?;
    }
    for panel in &data.panels {
        check::non_empty("series", panel.series.len())?;
        for series in &panel.series {
            let field = format!("points of \"{}\"", series.name);
            check::length(&field, series.points.len(), data.x_labels.len())?;
        }
    }
    Ok(())
}

fn references_room(data: &Dependence) -> f64 {
    let names = data.panels.iter().flat_map(|panel| &panel.references).map(|(name, _)| name.as_str());
    super::legend::edge_room(names).max(30.0)
}

/// The seeds of each quantity; then, where there are some, what median and open marks are.
fn entries(panel: &DependencePanel) -> Vec<Entry> {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let entry = |name: &str, color, stroke| Entry { name: name.to_owned(), color, stroke };
    let mut all: Vec<Entry> = panel
        .series
        .iter()
        .enumerate()
        .map(|(i, series)| entry(&series.name, style::series_color(i), Stroke::Points))
        .collect();
    let has_interval = points().any(|point| point.interval.iter().any(|end| !end.is_nan()));
    if points().any(|point| check::is_shown(point.median)) {
        let interval = if has_interval { format!(", {}", panel.interval_name) } else { String::new() };
        all.push(entry(&format!("median{interval}"), style::series_color(0), Stroke::Solid));
    }
    if points().any(|point| !point.censored.is_empty()) {
        all.push(entry("not by its last step", style::series_color(0), Stroke::Rings));
    }
    all
}

fn draw_panel(canvas: &mut Canvas, panel: &DependencePanel, x: &Axis<'_>, area: Area) {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let ends = |point: &DependencePoint| point.interval.into_iter().filter(|end| end.is_finite()).collect::<Vec<_>>();
    let shown = points().flat_map(|point| {
        point.seeds.iter().chain(&point.censored).copied().chain([point.median]).chain(ends(point)).collect::<Vec<_>>()
    });
    let shown = shown.chain(panel.references.iter().map(|(_, value)| *value));
    let marks = Marks::new(area, x, shown, panel.is_share);
    marks.draw_axes(canvas, &panel.y_name, &panel.references);
    for (i, series) in panel.series.iter().enumerate() {
        draw_series(canvas, &marks, series, i, panel.series.len());
    }
    let words: Vec<String> = (0..x.n()).map(|at| censored_words(&panel.series, at)).collect();
    marks.draw_words(canvas, &words);
}

/// "not by 3,000", "2 of 3 not by 3,000"; nothing where all seeds got there.
fn censored_words(series: &[DependenceSeries], at: usize) -> String {
    let [series] = series else { return String::new() };
    let point = &series.points[at];
    let Some(last) = point.censored.iter().copied().reduce(f64::max) else { return String::new() };
    let (late, all) = (point.censored.len(), point.censored.len() + point.seeds.len());
    let until = format!("not by {}", super::text::thousands(last));
    if late == all { until } else { format!("{late} of {all} {until}") }
}

fn draw_series(canvas: &mut Canvas, marks: &Marks<'_>, series: &DependenceSeries, i: usize, of: usize) {
    let color = style::series_color(i);
    let medians: Vec<(usize, f64)> = series.points.iter().map(|point| point.median).enumerate().collect();
    marks.draw_medians(canvas, &medians, color);
    for (at, point) in series.points.iter().enumerate() {
        marks.draw_interval(canvas, at, point.interval, color);
        let n = point.seeds.len() + point.censored.len();
        let every = n.div_ceil(SEEDS_MAX).max(1);
        let all = point.seeds.iter().map(|y| (y, false)).chain(point.censored.iter().map(|y| (y, true)));
        for (k, (y, is_open)) in all.enumerate().step_by(every) {
            marks.draw_seed(canvas, (at, *y), (k, n), (i, of), (color, is_open));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, shows};

    fn point(seeds: &[f64], censored: &[f64], median: f64) -> DependencePoint {
        let (seeds, censored) = (seeds.to_vec(), censored.to_vec());
        DependencePoint { seeds, censored, median, interval: [0.9 * median, f64::INFINITY] }
    }

    fn data() -> Dependence {
        let points = vec![
            point(&[800.0, 900.0, 1000.0], &[], 900.0),
            point(&[2000.0], &[3000.0, 3000.0], f64::NAN),
            point(&[], &[3000.0; 3], f64::NAN),
        ];
        let time = DependenceSeries { name: "a seed".into(), points };
        let share = |name: &str| DependenceSeries {
            name: name.into(),
            points: vec![point(&[0.9, 0.95], &[], 0.92), point(&[0.4], &[], 0.4), point(&[0.1], &[], 0.1)],
        };
        let panel = |y_name: &str, is_share, series| DependencePanel {
            y_name: y_name.into(),
            is_share,
            interval_name: "range of seeds".into(),
            series,
            references: vec![("1/N".into(), 0.125)],
        };
        Dependence {
            title: "Noise".into(),
            x_name: "within-class noise".into(),
            x_labels: ["0.1", "0.5", "1.0"].map(str::to_owned).to_vec(),
            x: Some(vec![0.1, 0.5, 1.0]),
            panels: vec![
                DependencePanel { references: Vec::new(), ..panel("step of the jump", false, vec![time]) },
                panel("final accuracy", true, vec![share("in context"), share("by heart")]),
            ],
            note: "3 seeds".into(),
        }
    }

    #[test]
    fn seeds_that_did_not_jump_are_open_and_told() {
        let figure = dependence(&data()).unwrap();
        assert_draws(&figure, || dependence(&data()));
        let labels = [
            "2 of 3 not by 3,000",
            ">not by 3,000",
            "not by its last step",
            "median, range of seeds",
            "in context",
            "1/N",
            "3 seeds",
        ];
        shows(&figure, &labels);
        let open = figure.svg().matches("fill=\"#ffffff\" stroke=\"#0072b2\"").count();
        assert_eq!(open, 5 + 1, "five runs and the legend");
    }

    #[test]
    fn where_all_seeds_jump_no_mark_is_open() {
        let mut data = data();
        data.panels[0].series[0].points.fill(point(&[800.0, 900.0], &[], 850.0));
        let figure = dependence(&data).unwrap();
        assert!(!figure.svg().contains("not by"));
    }

    #[test]
    fn words_stand_side_by_side() {
        let mut data = data();
        data.x = None;
        data.x_labels = ["nothing", "previous-token head (layer 1)", "both of them"].map(str::to_owned).to_vec();
        shows(&dependence(&data).unwrap(), &["nothing", "previous-token"]);
    }

    #[test]
    fn bad_shapes_are_errors() {
        let wrong = |change: fn(&mut Dependence)| {
            let mut data = data();
            change(&mut data);
            dependence(&data).unwrap_err().to_string()
        };
        assert!(wrong(|d| d.panels.clear()).contains("panels is empty"));
        assert!(wrong(|d| d.x_labels.clear()).contains("values of x"));
        assert!(wrong(|d| d.x.as_mut().unwrap().reverse()).contains("increasing"));
        assert!(wrong(|d| d.panels[0].series[0].points.truncate(1)).contains("a seed"));
        let mut empty = data();
        empty.panels[0].series[0].points.fill(DependencePoint { median: f64::NAN, ..Default::default() });
        assert!(dependence(&empty).unwrap().png().is_ok());
    }
}
