//! What is shown while something goes on: of stored and unfinished runs, of sweeps, and how wide everything is.

use crate::common::{Scratch, TINY};

const SWEEP: [&str; 14] = [
    "sweep",
    "copying-small",
    "--steps",
    "20",
    "-s",
    "eval.sequences=64",
    "-s",
    "probes.sequences=16",
    "-g",
    "train.batch_size=8,16",
    "--seeds",
    "0..1",
    "--out",
    "swept",
];

#[test]
fn a_stored_run_is_watched_once() {
    let scratch = Scratch::new();
    scratch.run(&[&TINY[..], &["--out", "run"]].concat()).ok();
    let shown = scratch.run(&["watch", "run"]).ok();
    let told =
        ["60/60 steps · ended", "accuracy ", "ILA1 ", "TILA2 ", "TLA2 ", "beta ", "alpha\u{2032} ", "xi ", "1/N = "];
    assert!(told.iter().all(|words| shown.stdout.contains(words)), "{}", shown.stdout);
    assert!(shown.stdout.contains("no jump within 60 steps"), "the outcome: {}", shown.stdout);
    assert_eq!(scratch.run(&["watch", "run", "--once"]).ok().stdout, shown.stdout);
    assert!(!shown.stdout.contains('\u{1b}'), "no colors where there is no terminal");
}

#[test]
fn an_unfinished_run_is_watched_as_far_as_it_is() {
    let scratch = Scratch::new();
    scratch.run(&[&TINY[..], &["--out", "run"]].concat()).ok();
    std::fs::remove_file(scratch.path("run/manifest.json")).unwrap();
    // The last line was being written.
    let log = std::fs::read_to_string(scratch.path("run/log.jsonl")).unwrap();
    scratch.write("run/log.jsonl", &log[..log.len() - 20]);
    std::fs::remove_dir_all(scratch.path("run/checkpoints")).unwrap();
    let shown = scratch.run(&["watch", "run", "--once"]).ok().stdout;
    assert!(shown.contains("50/60 steps · nobody is making it") && shown.contains("--resume"), "{shown}");
    scratch.write("run/log.jsonl", log.replacen("loss", "lots", 1));
    let damaged = scratch.run(&["watch", "run", "--once"]);
    assert!(damaged.code == Some(2) && damaged.stderr.contains("line 1 is damaged"), "{}", damaged.stderr);
}

#[test]
fn a_regression_run_is_watched_by_its_own_columns() {
    let scratch = Scratch::new();
    let small = ["-s", "eval.sequences=64", "-s", "probes.sequences=16", "--steps", "4", "--out", "run", "-q"];
    scratch.run(&[&["run", "regression"], &small[..]].concat()).ok();
    let shown = scratch.run(&["watch", "run"]).ok().stdout;
    let told = ["share of gradient descent", "exact (ridge)", "cosine with gradient descent"];
    assert!(told.iter().all(|words| shown.contains(words)) && !shown.contains("ILA1"), "{shown}");
}

#[test]
fn a_sweep_is_watched_by_its_runs() {
    let scratch = Scratch::new();
    scratch.run(&[&SWEEP[..], &["-q"]].concat()).ok();
    let shown = scratch.run(&["watch", "swept"]).ok().stdout;
    assert!(shown.contains("4/4 runs · ended · 0 jumped"), "{shown}");
    let run = std::fs::read_dir(scratch.path("swept")).unwrap().flatten().find(|entry| entry.path().is_dir()).unwrap();
    std::fs::remove_file(run.path().join("manifest.json")).unwrap();
    let shown = scratch.run(&["watch", "swept"]).ok().stdout;
    assert!(shown.contains("3/4 runs · nobody is making it") && shown.contains("goes on"), "{shown}");
}

#[test]
fn what_is_no_run_is_refused() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("folder")).unwrap();
    scratch.write("folder/mine.txt", "mine");
    for (name, why) in [("nothing", "no such run"), ("folder", "no spec.toml")] {
        let refused = scratch.run(&["watch", name]);
        assert!(refused.code == Some(2) && refused.stderr.contains(why), "{}", refused.stderr);
    }
}

#[test]
fn claims_are_listed_with_their_durations() {
    let scratch = Scratch::new();
    let listed = scratch.run(&["reproduce", "--list"]).ok().stdout;
    let claims = scratch.run(&["reproduce", "--list", "--json"]).ok().json();
    let claims = claims.as_array().unwrap();
    assert_eq!(listed.lines().filter(|line| line.starts_with("  takes: ")).count(), claims.len());
    assert!(claims.iter().all(|claim| claim["about_seconds"]["fast"].as_f64() > Some(0.0)));
    assert!(listed.contains("--fast about 12 min") && listed.contains("two cores"), "{listed}");
}

/// Prose and tables have 80 columns; paths and what was typed have those that they have.
#[test]
fn what_is_for_people_has_80_columns() {
    let scratch = Scratch::new();
    scratch.run(&[&TINY[..], &["--out", "run"]].concat()).ok();
    let small = ["-s", "eval.sequences=64", "-s", "probes.sequences=16", "--steps", "4", "--out", "values", "-q"];
    scratch.run(&[&["run", "regression"], &small[..]].concat()).ok();
    let formula = ["--n", "8", "--labels", "32"];
    let of_theory = |what| [&["theory", what], &formula[..]].concat();
    let commands: [Vec<&str>; 19] = [
        vec![],
        vec!["--help"],
        vec!["specs"],
        vec!["run", "--help"],
        vec!["sweep", "--help"],
        vec!["bench", "--help"],
        vec!["figure", "--help"],
        vec!["theory", "landscape", "--help"],
        vec!["reproduce", "--list"],
        vec!["run", "--resume", "--out", "values", "regression"].into_iter().chain(small).take(11).collect(),
        vec!["watch", "run"],
        vec!["watch", "values"],
        vec!["probe", "run"],
        vec!["probe", "values"],
        vec!["theory", "regression", "--steps", "1", "--contexts", "50"],
        vec!["theory", "fit", "run"],
        vec!["theory", "scaling", "--values", "4,8"],
        of_theory("flow"),
        of_theory("descent"),
    ];
    for args in commands {
        let ran = scratch.run(&args);
        let text = ran.stdout + &ran.stderr;
        // What has no spaces cannot be broken: paths, and values to type.
        for line in text.lines().filter(|line| line.trim().contains(' ')) {
            assert!(line.chars().count() <= 80, "{args:?}: {} columns: {line}", line.chars().count());
        }
    }
}
