//! Two runs held against each other: where they part, in words, as JSON, and as a figure.

use std::fs;

use serde_json::{Value, json};

use crate::common::{Ran, Scratch, TINY, names};

#[track_caller]
fn tiny(scratch: &Scratch, out: &str, more: &[&str]) {
    scratch.run(&[&TINY[..], &["--out", out], more].concat()).ok();
}

/// What is said of two runs that differ, as one line: prose is broken where the line ends.
#[track_caller]
fn differ(scratch: &Scratch, a: &str, b: &str) -> String {
    let ran = scratch.run(&["diff", a, b, "-q"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    one_line(&ran)
}

fn one_line(ran: &Ran) -> String {
    ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn report(scratch: &Scratch, a: &str, b: &str) -> Value {
    let report = scratch.run(&["diff", a, b, "-q", "--json"]).json();
    assert_eq!(report["verdict"].as_str().unwrap().contains("same bits:"), report["same"] == true);
    report
}

#[test]
fn the_number_of_threads_is_no_difference() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &["--threads", "1"]);
    tiny(&scratch, "b", &["--threads", "2"]);
    let ran = scratch.run(&["diff", "a", "b", "-q"]).ok();
    let digest = report(&scratch, "a", "b")["a"]["digest"].as_str().unwrap().to_owned();
    let said = one_line(&ran);
    assert!(said.starts_with(&format!("same bits: 7 rows, 8 states, digest {digest}")), "{}", ran.stdout);
    assert!(said.contains("it changes no bits: threads 1 in A, 2 in B"), "{}", ran.stdout);
    let found = report(&scratch, "a", "b");
    assert!(found["states"]["replayed"].is_null() && found["states"]["distances"][7]["distance"] == 0.0, "{found}");
    // A run is the same as itself, and as the same under another name.
    scratch.run(&["diff", "a", "a", "-q"]).ok();
    tiny(&scratch, "named", &["-s", "name=another"]);
    let named = scratch.run(&["diff", "a", "named", "-q"]).ok().stdout;
    assert!(named.contains("name: \"copying-small\" in A, \"another\" in B"), "{named}");
}

#[test]
fn a_seed_is_found_where_it_begins_to_count() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &[]);
    tiny(&scratch, "data", &["-s", "seeds.data=7"]);
    tiny(&scratch, "init", &["-s", "seeds.init=7"]);
    tiny(&scratch, "eval", &["-s", "seeds.eval=7"]);
    let said = differ(&scratch, "a", "data");
    assert!(said.starts_with("they part at step 1: until step 0 all is the same"), "{said}");
    for words in ["specs: 1 field differs seeds.data: 0 in A, 7 in B", "is that of step 10", "most in readout."] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let found = report(&scratch, "a", "data");
    assert_eq!(found["specs"], json!([{ "field": "seeds.data", "a": 0, "b": 7 }]));
    let (parted, first) = (&found["states"]["parted"], &found["rows"]["first"]);
    assert_eq!((&parted["step"], &parted["same_until"], &first["step"]), (&json!(1), &json!(0), &json!(10)));
    let most = &parted["tensors"][0];
    let (x, y) = (most["a"].as_f64().unwrap(), most["b"].as_f64().unwrap());
    assert_eq!(most["largest"].as_f64().unwrap(), (x - y).abs());
    assert!(first["columns"].as_array().unwrap().iter().any(|one| one["column"] == "loss"));
    // The readout is 0 at first, whatever the seed, so that all other tensors differ.
    let found = report(&scratch, "a", "init");
    let parted = &found["states"]["parted"];
    assert_eq!((&parted["step"], &parted["same_until"]), (&json!(0), &Value::Null));
    assert!(differ(&scratch, "a", "init").starts_with("they differ from the start"));
    // What is only measured otherwise has the same parameters.
    let found = report(&scratch, "a", "eval");
    assert!(found["states"]["parted"].is_null() && found["rows"]["first"]["step"] == 0, "{}", found["verdict"]);
}

#[test]
fn a_step_between_checkpoints_is_found_by_replay() {
    let scratch = Scratch::new();
    let frozen = |until: &str| format!("train.freeze_until={{readout={until}}}");
    tiny(&scratch, "a", &["-s", &frozen("20")]);
    tiny(&scratch, "b", &["-s", &frozen("23")]);
    let found = report(&scratch, "a", "b");
    let states = &found["states"];
    assert_eq!(states["replayed"], json!([16, 21]), "{}", found["verdict"]);
    assert_eq!((&states["parted"]["step"], &states["parted"]["same_until"]), (&json!(21), &json!(20)));
    assert_eq!(states["parted"]["tensors"].as_array().unwrap().len(), 1);
    assert_eq!(found["rows"]["first"]["step"], 30);
    // Whatever the number of threads.
    let one = scratch.run(&["diff", "a", "b", "--json", "-q", "--threads", "1"]).json();
    let two = scratch.run(&["diff", "a", "b", "--json", "-q", "--threads", "2"]).json();
    assert_eq!(one, two);
}

#[test]
fn equal_specs_that_part_are_told_what_differs_outside() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &["--arithmetic", "fused"]);
    tiny(&scratch, "b", &["--arithmetic", "portable"]);
    let said = differ(&scratch, "a", "b");
    for words in ["specs: equal, so that both should have the same bits", "it may change bits: arithmetic fused in A"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let found = report(&scratch, "a", "b");
    assert_eq!((&found["equal_specs"], &found["specs"]), (&json!(true), &json!([])));
    let expected = json!({ "what": "arithmetic", "a": "fused", "b": "portable", "may_change_bits": true });
    assert_eq!(found["outside"][0], expected);
    // The same of a run that is not finished, which no manifest vouches for.
    fs::remove_file(scratch.path("b/manifest.json")).unwrap();
    assert_eq!(report(&scratch, "a", "b")["outside"], json!([expected]));
}

#[test]
fn damage_is_told_as_damage() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &[]);
    tiny(&scratch, "b", &[]);
    let path = scratch.path("b/checkpoints/step-00000016.safetensors");
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = |words: &[&str]| {
        let ran = scratch.run(&["diff", "a", "b", "-q"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{}", ran.stderr);
    };
    refused(&["step-00000016.safetensors", "damaged checkpoint"]);
    fs::write(&path, whole).unwrap();
    let log = scratch.path("b/log.jsonl");
    let rows = fs::read_to_string(&log).unwrap();
    fs::write(&log, rows.replacen("loss", "lots", 1)).unwrap();
    refused(&["log.jsonl", "not the file that the run wrote"]);
    fs::write(&log, rows).unwrap();
    scratch.run(&["diff", "a", "b", "-q"]).ok();
}

#[test]
fn networks_of_other_shapes_are_compared_where_they_can_be() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &[]);
    tiny(&scratch, "b", &["-s", "task.copying.n_labels=8"]);
    tiny(&scratch, "adam", &["-s", "train.optimizer={adam={learning_rate=0.001,adam_beta1=0.5}}"]);
    tiny(&scratch, "slow", &["-s", "train.optimizer={adam={learning_rate=0.001,adam_beta1=0.75}}"]);
    let said = differ(&scratch, "a", "b");
    assert!(said.contains("until step 1 all that both have is the same"), "{said}");
    assert!(said.contains("readout.0.weight is [16, 33] in A, [8, 33] in B, and not compared"), "{said}");
    let found = report(&scratch, "a", "b");
    let other = json!([{ "tensor": "readout.0.weight", "a": [16, 33], "b": [8, 33] }]);
    assert_eq!(found["states"]["other_shapes"], other);
    let only = &report(&scratch, "a", "adam")["states"]["only_b"];
    let names: Vec<&str> = only.as_array().unwrap().iter().map(|one| one["tensor"].as_str().unwrap()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("optimizer.")), "{names:?}");
    // Adam's first step is the gradient over its size, whatever it remembers of it.
    let said = differ(&scratch, "adam", "slow");
    assert!(said.contains("then the optimizer's moments, not the parameters"), "{said}");
    assert!(report(&scratch, "adam", "slow")["states"]["parted"]["in_parameters"] == false);
}

#[test]
fn a_run_that_goes_further_is_the_same_as_far_as_both_go() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &[]);
    let longer: Vec<&str> = TINY.iter().map(|arg| if *arg == "60" { "75" } else { arg }).collect();
    scratch.run(&[&longer[..], &["--out", "b"]].concat()).ok();
    // The shorter run ends at a step at which the longer one kept no state.
    let said = differ(&scratch, "a", "b");
    assert!(said.starts_with("same bits as far as both go; B goes on to step 75, the other to step 60"), "{said}");
    let found = report(&scratch, "a", "b");
    assert_eq!((&found["states"]["replayed"], &found["rows"]["only_b"]), (&json!([32, 60]), &json!([70, 75])));
    // An unfinished run beside the whole one, and one that only begins.
    tiny(&scratch, "c", &[]);
    fs::remove_file(scratch.path("c/manifest.json")).unwrap();
    fs::remove_file(scratch.path("c/checkpoints/step-00000060.safetensors")).unwrap();
    assert!(differ(&scratch, "a", "c").contains("A goes on to step 60"));
    fs::remove_dir_all(scratch.path("c/checkpoints")).unwrap();
    assert!(differ(&scratch, "a", "c").contains("no checkpoints of the same step"));
    fs::remove_file(scratch.path("c/log.jsonl")).unwrap();
    let empty = scratch.run(&["diff", "a", "c", "-q"]);
    assert!(empty.code == Some(2) && empty.stderr.contains("has no rows yet"), "{}", empty.stderr);
}

#[test]
fn runs_of_a_sweep_are_replayed_from_their_start() {
    let scratch = Scratch::new();
    let frozen = "train.freeze_until={readout=20},{readout=23}";
    let sweep = [&["sweep"][..], &TINY[1..], &["-g", frozen, "--seeds", "0", "--out", "s"]].concat();
    scratch.run(&sweep).ok();
    let runs: Vec<String> = names(&scratch.path("s"))
        .into_iter()
        .filter(|name| name.starts_with("copying-small"))
        .map(|name| format!("s/{name}"))
        .collect();
    let [a, b] = &runs[..] else { panic!("{runs:?}") };
    assert_eq!(names(&scratch.path(a).join("checkpoints")), ["step-00000060.safetensors"]);
    let states = report(&scratch, a, b)["states"].clone();
    assert_eq!((&states["replayed"], &states["parted"]["step"]), (&json!([0, 21]), &json!(21)));
    assert_eq!(states["parted"]["same_until"], 20);
    // The same run outside of a sweep has all of its states, and is the same.
    let is_first = scratch.run(&["show", &format!("{a}/spec.toml"), "--json"]).ok().json();
    let until = is_first["train"]["freeze_until"]["readout"].to_string();
    tiny(&scratch, "alone", &["-s", &format!("train.freeze_until={{readout={until}}}")]);
    let said = scratch.run(&["diff", a, "alone", "-q"]).ok().stdout;
    assert!(said.starts_with("same bits: 7 rows, 1 states"), "{said}");
    let folder = scratch.run(&["diff", "s", "alone", "-q"]);
    assert!(folder.code == Some(2) && folder.stderr.contains("folder of a sweep"), "{}", folder.stderr);
}

#[test]
fn twins_are_drawn_by_both_commands() {
    let scratch = Scratch::new();
    tiny(&scratch, "a", &[]);
    tiny(&scratch, "b", &["-s", "train.batch_size=64"]);
    let found = scratch.run(&["diff", "a", "b", "-q", "-o", "twins.svg", "--json"]).json();
    assert_eq!(found["figure"], "twins.svg");
    let svg = fs::read_to_string(scratch.path("twins.svg")).unwrap();
    for words in ["batch size = 32 · no jump", "batch size = 64 · no jump", "accuracy", "difference"] {
        assert!(svg.contains(words), "{words}");
    }
    assert_eq!(scratch.run(&["figure", "twins", "a", "b", "-o", "-"]).ok().stdout, svg);
    scratch.run(&["figure", "twins", "a", "b", "-o", "dark.pdf", "--theme", "dark"]).ok();
    assert!(fs::read(scratch.path("dark.pdf")).unwrap().starts_with(b"%PDF"));
    let small = ["run", "regression", "--steps", "2", "-s", "eval.sequences=8", "-s", "probes.sequences=8", "-q"];
    scratch.run(&[&small[..], &["--out", "r"]].concat()).ok();
    // What is there already is replaced by nothing but itself.
    scratch.run(&["figure", "twins", "a", "b", "-o", "twins.svg"]).ok();
    scratch.write("mine.svg", "mine");
    let before = scratch.names();
    for (args, words) in [
        (&["diff", "a", "b", "-o", "mine.svg"][..], "--force"),
        (&["diff", "a", "b", "-o", "-"], "`precipice figure twins A B -o -`"),
        (&["diff", "a", "b", "-o", "twins.txt"], ".svg"),
        (&["diff", "a", "r", "-o", "x.svg"], "progress by the same measure"),
        (&["diff", "a", "b", "--items", "items.npz"], "no items"),
        (&["diff", "a"], "<B>"),
        (&["diff", "a", "b/spec.toml"], "is a file of the run b; name the run"),
        (&["figure", "twins", "a", "b"], "say with -o"),
        (&["figure", "twins", "a", "-o", "x.svg"], "takes two runs, not 1"),
        (&["figure", "twins", "a", "a", "-o", "x.svg"], "named twice"),
        (&["figure", "twins", "a", "b", "-o", "x.svg", "--step", "3"], "no choice"),
    ] {
        let ran = scratch.run(args);
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{args:?}: {}{}", ran.stdout, ran.stderr);
    }
    assert_eq!(scratch.names(), before);
    // Without a figure two tasks can be compared all the same.
    assert!(differ(&scratch, "a", "r").contains("task.regression"));
}
