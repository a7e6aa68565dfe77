//! Many workers on one folder, which are asked to make room, die, and have no locks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::Scratch;

/// Four runs of a second or so, unless more is said.
pub fn sweep<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let small = ["-s", "eval.sequences=64", "-s", "probes.enabled=false", "-s", "probes.ablations=[]"];
    let mut args = [&["sweep", "copying-small", "-q", "--out", out], &small[..]].concat();
    for option in [["--steps", "300"], ["--seeds", "0..3"]] {
        args.extend(option.iter().filter(|_| !more.contains(&option[0])));
    }
    // What follows `--` must follow all.
    args.extend(more);
    args
}

fn spawn(scratch: &Scratch, args: &[&str]) -> Child {
    scratch.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let clock = Instant::now();
    while !condition() {
        assert!(clock.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Run directories of a sweep.
pub fn runs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut runs: Vec<PathBuf> = entries.filter(|path| path.join("spec.toml").is_file()).collect();
    runs.sort();
    runs
}

pub fn states(run: &Path) -> Vec<PathBuf> {
    fs::read_dir(run.join("checkpoints")).map_or_else(|_| Vec::new(), |all| all.map(|e| e.unwrap().path()).collect())
}

/// Name, log and last state of a run.
pub type Run = (PathBuf, Vec<u8>, Vec<u8>);

/// All runs, and the table.
pub fn bits(folder: &Path) -> (Vec<Run>, Vec<u8>) {
    let bits = |run: PathBuf| {
        let states = states(&run);
        assert_eq!(states.len(), 1, "{run:?} keeps its last state alone");
        let [log, state] = [&run.join("log.jsonl"), &states[0]].map(|path| fs::read(path).unwrap());
        (run.strip_prefix(folder).unwrap().to_owned(), log, state)
    };
    (runs(folder).into_iter().map(bits).collect(), fs::read(folder.join("runs.parquet")).unwrap())
}

/// A scheduler asks twice, and the sweep ends with the code that means "queue me again", its runs saved where they were.
#[test]
fn a_sweep_makes_room_and_goes_on_where_it_was() {
    let scratch = Scratch::new();
    scratch.run(&sweep("whole", &[])).ok();
    for signal in ["-TERM", "-USR1"] {
        let out = format!("room{signal}");
        let args = sweep(&out, &["--steps", "300000", "--workers", "2"]);
        let mut child = spawn(&scratch, &args);
        let folder = scratch.path(&out);
        wait_until("rows", || folder.is_dir() && runs(&folder).iter().any(|run| rows(run) >= 3));
        for _ in 0..2 {
            Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        }
        assert_eq!(child.wait().unwrap().code(), Some(75));
        let saved = runs(&folder).into_iter().find(|run| rows(run) >= 3).unwrap();
        assert_eq!(states(&saved).len(), 1, "the state is saved");
        assert!(!saved.join("manifest.json").exists());
        // Another one takes it over there.
        let first = states(&saved)[0].clone();
        let mut child = spawn(&scratch, &args);
        wait_until("more rows", || rows(&saved) > 6);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(first.exists(), "a run that is gone on with keeps its state until there is a newer one");
    }
}

fn rows(run: &Path) -> usize {
    fs::read(run.join("log.jsonl")).map_or(0, |bytes| bytes.iter().filter(|&&b| b == b'\n').count())
}

/// A run that was stopped is looked at, and gone on with by itself where its newest state is.
#[test]
fn a_stopped_run_of_a_sweep_is_a_run() {
    let scratch = Scratch::new();
    let args = sweep("s", &["--steps", "300000", "--seeds", "0", "--workers", "1"]);
    let mut child = spawn(&scratch, &args);
    let folder = scratch.path("s");
    wait_until("rows", || folder.is_dir() && runs(&folder).iter().any(|run| rows(run) >= 3));
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    let run = runs(&folder).remove(0);
    let saved = states(&run)[0].clone();
    let step = saved.file_stem().unwrap().to_str().unwrap()[5..].parse::<u64>().unwrap();
    let name = format!("s/{}", run.file_name().unwrap().to_string_lossy());
    assert_eq!(scratch.run(&["probe", &name, "--json"]).ok().json()["step"], step);
    assert_eq!(scratch.run(&["probe", &name, "--json", "--step", "5"]).ok().json()["step"], 5);
    scratch.run(&["at", &name, "--step", "7", "-o", "at.npz"]).ok();
    let told = scratch.run(&["certify", &name, "-o", "c.json"]).stderr;
    let command = told.split('`').nth(1).expect(&told).to_owned();
    let args: Vec<&str> = command.split(' ').skip(1).collect();
    let mut child = spawn(&scratch, &args);
    wait_until("more rows", || rows(&run) as u64 > step / 20 + 3);
    assert!(!scratch.path(&format!("{name}/checkpoints/step-00000000.safetensors")).exists());
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let later = states(&run);
    assert!(later.len() == 1 && later[0] > saved, "{later:?}");
}

/// Workers are killed again and again, and go on from states that are saved by the clock: the bits of one machine.
#[test]
fn killed_workers_lose_nothing() {
    let scratch = Scratch::new();
    scratch.run(&sweep("whole", &[])).ok();
    let whole = bits(&scratch.path("whole"));
    let mut n_taken_over = 0;
    for _ in 0..6 {
        let mut child = spawn(&scratch, &sweep("killed", &["--checkpoint", "0.02", "--workers", "2"]));
        let folder = scratch.path("killed");
        let has_saved = || {
            let open = |run: &PathBuf| !run.join("manifest.json").exists() && !states(run).is_empty();
            folder.is_dir() && (runs(&folder).iter().any(open) || folder.join("runs.parquet").exists())
        };
        wait_until("a state", has_saved);
        child.kill().unwrap();
        child.wait().unwrap();
        n_taken_over += usize::from(!folder.join("runs.parquet").exists());
    }
    assert!(n_taken_over > 0, "no kill came before the end");
    scratch.run(&sweep("killed", &["--checkpoint", "0.02"])).ok();
    assert!(bits(&scratch.path("killed")) == whole);
    let left =
        |run: PathBuf| fs::read_dir(run).unwrap().any(|e| e.unwrap().file_name().to_string_lossy().starts_with('.'));
    assert!(!runs(&scratch.path("killed")).into_iter().any(left), "nothing half-written is left");
}

/// Parts of a sweep make all of it, and whoever collects says what is missing.
#[test]
fn shards_make_all_and_are_collected() {
    let scratch = Scratch::new();
    scratch.run(&sweep("whole", &[])).ok();
    let nothing = scratch.run(&sweep("parts", &["--collect"]));
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.stdout.contains("4 runs are missing:"), "{}", nothing.stdout);
    for shard in ["1/3", "2/3"] {
        scratch.run(&sweep("parts", &["--shard", shard])).ok();
    }
    assert!(!scratch.path("parts/runs.parquet").exists());
    let some = scratch.run(&sweep("parts", &["--collect", "--json"]));
    assert_eq!(some.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&some.stdout).unwrap();
    assert_eq!((report["runs"].as_array().unwrap().len(), report["missing"].as_array().unwrap().len()), (3, 1));
    scratch.run(&sweep("parts", &["--shard", "3/3"])).ok();
    scratch.run(&sweep("parts", &["--collect"])).ok();
    assert!(bits(&scratch.path("parts")) == bits(&scratch.path("whole")));
    let status = scratch.run(&["sweep", "status", "parts", "--json"]).ok();
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&status["n_ended"], &status["n_waiting"], &status["has_table"]), (&4.into(), &0.into(), &true.into()));
    for wrong in ["0/3", "4/3", "1", "a/b"] {
        assert_eq!(scratch.run(&sweep("parts", &["--shard", wrong])).code, Some(2), "{wrong}");
    }
}

/// A folder `s` with four runs that are packed, the directory of the first as it was before, and its name.
pub fn packed(scratch: &Scratch) -> (PathBuf, PathBuf, String) {
    scratch.run(&sweep("s", &["--steps", "40"])).ok();
    let run = runs(&scratch.path("s")).remove(0);
    let copy = scratch.path("copy");
    copied(&run, &copy);
    scratch.run(&["sweep", "pack", "s"]).ok();
    assert!(!run.exists());
    let name = format!("s/{}", run.file_name().unwrap().to_string_lossy());
    (run, copy, name)
}

pub fn copied(from: &Path, to: &Path) {
    Command::new("cp").args(["-r".as_ref(), from.as_os_str(), to.as_os_str()]).status().unwrap();
}

/// The table is that of the others, and who is damaged is listed beside who is missing.
#[test]
fn a_damaged_run_costs_the_table_only_itself() {
    let scratch = Scratch::new();
    scratch.run(&sweep("s", &["--steps", "40"])).ok();
    let folder = scratch.path("s");
    let run = runs(&folder).remove(0);
    fs::write(run.join("manifest.json"), "{}").unwrap();
    fs::remove_file(folder.join("runs.parquet")).unwrap();
    let asked = sweep("s", &["--steps", "40", "--seeds", "0..4", "--collect", "--json"]);
    let told = scratch.run(&asked);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let told = told.json();
    let counts = ["runs", "missing", "damaged"].map(|key| told[key].as_array().unwrap().len());
    assert!(counts == [3, 1, 1] && folder.join("runs.parquet").exists(), "{counts:?}");
    assert!(told["damaged"][0].as_str().unwrap().contains("manifest.json"));
    let told = scratch.run(&asked[..asked.len() - 1]);
    assert!(
        told.stdout.contains("1 are damaged:") && told.stderr.contains("runs rm"),
        "{}{}",
        told.stdout,
        told.stderr
    );
    let status = scratch.run(&["sweep", "status", "s"]).ok().stdout;
    assert!(status.contains("all that is left is damaged") && status.contains("runs rm RUN --force"), "{status}");
    // As it says.
    let name = format!("s/{}", run.file_name().unwrap().to_string_lossy());
    scratch.run(&["runs", "rm", &name, "--force"]).ok();
    scratch.run(&sweep("s", &["--steps", "40"])).ok();
    assert!(scratch.run(&["sweep", "status", "s"]).ok().stdout.contains("all runs have ended"));
}

/// Who names something else is told what it is, and who packs at the same time that someone does.
#[test]
fn other_places_are_no_folders_of_sweeps() {
    let scratch = Scratch::new();
    let (_, copy, name) = packed(&scratch);
    fs::create_dir(scratch.path("empty")).unwrap();
    scratch.write("file", "");
    let (a_run, none) = ("is a run, not a sweep", "is no folder of a sweep");
    for (place, what) in [("copy", a_run), (&name, a_run), ("empty", none), ("file", none)] {
        for command in ["status", "pack", "unpack"] {
            let ran = scratch.run(&["sweep", command, place]);
            assert!(ran.code == Some(2) && ran.stderr.contains(what), "{command} {place}: {}", ran.stderr);
        }
    }
    assert!(copy.exists());
    let lock = fs::File::open(scratch.path("s/packs/lock")).unwrap();
    lock.lock().unwrap();
    let ran = scratch.run(&["sweep", "pack", "s"]);
    assert!(
        ran.code == Some(2) && ran.stderr.contains("is being packed or unpacked by another process"),
        "{}",
        ran.stderr
    );
}

/// A script that a shell can read, with what was typed in it.
#[test]
fn scripts_say_what_was_typed() {
    let scratch = Scratch::new();
    let asked =
        ["--script", "slurm", "--tasks", "9", "--time=02:30:00", "--workers", "2", "--", "--partition=x", "-A", "me"];
    let script = scratch.run(&sweep("a folder", &asked)).ok().stdout;
    for line in [
        "#SBATCH --array=1-9",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --time=02:30:00",
        "#SBATCH --partition=x",
        "#SBATCH -A me",
        "#SBATCH --requeue",
    ] {
        assert!(script.lines().any(|other| other == line), "{line}\n{script}");
    }
    let worker = script.lines().find(|line| line.contains(" sweep copying-small ")).unwrap();
    let folder = format!("--out '{}' --workers 2 --quiet", scratch.path("a folder").display());
    assert!(
        worker.contains("-s 'probes.ablations=[]' --steps 300 --seeds 0..3") && worker.contains(&folder),
        "{worker}"
    );
    assert!(!worker.contains("--script") && !worker.contains("02:30"), "{worker}");
    fs::write(scratch.path("job.sh"), &script).unwrap();
    assert!(Command::new("bash").args(["-n".as_ref(), scratch.path("job.sh").as_os_str()]).status().unwrap().success());
    let script = scratch.run(&sweep("s", &["--script", "hyperqueue"])).ok().stdout;
    assert!(script.contains("#HQ --array=1-4\n") && !script.contains('{'), "{script}");
    let odd = ["--script", "slurm", "--", "--comment", "a b; {command}", "--partition=x"];
    let script = scratch.run(&sweep("{command}", &odd)).ok().stdout;
    assert!(script.contains("#SBATCH --comment 'a b; {command}'\n#SBATCH --partition=x\n"), "{script}");
    assert_eq!(script.matches(" sweep copying-small ").count(), 1, "{script}");
    for (wrong, named) in [
        (&["--script", "slurm", "--", "--comment=a\ntouch b"][..], "control"),
        (&["--tasks", "3"], "--script"),
        (&["--script", "hyperqueue", "--time", "01:00:00"], "--time"),
        (&["--script", "slurm", "--time", "60"], "HH:MM:SS"),
        (&["--script", "pbs"], "slurm"),
        (&["--script", "slurm", "--shard", "1/2"], "--shard"),
    ] {
        let ran = scratch.run(&sweep("s", wrong));
        assert!(ran.code == Some(2) && ran.stderr.contains(named), "{wrong:?}: {}", ran.stderr);
    }
    assert!(!scratch.path("s").exists());
    // Where the system is not there, that is said.
    let ran = scratch.command(&sweep("s", &["--submit", "slurm"])).env("PATH", "").output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("sbatch"));
}

/// A job of workers, by a stand-in for the system: it is handed over, followed, and what it made is told.
#[test]
fn a_job_is_submitted_and_followed() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("bin")).unwrap();
    let program = |name: &str, text: &str| {
        let path = scratch.path("bin").join(name);
        fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("sbatch", "for script; do :; done\nbash \"$script\" > /dev/null 2>&1 &\necho '17;cluster'");
    program("squeue", "true");
    let path = format!("{}:{}", scratch.path("bin").display(), std::env::var("PATH").unwrap());
    let args = sweep("s", &["--submit", "slurm"]);
    let ran = scratch.command(&args).env("PATH", &path).output().unwrap();
    let (said, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(0), "{said}{told}");
    assert!(told.contains("job 17 of 4 workers") && said.contains("s/runs.parquet"), "{said}{told}");
    scratch.run(&sweep("whole", &[])).ok();
    assert!(bits(&scratch.path("s")) == bits(&scratch.path("whole")));
    // A job that is gone before its time: what is missing is listed.
    program("sbatch", "echo 18");
    let ran = scratch.command(&sweep("t", &["--submit", "slurm"])).env("PATH", &path).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.code() == Some(1) && said.contains("4 runs are missing:"), "{said}");
}
