//! `runs`: what there is, what goes, and what a run is without it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Scratch, TINY, names};

/// A tiny run in a directory.
fn tiny(scratch: &Scratch, out: &str, extra: &[&str]) {
    scratch.run(&[&TINY[..], &["--out", out], extra].concat()).ok();
}

fn sweep(scratch: &Scratch, out: &str) -> Vec<String> {
    let args = ["sweep", "copying-small", "--steps", "2", "-s", "eval.sequences=16", "--seeds", "0,1", "--out", out];
    let told = scratch.run(&[&args[..], &["-q", "--json"]].concat()).ok().json();
    told["runs"].as_array().unwrap().iter().map(|run| run["run_dir"].as_str().unwrap().to_owned()).collect()
}

fn listed(scratch: &Scratch, args: &[&str]) -> Vec<Value> {
    let told = scratch.run(&[&["runs"], args, &["--json"]].concat()).ok().json();
    told.as_array().unwrap().clone()
}

fn paths(runs: &[Value]) -> Vec<&str> {
    runs.iter().map(|run| run["path"].as_str().unwrap()).collect()
}

fn copy(scratch: &Scratch, from: &str, to: &str) {
    let [from, to] = [from, to].map(|name| scratch.path(name).display().to_string());
    assert!(std::process::Command::new("cp").args(["-r", &from, &to]).status().unwrap().success());
}

fn checkpoints(scratch: &Scratch, run: &str) -> Vec<String> {
    names(&scratch.path(run).join("checkpoints"))
}

/// Every run is listed as what it is: finished, unfinished, damaged, of a sweep, a branch.
#[test]
fn all_that_is_there_is_listed() {
    let scratch = Scratch::new();
    assert!(listed(&scratch, &[]).is_empty(), "there is no folder yet");
    tiny(&scratch, "runs/a", &[]);
    tiny(&scratch, "runs/b", &["--seed", "1", "-s", "train.steps=40"]);
    let of_sweep = sweep(&scratch, "runs/sweep-s");
    for (name, goes) in [("unfinished", "manifest.json"), ("headless", "spec.toml")] {
        copy(&scratch, "runs/a", &format!("runs/{name}"));
        fs::remove_file(scratch.path(&format!("runs/{name}/{goes}"))).unwrap();
    }
    copy(&scratch, "runs/a", "runs/edited");
    let manifest = fs::read_to_string(scratch.path("runs/edited/manifest.json")).unwrap();
    scratch.write("runs/edited/manifest.json", manifest.replacen("\"steps\": 60", "\"steps\": 70", 1));
    // The spec of a branch, as a version that knows branches writes it.
    copy(&scratch, "runs/a", "runs/branch");
    let text = fs::read_to_string(scratch.path("runs/a/spec.toml")).unwrap();
    let (first, parent) = text.split_once('\n').unwrap();
    let hash = first.split_once("spec ").unwrap().1[..64].to_owned();
    let below = |line: &str| match line.strip_prefix('[') {
        Some(table) if !table.starts_with('[') => format!("[branch.parent.{table}\n"),
        _ => line.replacen("[[", "[[branch.parent.", usize::from(line.starts_with("[["))) + "\n",
    };
    let inner: String = parent.lines().map(below).collect();
    let body = format!("{parent}\n[branch]\nstep = 600\n\n[branch.parent]\n{inner}");
    let check = precipice_lab::store::seal::check(&hash, &body);
    scratch.write("runs/branch/spec.toml", format!("# precipice run, format 2, spec {hash}, check {check}\n{body}"));

    let all = listed(&scratch, &[]);
    let expected = ["a", "b", "branch", "edited", "headless"].map(|name| format!("runs/{name}"));
    let mut expected: Vec<String> =
        expected.into_iter().chain(of_sweep).chain(["runs/unfinished".to_owned()]).collect();
    expected.sort();
    assert_eq!(paths(&all), expected);
    let run = |name: &str| all.iter().find(|run| run["path"] == name).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let a = run("runs/a");
    for key in ["outcome", "steps", "digest", "final", "arithmetic", "version"] {
        assert_eq!(a[key], manifest[key], "{key}");
    }
    assert!(a["hash"] == manifest["spec_hash"] && a["written"] == manifest["ended"] && a["problem"].is_null());
    let size: u64 = ["", "checkpoints", "figures"]
        .iter()
        .flat_map(|folder| fs::read_dir(scratch.path("runs/a").join(folder)).unwrap())
        .map(|entry| entry.unwrap().metadata().unwrap())
        .filter(|file| file.is_file())
        .map(|file| file.len())
        .sum();
    assert_eq!(a["size"], size);
    assert_eq!((&run("runs/unfinished")["outcome"], &run("runs/unfinished")["steps"]), (&"stopped".into(), &60.into()));
    assert_eq!(run("runs/unfinished")["name"], "copying-small");
    for (name, file) in [("runs/edited", "manifest.json"), ("runs/headless", "spec.toml")] {
        assert_eq!(run(name)["outcome"], "damaged");
        assert!(run(name)["problem"].as_str().unwrap().contains(file), "{}", run(name)["problem"]);
    }
    assert_eq!(run("runs/branch")["parent"], serde_json::json!({ "hash": manifest["spec_hash"], "step": 600 }));
    assert_eq!(all.iter().filter(|run| run["sweep"] == "runs/sweep-s").count(), 2);

    let table = scratch.run(&["runs"]).ok().stdout;
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert_eq!(table.lines().count(), all.len() + 1);
    assert!(table.contains(&format!("{}@600", &hash[..8])) && table.contains("damaged"), "{table}");
    assert_eq!(paths(&listed(&scratch, &["runs/a"])), ["runs/a"], "a run is itself");
    assert_eq!(listed(&scratch, &["sweep-s"]).len(), 2, "by its name in runs/");
    assert_eq!(scratch.run(&["runs", "nowhere"]).code, Some(2));
}

#[test]
fn conditions_choose_and_fields_sort() {
    let scratch = Scratch::new();
    tiny(&scratch, "runs/long", &["--seed", "1"]);
    tiny(&scratch, "runs/short", &["-s", "train.steps=40", "-s", "model.d_buffer=8"]);
    tiny(&scratch, "runs/lost", &["-s", "train.steps=10"]);
    fs::remove_file(scratch.path("runs/lost/manifest.json")).unwrap();
    let choose = |conditions: &[&str]| {
        let args: Vec<&str> = conditions.iter().flat_map(|condition| ["--where", condition]).collect();
        let runs = listed(&scratch, &args);
        paths(&runs).iter().map(|path| path.trim_start_matches("runs/").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(choose(&["steps<50"]), ["lost", "short"]);
    assert_eq!(choose(&["steps>=40", "seeds.data=1"]), ["long"]);
    assert_eq!(choose(&["model.d_buffer=8"]), ["short"]);
    assert_eq!(choose(&["outcome=stopped"]), ["lost"]);
    assert_eq!(choose(&["final.accuracy>=0"]), ["long", "short"], "nothing is true of what is not there");
    assert_eq!(choose(&["t50<1e9"]), [""; 0]);
    assert_eq!(
        choose(&["name~copying", "train.optimizer.sgd.learning_rate=.3", "age<1day"]),
        ["long", "lost", "short"]
    );
    let sorted = |args: &[&str]| {
        let runs = listed(&scratch, args);
        paths(&runs).iter().map(|path| path.trim_start_matches("runs/").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sorted(&["--sort", "steps"]), ["lost", "short", "long"]);
    assert_eq!(sorted(&["--sort", "steps", "--reverse"]), ["long", "short", "lost"]);
    // What has none is last either way.
    assert_eq!(sorted(&["--sort", "final.loss"]).last().unwrap(), "lost");
    assert_eq!(sorted(&["--sort", "final.loss", "--reverse"]).last().unwrap(), "lost");
    for (args, reason) in [
        (["--where", "final.acuracy>1"], "did you mean final.accuracy?"),
        (["--where", "train.stepz>1"], "did you mean train.steps?"),
        (["--where", "t50<soon"], "expected a number"),
        (["--sort", "outcom"], "did you mean outcome?"),
        (["--sort", "nope"], "no field \"nope\"; there are path"),
    ] {
        let refused = scratch.run(&[&["runs"], &args[..]].concat());
        assert!(refused.code == Some(2) && refused.stderr.contains(reason), "{args:?}: {}", refused.stderr);
    }
}

/// What a run wrote goes, and nothing else; a folder named `rm` is a folder.
#[test]
fn rm_removes_runs_and_nothing_else() {
    let scratch = Scratch::new();
    for out in ["runs/a", "runs/b", "runs/c"] {
        tiny(&scratch, out, &[]);
    }
    let of_sweep = sweep(&scratch, "runs/sweep-s");
    scratch.write("runs/b/figures/mine.svg", "mine");
    let dry = scratch.run(&["runs", "rm", "a", "runs/b", "--dry-run", "--json"]).ok().json();
    assert!(dry["dry_run"] == true && scratch.path("runs/a/manifest.json").exists());
    assert_eq!(dry["runs"][1]["left"], serde_json::json!(["figures/mine.svg"]));
    let sizes = listed(&scratch, &["runs/a"]);
    let lock = fs::metadata(scratch.path("runs/a/lock")).map_or(0, |file| file.len());
    assert_eq!(dry["runs"][0]["bytes"].as_u64().unwrap() + lock, sizes[0]["size"].as_u64().unwrap());
    // One that is refused stops all.
    for (run, reason) in [
        (of_sweep[0].as_str(), "sweep-s"),
        ("runs/sweep-s", "`precipice runs rm FOLDER --where FIELD=VALUE --force`"),
        ("runs", "is not a run directory"),
    ] {
        let refused = scratch.run(&["runs", "rm", "a", run]);
        assert!(refused.code == Some(2) && refused.stderr.contains(reason), "{run}: {}", refused.stderr);
    }
    assert!(scratch.path("runs/a/manifest.json").exists());
    let told = scratch.run(&["runs", "rm", "a", "runs/b"]).ok().stdout;
    assert!(told.contains("figures/mine.svg stays") && told.contains("freed"), "{told}");
    assert!(!scratch.path("runs/a").exists());
    assert_eq!(
        (names(&scratch.path("runs/b")), names(&scratch.path("runs/b/figures"))),
        (vec!["figures".to_owned()], vec!["mine.svg".to_owned()])
    );
    scratch.run(&["runs", "rm", &of_sweep[0], "--force"]).ok();
    assert!(!scratch.path(&of_sweep[0]).exists() && scratch.path(&of_sweep[1]).exists());
    // By condition, and a damaged run too.
    fs::write(scratch.path("runs/c/spec.toml"), "").unwrap();
    let unnamed = scratch.run(&["runs", "rm", "--where", "outcome=damaged"]);
    assert!(unnamed.code == Some(2) && unnamed.stderr.contains("<RUN>"), "{}", unnamed.stderr);
    let told = scratch.run(&["runs", "rm", "runs", "--where", "outcome=damaged", "--json"]).ok().json();
    assert_eq!(told["runs"].as_array().unwrap().len(), 1);
    assert!(!scratch.path("runs/c").exists());
    let nothing = scratch.run(&["runs", "rm"]);
    assert_eq!(nothing.code, Some(2), "{}", nothing.stderr);
    tiny(&scratch, "rm/a", &[]);
    assert_eq!(paths(&listed(&scratch, &["./rm"])), ["rm/a"]);
}

/// Neither a run that a link leads to goes, nor what a run has elsewhere.
#[test]
#[cfg(unix)]
fn rm_follows_no_links() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new();
    tiny(&scratch, "elsewhere/a", &[]);
    tiny(&scratch, "runs/b", &["--seed", "1"]);
    symlink(scratch.path("elsewhere/a"), scratch.path("runs/link")).unwrap();
    fs::rename(scratch.path("runs/b/checkpoints"), scratch.path("elsewhere/b")).unwrap();
    symlink(scratch.path("elsewhere/b"), scratch.path("runs/b/checkpoints")).unwrap();
    let before = [checkpoints(&scratch, "elsewhere/a"), names(&scratch.path("elsewhere/b"))];
    for args in [&["link"][..], &["runs/link/"], &["runs/b"], &["runs", "--where", "seeds.data=1"]] {
        let refused = scratch.run(&[&["runs", "rm"], args].concat());
        assert!(refused.code == Some(2) && refused.stderr.contains("is a link"), "{args:?}: {}", refused.stderr);
    }
    assert_eq!([checkpoints(&scratch, "elsewhere/a"), names(&scratch.path("elsewhere/b"))], before);
    // A folder of runs may lie elsewhere.
    symlink(scratch.path("elsewhere"), scratch.path("others")).unwrap();
    scratch.run(&["runs", "rm", "others/a"]).ok();
    assert!(!scratch.path("elsewhere/a").exists());
}

/// A run that is being written stays; killed while it is removed, nothing is left that looks finished.
#[test]
fn rm_can_be_killed_anywhere_and_leaves_what_is_written() {
    let scratch = Scratch::new();
    let mut training =
        scratch.command(&["run", "copying-small", "--out", "busy", "--steps", "100000", "-q"]).spawn().unwrap();
    while !scratch.path("busy/log.jsonl").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let refused = scratch.run(&["runs", "rm", "busy"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("is being written"), "{}", refused.stderr);
    assert_eq!(listed(&scratch, &["busy"])[0]["outcome"], "training");
    training.kill().unwrap();
    training.wait().unwrap();
    tiny(&scratch, "whole", &[]);
    for delay in [1, 4, 7, 10, 14] {
        if scratch.path("r").exists() {
            fs::remove_dir_all(scratch.path("r")).unwrap();
        }
        copy(&scratch, "whole", "r");
        let mut child = scratch.command(&["runs", "rm", "r"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let is_whole = scratch.path("r/manifest.json").exists();
        if is_whole {
            assert_eq!(checkpoints(&scratch, "r"), checkpoints(&scratch, "whole"), "{delay} ms");
        }
        if scratch.path("r/spec.toml").exists() {
            scratch.run(&["runs", "rm", "r"]).ok();
        }
        assert!(!scratch.path("r/spec.toml").exists());
    }
}

/// After it the run is whole, and `verify` says the same bits; strays of a kill go with the next call.
#[test]
fn gc_removes_what_replay_makes_again() {
    let scratch = Scratch::new();
    tiny(&scratch, "runs/a", &[]);
    tiny(&scratch, "runs/b", &["--seed", "1"]);
    sweep(&scratch, "runs/sweep-s");
    fs::remove_file(scratch.path("runs/b/manifest.json")).unwrap();
    let before = checkpoints(&scratch, "runs/a");
    let read = |name: &str| fs::read(scratch.path(name)).unwrap();
    let strays = [before[2].clone(), before[4].clone()].map(|name| (read(&format!("runs/a/checkpoints/{name}")), name));
    let modified = || fs::metadata(scratch.path("runs/a/manifest.json")).unwrap().modified().unwrap();
    let was_written = modified();
    let dry = scratch.run(&["runs", "gc", "--dry-run", "--json"]).ok().json();
    assert_eq!(checkpoints(&scratch, "runs/a"), before);
    let gone = scratch.run(&["runs", "gc", "--json"]).ok().json();
    assert_eq!((&dry["bytes"], &dry["runs"]), (&gone["bytes"], &gone["runs"]));
    assert_eq!(gone["runs"].as_array().unwrap().len(), 4);
    let a = &gone["runs"][0];
    assert_eq!(a["kept"], serde_json::json!([0, 60]));
    assert_eq!(a["removed"], serde_json::json!([1, 2, 4, 8, 16, 32]));
    assert!(gone["bytes"].as_u64().unwrap() > 0);
    assert!(gone["runs"][1]["reason"].as_str().unwrap().contains("is not finished"));
    assert_eq!(checkpoints(&scratch, "runs/b"), before, "an unfinished run needs them all");
    let (first, last) = (&before[0], &before[before.len() - 1]);
    assert_eq!(checkpoints(&scratch, "runs/a"), [first.clone(), last.clone()]);
    let manifest: Value = serde_json::from_slice(&read("runs/a/manifest.json")).unwrap();
    let files: Vec<&String> = manifest["files"].as_object().unwrap().keys().collect();
    assert_eq!(files.iter().filter(|name| name.starts_with("checkpoints/")).count(), 2);
    assert_eq!(modified(), was_written, "the run was not made later by that");
    assert!(scratch.run(&["verify", "runs/a", "-q"]).ok().stdout.starts_with("same bits"));
    for (bytes, name) in strays {
        fs::write(scratch.path(&format!("runs/a/checkpoints/{name}")), bytes).unwrap();
    }
    scratch.write("runs/a/checkpoints/.precipice-tmp-host.4294967295.0", "half");
    scratch.write("runs/a/checkpoints/notes.txt", "mine");
    assert!(scratch.run(&["verify", "runs/a", "-q"]).ok().stdout.starts_with("same bits"));
    assert_eq!(
        scratch.run(&["runs", "gc", "a", "--json"]).ok().json()["runs"][0]["removed"],
        serde_json::json!([2, 8])
    );
    assert!(checkpoints(&scratch, "runs/a").contains(&"notes.txt".to_owned()));
    // Nothing goes where what replay begins with is damaged.
    tiny(&scratch, "c", &[]);
    let path = scratch.path("c/checkpoints").join(first);
    let mut bytes = fs::read(&path).unwrap();
    bytes[3000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let told = scratch.run(&["runs", "gc", "c"]).ok();
    assert!(told.stderr.contains("c: left as it is") && told.stderr.contains(first.as_str()), "{}", told.stderr);
    assert_eq!(checkpoints(&scratch, "c"), before);
}

/// A run that was relieved of its checkpoints can be made longer, to the bits of one that was as long from the start.
#[test]
fn a_run_without_its_checkpoints_goes_on() {
    let scratch = Scratch::new();
    tiny(&scratch, "r", &[]);
    scratch.run(&["runs", "gc", "r"]).ok();
    let longer = |out: &str| {
        let args = TINY.iter().map(|arg| if *arg == "60" { "90" } else { arg });
        scratch.run(&args.chain(["--out", out, "--resume"]).collect::<Vec<_>>()).ok().stderr
    };
    let told = longer("r");
    assert!(told.contains("no longer has its checkpoint of step 1") && told.lines().count() == 1, "{told}");
    longer("whole");
    assert_eq!(checkpoints(&scratch, "r"), checkpoints(&scratch, "whole"));
    for file in
        ["log.jsonl", "spec.toml", "checkpoints/step-00000090.safetensors", "checkpoints/step-00000032.safetensors"]
    {
        let read = |run: &str| fs::read(scratch.path(run).join(Path::new(file))).unwrap();
        assert!(read("r") == read("whole"), "{file}");
    }
    assert!(scratch.run(&["verify", "r", "-q"]).ok().stdout.starts_with("same bits"));
}
