//! Certificates: written, read, made again.

use std::fs;
use std::path::PathBuf;

use crate::common::{Scratch, TINY};

fn tiny(scratch: &Scratch, out: &str, extra: &[&str]) {
    scratch.run(&[&TINY[..], &["--out", out], extra].concat()).ok();
}

fn certificate(scratch: &Scratch, name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(scratch.path(name)).unwrap()).unwrap()
}

/// The same bytes from the same runs, whatever of their checkpoints is left; made again at any number of threads.
#[test]
fn a_certificate_is_made_again() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &["--arithmetic", "portable"]);
    tiny(&scratch, "b", &["--seed", "1", "-s", "name=other"]);
    scratch.run(&["certify", "a", "b", "-o", "both.json"]).ok();
    let text = fs::read_to_string(scratch.path("both.json")).unwrap();
    assert!(text.len() < 2 * 2000, "{} bytes", text.len());
    scratch.run(&["runs", "gc", "a"]).ok();
    scratch.run(&["certify", "a", "b", "-o", "both.json"]).ok();
    assert_eq!(fs::read_to_string(scratch.path("both.json")).unwrap(), text, "replayed");
    let found = certificate(&scratch, "both.json");
    let (a, manifest) = (&found["runs"][0], certificate(&scratch, "a/manifest.json"));
    assert_eq!((&a["spec_hash"], &a["outcome"]), (&manifest["spec_hash"], &manifest["outcome"]));
    let states = a["states"].as_array().unwrap();
    let last = states[states.len() - 1]["params"].as_str().unwrap();
    assert!(states[0]["step"] == 0 && last.len() == 32 && manifest["digest"].as_str().unwrap().starts_with(last));
    assert!(a["spec"]["train"]["momentum"].is_null() && a["spec"]["train"]["steps"] == 60, "{}", a["spec"]);
    for threads in ["1", "2"] {
        let told = scratch.run(&["verify", "both.json", "-q", "--threads", threads]).ok().stdout;
        assert_eq!(told.matches("same bits: 7 rows").count(), 2, "{told}");
        assert!(told.ends_with("2 of 2 have the same bits\n"), "{told}");
    }
    let one = scratch.run(&["verify", "both.json", "--only", "other", "-q", "--json"]).ok().json();
    assert_eq!((one.as_array().unwrap().len(), &one[0]["name"], &one[0]["same"]), (1, &"other".into(), &true.into()));
    assert_eq!(scratch.run(&["verify", "both.json", "--only", "nobody", "-q"]).code, Some(2));
    // A run and a certificate in one command.
    let mixed = scratch.run(&["verify", "a", "both.json", "--only", "other", "-q", "--json"]).ok().json();
    assert_eq!((&mixed[0]["run_dir"], &mixed[1]["file"]), (&"a".into(), &"both.json".into()));
}

/// A certificate of one run stands for its spec.
#[test]
fn what_is_certified_can_be_run() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &["--arithmetic", "portable"]);
    scratch.run(&["certify", "a", "-o", "a.json"]).ok();
    let ran = scratch.run(&["run", "a.json", "--arithmetic", "portable", "--out", "again", "-q", "--json"]).ok().json();
    assert_eq!(ran["digest"], certificate(&scratch, "a/manifest.json")["digest"]);
    assert!(scratch.run(&["show", "a.json"]).ok().stdout.contains("name = \"copying-small\""));
    tiny(&scratch, "b", &["--seed", "1"]);
    scratch.run(&["certify", "a", "b", "-o", "both.json"]).ok();
    let refused = scratch.run(&["show", "both.json"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("of several runs"), "{}", refused.stderr);
}

/// Steps of one's own are made again where they are not stored; what differs is named by its step.
#[test]
fn the_first_difference_is_told() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &["--arithmetic", "portable"]);
    scratch.run(&["certify", "a", "-o", "a.json", "--steps", "7,35,36"]).ok();
    let whole = certificate(&scratch, "a.json");
    let steps: Vec<u64> =
        whole["runs"][0]["states"].as_array().unwrap().iter().map(|s| s["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [7, 35, 36, 60]);
    assert!(scratch.run(&["verify", "a.json", "-q"]).ok().stdout.contains("parameters at 4 steps"));
    let too_far = scratch.run(&["certify", "a", "-o", "no.json", "--steps", "61"]);
    assert!(too_far.code == Some(2) && too_far.stderr.contains("made 60 steps"), "{}", too_far.stderr);
    let forged = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = whole.clone();
        value.as_object_mut().unwrap().remove("check");
        change(&mut value["runs"][0]);
        let text = serde_json::to_string_pretty(&value).unwrap();
        scratch.write(name, precipice_lab::store::seal::seal(&text, precipice_lab::certificate::KIND).0 + "\n");
        let ran = scratch.run(&["verify", name, "-q"]);
        (ran.code, ran.stdout + &ran.stderr)
    };
    let other = "0".repeat(32);
    let (code, told) = forged("params.json", &|run| run["states"][1]["params"] = other.clone().into());
    assert!(code == Some(1) && told.contains("the parameters at step 35 (the same at step 7)"), "{told}");
    let (code, told) = forged("rows.json", &|run| run["states"][0]["log"] = other.clone().into());
    assert!(code == Some(1) && told.contains("the rows of the log up to step 7"), "{told}");
    let (code, told) = forged("outcome.json", &|run| run["outcome"] = "lost".into());
    assert!(code == Some(1) && told.contains("its outcome is"), "{told}");
    let (code, told) = forged("t50.json", &|run| run["t50"] = 30.5.into());
    assert!(code == Some(1) && told.contains("the step of its jump"), "{told}");
    // In the other arithmetic the bits are others, and so are they of another spec.
    let (code, _) = forged("arithmetic.json", &|run| run["arithmetic"] = "fused".into());
    assert_eq!(code, Some(1));
    let (code, told) = forged("spec.json", &|run| run["spec"]["train"]["batch_size"] = 33.into());
    assert!(code == Some(2) && told.contains("what a field that is left out means"), "{told}");
    // Without a seal of its own a change is damage.
    let text = fs::read_to_string(scratch.path("a.json")).unwrap();
    scratch.write("edited.json", text.replacen("\"steps\": 60", "\"steps\": 61", 1));
    let edited = scratch.run(&["verify", "edited.json", "-q"]);
    assert!(edited.code == Some(2) && edited.stderr.contains("damaged or edited"), "{}", edited.stderr);
    for (name, content, reason) in
        [("list.json", "[1]", "is no certificate"), ("text.json", "rows", "is no certificate")]
    {
        scratch.write(name, content);
        let refused = scratch.run(&["verify", name, "-q"]);
        assert!(refused.code == Some(2) && refused.stderr.contains(reason), "{}", refused.stderr);
    }
}

#[test]
fn what_cannot_be_certified_is_refused() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &[]);
    scratch.write("mine.json", "mine");
    let refused = scratch.run(&["certify", "a", "-o", "mine.json"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("--force"), "{}", refused.stderr);
    scratch.run(&["certify", "a", "-o", "mine.json", "--force"]).ok();
    assert!(
        scratch.run(&["certify", "a", "-o", "-"]).ok().stdout.starts_with("{\n \"kind\": \"precipice certificate\"")
    );
    // A row that was changed is no row that was measured.
    let log = fs::read_to_string(scratch.path("a/log.jsonl")).unwrap();
    scratch.write("a/log.jsonl", log.replacen("0.1", "0.2", 1));
    let damaged = scratch.run(&["certify", "a", "-o", "b.json"]);
    assert!(damaged.code == Some(2) && damaged.stderr.contains("log.jsonl"), "{}", damaged.stderr);
    fs::remove_file(scratch.path("a/manifest.json")).unwrap();
    let unfinished = scratch.run(&["certify", "a", "-o", "b.json"]);
    assert!(unfinished.code == Some(2) && unfinished.stderr.contains("is not finished"), "{}", unfinished.stderr);
}

/// Items of a file are certified by their content.
#[test]
fn items_are_certified_by_their_digest() {
    let scratch = Scratch::new();
    let glyphs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/han-glyphs.npz");
    fs::copy(glyphs, scratch.path("items.npz")).unwrap();
    let small = ["-s", "eval.sequences=16", "-s", "probes.sequences=8", "--steps", "2", "-q", "--out"];
    let file = ["-s", "task.copying.items.file=items.npz", "-s", "task.copying.items.n_held_out=6"];
    scratch.run(&[&["run", "han-small"], &small[..], &["own"], &file[..]].concat()).ok();
    scratch.run(&[&["run", "han-small"], &small[..], &["built-in"]].concat()).ok();
    scratch.run(&["certify", "own", "-o", "own.json"]).ok();
    scratch.run(&["certify", "built-in", "-o", "built-in.json"]).ok();
    let text = fs::read_to_string(scratch.path("own.json")).unwrap();
    assert!(!text.contains("items.npz") && text.contains("\"digest\""), "{text}");
    scratch.run(&["verify", "built-in.json", "-q"]).ok();
    let refused = scratch.run(&["verify", "own.json", "-q"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("--items PATH"), "{}", refused.stderr);
    fs::rename(scratch.path("items.npz"), scratch.path("moved.npz")).unwrap();
    scratch.run(&["verify", "own.json", "built-in.json", "-q", "--items", "moved.npz"]).ok();
}

/// Ten of the zoo, of every family; `scripts/zoo --verify` makes all hundred again.
#[test]
fn ten_of_the_zoo_have_the_same_bits() {
    let zoo = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/zoo"));
    let ten = TEN.map(|name| zoo.join(format!("{name}.json")).display().to_string());
    let args: Vec<&str> = ["verify", "-q"].into_iter().chain(ten.iter().map(String::as_str)).collect();
    let ran = Scratch::new().run(&args).ok();
    assert!(ran.stdout.ends_with("10 of 10 have the same bits\n"), "{}", ran.stdout);
}

const TEN: [&str; 10] = [
    "copying-batch-32",
    "copying-l-equals-n4",
    "copying-one-layer",
    "copying-stopped-early",
    "copying-exploding",
    "minimal-n4",
    "class-shuffled",
    "regression-seed0",
    "regression-frozen",
    "order-one-layer",
];

/// A branch is certified with the run that it began as.
#[test]
fn a_branch_is_certified() {
    let scratch = Scratch::new();
    scratch.run(&[&TINY[..], &["--out", "r"]].concat()).ok();
    scratch.run(&["branch", "r", "--at", "37", "-s", "train.batch_size=16", "--out", "b", "-q"]).ok();
    scratch.run(&["certify", "b", "-o", "b.json"]).ok();
    let text = fs::read_to_string(scratch.path("b.json")).unwrap();
    assert!(text.len() < 2000 + 1000, "{} bytes: {text}", text.len());
    // Each run that a branch begins with adds what of its spec is not default.
    scratch.run(&["branch", "b", "--at", "40", "--out", "c", "-q"]).ok();
    scratch.run(&["certify", "c", "-o", "c.json"]).ok();
    let longer = fs::read_to_string(scratch.path("c.json")).unwrap().len();
    assert!(longer < 2000 + 2 * 1000, "{longer} bytes");
    std::fs::remove_dir_all(scratch.path("r")).unwrap();
    let again = scratch.run(&["verify", "b.json", "-q"]).ok();
    assert!(again.stdout.contains("same bits"), "{}", again.stdout);
}

/// Of a branch on items of a file nothing says where the file was, and it is named once for all runs that it begins with.
#[test]
fn the_items_of_a_branch_are_certified_by_their_digest() {
    let scratch = Scratch::new();
    let glyphs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/han-glyphs.npz");
    fs::copy(glyphs, scratch.path("items.npz")).unwrap();
    let small = ["-s", "eval.sequences=16", "-s", "probes.sequences=8", "--steps", "4", "-q", "--out", "r"];
    let file = ["-s", "task.copying.items.file=items.npz", "-s", "task.copying.items.n_held_out=6"];
    scratch.run(&[&["run", "han-small"], &small[..], &file[..]].concat()).ok();
    scratch.run(&["branch", "r", "--at", "2", "--graft", "r:4:readout", "--out", "b", "-q"]).ok();
    scratch.run(&["branch", "b", "--at", "3", "--out", "c", "-q"]).ok();
    scratch.run(&["certify", "c", "-o", "c.json"]).ok();
    let text = fs::read_to_string(scratch.path("c.json")).unwrap();
    let folder = fs::canonicalize(scratch.path(".")).unwrap().display().to_string();
    assert!(!text.contains("items.npz") && !text.contains(&folder), "{text}");
    ["r", "b", "c"].iter().for_each(|run| fs::remove_dir_all(scratch.path(run)).unwrap());
    fs::rename(scratch.path("items.npz"), scratch.path("moved.npz")).unwrap();
    let refused = scratch.run(&["verify", "c.json", "-q"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("--items PATH"), "{}", refused.stderr);
    let again = scratch.run(&["verify", "c.json", "-q", "--items", "moved.npz"]).ok();
    assert!(again.stdout.contains("same bits"), "{}", again.stdout);
}

/// What cannot be made again here is told and passed by, and what is named twice is one.
#[test]
fn one_that_cannot_be_tried_does_not_keep_the_others() {
    let scratch = Scratch::new();
    for (name, seed) in [("a", "0"), ("b", "1"), ("c", "2")] {
        tiny(&scratch, name, &["--seed", seed, "--arithmetic", "portable"]);
        scratch.run(&["certify", name, "-o", &format!("{name}.json")]).ok();
    }
    let twice = scratch.run(&["verify", "a.json", "a.json", "b.json", "b", "b", "-q"]).ok().stdout;
    assert!(twice.ends_with("3 of 3 have the same bits\n"), "{twice}");
    let forged = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = certificate(&scratch, &format!("{name}.json"));
        value.as_object_mut().unwrap().remove("check");
        change(&mut value["runs"][0]);
        let text = serde_json::to_string_pretty(&value).unwrap();
        let sealed = precipice_lab::store::seal::seal(&text, precipice_lab::certificate::KIND).0 + "\n";
        scratch.write(&format!("other-{name}.json"), sealed);
    };
    forged("a", &|run| run["spec"]["train"]["batch_size"] = 33.into());
    forged("b", &|run| run["outcome"] = "lost".into());
    let told = scratch.run(&["verify", "other-a.json", "c.json", "-q"]);
    assert!(told.code == Some(2) && told.stdout.ends_with("1 of 2 have the same bits\n"), "{}", told.stdout);
    assert!(told.stderr.contains("what a field that is left out means"), "{}", told.stderr);
    assert!(told.stderr.ends_with("error: 1 of 2 could not be tried\n"), "{}", told.stderr);
    // A difference is more than that.
    let told = scratch.run(&["verify", "other-a.json", "other-b.json", "c.json", "-q", "--json"]);
    let found = told.json();
    assert_eq!((told.code, found.as_array().unwrap().len()), (Some(1), 3));
    assert_eq!((&found[0]["file"], &found[0]["same"]), (&"other-a.json".into(), &serde_json::Value::Null));
    assert!(found[0]["problem"].as_str().unwrap().contains("what a field that is left out means"));
    assert_eq!((&found[1]["same"], &found[2]["same"]), (&false.into(), &true.into()));
    // Alone it is an error as before.
    let told = scratch.run(&["verify", "other-a.json", "-q"]);
    assert!(told.code == Some(2) && told.stderr.starts_with("error: other-a.json"), "{}", told.stderr);
}
