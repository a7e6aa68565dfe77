//! What takes the memory of a run, and which fields make it take less: by trying each of them.

use precipice::memory::Memory;
use precipice::spec::RunSpec;
use toml::{Table, Value};

use super::threads::available;
use crate::input::fields::{self, dotted};

/// Fields that are named, at most.
const NAMED_MAX: usize = 4;
/// A field is named if it saves this share of what the best saves.
const SHARE: f64 = 0.3;

/// The largest part in words, and what makes the run need less; `of_items` bytes are items of a file.
pub(super) fn advice(spec: &RunSpec, of_items: f64) -> (&'static str, String) {
    let memory = Memory::of(spec, available());
    let Memory { world, state, training, evaluation, probes, checkpoint, rows, figures } = memory;
    let parts = [
        ("items", of_items),
        ("what the task keeps", world),
        ("parameters and moments", state),
        ("a training step", training),
        ("an evaluation", evaluation),
        ("probes", probes),
        ("a checkpoint", checkpoint),
        ("the rows of the log", rows),
        ("figures", 0.5 * figures),
    ];
    let (largest, bytes) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are parts");
    if bytes <= of_items {
        return (largest, format!("name a smaller file in task.{}.items", spec.facts().family));
    }
    (largest, in_words(&what_helps(spec, memory.peak())))
}

/// Fields whose change saves most, the best first.
fn what_helps(spec: &RunSpec, need: f64) -> Vec<String> {
    let mut spec = spec.clone();
    // Widths that follow from others shall follow.
    spec.unresolve();
    let table = Table::try_from(&spec).expect("a spec is plain data");
    let mut numbers = Vec::new();
    collect(&table, &mut Vec::new(), &mut numbers);
    let mut helping = Vec::new();
    for (path, value) in numbers {
        let (name, mut changed) = (dotted(&path), table.clone());
        let lighter = if name == LARGER { value.saturating_mul(2) } else { value / 2 };
        replace(&mut changed, &path, lighter);
        // Not every number may be halved by itself.
        let Ok(lighter) = fields::read::<RunSpec>(changed) else { continue };
        if lighter.validate().is_ok() {
            helping.push((need - Memory::of(&lighter, available()).peak(), name));
        }
    }
    helping.sort_by(|a, b| b.0.total_cmp(&a.0));
    let enough = SHARE * helping.first().map_or(0.0, |best| best.0);
    let helping = helping.into_iter().filter(|(saved, _)| *saved > 0.0 && *saved >= enough);
    helping.take(NAMED_MAX).map(|(_, name)| name).collect()
}

/// The one field that takes less memory where it is larger.
const LARGER: &str = "eval.every";

fn in_words(names: &[String]) -> String {
    let smaller: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != LARGER).collect();
    let listed = match &smaller[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        all => all.concat(),
    };
    match (smaller.is_empty(), smaller.len() < names.len()) {
        (true, true) => format!("make {LARGER} larger"),
        (true, false) => "make the run smaller".to_owned(),
        (false, true) => format!("make {listed} smaller, or {LARGER} larger"),
        (false, false) => format!("make {listed} smaller"),
    }
}

/// All whole numbers above 0, seeds excepted.
fn collect(table: &Table, path: &mut Vec<String>, numbers: &mut Vec<(Vec<String>, i64)>) {
    for (name, value) in table {
        path.push(name.clone());
        match value {
            Value::Table(inner) if name != "seeds" => collect(inner, path, numbers),
            Value::Integer(value) if *value > 0 => numbers.push((path.clone(), *value)),
            _ => {}
        }
        path.pop();
    }
}

fn replace(table: &mut Table, path: &[String], value: i64) {
    let [head, rest @ ..] = path else { return };
    match table.get_mut(head) {
        Some(Value::Table(inner)) => replace(inner, rest, value),
        Some(found) => *found = Value::Integer(value),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::spec_file::{Changes, load};

    fn told(of: &str) -> String {
        let mut parts = of.split_whitespace();
        let name = parts.next().unwrap();
        let overrides = parts.map(str::to_owned).collect();
        let (largest, advice) = advice(&load(name, &Changes { overrides, ..Changes::default() }).unwrap(), 0.0);
        format!("{largest}: {advice}")
    }

    #[test]
    fn the_fields_of_the_largest_part_are_named() {
        let rows = "copying-small train.steps=2000000000 eval.every=1";
        assert_eq!(told(rows), "the rows of the log: make train.steps smaller, or eval.every larger");
        let classes = told("classification task.classification.n_classes=16777216");
        assert!(classes.starts_with("what the task keeps: make task.classification."), "{classes}");
        assert!(classes.contains("n_classes") && classes.contains("d_item"), "{classes}");
        let tasks = told("regression task.regression.n_tasks=16777216");
        assert!(tasks.starts_with("what the task keeps: ") && tasks.contains("task.regression.n_tasks"), "{tasks}");
        let probes = told("regression-stream probes.sequences=4194304");
        assert!(probes.starts_with("probes: ") && probes.contains("probes.sequences"), "{probes}");
        let batch = told("copying train.batch_size=4194304");
        assert!(batch.starts_with("a training step: ") && batch.contains("train.batch_size"), "{batch}");
        for (told, others) in [(classes, ["steps", "batch_size"]), (tasks, ["steps", "batch_size"])] {
            assert!(others.iter().all(|other| !told.contains(other)), "{told}");
        }
    }

    #[test]
    fn items_are_a_file() {
        let spec = load("han-small", &Changes::default()).unwrap();
        let (largest, advice) = advice(&spec, 1e12);
        assert_eq!((largest, &advice[..]), ("items", "name a smaller file in task.copying.items"));
    }
}
