//! Two runs on one step axis, and their difference below.

use super::canvas::{Area, Canvas};
use super::legend::{EdgeLabel, Entry, Stroke, edge_labels, edge_room, legend};
use super::panel::{Panel, STEP_AXIS_SPACE, step_range, value_range};
use super::{Figure, FigureError, check, style, text};

/// The data of a figure of two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Twins {
    /// Heading of the page.
    pub title: String,
    /// What both curves show.
    pub y_name: String,
    /// The two runs.
    pub runs: [Twin; 2],
    /// Dashed lines with their labels.
    pub references: Vec<(String, f64)>,
}

/// One of two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Twin {
    /// What the legend says.
    pub name: String,
    /// Optimizer steps, strictly increasing.
    pub steps: Vec<f64>,
    /// One a step; `NaN` leaves a gap.
    pub values: Vec<f64>,
    /// Step of the jump, to be marked, if there was one.
    pub t50: Option<f64>,
}

const HEIGHT: f64 = 230.0;
const DIFFERENCE_HEIGHT: f64 = 150.0;
const GAP: f64 = 22.0;
/// What is first and what lies on it are both seen.
const STROKES: [Stroke; 2] = [Stroke::Solid, Stroke::Dashed];

/// Draws both curves above the first less the second, at the steps that both have.
///
/// # Errors
/// Steps that do not rise or that the two have not in common, values of another length, a jump that is not finite.
///
/// ```
/// use precipice_figures::{Twin, Twins, twins};
/// let run = |name: &str, last: f64, t50| Twin {
///     name: name.to_owned(),
///     steps: vec![0.0, 100.0, 200.0],
///     values: vec![0.1, 0.2, last],
///     t50,
/// };
/// let figure = twins(&Twins {
///     title: "Two seeds".to_owned(),
///     y_name: "accuracy".to_owned(),
///     runs: [run("seed 0 · jump at 150", 0.9, Some(150.0)), run("seed 1 · no jump", 0.3, None)],
///     references: vec![("1/N".to_owned(), 0.125)],
/// })?;
/// assert!(figure.svg().contains("apart by up to .6, at step 200"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn twins(data: &Twins) -> Result<Figure, FigureError> {
    let [a, b] = &data.runs;
    for run in &data.runs {
        check::steps(&run.steps)?;
        check::length(&format!("values of \"{}\"", run.name), run.values.len(), run.steps.len())?;
        if let Some(t50) = run.t50.filter(|t50| !check::is_shown(*t50)) {
            return Err(check::invalid("t50", t50, "finite (or no jump at all)"));
        }
    }
    let (steps, apart) = difference(a, b);
    check::non_empty("steps that both have", steps.len())?;
    let (mut canvas, top) = Canvas::new(style::WIDTH, &data.title);
    let entry = |i: usize| Entry { name: data.runs[i].name.clone(), color: style::series_color(i), stroke: STROKES[i] };
    let entries = [entry(0), entry(1)];
    let left = style::PADDING + style::AXIS_SPACE;
    let room = edge_room(data.references.iter().map(|(name, _)| name.as_str())).max(30.0);
    let width = style::WIDTH - style::PADDING - left - room;
    let top = legend(&mut canvas, &entries, left, style::WIDTH - style::PADDING, top) + 10.0;
    let both = [a, b].map(|run| step_range(&run.steps));
    let x = (both[0].0.min(both[1].0), both[0].1.max(both[1].1));

    let area = Area { left, top, width, height: HEIGHT };
    let shown = data.runs.iter().flat_map(|run| run.values.iter().copied());
    let range = value_range(shown.chain(data.references.iter().map(|(_, value)| *value)));
    let is_share = range.0 >= -0.06 && range.1 <= 1.06;
    let mut panel = Panel::new(area, x, if is_share { (0.0, 1.05) } else { range });
    mark_jumps(&mut panel, data, &entries);
    for (run, entry) in data.runs.iter().zip(&entries) {
        panel.series(&run.steps, &run.values, entry);
    }
    let mut labels = Vec::new();
    for (name, value) in &data.references {
        panel.reference(*value);
        labels.push(EdgeLabel { y: panel.map_y(*value), text: name.clone(), color: style::MUTED });
    }
    panel.draw(&mut canvas, &data.y_name, false);
    edge_labels(&mut canvas, area, labels);

    let area = Area { top: area.bottom() + GAP, height: DIFFERENCE_HEIGHT, ..area };
    let mut panel = Panel::new(area, x, value_range(apart.iter().copied().chain([0.0])));
    mark_jumps(&mut panel, data, &entries);
    panel.reference(0.0);
    panel.series(&steps, &apart, &Entry { name: String::new(), color: style::INK, stroke: Stroke::Solid });
    panel.draw(&mut canvas, "difference", true);
    let bottom = canvas.note(area.bottom() + STEP_AXIS_SPACE + 4.0, &note(data, &steps, &apart));
    Ok(canvas.finish(bottom))
}

/// The steps that both have, and the first's value less the second's.
fn difference(a: &Twin, b: &Twin) -> (Vec<f64>, Vec<f64>) {
    let of_b = |step: &f64| b.steps.binary_search_by(|other| other.total_cmp(step)).ok().map(|at| b.values[at]);
    let pairs = a.steps.iter().zip(&a.values);
    pairs.filter_map(|(step, value)| Some((*step, value - of_b(step)?))).unzip()
}

/// In the color of each run, so that it needs no words in the panel.
fn mark_jumps(panel: &mut Panel, data: &Twins, entries: &[Entry]) {
    for (run, entry) in data.runs.iter().zip(entries) {
        if let Some(t50) = run.t50 {
            panel.mark_in(t50, entry.color, entry.stroke.dashes().unwrap_or("none"));
        }
    }
}

/// What the panels do not say themselves.
fn note(data: &Twins, steps: &[f64], apart: &[f64]) -> String {
    let known = steps.iter().zip(apart).filter(|(_, apart)| check::is_shown(**apart));
    // The first of those that are as far apart.
    let most = known.rev().max_by(|(_, one), (_, other)| one.abs().total_cmp(&other.abs()));
    let mut words = match most {
        Some((_, apart)) if *apart == 0.0 => "Below: nowhere apart.".to_owned(),
        Some((step, apart)) => {
            let apart = size(apart.abs());
            format!(
                "Below: the solid curve less the dashed one, apart by up to {apart}, at step {}.",
                text::thousands(*step)
            )
        }
        None => "Below: the solid curve less the dashed one.".to_owned(),
    };
    if data.runs.iter().any(|run| run.t50.is_some()) {
        words += " Upright lines: where each jumped.";
    }
    words
}

/// Last bits apart are no zeros.
fn size(value: f64) -> String {
    if value >= 0.001 { text::number(value) } else { format!("{value:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Theme;
    use crate::testing::{assert_draws, shows, sigmoid, steps};

    fn data() -> Twins {
        let all = steps();
        let run = |name: &str, low: f64, t50| Twin {
            name: name.to_owned(),
            values: sigmoid(&all, low, 0.99),
            steps: all.clone(),
            t50,
        };
        Twins {
            title: "copying · N = 8".to_owned(),
            y_name: "accuracy".to_owned(),
            runs: [run("seed 0 · jump at 2,520", 0.125, Some(2520.0)), run("seed 1 · no jump", 0.1, None)],
            references: vec![("1/N".to_owned(), 0.125)],
        }
    }

    #[test]
    fn curves_difference_and_jumps_are_shown() {
        let figure = twins(&data()).unwrap();
        assert_draws(&figure, || twins(&data()));
        let labels = ["copying · N = 8", "seed 0 · jump at 2,520", "seed 1 · no jump", "accuracy", "difference"];
        shows(&figure, &labels);
        shows(&figure, &["1/N", "optimizer step", "apart by up to .025, at step", "where each jumped"]);
        let count = |words: &str| figure.svg().matches(words).count();
        assert_eq!(count(">optimizer step<"), 1, "one axis for both");
        let mut without = data();
        without.runs[0].t50 = None;
        let svg = twins(&without).unwrap().svg().to_owned();
        assert!(!svg.contains("where each jumped"));
        // A line in each panel.
        assert_eq!(count(style::BLUE) - svg.matches(style::BLUE).count(), 2);
    }

    #[test]
    fn equal_runs_are_both_seen_and_nowhere_apart() {
        let mut data = data();
        data.runs[1] = Twin { name: "again".to_owned(), ..data.runs[0].clone() };
        let figure = twins(&data).unwrap();
        shows(&figure, &["Below: nowhere apart."]);
        let dashed = |color: &str| {
            let of_color = format!("stroke=\"{color}\"");
            let paths = figure.svg().split('<').filter(|tag| tag.starts_with("path") && tag.contains(&of_color));
            paths.map(|tag| tag.contains("stroke-dasharray")).collect::<Vec<bool>>()
        };
        assert_eq!((dashed(style::BLUE), dashed(style::VERMILLION)), (vec![false], vec![true]));
    }

    #[test]
    fn the_difference_is_of_steps_that_both_have() {
        let run = |steps: &[f64], values: &[f64]| Twin {
            name: "run".to_owned(),
            steps: steps.to_vec(),
            values: values.to_vec(),
            t50: None,
        };
        let (a, b) =
            (run(&[0.0, 10.0, 20.0, 30.0], &[1.0, 2.0, f64::NAN, 4.0]), run(&[0.0, 15.0, 20.0, 30.0, 40.0], &[0.5; 5]));
        let (steps, apart) = difference(&a, &b);
        assert_eq!(steps, [0.0, 20.0, 30.0]);
        assert!(apart[0] == 0.5 && apart[1].is_nan() && apart[2] == 3.5);
        let data = Twins { runs: [a, b], references: Vec::new(), ..data() };
        shows(&twins(&data).unwrap(), &["apart by up to 3.5, at step 30"]);
    }

    /// Left, top, right and bottom of all words that stand upright, those of ticks among them.
    fn boxes(svg: &str) -> Vec<[f64; 4]> {
        let attribute = |tag: &str, name: &str| {
            let value = tag.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            value.map(str::to_owned)
        };
        let (mut found, mut moved) = (Vec::new(), vec![(0.0, 0.0)]);
        for tag in svg.split('<') {
            let (dx, dy): (f64, f64) = moved[moved.len() - 1];
            if tag.starts_with("g ") || tag.starts_with("g>") {
                let by = attribute(tag, "transform").and_then(|by| by.strip_prefix("translate(").map(str::to_owned));
                let by = by
                    .and_then(|by| by.trim_end_matches(')').split_once(',').map(|(x, y)| (x.to_owned(), y.to_owned())));
                let (x, y) = by.map_or((0.0, 0.0), |(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
                moved.push((dx + x, dy + y));
            } else if tag.starts_with("/g>") {
                moved.pop();
            } else if tag.starts_with("text ") && !tag.contains("rotate") {
                let number = |name: &str| attribute(tag, name).and_then(|value| value.parse::<f64>().ok()).unwrap();
                let (size, x, y) = (number("font-size"), number("x") + dx, number("y") + dy);
                let width = text::width(tag.split_once('>').unwrap().1, size as u32);
                let left = match attribute(tag, "text-anchor").as_deref() {
                    Some("middle") => x - width / 2.0,
                    Some("end") => x - width,
                    _ => x,
                };
                let is_empty = width == 0.0;
                found.extend((!is_empty).then_some([left, y - 0.75 * size, left + width, y + 0.2 * size]));
            }
        }
        found
    }

    #[test]
    fn no_words_lie_on_others() {
        let mut data = data();
        data.runs[1].t50 = Some(2521.0);
        let long = "clamped: previous token (layer 1), match (layer 2), rate of readout × 4.0";
        for (i, run) in data.runs.iter_mut().enumerate() {
            run.name = format!("{long}, seed {i} · jump at 2,520");
        }
        let boxes = boxes(twins(&data).unwrap().svg());
        assert!(boxes.len() >= 20, "{boxes:?}");
        for (i, a) in boxes.iter().enumerate() {
            assert!(a[0] >= 0.0 && a[2] <= style::WIDTH, "{a:?}");
            let is_apart = |b: &[f64; 4]| a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
            assert!(boxes[..i].iter().all(is_apart), "{a:?} {boxes:?}");
        }
    }

    #[test]
    fn dark_pages_have_their_own_colors() {
        let dark = twins(&data()).unwrap().in_theme(Theme::Dark);
        assert!(!dark.svg().contains("#ffffff") && !dark.svg().contains(style::INK));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let wrong = |change: fn(&mut Twins)| {
            let mut data = data();
            change(&mut data);
            twins(&data).unwrap_err().to_string()
        };
        assert!(wrong(|d| d.runs[1].steps.clear()).contains("steps is empty"));
        assert!(wrong(|d| d.runs[0].values.truncate(3)).contains("has 3 values"));
        assert!(wrong(|d| d.runs[0].t50 = Some(f64::NAN)).contains("t50"));
        assert!(wrong(|d| d.runs[0].steps.iter_mut().for_each(|step| *step += 1.0)).contains("both have"));
    }
}
