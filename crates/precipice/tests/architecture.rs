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
    for folder in ["precipice-lab/src", "precipice-page/src"] {
        none_mentions(folder, &["println!", "eprintln!", "process::exit", "clap"]);
    }
}

/// What can be reached from outside of this machine is in one crate.
#[test]
fn only_the_page_listens() {
    for folder in ["precipice-lab/src", "precipice-cli/src"] {
        none_mentions(folder, &["std::net", "TcpListener", "tokio", "hyper::", "axum"]);
    }
}

#[test]
fn unsafe_code_is_in_one_crate() {
    for name in ["precipice", "precipice-figures", "precipice-lab", "precipice-page"] {
        let text = fs::read_to_string(crates().join(name).join("src/lib.rs")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{name}");
    }
    assert!(
        fs::read_to_string(crates().join("precipice-cli/src/main.rs")).unwrap().contains("#![forbid(unsafe_code)]")
    );
}

/// The documents: those at the top, and those below `docs`.
fn documents() -> Vec<PathBuf> {
    let root = crates().parent().unwrap().to_owned();
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/reference"] {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let at_first = found.len();
        found.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
        assert!(found.len() > at_first, "no documents in {folder:?}");
    }
    found
}

/// Every path that the documents name exists: in backquotes from the root, in links from the document's own folder. A
/// Rust file may be named by the end of its path.
#[test]
fn documents_name_paths_that_exist() {
    const FOLDERS: [&str; 7] = ["crates/", "specs/", "docs/", "data/", "examples/", "scripts/", ".ci/"];
    let root = crates().parent().unwrap().to_owned();
    let files: Vec<PathBuf> = sources(&crates()).into_iter().map(|(path, _)| path).collect();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let quoted = || text.split('`').skip(1).step_by(2).filter(|path| !path.contains(['*', '<', '{', ' ', '\n']));
        for path in quoted().filter(|path| FOLDERS.iter().any(|p| path.starts_with(p))) {
            assert!(root.join(path).exists(), "{} names {path}", document.display());
        }
        for file in quoted().filter(|path| path.ends_with(".rs") && !root.join(path).exists()) {
            assert!(files.iter().any(|path| path.ends_with(file)), "{} names {file}", document.display());
        }
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let files = linked.filter_map(|link| link.split('#').next()).filter(|file| !file.contains("://"));
        for file in files.filter(|file| !file.starts_with("mailto:")) {
            assert!(document.parent().unwrap().join(file).exists(), "{} links {file}", document.display());
        }
    }
}
