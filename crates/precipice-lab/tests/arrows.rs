//! Which module knows which: one direction, and files of one module do not know each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// No module knows one that comes after it.
const ORDER: [&str; 10] =
    ["error", "input", "store", "runs", "bench", "reports", "run_figures", "whole_run", "sweep", "claims"];

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
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(str::chars).filter(|c| !c.is_whitespace() || *c == ' ').collect()
}

/// What `crate::` is followed by, in braces or without.
fn modules_named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => found.extend([word(rest)]),
            Some(list) => {
                let mut depth = 0;
                let mut begins = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        c if begins && !c.is_whitespace() => {
                            found.extend([word(&list[at..])]);
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn lists_in_braces_are_read() {
    let code = "use crate::{error::LabError, runs::{a, b}, store}; crate::sweep::draw()";
    let names: Vec<String> = modules_named(code).into_iter().collect();
    assert_eq!(names, ["error", "runs", "store", "sweep"]);
}

#[test]
fn modules_know_only_those_before_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = |name: &str| ORDER.iter().position(|module| *module == name);
    for path in sources(&root) {
        let inner = path.strip_prefix(&root).unwrap();
        let own = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if own == "lib" {
            continue;
        }
        let own_place = place(own).unwrap_or_else(|| panic!("{own} has no place in the order"));
        for name in modules_named(&code(&path)) {
            let there = place(&name).unwrap_or_else(|| panic!("{}: crate::{name}", inner.display()));
            assert!(there <= own_place, "{} knows {name}, which comes after {own}", inner.display());
        }
    }
}

/// `super::name` inside a module leads nowhere in a circle.
#[test]
fn files_of_a_module_form_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources(&root) {
        let folder = path.parent().unwrap();
        let name = |path: &Path| path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
        let siblings = code(&path);
        let siblings = siblings
            .split("super::")
            .skip(1)
            .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
        let is_there = |sibling: &String| {
            folder.join(format!("{sibling}.rs")).exists() || folder.join(sibling).join("mod.rs").exists()
        };
        known.insert(name(&path), siblings.filter(is_there).map(|sibling| name(&folder.join(sibling))).collect());
    }
    // Whoever knows only files that are gone goes next; in a circle nobody does.
    while !known.is_empty() {
        let free: Vec<String> = known
            .iter()
            .filter(|(_, of)| of.iter().all(|name| !known.contains_key(name)))
            .map(|(n, _)| n.clone())
            .collect();
        assert!(!free.is_empty(), "a circle among {:?}", known.keys());
        free.iter().for_each(|name| drop(known.remove(name)));
    }
}
