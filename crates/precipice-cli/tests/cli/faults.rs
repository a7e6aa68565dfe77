//! Runs that are killed, damaged, crowded and starved: nothing is lost, nothing half-written.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{self, Ran, Scratch, TINY};

/// A run of a second or two, so that there is time to kill it.
fn longer(extra: &[&str]) -> Vec<String> {
    let args = TINY.iter().map(|arg| if *arg == "60" { "600" } else { arg });
    args.chain(extra.iter().copied()).map(str::to_owned).collect()
}

fn strings(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// The log, the last checkpoint, and the digest.
fn result_of(folder: &Path) -> (Vec<u8>, Vec<u8>, String) {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let [log, checkpoint] = [folder.join("log.jsonl"), newest_checkpoint(folder)].map(|path| fs::read(path).unwrap());
    (log, checkpoint, manifest["digest"].as_str().unwrap().to_owned())
}

fn spawn(scratch: &Scratch, args: &[String]) -> Child {
    scratch.command(&strings(args)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let clock = Instant::now();
    while !condition() {
        assert!(clock.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn log_rows(folder: &Path) -> usize {
    fs::read(folder.join("log.jsonl")).map_or(0, |bytes| bytes.iter().filter(|&&b| b == b'\n').count())
}

/// Killed again and again at random moments, resumed each time: the bits of an undisturbed run.
#[test]
fn kill_nine_and_resume() {
    let scratch = Scratch::new();
    scratch.run(&strings(&longer(&["--out", "whole"]))).ok();
    let whole = result_of(&scratch.path("whole"));
    let mut random: u32 = 1;
    for seed in 0..4 {
        let out = format!("killed-{seed}");
        let args = longer(&["--out", &out, "--resume", "--threads", if seed % 2 == 0 { "1" } else { "2" }]);
        let mut kills = 0;
        for _ in 0..5 {
            // Numerical Recipes' generator; only the moments of the kills come from it.
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let rows = log_rows(&scratch.path(&out)) + (random >> 24) as usize % 9;
            let mut child = spawn(&scratch, &args);
            wait_until("rows or the end", || {
                log_rows(&scratch.path(&out)) >= rows || scratch.path(&out).join("manifest.json").exists()
            });
            std::thread::sleep(Duration::from_micros(u64::from(random >> 16) % 3000));
            child.kill().unwrap();
            child.wait().unwrap();
            kills += usize::from(!scratch.path(&out).join("manifest.json").exists());
        }
        assert!(kills > 0, "no kill came before the end");
        scratch.run(&strings(&args)).ok();
        assert!(result_of(&scratch.path(&out)) == whole, "seed {seed}");
    }
}

/// An unfinished run: killed while it runs, or once more where the machine was too slow to kill it in time.
fn unfinished(scratch: &Scratch, out: &str) {
    loop {
        let mut child = spawn(scratch, &longer(&["--out", out]));
        wait_until("the first rows", || log_rows(&scratch.path(out)) >= 8);
        child.kill().unwrap();
        child.wait().unwrap();
        if !scratch.path(out).join("manifest.json").exists() {
            return;
        }
        fs::remove_dir_all(scratch.path(out)).unwrap();
    }
}

#[test]
fn an_unfinished_run_is_not_touched_without_resume() {
    let scratch = Scratch::new();
    unfinished(&scratch, "r");
    let ran = scratch.run(&strings(&longer(&["--out", "r"])));
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--resume"), "{}", ran.stderr);
    scratch.run(&strings(&longer(&["--out", "r", "--force"]))).ok();
}

#[test]
fn torn_lines_and_damaged_checkpoints_are_survived() {
    let scratch = Scratch::new();
    scratch.run(&strings(&longer(&["--out", "whole"]))).ok();
    let whole = result_of(&scratch.path("whole"));
    type Harm = fn(&Path);
    let damage: [(&str, Harm); 4] = [
        ("a torn last line", |folder| {
            let log = folder.join("log.jsonl");
            let bytes = fs::read(&log).unwrap();
            fs::write(&log, &bytes[..bytes.len() - 40]).unwrap();
        }),
        ("rows lost by the file system", |folder| {
            let log = folder.join("log.jsonl");
            let bytes = fs::read(&log).unwrap();
            fs::write(&log, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("a truncated checkpoint", |folder| {
            let newest = newest_checkpoint(folder);
            let bytes = fs::read(&newest).unwrap();
            fs::write(&newest, &bytes[..bytes.len() / 3]).unwrap();
        }),
        ("a flipped bit in a checkpoint", |folder| {
            let newest = newest_checkpoint(folder);
            let mut bytes = fs::read(&newest).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            fs::write(&newest, &bytes).unwrap();
        }),
    ];
    for (what, harm) in damage {
        let out = what.replace(' ', "-");
        unfinished(&scratch, &out);
        let newest = newest_checkpoint(&scratch.path(&out));
        harm(&scratch.path(&out));
        let ran = scratch.run(&strings(&longer(&["--out", &out, "--resume"]))).ok();
        assert!(result_of(&scratch.path(&out)) == whole, "{what}");
        if what.contains("checkpoint") {
            let name = newest.file_name().unwrap().to_str().unwrap();
            assert!(ran.stderr.contains(name) && ran.stderr.contains("the one before it is used"), "{}", ran.stderr);
        }
    }
}

fn newest_checkpoint(folder: &Path) -> std::path::PathBuf {
    let names = common::names(&folder.join("checkpoints"));
    let name = names.iter().rfind(|name| name.starts_with("step-")).unwrap();
    folder.join("checkpoints").join(name)
}

#[test]
fn a_foreign_directory_is_left_alone() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("letters")).unwrap();
    scratch.write("letters/to-mother.txt", "Dear mother");
    scratch.write("file", "x");
    for (out, flag) in [("letters", "--json"), ("letters", "--resume"), ("letters", "--force"), ("file", "--json")] {
        let ran = scratch.run(&strings(&longer(&["--out", out, flag])));
        assert_eq!(ran.code, Some(2), "{out} {flag}");
    }
    assert_eq!(common::names(&scratch.path("letters")), ["to-mother.txt"]);
    assert_eq!(fs::read_to_string(scratch.path("file")).unwrap(), "x");
}

#[test]
fn a_read_only_place_is_one_error() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("closed")).unwrap();
    let mut mode = fs::metadata(scratch.path("closed")).unwrap().permissions();
    mode.set_readonly(true);
    fs::set_permissions(scratch.path("closed"), mode).unwrap();
    // The superuser may write everywhere but here.
    let is_root = fs::write(scratch.path("closed/probe"), "").is_ok();
    let out = if is_root { "/proc/precipice" } else { "closed/run" };
    let ran = scratch.run(&strings(&longer(&["--out", out])));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: cannot create") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
}

/// A file-size limit stands for a full disk: a checkpoint cannot be written whole.
#[test]
fn a_full_disk_is_one_error_and_the_run_can_go_on() {
    let scratch = Scratch::new();
    scratch.run(&strings(&longer(&["--out", "whole"]))).ok();
    let args = longer(&["--out", "full", "--resume"]).join(" ");
    let limited = |blocks: u32| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {args}", env!("CARGO_BIN_EXE_precipice"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(scratch.path(""));
        Ran::new(shell.output().unwrap())
    };
    // 512-byte blocks: 8 KB hold no checkpoint, 80 KB hold checkpoints and a part of the log.
    for blocks in [16, 160] {
        let ran = limited(blocks);
        assert_eq!(ran.code, Some(2), "{blocks}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: cannot write"), "{}", ran.stderr);
        assert!(!scratch.path("full/manifest.json").exists());
    }
    scratch.run(&args.split(' ').collect::<Vec<_>>()).ok();
    assert!(result_of(&scratch.path("full")) == result_of(&scratch.path("whole")));
}

#[test]
fn two_writers_at_once() {
    let scratch = Scratch::new();
    // Long enough to be still running, and killed at the end.
    let args = |flag: &str| -> Vec<String> {
        longer(&["--out", "r", flag])
            .into_iter()
            .map(|arg| if arg == "600" { "1000000".to_owned() } else { arg })
            .collect()
    };
    let mut first = spawn(&scratch, &args("--json"));
    wait_until("the first rows", || log_rows(&scratch.path("r")) >= 1);
    for flag in ["--resume", "--force", "--json"] {
        let second = scratch.run(&strings(&args(flag)));
        assert_eq!(second.code, Some(2), "{flag}");
        assert!(second.stderr.contains("another process"), "{flag}: {}", second.stderr);
    }
    let rows = log_rows(&scratch.path("r"));
    wait_until("rows of the first writer, which is not disturbed", || log_rows(&scratch.path("r")) > rows + 2);
    first.kill().unwrap();
    first.wait().unwrap();
}

/// Ctrl-C stops after the current step, saves, says how to go on, and going on begins there, also
/// where an evaluation was due at that step.
#[test]
fn interrupt_saves_and_says_how_to_go_on() {
    let scratch = Scratch::new();
    let longer = |extra: &[&str]| longer(&[&["-s", "eval.every=1", "-s", "checkpoint.every=100000"], extra].concat());
    scratch.run(&strings(&longer(&["--out", "whole"]))).ok();
    let interrupted = || {
        let mut command = scratch.command(&strings(&longer(&["--out", "r", "--force"])));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // With `--force` the rows of the attempt before are gone once the spec is written again.
        wait_until("the first rows", || log_rows(&scratch.path("r")) >= 3 && !scratch.path("r/manifest.json").exists());
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        Ran::new(child.wait_with_output().unwrap())
    };
    // Once more where the machine was too slow to interrupt it in time.
    let mut ran = interrupted();
    while ran.code == Some(0) {
        ran = interrupted();
    }
    assert_eq!(ran.code, Some(1));
    let go_on =
        ran.stdout.lines().find_map(|line| line.strip_prefix("go on: precipice ")).expect(&ran.stdout).to_owned();
    let saved =
        newest_checkpoint(&scratch.path("r")).file_stem().unwrap().to_str().unwrap()[5..].parse::<usize>().unwrap();
    assert_eq!(log_rows(&scratch.path("r")), saved + 1, "the row of the saved step is there");
    // What is said is pasted.
    scratch.run(&go_on.split(' ').collect::<Vec<_>>()).ok();
    assert!(result_of(&scratch.path("r")) == result_of(&scratch.path("whole")));
}

/// One polite kill suffices while nothing asks about it, as in an evaluation that takes minutes.
#[test]
fn one_signal_suffices_where_nobody_asks() {
    let scratch = Scratch::new();
    let mut child = spawn(&scratch, &longer(&["--out", "long", "-s", "eval.sequences=16000000"]));
    wait_until("the run to begin", || scratch.path("long/spec.toml").exists());
    std::thread::sleep(Duration::from_millis(200));
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let clock = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if clock.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("a minute after the signal it goes on");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(scratch.path("long/spec.toml").exists() && !scratch.path("long/manifest.json").exists());
}

/// A kill during `--force` leaves a directory that can be forced or resumed again.
#[test]
fn force_can_be_interrupted_anywhere() {
    let scratch = Scratch::new();
    let args = |flag| TINY.iter().copied().chain(["--out", "r", flag]).collect::<Vec<_>>();
    scratch.run(&args("--force")).ok();
    let digest = result_of(&scratch.path("r"));
    // The order in which `--force` removes things, cut off after each.
    for gone in ["manifest.json", "metrics.parquet", "figures", "checkpoints", "log.jsonl", "spec.toml"] {
        let path = scratch.path("r").join(gone);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        let copy = scratch.path(gone);
        Command::new("cp").args(["-r", scratch.path("r").to_str().unwrap(), copy.to_str().unwrap()]).status().unwrap();
        let args: Vec<&str> = TINY.iter().copied().chain(["--out", gone, "--resume"]).collect();
        scratch.run(&args).ok();
        assert!(result_of(&copy) == digest, "after {gone}");
    }
    fs::write(scratch.path("manifest.json/manifest.json"), "{").unwrap();
    let args: Vec<&str> = TINY.iter().copied().chain(["--out", "manifest.json", "--force"]).collect();
    scratch.run(&args).ok();
}

/// Nobody reading the messages is no reason to stop.
#[test]
fn a_closed_stderr_does_not_end_the_run() {
    let scratch = Scratch::new();
    let args: Vec<&str> = TINY.iter().copied().filter(|arg| *arg != "-q").chain(["--out", "r"]).collect();
    let script = format!("exec {} {} 2>&-", env!("CARGO_BIN_EXE_precipice"), args.join(" "));
    let output = Command::new("sh").args(["-c", &script]).current_dir(scratch.path("")).output().unwrap();
    assert!(output.status.success());
    assert!(scratch.path("r/manifest.json").exists());
}

#[test]
fn links_and_devices_are_written_through() {
    let scratch = Scratch::new();
    scratch.run(&TINY.iter().copied().chain(["--out", "r"]).collect::<Vec<_>>()).ok();
    scratch.write("target.csv", "old");
    std::os::unix::fs::symlink(scratch.path("target.csv"), scratch.path("link.csv")).unwrap();
    scratch.run(&["export", "r", "--to", "csv", "-o", "link.csv", "--force"]).ok();
    assert!(fs::symlink_metadata(scratch.path("link.csv")).unwrap().is_symlink());
    assert!(fs::read_to_string(scratch.path("target.csv")).unwrap().starts_with("step,"));
    let ran = scratch.run(&["export", "r", "--to", "csv", "-o", "/dev/stdout"]).ok();
    assert!(ran.stdout.starts_with("step,"));
}

/// A limit of address space stands for a small machine.
#[cfg(target_os = "linux")]
#[test]
fn what_does_not_fit_into_the_memory_is_refused_before_anything_is_written() {
    let scratch = Scratch::new();
    let limited = |kib: u32, args: &[&str]| {
        let words = args.iter().map(|arg| format!("'{arg}'")).collect::<Vec<_>>().join(" ");
        let script = format!("ulimit -v {kib}; exec {} {words}", env!("CARGO_BIN_EXE_precipice"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(scratch.path(""));
        Ran::new(shell.output().unwrap())
    };
    let large = ["-s", "task.copying.d_item=1024", "-q"];
    let refused = limited(300_000, &[&["run", "copying"], &large[..]].concat());
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("the limit of address space (ulimit -v) leaves"), "{}", refused.stderr);
    let pool = ["-s", "task.regression.n_tasks=16777216"];
    let refused = limited(500_000, &[&["run", "regression", "-q"], &pool[..]].concat());
    assert!(refused.code == Some(2) && refused.stderr.contains("would need about"), "{}", refused.stderr);
    let largest = "the largest part is what the task keeps: make task.regression.";
    assert!(refused.stderr.contains(largest) && refused.stderr.contains("n_tasks"), "{}", refused.stderr);
    // One at a time fits, sixty-four do not.
    let sweep = |workers: &str| {
        let args = ["sweep", "copying-small", "--seeds", "0..63", "--steps", "0", "--workers", workers, "-q"];
        limited(600_000, &[&args[..], &["-s", "task.copying.d_item=160", "-s", "eval.sequences=16"]].concat())
    };
    let refused = sweep("64");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("64 runs at a time") && refused.stderr.contains("--workers"), "{}", refused.stderr);
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    assert_eq!(sweep("1").code, Some(0));
    // What is not foreseen ends in an error, too.
    let ended = limited(200_000, &["theory", "landscape", "--n", "8", "--labels", "32", "--grid", "4096", "--json"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("error: the system gives no more memory"), "{}", ended.stderr);
    // This command has no --resume: whose it is must be said.
    let what_goes_on =
        "a run that was being made goes on by `precipice run` with --resume, a sweep by the same command";
    assert!(ended.stderr.trim_end().ends_with(what_goes_on), "{}", ended.stderr);
}
