//! What the commands refuse: one clear error, and nothing is written.

use crate::common::Scratch;

#[test]
fn bad_input_is_one_clear_error_and_nothing_is_written() {
    let scratch = Scratch::new();
    scratch.write("empty.toml", "");
    scratch.write("binary.toml", [0_u8, 159, 146, 150]);
    scratch.write("misspelt.toml", "name = \"x\"\n[task.copying]\nn_exemplar = 4\n");
    scratch.write("nameless.toml", "[task.copying]\nn_exemplars = 4\n");
    scratch.write("broken.toml", "name = \n");
    scratch.write("sweep.toml", "name = \"x\"\nspec = \"copying\"\nseeds = \"0..1\"\ngrid = 3\n");
    scratch.write("position.toml", "name = \"x\"\ntrain = [5, 9]\n");
    scratch.write("kind.toml", "name = \"x\"\n[train]\nsteps = \"many\"\n");
    scratch.write("point.toml", "name = \"x\"\n[model]\ndamping = .5\n");
    let sweep = |name: &str, rest: &str| format!("name = {name}\nspec = \"copying\"\nseeds = \"0..1\"\n{rest}");
    scratch.write("swept.toml", sweep("\"x\"", ""));
    scratch.write("outside.toml", sweep("\"../../../x\"", ""));
    scratch.write("row.toml", sweep("\"x\"", "grid = [[\"a\", [1]]]"));
    scratch.write("set.toml", sweep("\"x\"", "set = [\"train.step=3\"]"));
    scratch.write("grid.toml", sweep("\"x\"", "grid = [{ key = \"train.step\", values = [3] }]"));
    scratch.write("items.npz", "PK not a zip");
    std::fs::create_dir(scratch.path("folder.toml")).unwrap();
    let before = scratch.names();
    let cases: [(&[&str], &str); 75] = [
        (&["run", "copyin"], "did you mean \"copying\"?"),
        (&["run", "no-such-spec.toml"], "no such built-in spec or file"),
        (&["run", "empty.toml"], "is empty"),
        (&["run", "binary.toml"], "is not a text file"),
        (&["run", "broken.toml"], "line 1"),
        (&["run", "folder.toml"], "is a directory"),
        (&["run", "misspelt.toml"], "did you mean `task.copying.n_exemplars`?"),
        (&["run", "-s", "task.copying.n_exemplar=4"], "did you mean `task.copying.n_exemplars`?"),
        (&["run", "-s", "model.redout=mlp"], "did you mean `model.readout`?"),
        (&["run", "-s", "model.readout=mpl"], "expected `linear` or `mlp`"),
        (&["run", "-s", "train.steps=many"], "train.steps = \"many\": expected a whole number, 0 or more"),
        (&["run", "-s", "train.steps"], "expected key.sub=value"),
        (&["run", "-s", "train..steps=1"], "is not a key"),
        (&["run", "-s", "train.optimizer={}"], "choose one"),
        (&["run", "-s", "task.copying.n_exemplars=1"], "must be from 2"),
        (&["run", "-s", "probes.enabled=false"], "must be true where probes.ablations"),
        (&["run", "-s", "train.optimizer.adam.decay=0.1"], "learning_rate is missing and has no default"),
        (&["run", "nameless.toml"], "name = (missing)"),
        (&["run", "classification", "-s", "task.classification.n_classes=100"], "must be a multiple of n_labels = 32"),
        (&["run", "classification", "-s", "task.classification.burstiness=3"], "must divide n_exemplars = 8"),
        (&["run", "classification", "-s", "task.clasification.burstiness=2"], "did you mean `classification`?"),
        (&["run", "classification-han", "-s", "task.classification.n_classes=1568"], "1536 training classes"),
        (&["run", "-s", "model.clamps=[{ layer = 0, pattern = \"match\" }]"], "only the last layer's query is read"),
        (&["run", "-s", "model.clamps=[{ layer = 2, pattern = \"match\" }]"], "model.clamps.layer = 2"),
        (&["sweep", "reddy-nois"], "did you mean \"reddy-noise\"?"),
        (&["sweep", "copying", "--fast"], "only those have a fast form"),
        (&["sweep", "sweep.toml"], "sweep.toml: "),
        (&["run", "-s", "name.x=1"], "name is a value, not a table"),
        (&["run", "-s", "task.copying.n_exemplars=0"], "task.copying.n_exemplars = 0: must be from 2"),
        (&["run", "-s", "task.copying.n_labels=7"], "must be at least n_exemplars = 8"),
        (&["run", "-s", "model.d_pos=16"], "must be at least T = 2 n_exemplars + 1 = 17"),
        (&["run", "-s", "train.batch_size=0"], "train.batch_size = 0"),
        (&["run", "-s", "train.optimizer.sgd.learning_rate=nan"], "must be a finite number above 0"),
        (&["run", "-s", "train.freeze_until.redout=5"], "must name a tensor or a dotted prefix"),
        (&["run", "-s", "seeds.data=-1"], "seeds.data"),
        (&["run", "--seed", "99999999999999999999"], "--seed"),
        (&["run", "--threads", "0"], "--threads"),
        (&["run", "--steps", "many"], "expected a whole number, 0 or more"),
        (&["run", "--steps", "99999999999999999999"], "the number is too large"),
        (
            &["theory", "loss", "--n", "8", "--labels", "32", "--beta", "x", "--alpha", "1", "--xi", "1"],
            "expected a number",
        ),
        (&["run", "-s", "task.copying.d_item=30000", "-s", "model.d_pos=20000"], "GiB of memory"),
        (&["run", "han", "-s", "task.copying.items.file=items.npz"], "items.npz: damaged or truncated"),
        (&["run", "-s", "train.learning_rate=.1"], "did you mean `train.optimizer.sgd.learning_rate`?"),
        (&["run", "-s", "learning_rate=.1"], "did you mean `train.optimizer.sgd.learning_rate`?"),
        (&["run", "-s", "n_exemplar=4"], "did you mean `task.copying.n_exemplars`?"),
        (&["run", "-s", "warmup=4"], "did you mean `train.schedule.warmup_steps`?"),
        (&["run", "-s", "train.steps=1.5"], "train.steps = 1.5: expected a whole number"),
        (&["run", "-s", "train.steps=-1"], "train.steps = -1: expected a whole number, 0 or more"),
        (&["run", "-s", "model.layer_norm=1"], "model.layer_norm = 1: expected true or false"),
        (&["run", "-s", "model.damping=much"], "model.damping = \"much\": expected a number"),
        (&["run", "-s", "name=3"], "name = 3: expected a text"),
        (&["run", "-s", "model.readout=5"], "model.readout = 5: choose one, `linear` or `mlp`"),
        (&["run", "-s", "train.optimizer=adam"], "expected the choice with its fields, { adam = { ... } }"),
        (&["run", "-s", "model.clamps=3"], "model.clamps = 3: expected a list"),
        (&["run", "-s", "model.clamps=[{ layer = 0 }]"], "model.clamps[0].pattern is missing"),
        (&["run", "-s", "task.regression.noise=1"], "choose one, `copying`"),
        (&["run", "regression", "-s", "task.regression.covariance=5"], "covariance = 5: expected a list of numbers"),
        (&["run", "-s", "model=[]"], "model = []: expected a table"),
        (&["run", "-s", "train=[5,9]"], "train = [5, 9]: expected a table"),
        (&["run", "-s", "seeds=[1,2,3,4]"], "seeds = [1, 2, 3, 4]: expected a table"),
        (&["run", "-s", "model.clamps=[[0, 0, \"match\"]]"], "model.clamps[0] = [0, 0, \"match\"]: expected a table"),
        (&["run", "position.toml"], "line 2, column 1: train = [5, 9]: expected a table"),
        (&["run", "kind.toml"], "line 3, column 1: train.steps = \"many\": expected a whole number"),
        (&["run", "point.toml"], "a digit before and after the point, as in 0.1"),
        (&["run", "reddy-noise"], "is a sweep, a grid of runs: `precipice sweep reddy-noise`"),
        (&["run", "swept.toml"], "is a sweep, a grid of runs"),
        (&["theory", "regression", "oswald-heads"], "is a sweep, a grid of runs"),
        (&["show", "reddy-noise", "--steps", "3"], "is a sweep"),
        (&["sweep", "outside.toml"], "name = \"../../../x\": must be 1 to 80 letters"),
        (&["sweep", "row.toml"], "grid[0] = [\"a\", [1]]: expected a table"),
        (
            &["sweep", "set.toml"],
            "set.toml: set: train.step=3: unknown field `train.step`; did you mean `train.steps`?",
        ),
        (&["sweep", "grid.toml"], "grid.toml: grid: train.step=3: unknown field `train.step`"),
        (&["run", "/dev/zero"], "is no regular file"),
        (&["sweep", "/dev/zero"], "is no regular file"),
        (&["run", "han", "-s", "task.copying.items.array=itms"], "has no array \"itms\"; it has items"),
    ];
    for (args, expected) in cases {
        let ran = scratch.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked") && ran.stdout.is_empty(), "{args:?}");
        assert_eq!(scratch.names(), before, "{args:?} wrote something");
    }
}

#[test]
fn errors_are_short_however_long_their_cause() {
    let scratch = Scratch::new();
    let (long, run) = ("x".repeat(1_000_000), "run");
    let files = [
        ("value.toml", format!("name = \"{long}\"\n")),
        ("key.toml", format!("name = \"a\"\n{long} = 1\n")),
        ("bare.toml", format!("name = {long}\n")),
        ("kind.toml", format!("name = \"a\"\n[train]\nsteps = \"{long}\"\n")),
        ("choice.toml", format!("name = \"a\"\n[model]\nreadout = \"{long}\"\n")),
        ("list.toml", format!("name = \"a\"\nmodel = [{}1]\n", "1,".repeat(400_000))),
        ("items.toml", format!("name = \"a\"\ntask.copying.items.file = \"{long}\"\n")),
        ("deep.toml", format!("name = {}", "[".repeat(1_000_000))),
        ("group.toml", format!("name = \"a\"\n[train.freeze_until]\n{long} = 1\n")),
        ("seeds.toml", format!("name = \"a\"\nspec = \"copying\"\nseeds = \"{long}\"\n")),
        ("spec.toml", format!("name = \"a\"\nspec = \"{long}\"\nseeds = \"1\"\n")),
        (
            "grid.toml",
            format!("name = \"a\"\nspec = \"copying\"\nseeds = \"1\"\n[[grid]]\nkey = \"{long}\"\nvalues = [1]\n"),
        ),
        ("set.toml", format!("name = \"a\"\nspec = \"copying\"\nseeds = \"1\"\nset = [\"{long}\"]\n")),
    ];
    for (name, content) in &files {
        scratch.write(name, content);
        let command = if content.contains("spec =") { "sweep" } else { run };
        let ran = scratch.run(&[command, name]);
        assert_eq!(ran.code, Some(2), "{name}: {}", ran.stderr.len());
        assert!(ran.stderr.contains("error: ") && ran.stderr.len() < 4200, "{name}: {} bytes", ran.stderr.len());
        assert!(ran.stdout.is_empty());
    }
    let long = &long[..100_000];
    for args in [
        &["run", long][..],
        &["run", "-s", long],
        &["run", "-s", &format!("{long}=1")],
        &["run", "-s", &format!("train.steps={long}")],
        &["run", "--seed", long],
        &["sweep", "-g", &format!("train.steps={long}")],
        &["sweep", "-g", &format!("train.steps=[{long}")],
        &["sweep", "--seeds", long],
        &["figure", long, "r"],
        &["reproduce", long],
    ] {
        let ran = scratch.run(args);
        assert!(ran.code == Some(2) && ran.stderr.len() < 4200, "{}: {} bytes", args[0], ran.stderr.len());
    }
    assert_eq!(scratch.names().len(), files.len(), "nothing is written");
}

#[test]
fn other_commands_refuse_what_is_not_a_run() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("folder")).unwrap();
    for args in [
        &["probe", "folder"][..],
        &["verify", "folder"],
        &["figure", "attention", "folder"],
        &["export", "folder", "--to", "csv"],
        &["figure", "atention", "folder"],
        &["reproduce", "essay-9"],
        &["export", "folder", "--to", "xls"],
    ] {
        let ran = scratch.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{args:?}: {}", ran.stderr);
    }
    assert!(scratch.run(&["probe", "folder"]).stderr.contains("no spec.toml"));
}
