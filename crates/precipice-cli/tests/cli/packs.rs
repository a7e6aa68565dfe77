//! Runs in a few files: read as directories are, and directories again, whatever is killed.

use crate::common::Scratch;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::clusters::{bits, copied, packed, runs, states, sweep};

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
