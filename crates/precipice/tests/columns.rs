//! The reference page of columns is made from the metrics themselves.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use precipice::measure::{Better, Unit, metric};

const BEGINNING: &str = "\
# Columns of the log

Made from `precipice::measure::metric::ALL`; after a change there: `REGENERATE=1 cargo test -p precipice --test columns`.

A row of the log has `step` (updates done), `sequences` (training sequences seen), and those of the columns below that \
the run measures; an undefined value is null. Names have places:

| place | what stands there |
| --- | --- |
| `{set}` | prefix of an evaluation set: nothing for the training distribution, `ic_` for classes never trained on, \
`ic_swap_` for labels shifted in the context, `iw_` for labels known by heart; a program's own task has its own |
| `{predictor}` | a predictor without training: `nearest_neighbor` where items come from a file; `zero`, `average`, \
`gd`, `gd_plus_plus`, `ridge`, `pool` in regression; a program's own task has its own |
| `{layer}`, `{head}` | from 0 |
| `{query}`, `{key}` | part of the residual stream: `content`, `position` or `buffer` |
| `{mode}` | `mean` or `zero` |
";

/// The rustdoc line of each metric, by the metric's name.
fn lines() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/measure/metric.rs");
    let source = fs::read_to_string(path).unwrap();
    let (mut found, mut line) = (BTreeMap::new(), String::new());
    for text in source.lines().map(str::trim) {
        match text.strip_prefix("/// ") {
            Some(part) => line = format!("{line} {part}").trim().to_owned(),
            None => {
                // IDENTIFIER = "family" "name" "words" Unit Better;
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
    let (mut page, mut family, lines) = (BEGINNING.to_owned(), "", lines());
    for metric in metric::ALL {
        if metric.family != family {
            family = &metric.family;
            let title = format!("{}{}", family[..1].to_uppercase(), &family[1..]);
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

/// A family that is scattered would have two headings.
#[test]
fn metrics_of_a_family_stand_together() {
    let mut families: Vec<&str> = metric::ALL.iter().map(|metric| &*metric.family).collect();
    families.dedup();
    for (i, family) in families.iter().enumerate() {
        assert!(!families[..i].contains(family), "{family}");
    }
}
