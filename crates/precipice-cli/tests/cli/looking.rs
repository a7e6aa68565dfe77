//! Finding a run again, and looking into it: names, contexts, heads taken out, completions, manual pages.

use std::fs;

use crate::common::{Ran, Scratch, TINY};

fn tiny(scratch: &Scratch, out: &[&str]) -> Ran {
    scratch.run(&[&TINY[..], out].concat()).ok()
}

#[test]
fn the_latest_run_has_a_name() {
    let scratch = Scratch::new();
    let none = scratch.run(&["probe", "latest"]);
    assert!(none.code == Some(2) && none.stderr.contains("there is no run yet"), "{}", none.stderr);
    tiny(&scratch, &[]);
    tiny(&scratch, &["--out", "mine", "--seed", "1"]);
    let name = |scratch: &Scratch| {
        let said = scratch.run(&["probe", "latest", "--json"]).ok().stderr;
        said.trim().strip_prefix("latest: ").unwrap().to_owned()
    };
    assert_eq!(name(&scratch), "mine");
    // What is stored and asked for again is the latest, too.
    tiny(&scratch, &[]);
    let default = name(&scratch);
    assert!(default.starts_with("runs/copying-small-"), "{default}");
    // A name in runs/ needs no path.
    scratch.run(&["theory", "fit", default.strip_prefix("runs/").unwrap()]).ok();
    for (args, near) in [
        (&["verify", "mines"][..], "did you mean mine?"),
        (&["figure", "attention", "runs/copying-smal"], &format!("did you mean {default}?")),
        (&["export", "zzz", "--to", "csv"], "name its directory, or `latest`"),
    ] {
        let ran = scratch.run(args);
        assert!(ran.code == Some(2) && ran.stderr.contains(near), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn misspelt_files_are_told_their_neighbors() {
    let scratch = Scratch::new();
    scratch.write("mine.toml", "name = \"mine\"");
    scratch.write("items.npz", "");
    for (args, near) in [
        (&["run", "min.toml"][..], "did you mean \"mine.toml\"?"),
        (&["sweep", "./mine.tml"], "did you mean \"./mine.toml\"?"),
        (&["run", "cpying"], "did you mean \"copying\"?"),
        (&["run", "copying-small", "-s", "task.copying.items.file=itms.npz"], "items.npz?"),
    ] {
        let ran = scratch.run(args);
        assert!(ran.code == Some(2) && ran.stderr.contains(near), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn contexts_are_exported() {
    let scratch = Scratch::new();
    tiny(&scratch, &["--out", "run"]);
    let file =
        scratch.run(&["export", "run", "--to", "npz", "--contexts", "--step", "0,60", "--sequences", "3"]).ok().stdout;
    assert!(file.trim().ends_with("-contexts.npz"), "{file}");
    let bytes = fs::read(scratch.path(file.trim())).unwrap();
    // As many steps as there are, and the same bytes on standard output.
    let all =
        scratch.run(&["export", "run", "--to", "npz", "--contexts", "--step", "all", "-o", "all.npz", "--json"]).ok();
    assert!(all.json()["bytes"].as_u64().unwrap() > bytes.len() as u64);
    for (args, words) in [
        (&["--to", "csv", "--contexts"][..], "they go with --to npz"),
        (&["--to", "csv", "--step", "0"], "--step chooses networks"),
        (&["--to", "safetensors", "--step", "0,60"], "one step"),
        (&["--to", "npz", "--contexts", "--step", "61"], "did not make step 61: it went to step 60"),
        (&["--to", "npz", "--contexts", "--on", "ic"], "copying-small has main"),
        (&["--to", "npz", "--sequences", "3"], "--contexts"),
        (&["--to", "npz", "--contexts", "--step", "x"], "expected steps"),
    ] {
        let ran = scratch.run(&[&["export", "run"], args].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn heads_are_taken_out_of_any_stored_step() {
    let scratch = Scratch::new();
    tiny(
        &scratch,
        &[
            "--out",
            "run",
            "-s",
            "probes.ablations=[]",
            "-s",
            "model.n_heads=2",
            "-s",
            "model.d_head=8",
            "-s",
            "model.output_projection=true",
        ],
    );
    let report = scratch.run(&["probe", "run", "--step", "32", "--ablate", "0:1,1.0", "--json"]).ok().json();
    let told = |i: usize| {
        let head = &report["ablations"][i];
        (head["layer"].as_u64().unwrap(), head["head"].as_u64().unwrap(), head["mode"].as_str().unwrap().to_owned())
    };
    let expected = [(0, 1, "zero"), (0, 1, "mean"), (1, 0, "zero"), (1, 0, "mean")];
    assert_eq!([0, 1, 2, 3].map(told), expected.map(|(layer, head, mode)| (layer, head, mode.to_owned())));
    assert!(report["ablations"][0]["accuracy"].is_number());
    let columns = report["columns"].as_object().unwrap();
    assert!(columns.contains_key("loss") && !columns.contains_key("train_loss"));
    // All that the text says of numbers is there.
    let text = scratch.run(&["probe", "run", "--step", "32", "--ablate", "0:1"]).ok().stdout;
    assert!(text.contains("0.1 replaced by nothing") && text.contains("0.1 replaced by its mean"), "{text}");
    assert_eq!(report["cross_shares"].as_array().unwrap().len(), 2);
    for (head, words) in [("2:0", "layers 0 to 1"), ("0:2", "heads 0 to 1"), ("0", "expected LAYER:HEAD")] {
        let ran = scratch.run(&["probe", "run", "--ablate", head]);
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{head}: {}", ran.stderr);
    }
}

#[test]
fn shells_and_manuals_are_told() {
    let scratch = Scratch::new();
    let script = scratch.run(&["completions", "bash"]).ok().stdout;
    // The shell itself reads it, and knows the subcommands.
    let probe = format!(
        "{script}\nCOMP_WORDS=(precipice ver); COMP_CWORD=1; _precipice precipice ver precipice; echo \"${{COMPREPLY[@]}}\""
    );
    let output = std::process::Command::new("bash").args(["-c", &probe]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "verify");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(scratch.run(&["completions", shell]).ok().stdout.contains("precipice"));
    }
    assert!(scratch.run(&["man"]).ok().stdout.starts_with(".ie"));
    let pages = scratch.run(&["man", "--out", "pages"]).ok().stdout;
    assert!(pages.lines().any(|page| page.ends_with("precipice-theory-flow.1")), "{pages}");
    let page = fs::read_to_string(scratch.path("pages/precipice-export.1")).unwrap();
    assert!(page.contains("contexts") && page.contains("Examples"), "{page}");
    scratch.run(&["man", "--out", "pages"]).ok();
    scratch.write("pages/precipice.1", "mine");
    assert_eq!(scratch.run(&["man", "--out", "pages"]).code, Some(2));
    scratch.run(&["man", "--out", "pages", "--force"]).ok();
}
