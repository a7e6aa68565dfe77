//! Which module knows which: data flows one way, and no files know each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A crate, and its modules in an order in which no module knows one that comes after it.
const HOUSES: [(&str, &[&str]); 6] = [
    (
        "precipice-num",
        &[
            "kernels",
            "math",
            "mat",
            "lanes",
            "profile",
            "tile",
            "transpose",
            "sixteen",
            "elementwise",
            "softmax",
            "rows",
            "rows",
            "pack",
            "gemm",
            "real",
            "rng",
            "cholesky",
            "eigen",
            "minimize",
            "allocator",
        ],
    ),
    (
        "precipice",
        &[
            "field", "purpose", "sequence", "workers", "theory", "task", "spec", "model", "train", "measure", "memory",
            "record", "run",
        ],
    ),
    (
        "precipice-lab",
        &[
            "error",
            "machine",
            "meter",
            "input",
            "store",
            "runs",
            "bench",
            "reports",
            "run_figures",
            "whole_run",
            "certificate",
            "sweep",
            "inventory",
            "claims",
        ],
    ),
    (
        "precipice-figures",
        &[
            "error",
            "style",
            "shades",
            "text",
            "check",
            "canvas",
            "theme",
            "export",
            "heat",
            "legend",
            "labels",
            "panel",
            "marks",
            "testing",
            "thumbnail",
            "tokens",
            "surface",
            "surface_body",
            "surface_map",
            "learning_curve",
            "landscape",
            "order_parameters",
            "theory_over_measurement",
            "attention",
            "bands",
            "contexts",
            "dependence",
            "ensemble",
            "interactions",
            "phase_diagram",
            "scaling",
            "growth",
            "twins",
        ],
    ),
    (
        "precipice-page",
        &[
            "limits", "error", "refusal", "place", "standing", "curve", "run", "walk", "members", "list", "follow",
            "built", "files", "publish", "guard", "wire", "api", "server",
        ],
    ),
    (
        "precipice-cli",
        &["numbers", "screen", "lines", "output", "chart", "args", "interrupt", "keys", "progress", "cmd"],
    ),
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

/// Code without unit tests, comments and the text of strings.
fn code(text: &str) -> String {
    let mut text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut kept = String::new();
    while let Some(c) = text.chars().next() {
        let n_gone = if text.starts_with("//") {
            text.find('\n').unwrap_or(text.len())
        } else if let Some(raw) = text.strip_prefix("r#\"") {
            raw.find("\"#").map_or(text.len(), |at| at + 5)
        } else if c == '"' {
            let mut is_escaped = false;
            let is_end = |c: char| {
                let ends = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                ends
            };
            text[1..].find(is_end).map_or(text.len(), |at| at + 2)
        } else if text.starts_with("'\"'") {
            3
        } else if text.starts_with("'\\\"'") {
            4
        } else {
            kept.push(if c.is_whitespace() { ' ' } else { c });
            c.len_utf8()
        };
        text = &text[n_gone..];
    }
    kept.replace("$crate", "crate")
}

type Names = Vec<String>;

fn names(path: &str) -> Names {
    path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A macro's `$x` is a name too.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || "_$".contains(c)
}

/// What a file says of itself and of others.
#[derive(Debug, Default)]
struct Source {
    /// `mod x;`
    children: BTreeSet<String>,
    /// What a `use` of any form brings, by the name that it has here.
    uses: Vec<(String, Names)>,
    /// Paths in the code itself: `crate::x::y()`.
    paths: Vec<Names>,
}

impl Source {
    fn read(code: &str) -> Self {
        let mut found = Self::default();
        let (mut rest, mut last) = (code, "");
        while let Some(at) = rest.find(is_of_name) {
            let is_continued = rest[..at].trim_end().ends_with("::");
            let (path, after) = path_at(&rest[at..]);
            let after_words = after.trim_start();
            rest = after;
            match (last, path.as_slice()) {
                // `impl Sized + use<>` is no import.
                (_, [word]) if word == "use" && !after_words.starts_with('<') => {
                    rest = found.read_use(after_words, &mut Vec::new());
                }
                ("mod", [child]) if after_words.starts_with(';') => drop(found.children.insert(child.clone())),
                (_, [_, _, ..]) if !is_continued => found.paths.push(path.clone()),
                _ => {}
            }
            last = if path == ["mod"] { "mod" } else { "" };
        }
        found
    }

    /// Reads `a::b::{c, d::e as f}` and returns what follows it.
    fn read_use<'a>(&mut self, text: &'a str, prefix: &mut Names) -> &'a str {
        let depth = prefix.len();
        let (path, rest) = path_at(text.trim_start_matches("::"));
        prefix.extend(path);
        let mut rest = rest.trim_start().trim_start_matches("::").trim_start();
        if let Some(mut list) = rest.strip_prefix('{') {
            loop {
                list = list.trim_start().trim_start_matches(',').trim_start();
                if let Some(after) = list.strip_prefix('}') {
                    prefix.truncate(depth);
                    return after;
                }
                let after = self.read_use(list, prefix);
                assert!(after.len() < list.len(), "a list that does not end: {list:.60}");
                list = after;
            }
        }
        let mut path = prefix.clone();
        prefix.truncate(depth);
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            path.push("*".to_owned());
        } else if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if let Some(after) = rest.strip_prefix("as ") {
            let (new_name, after) = path_at(after.trim_start());
            name = new_name.concat();
            rest = after.trim_start();
        }
        self.uses.push((name, path));
        rest
    }

    fn all_paths(&self) -> impl Iterator<Item = &Names> {
        self.uses.iter().map(|(_, path)| path).chain(&self.paths)
    }
}

/// `a::b` at the beginning of a text, and what follows it.
fn path_at(text: &str) -> (Names, &str) {
    let (mut path, mut rest) = (Vec::new(), text);
    loop {
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        if end == 0 {
            return (path, rest);
        }
        path.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(after) if after.starts_with(is_of_name) => rest = after,
            _ => return (path, rest),
        }
    }
}

/// The files of a crate, by their modules: `a/b.rs` and `a/b/mod.rs` are a::b.
struct House(BTreeMap<Names, Source>);

impl House {
    fn of(name: &str) -> Self {
        let root = crates().join(name).join("src");
        let read = |path: PathBuf| {
            let inner = path.strip_prefix(&root).unwrap().with_extension("");
            let mut module: Names = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
                module.pop();
            }
            (module, Source::read(&code(&fs::read_to_string(&path).unwrap())))
        };
        Self(sources(&root).into_iter().map(read).collect())
    }

    /// The modules that a path of a file leads through; the last is the file that defines what it names, behind all
    /// re-exports. None where the path leads out of the crate.
    fn way(&self, own: &[String], path: &[String], n_left: usize) -> Vec<Names> {
        let mut at = if path[0] == "crate" { Vec::new() } else { own.to_vec() };
        let knows = |module: &Names, name: &String| {
            let source = &self.0[module];
            source.children.contains(name) || source.uses.iter().any(|(used, _)| used == name)
        };
        if !["crate", "self", "super"].contains(&path[0].as_str()) && !knows(&at, &path[0]) {
            return Vec::new();
        }
        let mut way = vec![at.clone()];
        for (i, name) in path.iter().enumerate() {
            let (source, rest) = (&self.0[&at], &path[i + 1..]);
            let used = source.uses.iter().find(|(used, _)| used == name);
            match (name.as_str(), used) {
                ("crate" | "self", _) => {}
                ("super", _) => drop(at.pop()),
                // Both a module and what it is re-exported for may have the name.
                (_, None) if source.children.contains(name) => at.push(name.clone()),
                (_, Some(_)) if source.children.contains(name) && !rest.is_empty() => at.push(name.clone()),
                (_, Some((_, target))) if n_left > 0 => {
                    way.extend(self.way(&at, &[target, rest].concat(), n_left - 1));
                    return way;
                }
                // Defined here.
                _ => break,
            }
            way.push(at.clone());
        }
        way
    }

    /// The ways of all paths of a file.
    fn ways(&self, own: &[String]) -> Vec<Vec<Names>> {
        self.0[own].all_paths().map(|path| self.way(own, path, 8)).filter(|way| !way.is_empty()).collect()
    }

    /// The files that know each other in a circle, and whom of them each knows.
    ///
    /// A file may use what the `mod.rs` above it defines for all of its folder, and `mod.rs` may use its children: the
    /// two are one thing. What `mod.rs` only re-exports is an arrow to the file that defines it.
    fn circles(&self) -> BTreeMap<String, BTreeSet<String>> {
        let arrows = |own: &Names| {
            let targets = self.ways(own).into_iter().filter_map(|way| way.last().cloned());
            targets.filter(|target| !own.starts_with(target)).map(|target| target.join("::")).collect()
        };
        let mut known: BTreeMap<String, BTreeSet<String>> =
            self.0.keys().map(|own| (own.join("::"), arrows(own))).collect();
        // Whoever knows nobody or is known to nobody is in no circle.
        loop {
            let is_known: BTreeSet<String> = known.values().flatten().cloned().collect();
            let n_before = known.len();
            known.retain(|name, of| !of.is_empty() && is_known.contains(name));
            if known.len() == n_before {
                return known;
            }
            let left: BTreeSet<String> = known.keys().cloned().collect();
            known.values_mut().for_each(|of| of.retain(|name| left.contains(name)));
        }
    }
}

#[test]
fn all_forms_of_use_are_read() {
    let text = r#"
        mod child; pub mod open; mod inline { }
        use crate::{error::LabError, runs::{a, b as c}, store};
        pub use super::super::x;
        use super::{Row, y::{self, Z}, w::*};
        use self::child::Deep;
        use child::{One, two::Three as _};
        pub(crate) use open::{Four};
        pub(in crate::a) use ::std::fs;
        /// use crate::comment;
        fn f() -> impl Sized + use<'_> {
            let s = "use crate::text; // \" crate::text::x()";
            crate::sweep::draw(child::five::<u8>(s), '"', <T as open::Six>::seven, self::eight(), Foo::<u8>::nine());
        }
        #[cfg(test)]
        mod tests { use super::*; }
    "#;
    let text = text.replace("        ", "");
    let source = Source::read(&code(&text));
    assert_eq!(source.children.iter().map(String::as_str).collect::<Vec<_>>(), ["child", "open"]);
    let uses: Vec<String> = source.uses.iter().map(|(name, path)| format!("{} as {name}", path.join("::"))).collect();
    let expected = [
        "crate::error::LabError as LabError",
        "crate::runs::a as a",
        "crate::runs::b as c",
        "crate::store as store",
        "super::super::x as x",
        "super::Row as Row",
        "super::y as y",
        "super::y::Z as Z",
        "super::w::* as *",
        "self::child::Deep as Deep",
        "child::One as One",
        "child::two::Three as _",
        "open::Four as Four",
        "std::fs as fs",
    ];
    assert_eq!(uses, expected);
    let paths: Vec<String> = source.paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["crate::a", "crate::sweep::draw", "child::five", "open::Six", "self::eight"]);
}

/// A crate of small strings.
fn small_house(files: &[(&str, &str)]) -> House {
    House(files.iter().map(|(module, text)| (names(module), Source::read(&code(text)))).collect())
}

#[test]
fn paths_lead_to_the_file_that_defines() {
    let house = small_house(&[
        ("", "mod a; mod z; pub use a::Row as Line;"),
        ("a", "mod row; pub mod b; mod row_user; pub use row::Row; pub use b::b; use std::fs; pub struct Own;"),
        ("a::row", "pub struct Row;"),
        ("a::b", "pub fn b() {} mod c;"),
        ("a::b::c", "use super::super::row as line; fn f() { line::new() }"),
        ("a::row_user", ""),
        ("z", ""),
    ]);
    let ends = |own: &str, path: &str| house.way(&names(own), &names(path), 8).last().map(|end| end.join("::"));
    for (own, path, end) in [
        ("a::row_user", "super::Row", "a::row"),
        ("a::row_user", "super::Own", "a"),
        ("z", "crate::Line::new", "a::row"),
        ("z", "crate::a::b", "a::b"),
        ("z", "crate::a::b::c::X", "a::b::c"),
        ("a", "b::c::X", "a::b::c"),
        ("a", "self::row::Row", "a::row"),
        ("a::b", "self::c", "a::b::c"),
        ("a::b::c", "line::new", "a::row"),
        ("a::b::c", "super::super::Own", "a"),
    ] {
        assert_eq!(ends(own, path).as_deref(), Some(end), "{path} in {own}");
    }
    assert_eq!(ends("z", "std::fs"), None);
    assert_eq!(ends("z", "row::Row"), None);
}

#[test]
fn circles_are_found() {
    let top = ("", "mod a;");
    let circles = |files: &[(&str, &str)]| -> Vec<String> { small_house(files).circles().into_keys().collect() };
    // Siblings behind re-exports of the file above them.
    let above = ("a", "mod b; mod c; mod d; pub use b::B; pub use c::C; pub struct A;");
    let user = ("a::d", "use super::{A, B};");
    let both = [top, above, ("a::b", "use super::C;"), ("a::c", "fn f() { crate::a::b::g() }"), user];
    assert_eq!(circles(&both), ["a::b", "a::c"]);
    // What the file above defines is everybody's.
    let one = [top, above, ("a::b", "use super::{A, C};"), ("a::c", "use super::A;"), user];
    assert!(circles(&one).is_empty());
}

#[test]
fn modules_know_only_those_before_them() {
    for (name, order) in HOUSES {
        let (house, place) = (House::of(name), |name: &str| order.iter().position(|module| *module == name));
        for file in house.0.keys() {
            let Some(own) = file.first() else { continue };
            let own_place = place(own).unwrap_or_else(|| panic!("{name}: {own} has no place in the order"));
            // What the root itself defines belongs to everybody.
            for known in house.ways(file).iter().flatten().filter_map(|module| module.first()) {
                let there = place(known).unwrap_or_else(|| panic!("{name}: {known} has no place in the order"));
                let file = file.join("::");
                assert!(there <= own_place, "{name}, {file}: {own} knows {known}, which comes after it");
                let is_stranger = |(module, of): &(&str, &[&str])| module == own && of.contains(&known.as_str());
                assert!(name != "precipice" || !STRANGERS.iter().any(is_stranger), "{file}: {own} knows {known}");
            }
        }
    }
}

#[test]
fn files_form_no_circle() {
    for (name, _) in HOUSES {
        let circles = House::of(name).circles();
        assert!(circles.is_empty(), "{name}: a circle among {circles:#?}");
    }
}

/// Options of networks are read in one place: whoever asks what a network is asks its description.
#[test]
fn only_the_description_takes_networks_apart() {
    for folder in ["model", "train", "measure"] {
        let root = crates().join("precipice/src").join(folder);
        for path in sources(&root).into_iter().filter(|path| !path.ends_with("description.rs")) {
            assert!(!code(&fs::read_to_string(&path).unwrap()).contains("spec.model"), "{}", path.display());
        }
    }
}
