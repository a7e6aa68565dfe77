//! Figures of stored sweeps, and of several runs at once.

use std::fs;

use crate::common::{Scratch, TINY, names};

/// Runs of less than a second: two learning rates, two seeds.
fn sweep(scratch: &Scratch, out: &str, more: &[&str]) {
    let rates = ["-g", "train.optimizer.sgd.learning_rate=0.3,0.1", "--seeds", "0..1", "--out", out];
    let mut args = vec!["sweep", "-s", "probes.enabled=false", "-s", "probes.ablations=[]"];
    args.extend(&TINY[1..]);
    scratch.run(&[&args[..], &rates, more].concat()).ok();
}

#[track_caller]
fn refused(scratch: &Scratch, args: &[&str], words: &[&str]) {
    let before = scratch.names();
    let ran = scratch.run(&[&["figure"], args].concat());
    assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
    assert!(words.iter().all(|word| ran.stderr.contains(word)), "{args:?}: {}", ran.stderr);
    assert_eq!(scratch.names(), before, "{args:?}");
}

#[test]
fn figures_are_drawn_of_a_stored_sweep() {
    let scratch = Scratch::new();
    sweep(&scratch, "sweep-rates", &[]);
    let read = |name: &str| fs::read(scratch.path(name)).unwrap();
    for (kind, file, magic) in [("ensemble", "e.png", &b"\x89PNG"[..]), ("dependence", "d.pdf", b"%PDF")] {
        scratch.run(&["figure", kind, "sweep-rates", "-o", file]).ok();
        assert!(read(file).starts_with(magic), "{file}");
    }
    let svg = scratch.run(&["figure", "dependence", "sweep-rates", "-o", "-"]).ok().stdout;
    for words in ["rates · 4 runs", "learning rate", "not by 60", "2 seeds each, 60 steps"] {
        assert!(svg.contains(words), "{words}");
    }
    // Numbers rise along the axis, in whatever order they were asked for.
    assert!(svg.find(">0.1<") < svg.find(">0.3<"));
    let dark = scratch.run(&["figure", "dependence", "sweep-rates", "-o", "-", "--theme", "dark"]).ok().stdout;
    assert!(dark != svg && !dark.contains("\"#ffffff\""));
    // Without -o it goes to its place in the folder.
    fs::remove_file(scratch.path("sweep-rates/dependence.svg")).unwrap();
    let told = scratch.run(&["figure", "dependence", "sweep-rates"]).ok().stdout;
    assert!(told.contains("dependence.svg") && svg == String::from_utf8(read("sweep-rates/dependence.svg")).unwrap());
    // A run that has not ended is told of.
    let run = names(&scratch.path("sweep-rates")).into_iter().find(|name| name.starts_with("copying-small")).unwrap();
    fs::remove_file(scratch.path("sweep-rates").join(&run).join("manifest.json")).unwrap();
    let told = scratch.run(&["figure", "ensemble", "sweep-rates", "-o", "three.svg"]).ok();
    assert!(told.stderr.contains("1 runs of sweep-rates have not ended"), "{}", told.stderr);

    refused(&scratch, &["phase-diagram", "sweep-rates", "-o", "x.svg"], &["two swept fields", "draw dependence"]);
    refused(&scratch, &["attention", "sweep-rates", "-o", "x.svg"], &["folder of a sweep", "draw ensemble"]);
    let run = format!("sweep-rates/{run}");
    refused(&scratch, &["ensemble", &run, "-o", "x.svg"], &["this is a run", "learning-curve"]);
    refused(&scratch, &["ensemble", "nowhere", "-o", "x.svg"], &["nowhere"]);
    refused(&scratch, &["ensemble", "sweep-rates", "-o", "x.svg", "--step", "3"], &["no choice"]);
    refused(&scratch, &["ensemble", "sweep-rates", "sweep-rates", "-o", "x.svg"], &["one file"]);
}

#[test]
fn two_swept_fields_make_a_phase_diagram() {
    let scratch = Scratch::new();
    sweep(&scratch, "grid", &["-g", "task.copying.n_labels=8,16"]);
    let svg = scratch.run(&["figure", "phase-diagram", "grid", "-o", "-"]).ok().stdout;
    for words in ["labels L", "learning rate", "gray: half of the runs", "2 seeds each"] {
        assert!(svg.contains(words), "{words}");
    }
    assert!(!svg.contains("no such run") && !svg.contains("not all agree"));
    refused(&scratch, &["dependence", "grid", "-o", "x.svg"], &["one swept field", "n_labels", "draw phase-diagram"]);
}

#[test]
fn learning_curves_of_several_runs_share_a_figure() {
    let scratch = Scratch::new();
    sweep(&scratch, "s", &[]);
    let runs: Vec<String> = names(&scratch.path("s"))
        .into_iter()
        .filter(|name| name.starts_with("copying-small"))
        .map(|name| format!("s/{name}"))
        .collect();
    let all: Vec<&str> = runs.iter().map(String::as_str).collect();
    let with = |kind: &'static str, runs: &[&str]| -> Vec<String> {
        [&[kind], runs, &["-o", "x.svg"]].concat().into_iter().map(str::to_owned).collect()
    };
    let draw = |args: &[String]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        scratch.run(&[&["figure"], &args[..]].concat())
    };
    draw(&with("learning-curve", &all)).ok();
    let svg = fs::read_to_string(scratch.path("x.svg")).unwrap();
    for words in ["learning rate = 0.1, seed 0 · no jump", "learning rate = 0.3, seed 1", "accuracy", "loss (nats)"] {
        assert!(svg.contains(words), "{words}");
    }
    fs::remove_file(scratch.path("x.svg")).unwrap();
    for (args, words) in [
        (with("learning-curve", &[all[0], all[1], all[0]]), "named twice"),
        (with("learning-curve", &[all[0]; 7]), "at most 6 runs"),
        (with("interactions", &all[..2]), "only learning-curve"),
    ] {
        let ran = draw(&args);
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{}", ran.stderr);
    }
    let regression = ["run", "regression", "--steps", "2", "-s", "eval.sequences=8", "-s", "probes.sequences=8", "-q"];
    scratch.run(&[&regression[..], &["--out", "r"]].concat()).ok();
    let told = draw(&with("learning-curve", &[all[0], "r"]));
    assert!(told.code == Some(2) && told.stderr.contains("must measure the same"), "{}", told.stderr);
}
