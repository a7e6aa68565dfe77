//! What comes of every point of two swept fields.

use precipice::measure::Column;
use precipice::measure::transition::median;
use precipice::task::Facts;
use precipice_figures::{PhaseCell, PhaseDiagram, PhaseMap, PhaseUnit};

use super::dependence::{is_at, last, measured, name_of, names_of_points, settings};
use super::plan::Axis;
use super::report::SweepReport;
use super::summary::{by_point, summarize};
use crate::error::LabError;

/// Heat maps over two axes: final accuracies, medians over seeds, and the time of the jump.
///
/// # Errors
/// If the spec of a run cannot be read.
pub fn phase_data(
    title: &str,
    x: &Axis,
    y: &Axis,
    report: &SweepReport,
    facts: &Facts,
) -> Result<PhaseDiagram, LabError> {
    let (points, summaries) = (by_point(&report.runs), summarize(report));
    let at = |i: usize, j: usize| points.iter().position(|runs| is_at(x, i, runs[0]) && is_at(y, j, runs[0]));
    let grid = || (0..y.points.len()).flat_map(|j| (0..x.points.len()).map(move |i| (i, j)));
    let accuracy = |(name, column): (String, Column)| {
        let cell = |(i, j): (usize, usize)| match at(i, j) {
            Some(at) => PhaseCell::Value(median(points[at].iter().map(|run| last(run, &column))), String::new()),
            None => PhaseCell::Absent,
        };
        let name = if name == facts.progress.words { name } else { format!("accuracy {name}") };
        PhaseMap { name, unit: PhaseUnit::Fraction, cells: grid().map(cell).collect() }
    };
    let time = |(i, j): (usize, usize)| {
        let Some(at) = at(i, j) else { return PhaseCell::Absent };
        let summary = &summaries[at];
        let some = summary.n_jumped > 0 && summary.n_jumped < summary.n_runs;
        let below = if some { format!("{}/{}", summary.n_jumped, summary.n_runs) } else { String::new() };
        let longest = points[at].iter().map(|run| run.steps).max().unwrap_or(0) as f64;
        summary.t50_median.map_or(PhaseCell::Censored(longest, below.clone()), |t50| PhaseCell::Value(t50, below))
    };
    let mut maps: Vec<PhaseMap> = measured(facts).into_iter().map(accuracy).collect();
    maps.push(PhaseMap { name: "t50".to_owned(), unit: PhaseUnit::Steps, cells: grid().map(time).collect() });
    let note = format!("{}. {}", settings(report)?, note(&maps[maps.len() - 1].cells, facts.by_heart.is_some()));
    let shown = |axis: &Axis| (name_of(axis), names_of_points(axis));
    Ok(PhaseDiagram { title: title.to_owned(), x: shown(x), y: shown(y), maps, note })
}

/// What the cells are, of those that there are.
fn note(times: &[PhaseCell], has_by_heart: bool) -> String {
    let jump = if has_by_heart { "the jump to in-context answers" } else { "the jump" };
    let mut words = vec![format!("medians over seeds; t50 is the step of {jump} (Kaplan–Meier median)")];
    if times.iter().any(|cell| matches!(cell, PhaseCell::Censored(..))) {
        words.push("gray: half of the runs had not jumped by that step".to_owned());
    }
    let some_jumped = |cell: &PhaseCell| match cell {
        PhaseCell::Value(_, below) | PhaseCell::Censored(_, below) => !below.is_empty(),
        PhaseCell::Absent => false,
    };
    if times.iter().any(some_jumped) {
        words.push("below, how many did where not all agree".to_owned());
    }
    if times.contains(&PhaseCell::Absent) {
        words.push("no cell: no such run".to_owned());
    }
    let mut note = words.join("; ");
    note.replace_range(..1, "M");
    note + "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_speaks_of_what_is_there() {
        let value = |below: &str| PhaseCell::Value(900.0, below.to_owned());
        let late = PhaseCell::Censored(4000.0, String::new());
        let all = note(&[value(""), value("")], false);
        assert_eq!(all, "Medians over seeds; t50 is the step of the jump (Kaplan–Meier median).");
        assert!(
            note(&[value(""), late.clone()], false).ends_with("gray: half of the runs had not jumped by that step.")
        );
        let some = note(&[value("2/3")], true);
        assert!(some.contains("below, how many") && !some.contains("gray") && some.contains("in-context answers"));
        assert!(note(&[PhaseCell::Absent, late], false).contains("no such run"));
    }
}
