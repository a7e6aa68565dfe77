//! Any step of a run, and runs that go on from there.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{Ran, Scratch, TINY, names};

fn tiny(scratch: &Scratch, out: &[&str]) -> Ran {
    scratch.run(&[&TINY[..], out].concat()).ok()
}

fn read(scratch: &Scratch, path: &str) -> Vec<u8> {
    fs::read(scratch.path(path)).unwrap()
}

/// Of a run of a sweep, which has its last state alone, and of one that has many: the same files.
#[test]
fn every_command_goes_to_any_step() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]);
    scratch.run(&["sweep", "r/spec.toml", "--seeds", "0", "--out", "s", "-q"]).ok();
    let swept = names(&scratch.path("s")).into_iter().find(|name| name.starts_with("copying-small-")).unwrap();
    let swept = format!("s/{swept}");
    assert_eq!(names(&scratch.path(&swept).join("checkpoints")), ["step-00000060.safetensors"]);
    for (i, run) in ["r", swept.as_str()].into_iter().enumerate() {
        for (kind, args) in [
            ("safetensors", &["export", run, "--to", "safetensors", "--step", "16"][..]),
            ("weights", &["export", run, "--to", "safetensors", "--step", "37", "--threads", "2"]),
            ("contexts", &["export", run, "--to", "npz", "--contexts", "--step", "3,37", "--sequences", "4"]),
            ("svg", &["figure", "attention", run, "--step", "7,37"]),
            ("npz", &["at", run, "--step", "37", "--sequences", "4"]),
            ("film", &["at", run, "--steps", "10..50:20", "--sequences", "4", "--threads", "1"]),
        ] {
            let extension = match kind {
                "weights" => "safetensors",
                "contexts" | "film" => "npz",
                other => other,
            };
            let file = format!("{kind}{i}.{extension}");
            scratch.run(&[args, &["-o", &file]].concat()).ok();
            let first = format!("{kind}0.{extension}");
            assert!(read(&scratch, &file) == read(&scratch, &first), "{kind}");
        }
        assert_eq!(scratch.run(&["probe", run, "--step", "37", "--json"]).ok().json()["step"], 37);
        let beyond = scratch.run(&["probe", run, "--step", "61"]);
        assert!(beyond.code == Some(2) && beyond.stderr.contains("it went to step 60"), "{}", beyond.stderr);
    }
    let stored = read(&scratch, "r/checkpoints/step-00000016.safetensors");
    assert!(read(&scratch, "safetensors1.safetensors") == stored);
}

#[test]
fn a_run_at_a_step_is_written_where_it_is_said() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]);
    let name = scratch.run(&["at", "r", "--step", "37"]).ok().stdout;
    assert!(name.starts_with("copying-small-") && name.trim().ends_with("-at-00000037.npz"), "{name}");
    let film = scratch.run(&["at", "r", "--steps", "0..60:30", "--json"]).ok().json();
    assert!(film["file"].as_str().unwrap().ends_with("-at-00000000-00000060.npz"), "{film}");
    assert_eq!(film["bytes"], fs::metadata(scratch.path(film["file"].as_str().unwrap())).unwrap().len());
    scratch.run(&["at", "r", "--step", "37", "-o", "x.safetensors"]).ok();
    // Nothing is replaced unasked.
    let refused = scratch.run(&["at", "r", "--step", "38", "-o", "x.safetensors"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("--force"), "{}", refused.stderr);
    scratch.run(&["at", "r", "--step", "38", "-o", "x.safetensors", "--force"]).ok();
    for (args, words) in [
        (&["--step", "61"][..], "did not make step 61: it went to step 60"),
        (&["--steps", "50..70:10"], "did not make step 70"),
        (&["--steps", "50..40:10"], "expected a rising range"),
        (&["--steps", "0..9000000000"], "at most"),
        (&["--step", "1", "-o", "x.csv"], ".npz or .safetensors"),
        (&["--step", "1", "--steps", "1..2"], "cannot be used with"),
        (&[], "--step <S>|--steps <A..B:K>"),
        (&["--step", "1", "--on", "ic"], "no such evaluation set"),
    ] {
        let ran = scratch.run(&[&["at", "r"], args].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
    }
}

/// It is named by what is changed, is its parent where nothing is, and stands by itself.
#[test]
fn a_branch_goes_on_from_a_step() {
    let scratch = Scratch::new();
    let parent = tiny(&scratch, &["--out", "r", "--json"]).json();
    let same = scratch.run(&["branch", "r", "--at", "37", "-q", "--json"]).ok().json();
    assert_eq!(same["digest"], parent["digest"]);
    let root = same["run_dir"].as_str().unwrap().to_owned();
    assert!(root.starts_with("runs/copying-small-at-37-"), "{root}");
    assert_eq!(scratch.run(&["branch", "r", "--at", "37", "-q", "--json"]).ok().json()["stored"], true);
    // From the spec alone, and by all that read runs.
    let spec = format!("{root}/spec.toml");
    let again = scratch.run(&["run", &spec, "--out", "again", "-q", "--json"]).ok().json();
    assert_eq!(again["digest"], parent["digest"]);
    assert!(read(&scratch, "again/log.jsonl") == read(&scratch, &format!("{root}/log.jsonl")));
    assert!(scratch.run(&["verify", &root, "-q"]).ok().stdout.starts_with("same bits: 3 rows"));
    assert!(scratch.run(&["show", &spec]).ok().stdout.contains("[branch.parent.task.copying]"));
    assert!(scratch.run(&["probe", &root, "--step", "41"]).ok().stdout.contains("step 41"));
    assert!(scratch.run(&["watch", &root, "--once"]).ok().stdout.contains("60/60 steps"));
    scratch.run(&["figure", "learning-curve", &root, "-o", "curve.svg"]).ok();
    scratch.run(&["figure", "learning-curve", &root, "r", "-o", "both.svg"]).ok();
    scratch.run(&["export", &root, "--to", "csv", "-o", "rows.csv"]).ok();
    // A grid of branches.
    scratch.run(&["sweep", &spec, "-g", "train.batch_size=16,32", "--seeds", "0", "--out", "s", "-q"]).ok();
    let early = scratch.run(&["probe", &root, "--step", "36"]);
    assert!(early.code == Some(2) && early.stderr.contains("is a branch from step 37"), "{}", early.stderr);
}

#[test]
fn what_is_changed_in_a_branch_is_in_its_name() {
    let scratch = Scratch::new();
    let heads = ["-s", "model.n_heads=2", "-s", "model.d_head=8", "-s", "model.output_projection=true"];
    tiny(&scratch, &[&["--out", "r"], &heads[..], &["-s", "probes.ablations=[]"]].concat());
    let branch = |more: &[&str]| scratch.run(&[&["branch", "r", "--at", "40", "-q", "--json"], more].concat());
    for (more, name) in [
        (&["-s", "train.clip_norm=.5"][..], "copying-small-at-40-clip_norm-.5-"),
        (&["--reset", "blocks.1.attn.W_Q[1]"], "copying-small-at-40-reset-blocks.1.attn.W_Q-1-"),
        (&["--zero", "readout", "--steps", "70"], "copying-small-at-40-zero-readout-"),
        (&["--graft", "r:60:blocks.0"], "copying-small-at-40-graft-blocks.0-of-copying-small-60-"),
        (&["-s", "name=mine", "-s", "seeds.data=3"], "mine-"),
        (
            &["-s", "train.optimizer={adam={learning_rate=.01}}"],
            "copying-small-at-40-optimizer-adam-learning_rate-.01-",
        ),
    ] {
        let told = branch(more).ok().json();
        let root = told["run_dir"].as_str().unwrap();
        assert!(root.starts_with(&format!("runs/{name}")), "{root}");
        assert!(scratch.run(&["verify", root, "-q"]).ok().stdout.starts_with("same bits"), "{root}");
    }
    for (more, words) in [
        (&["--reset", "readuot"][..], "did you mean \"readout\""),
        (&["--zero", "blocks.0.attn[2]"], "has heads 0 to 1"),
        (&["--graft", "r:61:readout"], "it went to step 60"),
        (&["--graft", "r:readout"], "expected RUN:STEP:TENSOR"),
        (&["-s", "task.copying.n_labels=8"], "--reset readout.0.weight"),
        (&["-s", "train.stesp=8"], "did you mean"),
        (&["--steps", "30"], "must be at least branch.step = 40"),
    ] {
        let refused = branch(more);
        assert!(refused.code == Some(2) && refused.stderr.contains(words), "{more:?}: {}", refused.stderr);
    }
    let told = scratch.run(&["branch", "r", "--at", "61"]);
    assert!(told.code == Some(2) && told.stderr.contains("did not make step 61"), "{}", told.stderr);
}

/// Its name and its description tell where it begins, whatever is typed.
#[test]
fn where_a_branch_begins_is_not_changed() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]);
    scratch.run(&["branch", "r", "--at", "37", "--out", "b", "-q"]).ok();
    let spec = "b/spec.toml";
    for args in [
        &["branch", "r", "--at", "30", "-s", "branch.step=5"][..],
        &["run", spec, "-s", "branch.step=7", "--out", "no"],
        &["run", spec, "-s", "branch.parent.train.batch_size=16", "--out", "no"],
        &["show", spec, "-s", "\"branch\".zero=[\"readout\"]"],
        &["sweep", spec, "-s", "branch.step=7", "--seeds", "0", "--out", "no"],
        &["sweep", spec, "-g", "branch.step=7,8", "--seeds", "0", "--out", "no"],
    ] {
        let refused = scratch.run(args);
        let is_told = refused.stderr.contains("branch RUN --at STEP` makes another branch");
        assert!(refused.code == Some(2) && is_told, "{args:?}: {}", refused.stderr);
    }
    assert_eq!(scratch.names(), ["b", "r"]);
    scratch.run(&["run", spec, "-s", "train.batch_size=16", "--out", "yes", "-q"]).ok();
}

/// Killed anywhere, in its parent's steps or in its own, it goes on to the same bytes; and it is made longer.
#[test]
fn a_branch_is_resumed_and_made_longer() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r", "-s", "train.steps=400"]);
    let args = ["branch", "r", "--at", "137", "-q", "--out"];
    let args = |out: &'static str| [&args[..], &[out]].concat();
    scratch.run(&[&args("whole")[..], &["--threads", "2"]].concat()).ok();
    // From its spec, where no stored state shortens the way.
    for (out, delay) in [("a", 5), ("b", 40), ("c", 120), ("d", 250)] {
        for _ in 0..2 {
            let command = ["run", "whole/spec.toml", "--out", out, "--resume", "-q"];
            let mut child = scratch.command(&command).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        scratch.run(&[&args(out)[..], &["--resume"]].concat()).ok();
        for file in
            ["log.jsonl", "spec.toml", "checkpoints/step-00000137.safetensors", "checkpoints/step-00000400.safetensors"]
        {
            assert!(
                read(&scratch, &format!("{out}/{file}")) == read(&scratch, &format!("whole/{file}")),
                "{out} {file}"
            );
        }
    }
    let short = scratch.run(&["branch", "r", "--at", "137", "-q", "--steps", "200", "--json"]).ok().json();
    let long = scratch.run(&["branch", "r", "--at", "137", "-q", "--steps", "400", "--resume", "--json"]).ok().json();
    assert_ne!(short["digest"], long["digest"]);
    let saved = names(&scratch.path(long["run_dir"].as_str().unwrap()).join("checkpoints"));
    assert!(saved.contains(&"step-00000200.safetensors".to_owned()), "the shorter one is its beginning: {saved:?}");
    assert!(
        read(&scratch, &format!("{}/log.jsonl", long["run_dir"].as_str().unwrap()))
            == read(&scratch, "whole/log.jsonl")
    );
}

/// Ctrl-C in the steps of a parent tells what goes on.
#[test]
#[cfg(unix)]
fn a_branch_that_is_stopped_before_it_begins_goes_on() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]);
    scratch.run(&["branch", "r", "--at", "37", "--out", "b", "-q"]).ok();
    let spec = scratch.run(&["show", "b/spec.toml"]).ok().stdout;
    // More steps than any machine makes while this is read.
    let fields =
        [("steps = 60", "steps = 100000000"), ("step = 37", "step = 99999999"), ("every = 10", "every = 10000000")];
    let lines = spec.lines().map(|line| fields.iter().find(|(old, _)| *old == line).map_or(line, |(_, new)| new));
    let far = lines.collect::<Vec<_>>().join("\n");
    scratch.write("far.toml", far);
    let mut command = scratch.command(&["run", "far.toml", "--out", "far", "-q"]);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    while !scratch.path("far/spec.toml").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("in the steps of its parent"), "{}", ran.stderr);
    assert!(ran.stderr.contains("go on: precipice run far/spec.toml --out far --resume\n"), "{}", ran.stderr);
    let again = scratch.run(&["run", "far.toml", "--out", "far", "-q"]);
    assert!(again.code == Some(2) && again.stderr.contains("--resume"), "{}", again.stderr);
}

/// A branch is held against its parent from where it begins.
#[test]
fn a_branch_is_compared_with_its_parent() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]);
    scratch.run(&["branch", "r", "--at", "37", "--out", "same", "-q"]).ok();
    scratch.run(&["branch", "r", "--at", "37", "-s", "train.batch_size=16", "--out", "other", "-q"]).ok();
    scratch.run(&["branch", "r", "--at", "37", "--reset", "readout", "--out", "reset", "-q"]).ok();
    let parted = |branch: &str| {
        let ran = scratch.run(&["diff", "r", branch, "--json"]);
        (ran.code, ran.json()["states"]["parted"]["step"].as_u64())
    };
    assert_eq!([parted("same"), parted("other"), parted("reset")].map(|(_, step)| step), [None, Some(38), Some(37)]);
    assert_eq!((parted("other").0, parted("reset").0), (Some(1), Some(1)));
}
