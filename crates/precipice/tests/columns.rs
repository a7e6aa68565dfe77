//! The reference page of columns is made from the metrics themselves and from what tasks say of themselves.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use precipice::measure::{Better, Unit, metric};
use precipice::task::relation::RelationKind;
use precipice::task::{
    ClassificationSpec, CopyingSpec, Facts, ItemsSpec, Reader, RegressionSpec, RelationSpec, TaskSpec,
};

const BEGINNING: &str = "\
# Columns of the log

Made from `precipice::measure::metric::ALL` and the facts of the task families; after a change there: `REGENERATE=1 cargo test -p precipice --test columns`.

A row of the log has `step` (updates done), `sequences` (training sequences seen), and those of the columns below that \
the run measures; an undefined value is null. Names have places:

| place | what stands there |
| --- | --- |
| `{set}` | prefix of an evaluation set: nothing for the training distribution, else one of those below |
| `{predictor}` | a predictor without training: one of those below |
| `{layer}`, `{head}` | from 0 |
| `{query}`, `{key}` | part of the residual stream: `content`, `position` or `buffer` |
| `{mode}` | `mean` or `zero` |

Sets and predictors are those of the task's facts. A family has these, a run of it those that its fields ask for; a \
program's own task has its own:

| family | `{set}` | `{predictor}` |
| --- | --- | --- |
";

/// A family in all variants that differ in evaluation sets or predictors.
fn variants(family: &str) -> Vec<TaskSpec> {
    let items = || {
        let (file, array) = ("items.npz".to_owned(), "items".to_owned());
        Some(ItemsSpec { array, n_held_out: 1, ..ItemsSpec::of(&file) })
    };
    let relations =
        [RelationKind::Commutative, RelationKind::Anticommutative, RelationKind::Mixed, RelationKind::Order];
    match family {
        "copying" => {
            [None, items()].map(|items| TaskSpec::Copying(CopyingSpec { items, ..Default::default() })).to_vec()
        }
        "classification" => [None, items()]
            .map(|items| TaskSpec::Classification(ClassificationSpec { items, ..Default::default() }))
            .to_vec(),
        "regression" => [None, Some(64)]
            .map(|n_tasks| TaskSpec::Regression(RegressionSpec { n_tasks, ..Default::default() }))
            .to_vec(),
        "relation" => {
            relations.map(|relation| TaskSpec::Relation(RelationSpec { relation, ..Default::default() })).to_vec()
        }
        new => panic!("say here which variants {new} has"),
    }
}

/// Names in the order in which they are first met, each with all its words.
fn cell(all: impl Iterator<Item = (String, String)>) -> String {
    let mut parts: Vec<(String, Vec<String>)> = Vec::new();
    for (name, words) in all.filter(|(name, _)| !name.is_empty()) {
        match parts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) if known.contains(&words) => {}
            Some((_, known)) => known.push(words),
            None => parts.push((name, vec![words])),
        }
    }
    let parts: Vec<String> = parts.iter().map(|(name, words)| format!("`{name}`: {}", words.join(" or "))).collect();
    parts.join("; ")
}

/// The sets and predictors of each built-in family.
fn families() -> String {
    let mut rows = String::new();
    for family in TaskSpec::FAMILIES {
        let readers = [2, 1].map(|n_layers| Reader { n_layers, ..Reader::default() });
        let variants = variants(family);
        let facts: Vec<Facts> =
            readers.iter().flat_map(|&reader| variants.iter().map(move |task| task.family().facts(reader))).collect();
        assert!(facts.iter().all(|facts| facts.family == family), "{family}");
        let sets = cell(facts.iter().flat_map(|of| &of.eval_sets).map(|set| (set.prefix.clone(), set.words.clone())));
        let predictors =
            cell(facts.iter().flat_map(|of| &of.predictors).map(|one| (one.name.clone(), one.words.clone())));
        writeln!(rows, "| `{family}` | {sets} | {predictors} |").unwrap();
    }
    rows
}

/// The rustdoc line of each metric, by the metric's name.
fn lines() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/measure/metric.rs");
    let source = fs::read_to_string(path).unwrap();
    let (mut found, mut line) = (BTreeMap::new(), String::new());
    for text in source.lines().map(str::trim) {
        match text.strip_prefix("/// ") {
            Some(part) => line = format!("{line} {part}").trim().to_owned(),
            None => {
                // IDENTIFIER = "group" "name" "words" Unit Better;
                if let Some(name) = text.split('"').nth(3).filter(|_| text.ends_with(';')) {
                    found.insert(name.to_owned(), line.clone());
                }
                line.clear();
            }
        }
    }
    found
}

fn page() -> String {
    let (mut page, mut group, lines) = (BEGINNING.to_owned() + &families(), "", lines());
    for metric in metric::ALL {
        if metric.group != group {
            group = &metric.group;
            let title = format!("{}{}", group[..1].to_uppercase(), &group[1..]);
            page += &format!("\n## {title}\n| column | in words | unit | better | what it is |\n");
            page += "| --- | --- | --- | --- | --- |\n";
        }
        let better = match metric.better {
            Better::High => "high",
            Better::Low => "low",
            Better::Neither => "",
        };
        let unit = match metric.unit {
            Unit::Number => "",
            unit => unit.words(),
        };
        let line = lines.get(&*metric.name).unwrap_or_else(|| panic!("{} has no rustdoc line", metric.name));
        writeln!(page, "| `{}` | {} | {unit} | {better} | {line} |", metric.name, metric.words).unwrap();
    }
    page
}

#[test]
fn the_page_of_columns_is_that_of_the_metrics() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/columns.md");
    let page = page();
    if std::env::var_os("REGENERATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    let why =
        "docs/reference/columns.md is not what the metrics say; REGENERATE=1 cargo test -p precipice --test columns";
    assert!(stored == page, "{why}");
}

/// A variant with a set of its own that the page does not ask for would be missing there.
#[test]
fn every_prefix_that_a_task_writes_is_on_the_page() {
    let (folder, families) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("src/task"), families());
    let mut n_found = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let text = fs::read_to_string(&path).unwrap();
        for prefix in text.split("EvalSet::new(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(prefix.is_empty() || families.contains(&format!("`{prefix}`:")), "{}: {prefix}", path.display());
            n_found += 1;
        }
    }
    assert!(n_found > 4);
}

/// A group that is scattered would have two headings.
#[test]
fn metrics_of_a_group_stand_together() {
    let mut groups: Vec<&str> = metric::ALL.iter().map(|metric| &*metric.group).collect();
    groups.dedup();
    for (i, group) in groups.iter().enumerate() {
        assert!(!groups[..i].contains(group), "{group}");
    }
}
