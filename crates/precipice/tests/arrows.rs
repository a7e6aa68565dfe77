//! Which module knows which: data flows one way, and no files know each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A crate, and its modules in an order in which no module knows one that comes after it.
const HOUSES: [(&str, &[&str]); 4] = [
    (
        "precipice-num",
        &[
            "kernels",
            "math",
            "mat",
            "lanes",
            "transpose",
            "sixteen",
            "elementwise",
            "softmax",
            "gemm",
            "real",
            "rng",
            "cholesky",
            "eigen",
            "minimize",
        ],
    ),
    (
        "precipice",
        &[
            "field", "sequence", "workers", "theory", "task", "spec", "model", "train", "measure", "memory", "record",
            "run",
        ],
    ),
    (
        "precipice-lab",
        &["error", "input", "store", "runs", "bench", "reports", "run_figures", "whole_run", "sweep", "claims"],
    ),
    ("precipice-cli", &["numbers", "output", "chart", "args", "interrupt", "progress", "cmd"]),
];

/// What a module does not know, though it comes before: whoever knows it all the same would tie it down.
const STRANGERS: [(&str, &[&str]); 4] = [
    ("theory", &["field", "sequence", "workers"]),
    ("model", &["task"]),
    ("task", &["workers"]),
    ("spec", &["theory"]),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file: no unit tests, no comments, no blanks.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.flat_map(str::chars).map(|c| if c.is_whitespace() { ' ' } else { c }).collect::<String>().replace(" ::", "::")
}

/// Every path that begins with `crate` or `super`, in a `use` of any form or where it is needed.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for first in ["crate::", "super::"] {
        for (at, _) in code.match_indices(first) {
            let is_whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
            if is_whole {
                tree(&code[at..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Reads `a::b::{c, d::e}` and returns what follows it.
fn tree<'a>(text: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    let mut text = text.trim_start();
    loop {
        if let Some(mut list) = text.strip_prefix('{') {
            loop {
                list = list.trim_start().trim_start_matches(',').trim_start();
                if let Some(rest) = list.strip_prefix('}') {
                    prefix.truncate(depth);
                    return rest;
                }
                let rest = tree(list, prefix, found);
                assert!(rest.len() < list.len(), "a list that does not end: {list:.60}");
                list = rest;
            }
        }
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(text.len());
        prefix.push(text[..end].to_owned());
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(rest) if !rest.starts_with('<') => text = rest.trim_start(),
            _ => break,
        }
    }
    found.push(prefix.clone());
    prefix.truncate(depth);
    // A list that belongs to code and not to a path ends here too.
    let renamed =
        text.trim_start().strip_prefix("as ").map(|rest| rest.trim_start_matches(|c: char| c != ',' && c != '}'));
    renamed.unwrap_or(text)
}

/// The module of a file: `a/b.rs` and `a/b/mod.rs` are a::b.
fn module_of(inner: &Path) -> Vec<String> {
    let parts = inner.with_extension("");
    let mut parts: Vec<String> = parts.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// Paths from the root of the crate.
fn absolute(own: &[String], path: &[String]) -> Vec<String> {
    let n_up = path.iter().take_while(|part| *part == "super").count();
    let base = if n_up > 0 { own[..own.len().saturating_sub(n_up)].to_vec() } else { Vec::new() };
    [base, path[n_up.max(1)..].to_vec()].concat()
}

#[test]
fn all_forms_of_use_are_read() {
    let code = "use crate::{error::LabError, runs::{a, b as c}, store}; pub use super::super::x; crate::sweep::draw(); \
                use super::{Row, y::{self, Z}};";
    let own = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let mut read: Vec<String> = paths(code).iter().map(|path| absolute(&own, path).join("::")).collect();
    read.sort();
    read.dedup();
    let expected = [
        "a::b::Row",
        "a::b::y::Z",
        "a::b::y::self",
        "a::x",
        "error::LabError",
        "runs::a",
        "runs::b",
        "store",
        "sweep::draw",
    ];
    // `super::x` inside `super::super::x` is not a path of its own.
    assert_eq!(read, expected);
}

#[test]
fn modules_know_only_those_before_them() {
    for (house, order) in HOUSES {
        let root = crates().join(house).join("src");
        let place = |name: &str| order.iter().position(|module| *module == name);
        for path in sources(&root) {
            let inner = path.strip_prefix(&root).unwrap();
            let module = module_of(inner);
            let Some(own) = module.first() else { continue };
            let own_place = place(own).unwrap_or_else(|| panic!("{house}: {own} has no place in the order"));
            for target in paths(&code(&path)).iter().map(|path| absolute(&module, path)) {
                // What the root itself defines belongs to everybody.
                let Some(there) = target.first().and_then(|name| place(name)) else { continue };
                let name = order[there];
                assert!(there <= own_place, "{house}/{}: {own} knows {name}, which comes after it", inner.display());
                let stranger =
                    STRANGERS.iter().any(|(module, of)| house == "precipice" && module == own && of.contains(&name));
                assert!(!stranger, "{}: {own} knows {name}", inner.display());
            }
        }
    }
}

/// A file may use what its folder's `mod.rs` says for all of them; beside that nobody knows each other in a circle.
#[test]
fn files_form_no_circle() {
    for (house, _) in HOUSES {
        let root = crates().join(house).join("src");
        let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in sources(&root) {
            let module = module_of(path.strip_prefix(&root).unwrap());
            let file_of = |target: &[String]| {
                let lengths = (1..=target.len()).rev();
                lengths
                    .map(|len| target[..len].join("/"))
                    .find(|name| root.join(format!("{name}.rs")).exists() || root.join(name).join("mod.rs").exists())
            };
            let own = module.join("/");
            let targets = paths(&code(&path)).into_iter().filter_map(|path| file_of(&absolute(&module, &path)));
            let is_own_or_above = |target: &String| own == *target || own.starts_with(&format!("{target}/"));
            known.insert(own.clone(), targets.filter(|target| !is_own_or_above(target)).collect());
        }
        // Whoever knows only files that are gone goes next; in a circle nobody does.
        while !known.is_empty() {
            let is_free = |of: &BTreeSet<String>| of.iter().all(|name| !known.contains_key(name));
            let free: Vec<String> = known.iter().filter(|(_, of)| is_free(of)).map(|(name, _)| name.clone()).collect();
            assert!(!free.is_empty(), "{house}: a circle among {:#?}", known);
            free.iter().for_each(|name| drop(known.remove(name)));
        }
    }
}

/// Options of networks are read in one place: whoever asks what a network is asks its description.
#[test]
fn only_the_description_takes_networks_apart() {
    for folder in ["model", "train", "measure"] {
        let root = crates().join("precipice/src").join(folder);
        for path in sources(&root).into_iter().filter(|path| !path.ends_with("description.rs")) {
            assert!(!code(&path).contains("spec.model"), "{}", path.display());
        }
    }
}
