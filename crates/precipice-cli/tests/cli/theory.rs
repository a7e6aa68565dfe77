//! `precipice theory` and the figures that lay the theory over runs.

use crate::common::Scratch;
use serde_json::Value;

#[test]
fn theory_gives_numbers_that_no_table_has() {
    let scratch = Scratch::new();
    let flow = scratch.run(&["theory", "flow", "--n", "8", "--labels", "32", "--json"]).ok().json();
    assert!((flow["t50"].as_f64().unwrap() - 98.672_859).abs() < 1e-6);
    assert!((flow["edge"]["t"].as_f64().unwrap() - 96.532_886).abs() < 1e-3);
    let rows = flow["rows"].as_array().unwrap();
    assert!(rows.len() > 50 && rows[0]["t"] == 0.0 && rows[rows.len() - 1]["t"] == 1e6);
    let still = scratch.run(&["theory", "flow", "--n", "8", "--labels", "8", "--json"]).ok().json();
    assert!(still["t50"].is_null() && still["edge"].is_null());
    let frozen =
        scratch.run(&["theory", "flow", "--n", "8", "--labels", "32", "--start", "0,0,-1", "--freeze", "xi"]).ok();
    assert!(frozen.stdout.starts_with("p(correct) does not reach 1/2"), "{}", frozen.stdout);
    let solved = scratch.run(&["theory", "flow", "--n", "8", "--labels", "32", "--start", "10,30,30"]).ok();
    assert!(solved.stdout.starts_with("p(correct) is above 1/2 from the start"), "{}", solved.stdout);
    let at = ["theory", "loss", "--n", "8", "--labels", "32", "--beta", "1", "--alpha", "-2", "--xi", "3", "--json"];
    let loss = scratch.run(&at).ok().json();
    for key in ["loss", "p_correct", "y", "z", "z_other", "u", "u_prime"] {
        assert!(loss[key].is_number(), "{key}");
    }
    assert!(loss["gradient"]["xi"].is_number() && loss["hessian"][2][1].is_number());
}

/// Commands with their context, so that each case below changes one thing.
fn with_context(command: &'static str, n: &'static str, labels: &'static str) -> Vec<&'static str> {
    vec!["theory", command, "--n", n, "--labels", labels]
}

#[test]
fn what_makes_no_context_is_refused_by_every_command() {
    let scratch = Scratch::new();
    let point = ["--beta", "1", "--alpha", "1", "--xi", "1"];
    for (command, rest) in [("loss", &point[..]), ("flow", &[]), ("descent", &[]), ("landscape", &[])] {
        let cases: [(&str, &str, &[&str], &str); 5] = [
            ("0", "3", &[], "needs at least one exemplar"),
            ("8", "7", &[], "must be at least 8"),
            ("8", "16", &["--burstiness", "3"], "must divide n = 8"),
            ("8", "16", &["--noise", "nan"], "must be a finite number"),
            ("8", "16", &["--label-strength", "inf"], "label"),
        ];
        for (n, labels, extra, expected) in cases {
            let args = [&with_context(command, n, labels), rest, extra].concat();
            let ran = scratch.run(&args);
            assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
        }
    }
    assert!(scratch.names().is_empty(), "nothing is written");
}

#[test]
fn numbers_that_are_none_are_refused() {
    let scratch = Scratch::new();
    let cases: &[(&str, &[&str], &str)] = &[
        ("flow", &["--start", "nan,0,0"], "beta = NaN"),
        ("flow", &["--start", "1,2"], "takes three numbers"),
        ("flow", &["--until", "inf"], "must be finite"),
        ("flow", &["--start=-1e308,0,0"], "beta = -1e308: the theory computes from -350 to 350"),
        ("flow", &["--schedule", "xi=0:0,1:1e9"], "xi = 1e9"),
        ("landscape", &["--start=1e4,0,0"], "beta = 10000.00"),
        ("landscape", &["--x-range=-1e308,1e308"], "from -1e308 to 1e308 must lie between -350 and 350"),
        ("landscape", &["--minimize=-1e308,1e308"], "between -350 and 350"),
        ("landscape", &["--fix", "beta=1e9"], "beta = 1e9"),
        ("flow", &["--schedule", "xi=0:0,0:1"], "schedule"),
        ("flow", &["--schedule", "mu=0:0,1:1"], "not one of beta, alpha, xi"),
        ("descent", &["--start", "inf,0,0"], "finite"),
        ("descent", &["--steps", "0"], "--steps"),
        ("landscape", &["--grid", "0"], "from 2 to 4096"),
        ("landscape", &["--grid", "1"], "from 2 to 4096"),
        ("landscape", &["--grid", "1000000000"], "from 2 to 4096"),
        ("landscape", &["--x", "xi"], "two different parameters"),
        ("landscape", &["--x-range", "1,1"], "above its begin"),
        ("landscape", &["--y-range", "0,inf"], "between -350 and 350"),
        ("landscape", &["--y-range", "0"], "LOW,HIGH"),
        ("landscape", &["--fix", "xi=1"], "it is an axis"),
        ("landscape", &["--fix", "beta=nan"], "beta = NaN"),
        ("landscape", &["--start", "0,nan,0"], "alpha = NaN"),
        ("landscape", &["--minimize", "2,1"], "above its begin"),
        ("landscape", &["-o", "surface.jpg"], ".svg, .png or .pdf"),
    ];
    for (command, extra, expected) in cases {
        let args = [&with_context(command, "8", "32"), *extra].concat();
        let ran = scratch.run(&args);
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
    }
    for (args, expected) in [
        (&["--values", "0"][..], "n = 0"),
        (&["--values", "2.5"], "whole number"),
        (&["--values", "8", "--labels-per-exemplar", "0.5"], "labels per exemplar"),
        (&["--over", "labels", "--values", "7"], "must be at least 8"),
        (&["--over", "frozen-xi", "--values", "nan"], "xi"),
    ] {
        let ran = scratch.run(&[&["theory", "scaling"], args].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
    }
    assert!(scratch.names().is_empty(), "nothing is written");
}

#[test]
fn a_landscape_is_drawn_and_told() {
    let scratch = Scratch::new();
    let grid = ["--grid", "9"];
    let drawn = scratch.run(&[&with_context("landscape", "8", "32")[..], &grid].concat()).ok();
    assert!(drawn.stdout.contains("t = 98.672859") && drawn.stdout.ends_with("landscape.svg\n"), "{}", drawn.stdout);
    assert!(std::fs::read_to_string(scratch.path("landscape.svg")).unwrap().contains("plateau"));
    for (third, extra) in
        [("beta", &[][..]), ("beta", &["--fix", "beta=2"]), ("beta", &["--minimize", "-3,5"]), ("xi", &["--y", "beta"])]
    {
        let args = [&with_context("landscape", "8", "8")[..], &grid, &["--json"], extra].concat();
        let told = scratch.run(&args).ok().json();
        assert_eq!(told["third"]["name"], third);
        for table in [&told["loss"], &told["third"]["values"], &told["velocity"]["alpha"]] {
            let rows = table.as_array().unwrap();
            assert!(rows.len() == 9 && rows.iter().all(|row| row.as_array().unwrap().len() == 9));
        }
        assert!(
            told["t50"].is_null() && told["saddle"]["xi"] == 0.0 && told["separatrix"].as_array().unwrap().len() == 2
        );
    }
    // The rows are the JSON's numbers.
    let told = scratch.run(&[&with_context("landscape", "8", "8")[..], &grid, &["--json"]].concat()).ok().json();
    let rows = scratch.run(&[&with_context("landscape", "8", "8")[..], &grid, &["--rows"]].concat()).ok().stdout;
    assert_eq!(rows.lines().next(), Some("alpha,xi,beta,loss,velocity_alpha,velocity_xi"));
    assert_eq!(rows.lines().count(), 82);
    let row: Vec<f64> = rows.lines().nth(1 + 9 * 2 + 5).unwrap().split(',').map(|x| x.parse().unwrap()).collect();
    let number = |value: &Value| value.as_f64().unwrap();
    assert_eq!(row[0], number(&told["x"]["values"][2]));
    assert_eq!(row[3], number(&told["loss"][2][5]));
    assert_eq!(row[5], number(&told["velocity"]["xi"][2][5]));
}

#[test]
fn scaling_laws_are_measured() {
    let scratch = Scratch::new();
    let args = ["theory", "scaling", "--values", "256,512", "-o", "s.svg", "--json"];
    let told = scratch.run(&args).ok().json();
    assert!((told["points"][0]["t50"].as_f64().unwrap() / 15_049.0 - 1.0).abs() < 1e-4);
    assert!((told["exponent"]["value"].as_f64().unwrap() - 1.5).abs() < 0.01);
    assert_eq!(told["derived_exponent"], 1.5);
    assert!(std::fs::read_to_string(scratch.path("s.svg")).unwrap().contains("context size N"));
    for over in ["labels", "frozen-xi", "start-xi"] {
        assert!(scratch.run(&["theory", "scaling", "--over", over]).ok().stdout.contains("t50 ~"));
    }
}

/// The minimal head obeys the formula, so its jump is foretold from a third of the way.
#[test]
fn a_minimal_head_s_jump_is_foretold() {
    let scratch = Scratch::new();
    scratch.run(&["run", "minimal-head", "--steps", "1100", "--out", "head", "--quiet"]).ok();
    let told = scratch.run(&["theory", "fit", "head", "--json"]).ok().json();
    let half = told["half_step"].as_f64().unwrap();
    let three = &told["formulas"][0];
    assert_eq!(three["formula"], "three");
    for rate in three["fit"]["rates"].as_array().unwrap() {
        assert!((rate.as_f64().unwrap() / 0.1 - 1.0).abs() < 0.35, "{rate}");
    }
    let early = three["forecasts"].as_array().unwrap().iter().find(|f| f["until_step"].as_f64() >= Some(half / 3.0));
    let foretold = early.unwrap()["common_rate"].as_f64().unwrap();
    assert!((foretold / half - 1.0).abs() < 0.05, "{foretold} {half}");
    assert!(scratch.run(&["theory", "fit", "head"]).ok().stdout.contains("three parameters"));
    // Its figures, and the argument with a companion that is trained beside it.
    for kind in ["landscape", "theory-over-measurement", "argument"] {
        scratch.run(&["figure", kind, "head", "-o", "f.svg", "--force", "--quiet"]).ok();
        assert!(std::fs::read_to_string(scratch.path("f.svg")).unwrap().contains("N = 8, L = 32"), "{kind}");
    }
    assert_eq!(scratch.names(), ["f.svg", "head", "head-l-equals-n"]);
    scratch.run(&["figure", "argument", "head", "head-l-equals-n", "-o", "f.svg"]).ok();
    let same = scratch.run(&["figure", "argument", "head-l-equals-n"]);
    assert!(same.code == Some(2) && same.stderr.contains("has L = N itself"), "{}", same.stderr);
    let three = scratch.run(&["figure", "argument", "head", "head", "head"]);
    assert!(three.code == Some(2) && three.stderr.contains("not 3 runs"), "{}", three.stderr);
}

/// Scores that explode lie outside of what the theory computes; the run ends all the same, with a sentence for each figure.
#[test]
fn exploded_scores_end_in_a_sentence() {
    let scratch = Scratch::new();
    let short =
        ["-s", "eval.every=10", "-s", "eval.sequences=100", "-s", "probes.sequences=32", "--threads", "1", "--quiet"];
    let run = |name: &str, more: &[&str]| {
        let _ = std::fs::remove_dir_all(scratch.path("run"));
        scratch.run(&[&["run", name, "--out", "run"], more, &short].concat())
    };
    for (name, rate, steps) in
        [("copying", "0.1", "20"), ("copying-small", "1.0", "50"), ("copying-small", "0.03", "600")]
    {
        let rate = format!("train.optimizer.adam.learning_rate={rate}");
        let ran = run(name, &["--steps", steps, "-s", &rate]).ok();
        assert!(scratch.path("run/manifest.json").is_file());
        if ran.stderr.is_empty() {
            assert!(scratch.path("run/figures/landscape.svg").is_file(), "drawn, or a reason");
            continue;
        }
        assert!(ran.stderr.contains("figure landscape: measured at step"), "{}", ran.stderr);
        assert!(ran.stderr.contains("from -350 to 350"), "{}", ran.stderr);
        let landscape = ran.stderr.lines().find(|line| line.contains("figure landscape")).unwrap();
        assert!(!landscape.contains(": alpha = "), "the landscape has alpha among labels: {landscape}");
        // Nothing is trained for a figure that cannot be drawn.
        let argument = scratch.run(&["figure", "argument", "run", "-o", "a.svg"]);
        assert!(argument.code == Some(2) && argument.stderr.contains("measured at step"), "{}", argument.stderr);
        assert_eq!(scratch.names(), ["run"]);
        assert!(!scratch.path("run/figures/landscape.svg").exists());
        let fit = scratch.run(&["theory", "fit", "run"]);
        assert!(fit.code == Some(2) && fit.stderr.contains("measured at step"), "{}", fit.stderr);
    }
    let rate = ["-s", "train.optimizer.sgd.learning_rate=1000", "-s", "train.batch_size=32", "--steps", "30"];
    let diverged = run("copying-small", &rate);
    assert!(diverged.code == Some(1) && diverged.stdout.contains("diverged"), "{}", diverged.stdout);
}

/// Four heads, LayerNorm and an MLP: the formula says nothing of such a network, and every command says that.
#[test]
fn the_formula_is_silent_about_other_networks() {
    let scratch = Scratch::new();
    let sets = ["n_heads=2", "layer_norm=true", "d_mlp=16", "output_projection=true"].map(|set| format!("model.{set}"));
    let mut args = vec!["run", "copying-small", "--out", "run", "--steps", "20", "--quiet", "-s", "eval.sequences=64"];
    sets.iter().for_each(|set| args.extend(["-s", set]));
    scratch.run(&args).ok();
    let drawn = crate::common::names(&scratch.path("run/figures"));
    assert_eq!(drawn, ["attention.svg", "learning-curve.svg"]);
    let log = std::fs::read_to_string(scratch.path("run/log.jsonl")).unwrap();
    assert!(!log.contains("predicted_loss") && log.contains("tila2"));
    for kind in ["order-parameters", "landscape", "theory-over-measurement"] {
        let refused = scratch.run(&["figure", kind, "run"]);
        assert!(refused.code == Some(2) && refused.stderr.contains("three nested soft-maxes"), "{}", refused.stderr);
    }
    let fit = scratch.run(&["theory", "fit", "run"]);
    assert!(fit.code == Some(2) && fit.stderr.contains("three nested soft-maxes"), "{}", fit.stderr);
    let probe = scratch.run(&["probe", "run"]).ok().stdout;
    assert!(probe.contains("no order parameters: the formula of three nested soft-maxes"), "{probe}");
    // A row of the attention figure is one head, named as `probe` names it.
    scratch.run(&["figure", "attention", "run", "-o", "all.svg"]).ok();
    scratch.run(&["figure", "attention", "run", "--head", "1.1", "--step", "0,20", "-o", "one.svg"]).ok();
    let svg = |name: &str| std::fs::read_to_string(scratch.path(name)).unwrap();
    for head in ["head 0.0", "head 0.1", "head 1.0", "head 1.1"] {
        assert!(svg("all.svg").contains(head), "{head}");
        assert_eq!(svg("one.svg").contains(head), head == "head 1.1");
    }
    assert!(svg("one.svg").contains("step 20") && svg("one.svg").contains("step 0"));
    scratch.run(&["figure", "attention", "run", "--theme", "dark", "-o", "dark.svg"]).ok();
    assert!(svg("all.svg").contains("#ffffff") && !svg("dark.svg").contains("#ffffff"));
    for (more, expected) in [
        (&["attention", "run", "--head", "1.0"][..], "say with -o where it goes"),
        (&["attention", "run", "--theme", "dark"], "say with -o where it goes"),
        (&["attention", "run", "-o", "x.svg", "--theme", "blue"], "light, dark, transparent"),
        (&["attention", "run", "-o", "x.svg", "--head", "2.0"], "layers are 0 to 1, heads 0 to 1"),
        (&["attention", "run", "-o", "x.svg", "--step", "7000"], "did not make step 7000"),
        (&["attention", "run", "--head", "one"], "expected LAYER:HEAD"),
        (&["learning-curve", "run", "-o", "x.svg", "--step", "20"], "steps for attention and contexts"),
    ] {
        let refused = scratch.run(&[&["figure"], more].concat());
        assert!(refused.code == Some(2) && refused.stderr.contains(expected), "{more:?}: {}", refused.stderr);
    }
}

/// Words that are true: which set an accuracy is of, and what is not there.
#[test]
fn verdicts_name_what_they_measure() {
    let scratch = Scratch::new();
    let small = ["--quiet", "-s", "eval.sequences=64", "-s", "probes.sequences=16", "--threads", "1"];
    let run = |args: &[&str]| scratch.run(&[&["run"], args, &small].concat()).ok().stdout;
    let none = run(&["classification-fast", "--steps", "20", "--out", "none"]);
    assert!(none.contains("no jump within 20 steps: accuracy (novel classes (ic)) "), "{none}");
    assert!(none.contains("final accuracy as trained "), "{none}");
    let clamps = "model.clamps=[{layer=0,pattern=\"previous-token\"},{layer=1,pattern=\"match\"}]";
    let clamped = run(&["classification-fast", "--steps", "20", "--out", "clamped", "-s", clamps]);
    assert!(clamped.contains("clamped by the spec") && !clamped.contains("an induction head"), "{clamped}");
    scratch.run(&["run", "copying-no-curriculum", "--steps", "40", "--out", "flat", "--quiet"]).ok();
    let fit = scratch.run(&["theory", "fit", "flat"]).ok().stdout;
    assert!(fit.contains("not reached within 40 steps") && !fit.contains("never"), "{fit}");
    run(&["copying-small", "--steps", "20", "--out", "off", "-s", "probes.enabled=false", "-s", "probes.ablations=[]"]);
    let off = scratch.run(&["figure", "order-parameters", "off"]);
    assert!(off.stderr.contains("probes.enabled = false"), "{}", off.stderr);
}
