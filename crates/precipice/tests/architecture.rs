//! The invariants of ARCHITECTURE.md that sources can show.

use std::fs;
use std::path::{Path, PathBuf};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Rust files below a folder, with the part before their unit tests.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            found.push((path, text));
        }
    }
    found
}

fn none_mentions(folder: &str, words: &[&str]) {
    let found = sources(&crates().join(folder));
    assert!(!found.is_empty(), "{folder} has no sources");
    for (path, text) in found {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for word in words {
                assert!(!line.contains(word), "{}:{}: {word}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn the_science_is_pure() {
    let outside = [
        "std::fs",
        "std::env",
        "std::time",
        "std::io",
        "std::net",
        "std::process",
        "thread::spawn",
        "println!",
        "eprintln!",
    ];
    none_mentions("precipice/src", &outside);
    none_mentions("precipice-num/src", &outside);
}

/// Plain data in, bytes out: a page or another program can draw without a run.
#[test]
fn figures_are_pure_and_know_nothing_of_runs() {
    let outside = ["std::fs", "std::env", "std::time", "std::io", "std::net", "process::", "println!"];
    none_mentions("precipice-figures/src", &outside);
    none_mentions("precipice-figures/src", &["precipice::", "precipice_num", "precipice_lab"]);
}

#[test]
fn only_the_command_line_prints_and_exits() {
    none_mentions("precipice-lab/src", &["println!", "eprintln!", "process::exit", "clap"]);
}

#[test]
fn unsafe_code_is_in_one_crate() {
    for name in ["precipice", "precipice-figures", "precipice-lab"] {
        let text = fs::read_to_string(crates().join(name).join("src/lib.rs")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{name}");
    }
    assert!(
        fs::read_to_string(crates().join("precipice-cli/src/main.rs")).unwrap().contains("#![forbid(unsafe_code)]")
    );
}

/// Every path that the documents name exists.
#[test]
fn documents_name_paths_that_exist() {
    let root = crates().parent().unwrap().to_owned();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "RESULTS.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let quoted = text.split('`').skip(1).step_by(2);
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for path in quoted.chain(linked) {
            let path = path.split('#').next().unwrap_or_default();
            let is_path =
                ["crates/", "specs/", "docs/", "data/", "scripts/", ".ci/"].iter().any(|p| path.starts_with(p));
            if is_path && !path.contains(['*', '<', '{', ' ']) {
                assert!(root.join(path).exists(), "{document} names {path}");
            }
        }
    }
}
