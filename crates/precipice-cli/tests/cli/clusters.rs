//! Many workers on one folder, which are asked to make room, die, and have no locks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::Scratch;

/// Four runs of a second or so, unless more is said.
fn sweep<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
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
fn runs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut runs: Vec<PathBuf> = entries.filter(|path| path.join("spec.toml").is_file()).collect();
    runs.sort();
    runs
}

fn states(run: &Path) -> Vec<PathBuf> {
    fs::read_dir(run.join("checkpoints")).map_or_else(|_| Vec::new(), |all| all.map(|e| e.unwrap().path()).collect())
}

/// Name, log and last state of a run.
type Run = (PathBuf, Vec<u8>, Vec<u8>);

/// All runs, and the table.
fn bits(folder: &Path) -> (Vec<Run>, Vec<u8>) {
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

/// A packed run is read by every command as a directory is, and comes out as it was.
#[test]
fn packed_runs_are_read_as_directories_are() {
    let scratch = Scratch::new();
    scratch.run(&sweep("s", &[])).ok();
    let folder = scratch.path("s");
    let run = runs(&folder).remove(0);
    let name = format!("s/{}", run.file_name().unwrap().to_string_lossy());
    let copy = scratch.path("copy");
    Command::new("cp").args(["-r".as_ref(), run.as_os_str(), copy.as_os_str()]).status().unwrap();
    let whole = bits(&folder);
    let commands: [&[&str]; 6] = [
        &["probe", &name, "--json"],
        &["verify", &name, "--json", "-q"],
        &["export", &name, "--to", "csv", "-o", "-"],
        &["export", "s", "--to", "csv", "--curves", "-o", "-"],
        &["figure", "attention", &name, "-o", "-"],
        &["watch", &name, "--once"],
    ];
    let said = |scratch: &Scratch| commands.map(|args| scratch.run(args).ok().stdout);
    let before = said(&scratch);
    let packed = scratch.run(&["sweep", "pack", "s", "--json"]).ok();
    assert!(packed.stdout.contains("\"n_packed\": 4"), "{}", packed.stdout);
    assert!(runs(&folder).is_empty() && !run.exists());
    assert!(said(&scratch) == before);
    let listed = scratch.run(&["runs", "s", "--json"]).ok().json();
    assert!(listed.as_array().unwrap().iter().all(|run| run["outcome"] == "none" && run["size"].as_u64() > Some(1000)));
    assert_eq!(listed.as_array().unwrap().len(), 4);
    for change in [&["runs", "gc", &name][..], &["runs", "rm", &name, "--force"]] {
        let ran = scratch.run(change);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains("sweep unpack s"),
            "{change:?}: {}{}",
            ran.stdout,
            ran.stderr
        );
        assert!(!run.exists());
    }
    let refused = scratch.run(&["figure", "attention", &name]);
    assert!(refused.code == Some(2) && refused.stderr.contains("sweep unpack s"), "{}", refused.stderr);
    // Nothing is made again, and more seeds are made beside them.
    let again = scratch.run(&sweep("s", &[])).ok();
    assert!(again.stdout.contains("4 runs, 4 of them stored before"), "{}", again.stdout);
    scratch.run(&sweep("s", &["--seeds", "0..4"])).ok();
    assert_eq!(runs(&folder).len(), 1);
    let second = scratch.run(&["sweep", "pack", "s"]).ok();
    assert!(second.stdout.starts_with("1 runs packed into 1 files, 4 packed before"), "{}", second.stdout);
    // An interrupted packing leaves a run in both places.
    Command::new("cp").args(["-r".as_ref(), copy.as_os_str(), run.as_os_str()]).status().unwrap();
    scratch.run(&["sweep", "pack", "s"]).ok();
    assert!(!run.join("manifest.json").exists());
    assert!(scratch.run(&["verify", &name, "-q"]).ok().stdout.starts_with("same bits"));
    // Anything that reads zip files has the directories again.
    let unpacked = Command::new("python3")
        .args(["-c", "import sys, zipfile\nfor p in sys.argv[2:]: zipfile.ZipFile(p).extractall(sys.argv[1])"])
        .args([folder.as_os_str(), folder.join("packs/pack-00001.zip").as_os_str()])
        .status();
    if unpacked.is_ok_and(|status| status.success()) {
        fs::remove_file(folder.join("runs.parquet")).unwrap();
        scratch.run(&sweep("s", &["--collect"])).ok();
        assert!(bits(&folder).0 == whole.0);
    }
}

/// A folder `s` with four runs that are packed, the directory of the first as it was before, and its name.
fn packed(scratch: &Scratch) -> (PathBuf, PathBuf, String) {
    scratch.run(&sweep("s", &["--steps", "40"])).ok();
    let run = runs(&scratch.path("s")).remove(0);
    let copy = scratch.path("copy");
    copied(&run, &copy);
    scratch.run(&["sweep", "pack", "s"]).ok();
    assert!(!run.exists());
    let name = format!("s/{}", run.file_name().unwrap().to_string_lossy());
    (run, copy, name)
}

fn copied(from: &Path, to: &Path) {
    Command::new("cp").args(["-r".as_ref(), from.as_os_str(), to.as_os_str()]).status().unwrap();
}

/// Half of a run on the disk and the manifest in a pack would look like a finished run.
#[test]
fn nothing_is_written_beside_a_pack() {
    let scratch = Scratch::new();
    let (run, _, name) = packed(&scratch);
    let spec = format!("{name}/spec.toml");
    // A spec is found there as in a directory.
    let shown = scratch.run(&["show", &spec]).ok().stdout;
    assert!(shown.contains("steps = 40") && scratch.run(&["show", &name]).ok().stdout == shown);
    scratch.run(&["run", &spec, "--out", "again", "-q"]).ok();
    let [again, packed] =
        ["again", &name].map(|run| scratch.run(&["probe", run, "--json"]).ok().json()["digest"].clone());
    assert!(again == packed);
    let again = scratch.run(&["sweep", &spec, "--seeds", "0..3", "--out", "s", "-q"]).ok();
    assert!(again.stdout.contains("4 runs, 4 of them stored before"), "{}", again.stdout);
    for how in [&["--force"][..], &["--resume", "--steps", "80"], &["--force", "--steps", "80"]] {
        let ran = scratch.run(&[&["run", &spec, "--out", &name, "-q"], how].concat());
        assert_eq!(ran.code, Some(2), "{how:?}: {}", ran.stdout);
        let is_told = ran.stderr.contains("precipice sweep unpack s") || ran.stderr.contains("another spec");
        assert!(is_told && !run.exists(), "{how:?}: {}", ran.stderr);
    }
    scratch.run(&["run", &spec, "--out", &name, "-q"]).ok();
    assert!(!run.exists());
}

/// What a killed packing leaves is cleared by the next one: half of a directory, a lock, half of a pack.
#[test]
fn a_killed_packing_is_finished() {
    let scratch = Scratch::new();
    let (run, copy, name) = packed(&scratch);
    let gone = u32::MAX;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let half = scratch.path("s/packs").join(format!(".precipice-tmp-{}.{gone}.0", host.trim()));
    // Killed before, while and after the files were removed; the spec goes first.
    let kept: [&[&str]; 4] = [
        &["spec.toml", "manifest.json", "log.jsonl", "checkpoints", "lock"],
        &["manifest.json", "log.jsonl", "checkpoints", "lock"],
        &["log.jsonl", "lock"],
        &["lock"],
    ];
    for kept in kept {
        fs::create_dir(&run).unwrap();
        kept.iter().for_each(|file| copied(&copy.join(file), &run.join(file)));
        fs::write(&half, "half a pack").unwrap();
        let verified = scratch.run(&["verify", &name, "-q"]).ok();
        assert!(verified.stdout.starts_with("same bits"), "{kept:?}: {}", verified.stdout);
        let again = scratch.run(&["sweep", "pack", "s", "--json"]).ok().json();
        assert_eq!((&again["n_packed"], &again["n_before"]), (&0.into(), &4.into()), "{kept:?}");
        assert!(!run.exists() && (!half.exists() || !Path::new("/proc/self").exists()), "{kept:?}");
    }
    // What someone else put there stays.
    fs::create_dir(&run).unwrap();
    copied(&copy.join("lock"), &run.join("lock"));
    fs::write(run.join("log.jsonl"), "of another").unwrap();
    scratch.run(&["sweep", "pack", "s"]).ok();
    assert_eq!(fs::read_to_string(run.join("log.jsonl")).unwrap(), "of another");
}

/// Directories come back as they were, of one pack or all, whenever it is interrupted.
#[test]
fn packs_become_directories_again() {
    let scratch = Scratch::new();
    let (run, copy, name) = packed(&scratch);
    let same = |run: &Path| {
        let mut diff = Command::new("diff");
        diff.args(["-r", "-x", "lock"]).args([run, &copy]).output().unwrap()
    };
    scratch.run(&sweep("s", &["--steps", "40", "--seeds", "4"])).ok();
    scratch.run(&["sweep", "pack", "s"]).ok();
    let packs =
        || crate::common::names(&scratch.path("s/packs")).into_iter().filter(|name| name.ends_with(".zip")).count();
    assert_eq!(packs(), 2);
    // Killed in the middle: no spec is there yet, so that the pack counts.
    fs::create_dir(&run).unwrap();
    fs::write(run.join("log.jsonl"), "half").unwrap();
    scratch.run(&["verify", &name, "-q"]).ok();
    let unpacked = scratch.run(&["sweep", "unpack", "s", &name, "--json"]).ok().json();
    assert_eq!((&unpacked["n_unpacked"], packs()), (&4.into(), 1), "{unpacked}");
    let diff = same(&run);
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
    let told = scratch.run(&["sweep", "unpack", "s", &name]);
    assert!(told.code == Some(2) && told.stderr.contains("is not packed"), "{}", told.stderr);
    let rest = scratch.run(&["sweep", "unpack", "s"]).ok();
    assert!(rest.stdout.starts_with("1 runs have directories again, 0 had them; 1 packs are gone"), "{}", rest.stdout);
    assert_eq!((packs(), runs(&scratch.path("s")).len()), (0, 5));
    scratch.run(&["runs", "rm", &name, "--force"]).ok();
    assert!(!run.exists());
    let status = scratch.run(&["sweep", "status", "s", "--json"]).ok().json();
    assert_eq!((&status["n_ended"], &status["n_waiting"]), (&4.into(), &1.into()));
}

/// A run that someone unpacked by hand and changed is told of, and not removed from under its pack.
#[test]
fn a_run_that_changed_since_it_was_packed_is_named() {
    let scratch = Scratch::new();
    let (run, copy, name) = packed(&scratch);
    copied(&copy, &run);
    scratch.run(&["figure", "attention", &name]).ok();
    let told = scratch.run(&["sweep", "pack", "s"]).ok();
    assert!(told.stdout.contains(&format!("{name}: changed since it was packed")), "{}", told.stdout);
    assert!(run.join("figures/attention.svg").exists() && run.join("manifest.json").exists());
    let refused = scratch.run(&["runs", "rm", &name, "--force"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("sweep unpack s"), "{}", refused.stderr);
    assert!(run.exists());
}

/// Nobody knows which runs a damaged pack held: everyone says so, and nobody makes them again unasked.
#[test]
fn a_damaged_pack_is_named() {
    let scratch = Scratch::new();
    let (_, _, name) = packed(&scratch);
    let pack = scratch.path("s/packs/pack-00001.zip");
    let bytes = fs::read(&pack).unwrap();
    fs::write(&pack, &bytes[..bytes.len() / 2]).unwrap();
    for (args, code) in [
        (&["sweep", "status", "s"][..], 0),
        (&["runs", "s", "--json"], 0),
        (&["sweep", "pack", "s"], 1),
        (&["sweep", "unpack", "s"], 1),
        (&sweep("s", &["--steps", "40", "--collect"]), 1),
        (&sweep("s", &["--steps", "40"]), 2),
    ] {
        let ran = scratch.run(args);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(code), "{args:?}: {told}");
        assert!(told.contains("pack-00001.zip") && told.contains("damaged"), "{args:?}: {told}");
    }
    assert!(!scratch.path(&name).exists(), "nothing was made again");
    // As it says.
    fs::remove_file(&pack).unwrap();
    let again = scratch.run(&sweep("s", &["--steps", "40"])).ok();
    assert!(again.stdout.contains("4 runs, 0 of them stored before"), "{}", again.stdout);
}

/// More runs than files may be open.
#[test]
fn few_open_files_are_enough_to_pack() {
    let scratch = Scratch::new();
    scratch.run(&sweep("s", &["--steps", "2", "--seeds", "0..49"])).ok();
    let command = "ulimit -n 30; exec \"$0\" sweep pack s --json";
    let ran = Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_precipice")])
        .current_dir(scratch.path("."))
        .output();
    let ran = crate::common::Ran::new(ran.unwrap()).ok().json();
    assert_eq!((&ran["n_packed"], &ran["n_not_ended"]), (&50.into(), &0.into()));
    assert!(runs(&scratch.path("s")).is_empty());
    // What is left as it is, is told of in a line.
    let gc = scratch.run(&["runs", "gc", "s"]).ok();
    assert_eq!(gc.stderr, "s: 50 packed runs left; `precipice sweep unpack s` makes directories again\n");
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

#[test]
fn a_damaged_run_is_not_packed() {
    let scratch = Scratch::new();
    scratch.run(&sweep("s", &[])).ok();
    let run = runs(&scratch.path("s")).remove(0);
    fs::write(&states(&run)[0], "damaged").unwrap();
    let packed = scratch.run(&["sweep", "pack", "s", "--json"]);
    assert_eq!(packed.code, Some(1));
    let packed: serde_json::Value = serde_json::from_str(&packed.stdout).unwrap();
    assert_eq!((&packed["n_packed"], packed["damaged"].as_array().unwrap().len()), (&3.into(), 1));
    assert!(run.join("manifest.json").exists());
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
