//! What differs between two runs, in words and tables of 80 columns.

use precipice_lab::reports::diff::DiffReport;
use precipice_lab::runs::{
    ColumnDifference, Distance, OnlyTensor, Outside, Parted, RowsDifference, RunsDifference, StatesDifference,
};
use serde_json::Value;

use crate::numbers::commas;

/// Lines of a list or a table; `--json` has all.
const LINES_MAX: usize = 10;
/// Characters of a value.
const VALUE_MAX: usize = 40;

/// The verdict first.
pub fn of(report: &DiffReport) -> String {
    let found = &report.difference;
    let mut lines = vec![report.verdict.clone()];
    lines.push(format!("A {}\nB {}", report.a.run_dir, report.b.run_dir));
    specs(report, &mut lines);
    outside(report, &mut lines);
    if !report.same {
        rows(&found.rows, &mut lines);
        states(&found.states, &mut lines);
        distances(&found.states.distances, &mut lines);
    }
    lines.extend(report.figure.iter().map(|path| format!("\nfigure: {path}")));
    lines.join("\n")
}

fn specs(report: &DiffReport, lines: &mut Vec<String>) {
    let fields = &report.difference.specs;
    match (report.difference.equal_specs, report.same) {
        (true, true) => {}
        (true, false) => lines.push("\nspecs: equal, so that both should have the same bits".to_owned()),
        (false, _) if fields.len() == 1 => lines.push("\nspecs: 1 field differs".to_owned()),
        (false, _) => lines.push(format!("\nspecs: {} differ", counted(fields.len(), "field"))),
    }
    let value =
        |value: &Option<Value>| value.as_ref().map_or_else(|| "left out".to_owned(), |value| cut(&value.to_string()));
    let told = fields.iter().map(|one| format!("  {}: {} in A, {} in B", one.field, value(&one.a), value(&one.b)));
    listed(told, lines);
}

fn outside(report: &DiffReport, lines: &mut Vec<String>) {
    let RunsDifference { outside: all, equal_specs, rows, states, .. } = &report.difference;
    let (may, may_not): (Vec<&Outside>, Vec<&Outside>) = all.iter().partition(|one| one.may_change_bits);
    let told = |of: &[&Outside]| {
        let value = |value: &Option<String>| value.clone().unwrap_or_default();
        let one = |one: &&Outside| format!("{} {} in A, {} in B", name_of(&one.what), value(&one.a), value(&one.b));
        of.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    if !may.is_empty() {
        lines.push(format!("\noutside of the specs, and it may change bits: {}", told(&may)));
    } else if *equal_specs && (rows.first.is_some() || states.parted.is_some() || !states.not_reproduced.is_empty()) {
        let why = "outside of the specs nothing differs that may change bits, as far as it is known; `precipice verify` \
                   says of a finished run whether it is what this program makes";
        lines.push(format!("\n{why}"));
    }
    if !may_not.is_empty() {
        lines.push(format!("\noutside of the specs, and it changes no bits: {}", told(&may_not)));
    }
}

fn name_of(what: &str) -> &str {
    match what {
        "simd" => "instruction set",
        "cpu" => "processor",
        "os" => "system",
        other => other,
    }
}

fn rows(rows: &RowsDifference, lines: &mut Vec<String>) {
    let compared = counted(rows.compared, "row");
    match &rows.first {
        None if rows.compared == 0 => lines.push("\nlog: no rows of the same step".to_owned()),
        None => lines.push(format!("\nlog: the {compared} of steps that both have are the same")),
        Some(first) => {
            let n = counted(first.columns.len(), "column");
            lines.push(format!(
                "\nlog: of {compared} the first that differs is that of step {}, in {n}",
                commas(first.step)
            ));
            lines.push(format!("  {:<40} {:>12} {:>12} {:>10}", "column", "A", "B", "B - A"));
            let row = |one: &ColumnDifference| {
                let [a, b] = [one.a, one.b].map(|x| number(x, 6));
                format!("  {:<40} {a:>12} {b:>12} {:>10}", one.column, number(one.difference, 2))
            };
            listed(first.columns.iter().map(row), lines);
        }
    }
    for (side, steps, columns) in [("A", &rows.only_a, &rows.columns_only_a), ("B", &rows.only_b, &rows.columns_only_b)]
    {
        if let [first, .., last] | [first @ last] = &steps[..] {
            let n = counted(steps.len(), "row");
            lines.push(format!("  only {side} has {n}, from step {} to {}", commas(*first), commas(*last)));
        }
        if !columns.is_empty() {
            lines.push(format!("  only {side} has {}: {}", counted(columns.len(), "column"), cut(&columns.join(", "))));
        }
    }
}

fn states(states: &StatesDifference, lines: &mut Vec<String>) {
    match &states.parted {
        Some(parted) => parted_lines(parted, states.tensors, lines),
        None if states.tensors == 0 => {}
        None if states.compared == 0 && states.replayed.is_none() => {
            lines.push("\nstates: no checkpoints of the same step".to_owned());
        }
        None => lines.push(format!("\nstates: the same at {} that both have", counted(states.compared, "checkpoint"))),
    }
    for (side, only) in [("A", &states.only_a), ("B", &states.only_b)] {
        if !only.is_empty() {
            let names = only.iter().map(|OnlyTensor { tensor, .. }| tensor.as_str()).collect::<Vec<_>>().join(", ");
            lines.push(format!("  only {side} has {}: {}", counted(only.len(), "tensor"), cut(&names)));
        }
    }
    let other = states.other_shapes.iter();
    listed(other.map(|one| format!("  {} is {:?} in A, {:?} in B, and not compared", one.tensor, one.a, one.b)), lines);
}

fn parted_lines(parted: &Parted, n_tensors: usize, lines: &mut Vec<String>) {
    let Parted { step, in_parameters, tensors, .. } = parted;
    let what = if *in_parameters { "parameters and moments" } else { "moments" };
    let n = tensors.len();
    lines.push(format!("\n{what} at step {}: {n} of {} differ", commas(*step), counted(n_tensors, "tensor")));
    let [most, ..] = &tensors[..] else { return };
    lines.push(format!(
        "  most in {}: {} of {} values, by up to {} at {:?} ({} in A, {} in B); relative to the larger value by up to {}",
        most.tensor,
        commas(most.differing as u64),
        commas(most.values as u64),
        number(most.largest, 2),
        most.index,
        number(most.a, 6),
        number(most.b, 6),
        number(most.relative, 2)
    ));
}

/// Distances at some checkpoints, the first and the last among them.
fn distances(all: &[Distance], lines: &mut Vec<String>) {
    if all.iter().all(|at| at.distance == 0.0) {
        return;
    }
    lines.push(format!("\n  {:>12} {:>13} {:>13}  {}", "step", "|A - B|", "of |A|", "most in"));
    let n = all.len().min(LINES_MAX);
    for i in 0..n {
        let at = &all[if n > 1 { i * (all.len() - 1) / (n - 1) } else { 0 }];
        let [distance, relative] = [at.distance, at.relative].map(|x| number(x, 4));
        let tensor = at.tensor.as_deref().unwrap_or("-");
        lines.push(format!("  {:>12} {distance:>13} {relative:>13}  {tensor}", commas(at.step)));
    }
}

/// The first of many lines, and how many there are more.
fn listed(all: impl ExactSizeIterator<Item = String>, lines: &mut Vec<String>) {
    let more = all.len().saturating_sub(LINES_MAX);
    lines.extend(all.take(LINES_MAX));
    lines.extend((more > 0).then(|| format!("  and {} more, which --json has", commas(more as u64))));
}

fn counted(n: usize, what: &str) -> String {
    format!("{} {what}{}", commas(n as u64), if n == 1 { "" } else { "s" })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// With so many digits that count, whatever the size.
fn number(value: f64, digits: usize) -> String {
    match value.abs() {
        x if x.is_nan() => "–".to_owned(),
        0.0 => "0".to_owned(),
        x if x.is_infinite() => "not finite".to_owned(),
        x if (1e-3..1e6).contains(&x) => {
            let places = (digits as i32 - 1 - x.log10().floor() as i32).max(0) as usize;
            format!("{value:.places$}")
        }
        _ => format!("{value:.*e}", digits - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        let told = [0.0, 1.0 / 3.0, -2.5e-9, 1234.5678, 1e300, f64::NAN, f64::INFINITY].map(|x| number(x, 3));
        assert_eq!(told, ["0", "0.333", "-2.50e-9", "1235", "1.00e300", "–", "not finite"]);
    }

    #[test]
    fn long_lists_and_values_are_cut() {
        let mut lines = Vec::new();
        listed((0..13).map(|i| i.to_string()), &mut lines);
        assert_eq!((lines.len(), lines.last().unwrap().as_str()), (11, "  and 3 more, which --json has"));
        assert_eq!(cut(&"x".repeat(100)).chars().count(), 41);
        assert_eq!([counted(1, "row"), counted(1200, "row")], ["1 row", "1,200 rows"]);
    }

    #[test]
    fn a_table_of_distances_has_the_first_and_the_last() {
        let at =
            |step: u64| Distance { step, distance: step as f64, relative: 0.5, tensor: Some("readout".to_owned()) };
        let all: Vec<Distance> = (0..100).map(at).collect();
        let mut lines = Vec::new();
        distances(&all, &mut lines);
        assert_eq!(lines.len(), 11);
        assert!(lines[1].trim_start().starts_with("0 ") && lines[10].trim_start().starts_with("99 "), "{lines:?}");
        lines.clear();
        distances(&[at(0)], &mut lines);
        assert!(lines.is_empty(), "nothing apart, no table");
    }
}
