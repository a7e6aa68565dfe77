//! Two runs over one step axis, and their difference.

use precipice::measure::Column;
use precipice::measure::transition::transition_of;
use precipice::task::Facts;
use precipice_figures::{Figure, Twin, Twins, twins};

use super::overlay::{absolute, floor_of, names_of, title_of, with_jumps};
use crate::error::{FigureProblem, LabError};
use crate::runs::StoredRun;

/// What the figure is called.
pub const TWINS: &str = "twins";

/// Draws what two runs progress by, and below the first less the second.
///
/// # Errors
/// If both are one run, one has no rows, or their progress is measured in different things.
pub fn draw_twins(a: &StoredRun, b: &StoredRun) -> Result<Figure, LabError> {
    let refuse = |why: String| LabError::figure(TWINS, FigureProblem::NotForThisRun { why });
    let runs = [a, b];
    if absolute(a) == absolute(b) {
        return Err(refuse(format!("{} is named twice", b.run_dir.root().display())));
    }
    if let Some(empty) = runs.iter().find(|run| run.rows.is_empty()) {
        return Err(LabError::figure(TWINS, FigureProblem::NoRows { path: empty.run_dir.root().to_owned() }));
    }
    let facts = runs.map(|run| run.spec.facts());
    let [of_a, of_b] = [&facts[0].progress, &facts[1].progress];
    if of_a.words != of_b.words {
        let said = |i: usize| {
            format!("{} ({}) by {}", runs[i].run_dir.root().display(), facts[i].family, facts[i].progress.words)
        };
        let why = "two runs in one figure must progress by the same measure, and";
        return Err(refuse(format!("{why} {} does, but {}; draw the learning-curve of each", said(0), said(1))));
    }
    let mut names = names_of(&runs);
    if of_a.column != of_b.column {
        names.iter_mut().zip(&facts).for_each(|(name, facts)| *name += &format!(" ({})", facts.progress.column));
    }
    let names = with_jumps(names, &runs, &facts);
    let twin = |i: usize| twin(runs[i], &facts[i], names[i].clone());
    let data = Twins {
        title: title_of(&facts, &runs),
        y_name: of_a.words.clone(),
        runs: [twin(0), twin(1)],
        references: floor_of(&facts),
    };
    twins(&data).map_err(|e| LabError::figure(TWINS, e))
}

fn twin(run: &StoredRun, facts: &Facts, name: String) -> Twin {
    let progress = Column::of_progress(facts);
    let jump = transition_of(facts, &run.rows).1;
    Twin {
        name,
        steps: run.rows.iter().map(|row| row.step as f64).collect(),
        values: run.rows.iter().map(|row| row.get(&progress)).collect(),
        t50: jump.map(|jump| jump.t50).filter(|t50| t50.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use precipice::record::Row;

    use super::*;
    use crate::input::spec_file::{Changes, load};
    use crate::store::RunDir;

    fn run(spec: &str, set: &[&str], values: &[f64]) -> StoredRun {
        let overrides = set.iter().map(|text| (*text).to_owned()).collect();
        let spec = load(spec, &Changes { overrides, ..Changes::default() }).unwrap();
        let column = spec.facts().progress.column;
        let row = |(i, value): (usize, &f64)| Row {
            step: 100 * i as u64,
            sequences: 0,
            columns: vec![(column.clone(), *value)],
        };
        let rows = values.iter().enumerate().map(row).collect();
        let root = format!("runs/{}-{}", spec.name, &spec.hash()[..8]);
        StoredRun { run_dir: RunDir::new(root), spec, rows, own_metrics: Vec::new() }
    }

    const JUMPS: [f64; 6] = [0.1, 0.25, 0.25, 0.98, 0.99, 1.0];

    #[test]
    fn the_legend_names_what_differs_and_each_jump() {
        let (a, b) =
            (run("copying-small", &[], &JUMPS), run("copying-small", &["task.copying.n_exemplars=2"], &[0.1; 6]));
        let svg = draw_twins(&a, &b).unwrap().svg().to_owned();
        for words in ["N = 4 · jump at 2", "N = 2 · no jump", "accuracy", "copying-small", "at step 500"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
        let back = draw_twins(&b, &a).unwrap().svg().to_owned();
        assert!(back.find("N = 2 ·") < back.find("N = 4 ·"), "in the order that was asked for");
    }

    #[test]
    fn other_measures_are_refused_and_other_columns_named() {
        let (copying, regression) = (run("copying-small", &[], &JUMPS), run("regression", &[], &JUMPS));
        let told = draw_twins(&copying, &regression).unwrap_err().to_string();
        assert!(told.contains("share of gradient descent") && told.contains("by accuracy"), "{told}");
        let classification = run("classification-fast", &[], &JUMPS);
        let svg = draw_twins(&copying, &classification).unwrap().svg().to_owned();
        assert!(svg.contains("(accuracy) · jump") && svg.contains("(ic_accuracy) · jump"), "{svg}");
        let told = draw_twins(&copying, &copying).unwrap_err().to_string();
        assert!(told.contains("named twice"), "{told}");
        let empty = run("copying-small", &["seeds.data=3"], &[]);
        assert!(draw_twins(&copying, &empty).unwrap_err().to_string().contains("has no rows yet"));
    }
}
