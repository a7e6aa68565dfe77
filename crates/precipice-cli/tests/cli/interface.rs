//! What the commands print and write.

use crate::common::{Scratch, TINY, names};
use precipice_lab::input::spec_file::BUILT_INS;
use serde_json::Value;

#[test]
fn without_arguments_it_says_what_it_is() {
    let ran = Scratch::new().run(&[]).ok();
    assert!(ran.stdout.lines().count() <= 11, "{}", ran.stdout);
    for command in ["precipice run", "precipice run copying-small", "precipice reproduce essay-2 --fast"] {
        assert!(ran.stdout.contains(command));
    }
}

#[test]
fn help_names_every_command() {
    let ran = Scratch::new().run(&["--help"]).ok();
    for command in
        ["run", "sweep", "specs", "show", "theory", "probe", "figure", "export", "verify", "reproduce", "bench"]
    {
        assert!(ran.stdout.contains(&format!("\n  {command} ")), "{command}");
    }
    assert!(ran.stdout.contains("Exit codes"));
}

#[test]
fn specs_are_listed_and_shown_resolved() {
    let scratch = Scratch::new();
    let listed = scratch.run(&["specs"]).ok().stdout;
    for (name, _) in BUILT_INS {
        assert!(listed.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}");
        let shown = scratch.run(&["show", name]).ok().stdout;
        // What is shown is itself a spec, and the same one.
        let path = scratch.write("shown.toml", &shown);
        assert_eq!(scratch.run(&["show", path.to_str().unwrap()]).ok().stdout, shown);
        assert!(shown.contains("n_positions = "), "resolved: {shown}");
    }
    let as_json = scratch.run(&["specs", "--json"]).ok().json();
    let of_kind = |kind: &str| as_json.as_array().unwrap().iter().filter(|object| object["kind"] == kind).count();
    assert_eq!((of_kind("spec"), of_kind("sweep")), (BUILT_INS.len(), precipice_lab::sweep::BUILT_IN_SWEEPS.len()));
}

/// The documented page of fields has every field of every built-in spec.
#[test]
fn every_field_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/spec.md");
    let page = std::fs::read_to_string(page).unwrap();
    let scratch = Scratch::new();
    fn keys(value: &Value, found: &mut Vec<String>) {
        if let Value::Object(object) = value {
            for (key, inner) in object {
                found.push(key.clone());
                keys(inner, found);
            }
        }
    }
    let mut found = Vec::new();
    for name in ["copying", "han", "minimal-head", "classification-han"] {
        keys(&scratch.run(&["show", name, "--json"]).ok().json(), &mut found);
    }
    for key in found {
        assert!(page.contains(&format!("`{key}`")) || page.contains(&format!(".{key}`")), "{key} is not documented");
    }
}

/// What was wrong may be a megabyte; what is said of it is a few lines.
/// What is set by name counts more than the option that is short for it, in any order.
#[test]
fn an_override_counts_more_than_a_short_option() {
    let scratch = Scratch::new();
    let seeds = |args: &[&str]| scratch.run(&[&["show", "--json"], args].concat()).ok().json()["seeds"].clone();
    let want = serde_json::json!({ "world": 2, "init": 2, "data": 100, "eval": 2 });
    assert_eq!(seeds(&["--seed", "2", "-s", "seeds.data=100"]), want);
    assert_eq!(seeds(&["-s", "seeds.data=100", "--seed", "2"]), want);
    let steps =
        |args: &[&str]| scratch.run(&[&["show", "--json"], args].concat()).ok().json()["train"]["steps"].clone();
    assert_eq!(steps(&["--steps", "7", "-s", "train.steps=9"]), 9);
    assert_eq!(steps(&["-s", "train.steps=9", "-s", "train.steps=10"]), 10);
    let help = scratch.run(&["run", "--help"]).ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("counts more than --seed and --steps"));
}

#[test]
fn a_sweep_is_shown_as_one() {
    let scratch = Scratch::new();
    let shown = scratch.run(&["show", "reddy-noise"]).ok();
    assert!(shown.stderr.contains("is a sweep") && shown.stdout.contains("[[grid]]"), "{}", shown.stderr);
    // What is shown is itself a sweep.
    scratch.write("own.toml", &shown.stdout);
    assert_eq!(scratch.run(&["show", "own.toml"]).ok().stdout, shown.stdout);
    assert_eq!(scratch.run(&["show", "own.toml", "--json"]).ok().json()["seeds"], "0..5");
}

#[test]
fn a_run_reports_stores_and_is_not_computed_twice() {
    let scratch = Scratch::new();
    let args: Vec<&str> = TINY.iter().copied().chain(["--out", "a", "--json"]).collect();
    let first = scratch.run(&args).ok().json();
    for key in ["run_dir", "spec_hash", "outcome", "steps", "seconds", "steps_per_s", "digest", "final", "transition"] {
        assert!(first.get(key).is_some(), "{key}");
    }
    assert_eq!((first["outcome"].as_str(), first["steps"].as_u64()), (Some("none"), Some(60)));
    assert!(first["final"]["accuracy"].is_number() && first["transition"].is_null());
    let files = ["checkpoints", "figures", "lock", "log.jsonl", "manifest.json", "metrics.parquet", "spec.toml"];
    assert_eq!(names(&scratch.path("a")), files);
    assert_eq!(
        names(&scratch.path("a/figures")),
        [
            "attention.svg",
            "interactions.svg",
            "landscape.svg",
            "learning-curve.svg",
            "order-parameters.svg",
            "theory-over-measurement.svg"
        ]
    );
    let steps = [0, 1, 2, 4, 8, 16, 32, 60].map(|step| format!("step-{step:08}.safetensors"));
    assert_eq!(names(&scratch.path("a/checkpoints")), steps);
    let second = scratch.run(&args).ok().json();
    assert_eq!(second["stored"], true);
    assert_eq!((&second["digest"], &second["seconds"]), (&first["digest"], &first["seconds"]));
    // A run without `-s` differences finds its own default directory.
    let other: Vec<&str> = args.iter().copied().filter(|a| *a != "--json").chain(["--seed", "1"]).collect();
    let ran = scratch.run(&other);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("holds a run of another spec"), "{}", ran.stderr);
}

#[test]
fn threads_and_probes_keep_the_digest_and_verify_says_so() {
    let scratch = Scratch::new();
    let digest = |extra: &[&str], out: &str| {
        let args: Vec<&str> =
            TINY.iter().copied().chain(["--out", out, "--json"]).chain(extra.iter().copied()).collect();
        scratch.run(&args).ok().json()["digest"].as_str().unwrap().to_owned()
    };
    let one = digest(&["--threads", "1"], "one");
    assert_eq!(one, digest(&["--threads", "2"], "two"));
    assert_eq!(one, digest(&["-s", "probes.ablations=[]", "-s", "probes.enabled=false"], "blind"));
    let log = |out: &str| std::fs::read(scratch.path(out).join("log.jsonl")).unwrap();
    assert_eq!(log("one"), log("two"));
    let verified = scratch.run(&["verify", "one", "--threads", "2", "-q"]).ok();
    assert!(verified.stdout.contains("same bits"));
    // A space in the log or a bit in a checkpoint is enough to be found out.
    let found_out = |what: &str| {
        let differs = scratch.run(&["verify", "two", "-q", "--json"]);
        assert_eq!((differs.code, differs.json()["same"].as_bool()), (Some(1), Some(false)), "{what}");
    };
    let checkpoint = "two/checkpoints/step-00000060.safetensors";
    let whole = std::fs::read(scratch.path(checkpoint)).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    scratch.write(checkpoint, flipped);
    found_out("a flipped bit");
    scratch.write(checkpoint, whole);
    scratch.write("two/log.jsonl", [log("two"), b" ".to_vec()].concat());
    found_out("a space");
    // So is one digit of one row.
    let text = String::from_utf8(log("one")).unwrap();
    let at = text.rfind("\"loss\":").unwrap() + 10;
    let mut bytes = text.into_bytes();
    bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
    scratch.write("two/log.jsonl", bytes);
    found_out("a digit");
}

#[test]
fn probe_figure_and_export_read_a_run() {
    let scratch = Scratch::new();
    let args: Vec<&str> = TINY.iter().copied().chain(["--out", "r"]).collect();
    scratch.run(&args).ok();
    let probe = scratch.run(&["probe", "r", "--step", "32", "--json"]).ok().json();
    assert_eq!((probe["step"].as_u64(), probe["heads"].as_array().unwrap().len()), (Some(32), 2));
    assert!(probe["interactions"][1][0][2]["variance_share"].is_number());
    assert!(probe["order_parameters"]["predicted_loss"].is_number());
    assert!(scratch.run(&["probe", "r"]).ok().stdout.contains("order parameters"));
    let missing = scratch.run(&["probe", "r", "--step", "61"]);
    assert!(missing.code == Some(2) && missing.stderr.contains("it went to step 60"), "{}", missing.stderr);
    for (file, magic) in [("a.svg", &b"<svg"[..]), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")] {
        scratch.run(&["figure", "learning-curve", "r", "-o", file]).ok();
        let bytes = std::fs::read(scratch.path(file)).unwrap();
        assert!(bytes.windows(magic.len()).take(200).any(|window| window == magic), "{file}");
    }
    assert_eq!(scratch.run(&["figure", "attention", "r", "-o", "a.jpg"]).code, Some(2));
    assert_eq!(scratch.run(&["figure", "contexts", "r"]).code, Some(2), "Gaussian items have no pictures");
    for format in ["parquet", "csv", "npz", "safetensors"] {
        scratch.run(&["export", "r", "--to", format]).ok();
    }
    let exported = |end: &str| {
        let name = scratch.names().into_iter().find(|name| name.ends_with(end)).unwrap();
        std::fs::read(scratch.path(&name)).unwrap()
    };
    let csv = String::from_utf8(exported(".csv")).unwrap();
    assert_eq!((csv.lines().count(), csv.starts_with("step,sequences,train_loss,loss,accuracy")), (8, true));
    let bytes = exported("-step-00000060.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("blocks.0.attn.W_Q").unwrap().shape(), [1, 33, 33]);
    assert_eq!(tensors.tensor("embed.labels").unwrap().shape(), [16, 16]);
}

#[test]
fn claims_are_listed() {
    let listed = Scratch::new().run(&["reproduce", "--list", "--json"]).ok().json();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|claim| claim["id"].as_str()).collect();
    let of = |source: &str, n: usize| (1..=n).map(|i| format!("{source}-{i}")).collect::<Vec<_>>();
    assert_eq!(ids, [of("essay", 6), of("oswald", 8), of("reddy", 7), of("relation", 3), of("zhang", 1)].concat());
}

/// The order of overrides does not matter, keys may be quoted, and a loss that ends infinite is a
/// divergence even where no step follows.
#[test]
fn overrides_and_divergence() {
    let scratch = Scratch::new();
    let adam = ["-s", "train.optimizer.adam.decay=0.1", "-s", "train.optimizer.adam.learning_rate=0.001"];
    assert!(scratch.run(&[&["show"], &adam[..]].concat()).ok().stdout.contains("decay = 0.1"));
    let rate = scratch.run(&["show", "-s", "train.optimizer.sgd.learning_rate=.1"]).ok();
    assert!(rate.stdout.contains("learning_rate = 0.1"), "{}", rate.stdout);
    let frozen = scratch.run(&["show", "-s", "train.freeze_until.\"blocks.0\"=3"]).ok();
    assert!(frozen.stdout.contains("\"blocks.0\" = 3"));
    let ran =
        scratch.run(&["run", "copying-small", "--steps", "1", "-s", "train.optimizer.sgd.learning_rate=1e39", "-q"]);
    assert!(ran.code == Some(1) && ran.stdout.starts_with("diverged"), "{}", ran.stdout);
}

/// Items are found from any folder once the run has started.
#[test]
fn items_are_relative_to_the_spec_file() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("other")).unwrap();
    let spec = scratch.run(&["show", "han-small", "--steps", "2"]).ok().stdout;
    let digest = spec.lines().find(|line| line.starts_with("digest")).map_or(String::new(), str::to_owned);
    assert!(digest.is_empty(), "a digest is filled in when the file is read");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/han-glyphs.npz"), scratch.path("other/items.npz"))
        .unwrap();
    scratch.write("other/s.toml", spec.replace("builtin:han-glyphs", "items.npz"));
    let small = ["-s", "task.copying.items.n_held_out=6", "-s", "eval.sequences=16", "-s", "probes.sequences=8", "-q"];
    scratch.run(&[&["run", "other/s.toml", "--out", "r"], &small[..]].concat()).ok();
    let mut elsewhere = scratch.command(&["probe", "../r"]);
    let output = elsewhere.current_dir(scratch.path("other")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What theory says of a regression task, and what it cannot say.
#[test]
fn theory_of_regression() {
    let scratch = Scratch::new();
    let asked = ["theory", "regression", "--steps", "1,2", "--contexts", "200", "--json"];
    let report = scratch.run(&asked).ok().json();
    let one_step = report["one_step"]["loss"].as_f64().unwrap();
    assert!((one_step - 0.206_229).abs() < 1e-6, "{one_step}");
    assert!((report["plateaus"][0]["loss"].as_f64().unwrap() - 0.395_623).abs() < 1e-6);
    let kinds: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["predictor"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["descent", "descent", "GD++"]);
    let text = scratch.run(&["theory", "regression", "regression-rank-one"]).ok().stdout;
    assert!(text.contains("4 eigenvalues") && text.contains("0.067998"), "{text}");
    for (refused, reason) in [
        (&["theory", "regression", "copying"][..], "no regression task"),
        (&["theory", "regression", "regression-sine"], "closed forms"),
        (&["theory", "regression", "--steps", "0"], "from 1"),
        (&["theory", "regression", "--contexts", "1"], "from 2"),
    ] {
        let ran = scratch.run(refused);
        assert!(ran.code == Some(2) && ran.stderr.contains(reason), "{refused:?}: {}", ran.stderr);
    }
}

/// A short regression run, its errors, and what is asked of it that needs labels.
#[test]
fn regression_runs_and_refuses() {
    let scratch = Scratch::new();
    let small = ["-s", "eval.sequences=200", "-s", "probes.sequences=32", "--steps", "20", "-q", "--out", "run"];
    let ran = scratch.run(&[&["run", "regression"], &small[..]].concat()).ok();
    assert!(ran.stdout.contains("gradient descent") && ran.stdout.contains("learning-curve.svg"), "{}", ran.stdout);
    assert!(scratch.run(&["verify", "run"]).ok().stdout.starts_with("same bits"));
    for refused in [&["figure", "attention", "run", "-o", "a.svg"][..], &["theory", "fit", "run"]] {
        assert_eq!(scratch.run(refused).code, Some(2), "{refused:?}");
    }
    let probe = scratch.run(&["probe", "run", "--json"]).ok().json();
    assert_eq!(probe["step"], 20);
    assert!(probe["weights"][0]["rate_per_exemplar"].is_number() && probe["interpolation"][4]["share"] == 1.0);
    assert_eq!(probe["roll_outs"][2]["damping"], 0.75);
    assert_eq!(probe["roll_outs"][0]["mean"].as_array().unwrap().len(), 50);
    assert!(probe["inputs"][0]["closed_form"].is_number(), "{}", probe["inputs"]);
    assert!(scratch.run(&["probe", "run"]).ok().stdout.contains("applied again and again"));
    for kind in ["generalization", "roll-out"] {
        scratch.run(&["figure", kind, "run", "-o", &format!("{kind}.svg")]).ok();
        assert!(scratch.path(&format!("{kind}.svg")).is_file());
    }
    // Networks that do not reduce to two numbers are looked at, too.
    for (i, change) in ["model.d_head=5", "model.layer_norm=true", "model.d_mlp=7", "model.attention=[\"softmax\"]"]
        .into_iter()
        .enumerate()
    {
        let out = format!("other-{i}");
        let tiny = ["-s", "eval.sequences=20", "-s", "probes.sequences=8", "--steps", "1", "-q", "-s", change];
        scratch.run(&[&["run", "regression", "--out", &out], &tiny[..]].concat()).ok();
        let probe = scratch.run(&["probe", &out, "--json"]).ok().json();
        assert!(probe["interpolation"].as_array().unwrap().is_empty(), "{change}");
        assert_eq!(probe["roll_outs"].as_array().unwrap().len(), 3, "{change}");
    }
    for (change, reason) in [
        ("task.regression.n_exemplars=0", "must be from 1"),
        ("task.regression.input_scale=1e-50", "must be from 0.000001"),
        ("task.regression.noise=-1", "variance"),
        ("task.regression.n_tasks=0", "must be from 1"),
        ("task.regression.covariance=[1, 2]", "d_item = 10"),
        ("task.regression.covariance=[1,1,1,1,1,1,1,1,1,-1]", "positive definite"),
        ("task.regression.covariance=[1e80,1e80,1,1,1,1,1,1,1,1]", "must have entries from"),
        ("task.regression.covariance=[nan,1,1,1,1,1,1,1,1,1]", "must have entries from"),
        ("model.d_pos=3", "must be 0"),
        ("model.attention=[\"linear\", \"linear\"]", "one kind"),
        ("task.regression.functions=\"sine\"", "must be 1"),
        ("task.regression.functions=\"cosine\"", "sine"),
        ("model.embedding={ d_embed = 1, d_mlp = 4 }", "from 2"),
        ("model.embedding={ d_embed = 4 }", "d_mlp"),
        ("model.construction={ kernel-smoother = { sharpness = 1.0 } }", "softmax"),
        ("model.construction={ gradient-descent = { rate = nan } }", "must be from"),
    ] {
        let refused = scratch.run(&["run", "regression", "-s", change, "--out", "bad"]);
        assert!(refused.code == Some(2) && refused.stderr.contains(reason), "{change}: {}", refused.stderr);
    }
}
