//! Runs that go on under more steps, in a chosen arithmetic, and after their items were moved.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{Scratch, TINY, names};

/// A tiny run of so many steps.
fn tiny<'a>(steps: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
    let args = TINY.iter().map(|arg| if *arg == "60" { steps } else { arg });
    args.chain(extra.iter().copied()).collect()
}

fn bytes(scratch: &Scratch, run: &str, name: &str) -> Vec<u8> {
    fs::read(scratch.path(run).join(name)).unwrap()
}

/// Rows, states and digest are those of a run that was as long from the start, wherever the shorter one ended.
#[test]
fn a_longer_run_begins_with_the_shorter_one() {
    let scratch = Scratch::new();
    let whole = scratch.run(&tiny("150", &["--out", "whole", "--json"])).ok().json();
    for shorter in ["60", "65", "64", "0"] {
        scratch.run(&tiny(shorter, &["--out", shorter])).ok();
        let longer = scratch.run(&tiny("150", &["--out", shorter, "--resume", "--json"])).ok().json();
        assert_eq!(longer["digest"], whole["digest"], "{shorter}");
        assert!(longer["steps"] == 150 && longer["stored"] == false, "{shorter}");
        let last = "checkpoints/step-00000150.safetensors";
        for file in ["log.jsonl", "spec.toml", last, "checkpoints/step-00000032.safetensors"] {
            assert!(bytes(&scratch, shorter, file) == bytes(&scratch, "whole", file), "{shorter}: {file}");
        }
        assert!(scratch.run(&["verify", shorter, "-q"]).ok().stdout.starts_with("same bits"), "{shorter}");
        assert!(scratch.run(&["probe", shorter, "--step", "32"]).ok().stdout.contains("step 32"));
    }
    // Steps that both have are not made again: states between them are those that the shorter run left.
    assert!(names(&scratch.path("60/checkpoints")).contains(&"step-00000060.safetensors".to_owned()));
    assert!(!names(&scratch.path("65/checkpoints")).contains(&"step-00000065.safetensors".to_owned()));
}

/// Items eight times too long, which no run learns, are told by run and sweep, and mended by a field.
#[test]
fn items_of_another_scale_are_told() {
    let scratch = Scratch::new();
    // An array of 12 x 2 x 4 numbers, each 4: items of length 8.
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 2, 4), }\n";
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let numbers: Vec<u8> = (0..96).flat_map(|_| 4.0_f32.to_le_bytes()).collect();
    scratch.write("items.npy", [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &numbers].concat());
    let set = ["-s", "task.copying.items.file=items.npy", "-s", "task.copying.items.n_held_out=0"];
    let small =
        ["-s", "task.copying.d_item=4", "-s", "eval.sequences=8", "-s", "probes.sequences=4", "--steps", "1", "-q"];
    let run =
        |command: &[&str], more: &[&str]| scratch.run(&[command, &set[..], &small[..], more].concat()).ok().stderr;
    for command in [&["run", "han-small"][..], &["sweep", "han-small", "--seeds", "0"]] {
        let told = run(command, &[]);
        assert!(told.contains("mean length of 8.000") && told.contains("items.normalize=true"), "{told}");
        assert!(!run(command, &["-s", "task.copying.items.normalize=true"]).contains("mean length"));
    }
}

/// Killed at any moment while it is made longer, the run goes on to the same bits by the same command.
#[test]
fn making_a_run_longer_can_be_interrupted_anywhere() {
    let scratch = Scratch::new();
    scratch.run(&tiny("400", &["--out", "whole"])).ok();
    scratch.run(&tiny("200", &["--out", "short"])).ok();
    for delay in [1, 3, 5, 8, 12, 20, 40] {
        let args = tiny("400", &["--out", "r", "--resume"]);
        if scratch.path("r").exists() {
            fs::remove_dir_all(scratch.path("r")).unwrap();
        }
        std::process::Command::new("cp").args(["-r", "short", "r"]).current_dir(scratch.path("")).status().unwrap();
        for _ in 0..2 {
            let mut child = scratch.command(&args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        scratch.run(&args).ok();
        for file in ["log.jsonl", "spec.toml", "checkpoints/step-00000400.safetensors"] {
            assert!(bytes(&scratch, "r", file) == bytes(&scratch, "whole", file), "{delay} ms: {file}");
        }
        assert!(scratch.run(&["verify", "r", "-q"]).ok().stdout.starts_with("same bits"), "{delay} ms");
    }
}

/// Where directories are named by the program, the longer run finds the shorter one, and leaves it as it is.
#[test]
fn a_longer_run_finds_the_shorter_one_beside_it() {
    let scratch = Scratch::new();
    let short = scratch.run(&tiny("60", &["--json"])).ok().json();
    let short = short["run_dir"].as_str().unwrap();
    let before = [bytes(&scratch, short, "log.jsonl"), bytes(&scratch, short, "manifest.json")];
    let long = scratch.run(&tiny("90", &["--resume", "--json"])).ok().json();
    let long = long["run_dir"].as_str().unwrap();
    assert!(names(&scratch.path(long).join("checkpoints")).contains(&"step-00000060.safetensors".to_owned()));
    assert!(scratch.run(&["verify", long, "-q"]).ok().stdout.starts_with("same bits"));
    assert!(before == [bytes(&scratch, short, "log.jsonl"), bytes(&scratch, short, "manifest.json")]);
    assert!(scratch.run(&["verify", short, "-q"]).ok().stdout.starts_with("same bits"));
}

#[test]
fn what_is_not_the_beginning_is_told() {
    let scratch = Scratch::new();
    scratch.run(&tiny("60", &["--out", "r"])).ok();
    let before = [bytes(&scratch, "r", "log.jsonl"), bytes(&scratch, "r", "manifest.json")];
    let cosine = ["-s", "train.schedule.shape=cosine"];
    scratch.run(&tiny("60", &[&["--out", "c"], &cosine[..]].concat())).ok();
    for (args, reason) in [
        (tiny("30", &["--out", "r", "--resume"]), "it has 60 steps already, more than 30"),
        (tiny("90", &["--out", "r", "--resume", "-s", "train.clip_norm=1.0"]), "and train.clip_norm does, too"),
        (tiny("90", &[&["--out", "c", "--resume"], &cosine[..]].concat()), "is a cosine over train.steps"),
        (tiny("90", &["--out", "r"]), "holds a run of another spec"),
    ] {
        let refused = scratch.run(&args);
        assert!(refused.code == Some(2) && refused.stderr.contains(reason), "{reason}: {}", refused.stderr);
    }
    assert!(before == [bytes(&scratch, "r", "log.jsonl"), bytes(&scratch, "r", "manifest.json")]);
}

/// A shorter run that is damaged, or that is asked to go on otherwise, is refused and left as it is.
#[test]
fn a_damaged_beginning_is_no_beginning() {
    let scratch = Scratch::new();
    scratch.run(&tiny("60", &["--out", "whole"])).ok();
    let all = |run: &str| -> Vec<(String, Vec<u8>)> {
        let files =
            ["manifest.json", "log.jsonl", "spec.toml", "metrics.parquet", "checkpoints/step-00000032.safetensors"];
        files
            .iter()
            .map(|name| (name.to_string(), fs::read(scratch.path(run).join(name)).unwrap_or_default()))
            .collect()
    };
    type Damage = fn(&std::path::Path);
    let flip = |path: &std::path::Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let damages: [(Damage, &[&str], &str); 6] = [
        (|run| fs::remove_file(run.join("log.jsonl")).unwrap(), &[], "log.jsonl"),
        (|run| fs::remove_file(run.join("checkpoints/step-00000032.safetensors")).unwrap(), &[], "step-00000032"),
        (|_| {}, &["--arithmetic", "portable"], "arithmetic"),
        (|run| fs::remove_file(run.join("manifest.json")).unwrap(), &["--arithmetic", "portable"], "arithmetic"),
        (
            |run| {
                fs::remove_file(run.join("manifest.json")).unwrap();
                fs::remove_file(run.join("log.jsonl")).unwrap();
            },
            &[],
            "checkpoints/step-",
        ),
        (|_| {}, &[], "log.jsonl"),
    ];
    for (i, (damage, more, expected)) in damages.into_iter().enumerate() {
        let run = format!("r{i}");
        std::process::Command::new("cp").args(["-r", "whole", &run]).current_dir(scratch.path("")).status().unwrap();
        damage(&scratch.path(&run));
        if i == 5 {
            flip(&scratch.path("r5/log.jsonl"), 400);
        }
        let before = all(&run);
        let refused = scratch.run(&tiny("90", &[&["--out", &run, "--resume"], more].concat()));
        assert!(
            refused.code == Some(2) && refused.stderr.contains(expected),
            "{i}: {:?} {}",
            refused.code,
            refused.stderr
        );
        assert!(all(&run) == before, "{i}: something was written");
    }
}

#[test]
fn runs_and_sweeps_in_a_chosen_arithmetic() {
    let scratch = Scratch::new();
    let arithmetic = |run: &str| {
        let manifest: serde_json::Value = serde_json::from_slice(&bytes(&scratch, run, "manifest.json")).unwrap();
        (manifest["arithmetic"].as_str().unwrap().to_owned(), manifest["digest"].as_str().unwrap().to_owned())
    };
    for kind in ["portable", "fused"] {
        scratch.run(&tiny("60", &["--out", kind, "--arithmetic", kind])).ok();
        assert_eq!(arithmetic(kind).0, kind);
        assert!(scratch.run(&["verify", kind, "-q"]).ok().stdout.starts_with("same bits"));
    }
    assert_ne!(arithmetic("portable").1, arithmetic("fused").1);
    // What is stored keeps its arithmetic, also when it goes on.
    let refused = scratch.run(&tiny("60", &["--out", "portable", "--arithmetic", "fused"]));
    assert!(
        refused.code == Some(2) && refused.stderr.contains("is a run in portable arithmetic"),
        "{}",
        refused.stderr
    );
    scratch.run(&tiny("90", &["--out", "portable", "--resume"])).ok();
    assert_eq!(arithmetic("portable").0, "portable");
    assert_eq!(scratch.run(&tiny("60", &["--arithmetic", "exact"])).code, Some(2));
    let sweep =
        ["sweep", "copying-small", "--steps", "2", "-s", "eval.sequences=16", "--seeds", "0", "--out", "s", "-q"];
    let told = scratch.run(&[&sweep[..], &["--arithmetic", "portable", "--json"]].concat()).ok().json();
    assert_eq!(arithmetic(told["runs"][0]["run_dir"].as_str().unwrap()).0, "portable");
}

#[test]
fn items_that_were_moved_are_named() {
    let scratch = Scratch::new();
    let glyphs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/han-glyphs.npz");
    fs::copy(glyphs, scratch.path("items.npz")).unwrap();
    let small = ["-s", "eval.sequences=16", "-s", "probes.sequences=8", "--steps", "2", "-q", "--out", "r"];
    let file = ["-s", "task.copying.items.file=items.npz", "-s", "task.copying.items.n_held_out=6"];
    let args = [&["run", "han-small"], &small[..], &file[..]].concat();
    scratch.run(&args).ok();
    fs::rename(scratch.path("items.npz"), scratch.path("moved.npz")).unwrap();
    let commands: [&[&str]; 5] = [
        &["probe", "r"],
        &["verify", "r", "-q"],
        &["diff", "r", "r", "-q"],
        &["figure", "contexts", "r", "-o", "c.svg"],
        &["export", "r", "--to", "safetensors"],
    ];
    for command in commands {
        let refused = scratch.run(command);
        assert!(refused.code == Some(2) && refused.stderr.contains("--items PATH"), "{command:?}: {}", refused.stderr);
        scratch.run(&[command, &["--items", "moved.npz"]].concat()).ok();
    }
    // Other items are not taken for them, and a run without items has none.
    fs::write(scratch.path("other.npz"), "PK").unwrap();
    assert_eq!(scratch.run(&["probe", "r", "--items", "other.npz"]).code, Some(2));
    scratch.run(&tiny("2", &["--out", "plain"])).ok();
    let refused = scratch.run(&["probe", "plain", "--items", "moved.npz"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("has no items from a file"), "{}", refused.stderr);
    // Of two runs they are those of the one that has some.
    for pair in [["r", "plain"], ["plain", "r"]] {
        let compared = scratch.run(&[&["diff", "-q", "--items", "moved.npz"], &pair[..]].concat());
        assert!(compared.code == Some(1) && compared.stdout.contains("task.copying.items"), "{}", compared.stderr);
    }
    // A run goes on with them, too.
    fs::remove_file(scratch.path("r/manifest.json")).unwrap();
    let moved = args.iter().map(|arg| if *arg == file[1] { "task.copying.items.file=moved.npz" } else { arg });
    let resumed: Vec<&str> = moved.chain(["--resume"]).collect();
    scratch.run(&resumed).ok();
    scratch.run(&["probe", "r"]).ok();
}
