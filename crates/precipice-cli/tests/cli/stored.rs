//! What is stored is checked by every command, and results are not lost: outputs, `--force`, exports of sweeps.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::common::{self, Ran, Scratch, TINY};

fn tiny(scratch: &Scratch, extra: &[&str]) -> Ran {
    scratch.run(&TINY.iter().copied().chain(extra.iter().copied()).collect::<Vec<_>>())
}

fn copy(scratch: &Scratch, from: &str, to: &str) {
    let [from, to] = [from, to].map(|name| scratch.path(name).display().to_string());
    assert!(std::process::Command::new("cp").args(["-r", &from, &to]).status().unwrap().success());
}

#[track_caller]
fn refused(scratch: &Scratch, args: &[&str], code: i32, words: &[&str]) {
    let ran = scratch.run(args);
    let told = ran.stdout + &ran.stderr;
    assert_eq!(ran.code, Some(code), "{args:?}: {told}");
    assert!(words.iter().all(|word| told.contains(word)), "{args:?}: {told}");
}

/// A checkpoint under another's name is named by every command that uses it, in finished and unfinished runs.
#[test]
fn a_checkpoint_of_another_step_is_found_out() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]).ok();
    let [from, to] = [8, 32].map(|step| scratch.path(&format!("r/checkpoints/step-{step:08}.safetensors")));
    fs::copy(from, to).unwrap();
    let name = "step-00000032.safetensors";
    refused(&scratch, &["verify", "r", "-q"], 1, &["differs", name]);
    refused(&scratch, &["probe", "r", "--step", "32"], 2, &[name, "the state of step 8"]);
    refused(&scratch, &["export", "r", "--to", "safetensors", "--step", "32"], 2, &[name, "the state of step 8"]);
    fs::remove_file(scratch.path("r/manifest.json")).unwrap();
    refused(&scratch, &["probe", "r", "--step", "32"], 2, &[name, "the state of step 8"]);
    refused(&scratch, &["export", "r", "--to", "safetensors", "--step", "32"], 2, &[name, "the state of step 8"]);
    let resumed = tiny(&scratch, &["--out", "r", "--resume"]).ok();
    assert!(resumed.stderr.contains(name) && resumed.stderr.contains("the one before it is used"));
    assert!(scratch.run(&["verify", "r", "-q"]).ok().stdout.contains("same bits"));
    // One that is gone is named by whoever uses it.
    fs::remove_file(scratch.path(&format!("r/checkpoints/{name}"))).unwrap();
    refused(&scratch, &["verify", "r", "-q"], 1, &[name, "is missing"]);
    for command in [&["probe", "r", "--step", "32"][..], &["figure", "attention", "r"]] {
        refused(&scratch, command, 2, &[name, "is missing"]);
    }
    scratch.run(&["probe", "r"]).ok();
    fs::remove_file(scratch.path("r/manifest.json")).unwrap();
    refused(&scratch, &["probe", "r"], 2, &[name, "was due"]);
}

/// The format in the first line counts for every command, as the one in the manifest does.
#[test]
fn another_format_is_refused_by_every_command() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]).ok();
    let readings: [&[&str]; 7] = [
        &["verify", "r", "-q"],
        &["probe", "r"],
        &["figure", "learning-curve", "r"],
        &["export", "r", "--to", "csv"],
        &["theory", "fit", "r"],
        &["figure", "argument", "r", "-q"],
        &[],
    ];
    let each = |code_of_verify: i32, words: &[&str]| {
        for args in readings {
            let args = if args.is_empty() { [&TINY[..], &["--out", "r"]].concat() } else { args.to_vec() };
            refused(&scratch, &args, if args[0] == "verify" { code_of_verify } else { 2 }, words);
        }
        assert_eq!(scratch.names(), ["r"]);
    };
    let text = fs::read_to_string(scratch.path("r/spec.toml")).unwrap();
    scratch.write("r/spec.toml", text.replacen("format 2", "format 7", 1));
    each(2, &["spec.toml", "format 7; this version reads format 2"]);
    // An edited spec is no longer the one of the run.
    scratch.write("r/spec.toml", text.replace("batch_size = 32", "batch_size = 64"));
    each(1, &["spec.toml", "edited"]);
    tiny(&scratch, &["--out", "r", "--force"]).ok();
    assert_eq!(fs::read_to_string(scratch.path("r/spec.toml")).unwrap(), text);
    // A manifest whose result was edited, and that of another run.
    let manifest = fs::read_to_string(scratch.path("r/manifest.json")).unwrap();
    scratch.write("r/manifest.json", manifest.replacen("\"t50\": null", "\"t50\": 12", 1).replacen("none", "lost", 1));
    each(1, &["manifest.json", "damaged"]);
    tiny(&scratch, &["--seed", "1", "--out", "other"]).ok();
    fs::copy(scratch.path("other/manifest.json"), scratch.path("r/manifest.json")).unwrap();
    fs::remove_dir_all(scratch.path("other")).unwrap();
    each(1, &["manifest.json", "another run"]);
    // A byte of the table, which only `verify` reads.
    scratch.write("r/manifest.json", manifest);
    let mut table = fs::read(scratch.path("r/metrics.parquet")).unwrap();
    table[50] ^= 1;
    scratch.write("r/metrics.parquet", table);
    refused(&scratch, &["verify", "r", "-q"], 1, &["differs", "metrics.parquet"]);
}

/// A run that ended with what is not a number is the same as itself.
#[test]
fn a_diverged_run_is_verified() {
    let scratch = Scratch::new();
    let rate = ["-s", "train.optimizer.sgd.learning_rate=1000"];
    let ran = tiny(&scratch, &[&rate[..], &["--out", "r"]].concat());
    assert!(ran.code == Some(1) && ran.stdout.starts_with("diverged"), "{}", ran.stdout);
    assert!(scratch.run(&["verify", "r", "-q"]).ok().stdout.contains("same bits"));
    let checkpoint = scratch.path("r/checkpoints").join(common::names(&scratch.path("r/checkpoints")).pop().unwrap());
    let bytes = fs::read(checkpoint).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let is_nan = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes).is_nan();
    assert!(tensors.iter().any(|(_, tensor)| tensor.data().as_chunks().0.iter().any(is_nan)), "no NaN to compare");
}

/// One damaged row of an unfinished run is not gone on from: the run comes to the bits of an undisturbed one.
#[test]
fn a_damaged_row_is_measured_again() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]).ok();
    let log = fs::read_to_string(scratch.path("r/log.jsonl")).unwrap();
    fs::remove_file(scratch.path("r/manifest.json")).unwrap();
    let at = log.match_indices("\"accuracy\":0.").nth(2).unwrap().0 + 13;
    let mut bytes = log.clone().into_bytes();
    bytes[at] = if bytes[at] == b'9' { b'8' } else { b'9' };
    scratch.write("r/log.jsonl", bytes);
    refused(&scratch, &["export", "r", "--to", "csv"], 2, &["log.jsonl", "line 3 is damaged"]);
    let resumed = tiny(&scratch, &["--out", "r", "--resume"]).ok();
    assert!(resumed.stderr.contains("line 3 is damaged"), "{}", resumed.stderr);
    assert_eq!(fs::read_to_string(scratch.path("r/log.jsonl")).unwrap(), log);
}

/// Two runs of one spec have names of their own; what is there is replaced only on request, a run's own files never.
#[test]
fn outputs_replace_nothing() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "a"]).ok();
    tiny(&scratch, &["--seed", "1", "--out", "b"]).ok();
    let files = |scratch: &Scratch| scratch.names().into_iter().filter(|name| name.contains("copying-small-")).count();
    for (n, run) in [(1, "a"), (2, "b"), (2, "a")] {
        scratch.run(&["export", run, "--to", "parquet"]).ok();
        assert_eq!(files(&scratch), n);
    }
    scratch.run(&["export", "a", "--to", "safetensors", "--step", "8"]).ok();
    scratch.run(&["export", "a", "--to", "safetensors"]).ok();
    for step in ["08", "60"] {
        let end = format!("-step-000000{step}.safetensors");
        assert_eq!(scratch.names().iter().filter(|name| name.ends_with(&end)).count(), 1);
    }
    scratch.write("mine.csv", "mine");
    scratch.write("mine.svg", "mine");
    let writings: [&[&str]; 4] = [
        &["export", "a", "--to", "csv", "-o", "mine.csv"],
        &["figure", "learning-curve", "a", "-o", "mine.svg"],
        &["theory", "landscape", "--n", "8", "--labels", "32", "--grid", "8", "-o", "mine.svg"],
        &["theory", "scaling", "--values", "4,8", "-o", "mine.svg"],
    ];
    for args in writings {
        refused(&scratch, args, 2, &["is there already", "--force"]);
        assert_eq!(fs::read_to_string(scratch.path(args.last().unwrap())).unwrap(), "mine");
    }
    refused(&scratch, &["bench", "--growth", "-o", "mine.svg"], 2, &["is there already", "--force"]);
    for args in writings {
        scratch.run(&[args, &["--force"]].concat()).ok();
        assert_ne!(fs::read_to_string(scratch.path(args.last().unwrap())).unwrap(), "mine");
    }
    let before = common::names(&scratch.path("a"));
    for output in ["a/log.jsonl", "a/manifest.json", "a/new.csv", "a/checkpoints/x.csv", "a/figures/attention.svg"] {
        refused(&scratch, &["export", "a", "--to", "csv", "-o", output, "--force"], 2, &["lies in the run directory"]);
    }
    refused(&scratch, &["figure", "interactions", "b", "-o", "a/figures/attention.svg"], 2, &["run directory"]);
    scratch.run(&["figure", "attention", "a", "-o", "a/figures/attention.png"]).ok();
    scratch.run(&["figure", "attention", "a"]).ok();
    assert_eq!(common::names(&scratch.path("a")), before);
    assert!(scratch.run(&["verify", "a", "-q"]).ok().stdout.contains("same bits"));
}

#[test]
fn a_hyphen_is_standard_output() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "a"]).ok();
    let csv = scratch.run(&["export", "a", "--to", "csv", "-o", "-"]).ok();
    assert!(csv.stdout.starts_with("step,sequences") && csv.stdout.lines().count() == 8, "{}", csv.stdout);
    let figure = scratch.run(&["figure", "learning-curve", "a", "-o", "-"]).ok().stdout;
    assert!(figure.trim_end().ends_with("</svg>") && figure.contains("<svg"));
    assert!(
        scratch
            .run(&["theory", "landscape", "--n", "8", "--labels", "32", "--grid", "8", "-o", "-"])
            .ok()
            .stdout
            .trim_end()
            .ends_with("</svg>")
    );
    let scaling = ["theory", "scaling", "--values", "4,8", "-o", "-"];
    assert!(scratch.run(&scaling).ok().stdout.trim_end().ends_with("</svg>"));
    for args in [&["export", "a", "--to", "csv", "-o", "-"][..], &["figure", "attention", "a", "-o", "-"], &scaling] {
        refused(&scratch, &[args, &["--json"]].concat(), 2, &["leave out --json"]);
    }
    assert_eq!(scratch.names(), ["a"]);
}

/// `--force` removes what the program wrote, by name; a run directory takes no other runs.
#[test]
fn force_and_out_leave_what_is_not_the_runs() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "r"]).ok();
    let mine = ["r/figures/mine.svg", "r/figures/attention.png", "r/checkpoints/notes.txt"];
    mine.iter().for_each(|name| drop(scratch.write(name, "mine")));
    tiny(&scratch, &["--out", "r", "--force"]).ok();
    assert!(mine.iter().all(|name| fs::read_to_string(scratch.path(name)).unwrap() == "mine"));
    assert!(scratch.run(&["verify", "r", "-q"]).ok().stdout.contains("same bits"));
    let before = common::names(&scratch.path("r"));
    for out in ["r", "r/new", "r/figures"] {
        let args = ["copying-small", "--steps", "1", "--seeds", "0", "--out", out, "-q"];
        refused(&scratch, &[&["sweep"], &args[..]].concat(), 2, &["run directory"]);
        if out != "r" {
            refused(&scratch, &["run", "copying-small", "--steps", "1", "--out", out, "-q"], 2, &["run directory"]);
        }
    }
    for claim in ["essay-2", "essay-3"] {
        refused(&scratch, &["reproduce", claim, "--fast", "--out", "r", "-q"], 2, &["run directory"]);
    }
    assert_eq!(common::names(&scratch.path("r")), before);
}

const SWEEP: [&str; 15] = [
    "sweep",
    "copying-small",
    "--steps",
    "40",
    "-s",
    "eval.every=10",
    "-s",
    "eval.sequences=64",
    "-s",
    "probes.enabled=false",
    "-s",
    "probes.ablations=[]",
    "--out",
    "s",
    "-q",
];

fn swept<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SWEEP[..], &["-g", "train.batch_size=32,64"], more].concat()
}

fn table(scratch: &Scratch, extra: &[&str]) -> Vec<String> {
    let told = scratch.run(&[&["export", "s", "--to", "csv", "-o", "-"], extra].concat()).ok().stdout;
    told.lines().map(str::to_owned).collect()
}

/// The same sweep started twice at once: neither fails, and the table has every run.
#[test]
fn two_sweeps_at_once_share_the_work() {
    let scratch = Scratch::new();
    for round in 0..3 {
        let start = || {
            let mut command = scratch.command(&swept(&["--seeds", "0..5", "--json"]));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let both = [start(), start()].map(|child| Ran::new(child.wait_with_output().unwrap()).ok().json());
        for told in &both {
            assert_eq!(told["runs"].as_array().unwrap().len(), 12, "round {round}");
            assert!(told["failed"].as_array().unwrap().is_empty() && told["table"].is_string());
        }
        assert_eq!(both[0]["runs"], both[1]["runs"]);
        assert_eq!(table(&scratch, &[]).len(), 13);
        assert!(scratch.path("s/runs.parquet").is_file());
        fs::remove_dir_all(scratch.path("s")).unwrap();
    }
}

/// A run that another process makes is waited for.
#[test]
fn a_run_that_is_held_comes_later() {
    let scratch = Scratch::new();
    let told = scratch.run(&swept(&["--seeds", "0", "--json"])).ok().json();
    let run = scratch.path(told["runs"][0]["run_dir"].as_str().unwrap());
    fs::remove_file(run.join("manifest.json")).unwrap();
    let lock = fs::File::options().write(true).open(run.join("lock")).unwrap();
    lock.try_lock().unwrap();
    let args: Vec<&str> = swept(&["--seeds", "0", "--json"]).into_iter().filter(|arg| *arg != "-q").collect();
    let mut child = scratch.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    drop(lock);
    let ran = Ran::new(child.wait_with_output().unwrap()).ok();
    assert!(ran.stderr.contains("by another process; waiting"), "{}", ran.stderr);
    assert_eq!(ran.json()["runs"], told["runs"]);
}

/// All runs that lie in the folder are in its table, whichever sweep made them.
#[test]
fn the_table_has_all_that_lies_there() {
    let scratch = Scratch::new();
    scratch.run(&swept(&["--seeds", "0..1"])).ok();
    let first = table(&scratch, &[]);
    scratch.run(&swept(&["--seeds", "2..3"])).ok();
    let both = table(&scratch, &[]);
    assert_eq!((first.len(), both.len()), (5, 9));
    assert_eq!(both[..5], first[..]);
    let columns: Vec<&str> = both[0].split(',').collect();
    assert_eq!(columns[..4], ["spec_hash", "train.batch_size", "seed", "outcome"]);
    let cell = |line: &str, i: usize| line.split(',').nth(i).unwrap().to_owned();
    let seeds: Vec<String> = both[1..].iter().map(|line| cell(line, 2)).collect();
    assert_eq!(seeds, ["0", "1", "0", "1", "2", "3", "2", "3"]);
    assert_eq!(cell(&both[3], 1), "64");
    // Another field swept into the same folder: of the others it has the value that they were made with.
    scratch
        .run(&[&SWEEP[..], &["-g", "train.batch_size=32", "-g", "task.copying.n_labels=8", "--seeds", "0"]].concat())
        .ok();
    let three = table(&scratch, &[]);
    assert_eq!((three.len(), cell(&three[0], 2)), (10, "task.copying.n_labels".to_owned()));
    assert_eq!((cell(&three[1], 2), cell(&three[9], 2)), ("16".to_owned(), "8".to_owned()));
}

/// Sweeps into one folder whose specs differ in more than seeds are told apart, and not drawn as seeds of one another.
#[test]
fn sweeps_of_other_specs_are_not_pooled() {
    let scratch = Scratch::new();
    let rate = "train.optimizer.sgd.learning_rate";
    let slow = format!("{rate}=0.0001");
    let sweep = |steps: &str, more: &[&str], out: &str, seeds: &str| {
        let args = SWEEP.map(|arg| if arg == "40" { steps } else { arg });
        let args = args.map(|arg| if arg == "s" { out } else { arg });
        scratch.run(&[&args[..], more, &["--seeds", seeds]].concat()).ok();
        fs::read(scratch.path(&format!("{out}/ensemble.svg"))).unwrap()
    };
    let first = sweep("40", &[], "s", "0..1");
    let of_rate = sweep("40", &["-s", &slow], "s", "0..1");
    let of_steps = sweep("30", &[], "s", "0..1");
    assert!(of_rate == sweep("40", &["-s", &slow], "rate", "0..1") && of_rate != first);
    assert!(of_steps == sweep("30", &[], "steps", "0..1") && of_steps != first);
    // Seeds of the first are seeds still.
    assert!(sweep("40", &[], "s", "2") == sweep("40", &[], "first", "0..2"));
    let lines = table(&scratch, &[]);
    let place = |name: &str| lines[0].split(',').position(|column| column == name).unwrap();
    let of = |name: &str| lines[1..].iter().map(|line| line.split(',').nth(place(name)).unwrap()).collect::<Vec<_>>();
    assert_eq!(of("train.steps"), ["40", "40", "40", "40", "30", "30", "40"]);
    let rates = of(rate);
    assert!(rates[2..4] == ["0.0001", "0.0001"] && rates[0] != "0.0001" && rates[4..].iter().all(|r| *r == rates[0]));
    assert_eq!(
        table(&scratch, &["--curves"])[0].split(',').filter(|name| [rate, "train.steps"].contains(name)).count(),
        2
    );
}

/// The table in every format, and the curves as one long table.
#[test]
fn a_sweep_is_exported() {
    let scratch = Scratch::new();
    let told = scratch.run(&swept(&["--seeds", "0..1", "--json"])).ok().json();
    for format in ["csv", "npz", "parquet"] {
        scratch.run(&["export", "s", "--to", format]).ok();
        scratch.run(&["export", "s", "--to", format, "--curves"]).ok();
    }
    assert!(fs::read(scratch.path("s.parquet")).unwrap() == fs::read(scratch.path("s/runs.parquet")).unwrap());
    let curves = fs::read_to_string(scratch.path("s-curves.csv")).unwrap();
    let lines: Vec<Vec<&str>> = curves.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0][..6], ["run", "train.batch_size", "seed", "step", "sequences", "train_loss"]);
    assert_eq!(lines.len(), 1 + 4 * 5, "four runs of five rows");
    let run = told["runs"][2]["run_dir"].as_str().unwrap();
    let run_name = Path::new(run).file_name().unwrap().to_str().unwrap();
    let own = scratch.run(&["export", run, "--to", "csv", "-o", "-"]).ok().stdout;
    for (line, own) in lines[11..].iter().zip(own.lines().skip(1)) {
        assert_eq!((line[0], line[1], line[2]), (run_name, "64", "0"));
        assert_eq!(line[3..].join(","), own);
    }
    let archive = fs::read(scratch.path("s-curves.npz")).unwrap();
    assert!(archive.windows(9).any(|name| name == b"batch_siz"));
    let help = scratch.run(&["export", "--help"]).ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("of a sweep <folder>.<format> or <folder>-curves.<format>"), "{help}");
    refused(&scratch, &["export", "s", "--to", "safetensors"], 2, &["is a sweep"]);
    let first = told["runs"].as_array().unwrap().iter().map(|run| run["run_dir"].as_str().unwrap()).min().unwrap();
    let one_by_one = format!(
        "error: s: is the folder of a sweep, whose runs are verified, probed and drawn one by one, for example \
         `precipice verify {first}`"
    );
    for command in ["verify", "probe"] {
        refused(&scratch, &[command, "s"], 2, &[&one_by_one]);
    }
    scratch.run(&["verify", first, "-q"]).ok();
    refused(&scratch, &["export", run, "--to", "csv", "--curves"], 2, &["--curves is for"]);
    refused(&scratch, &["export", "s", "--to", "csv", "-o", "s/runs.parquet", "--force"], 2, &["of the sweep itself"]);
    copy(&scratch, "s", "t");
    fs::remove_file(scratch.path(&format!("t/{run_name}/manifest.json"))).unwrap();
    let ran = scratch.run(&["export", "t", "--to", "csv", "-o", "-"]).ok();
    assert!(ran.stderr.contains("3 of 4 runs have ended") && ran.stdout.lines().count() == 4, "{}", ran.stderr);
}
