//! Examples in `--help`: what is pasted from there works.

/// Joins examples below their heading.
macro_rules! examples {
    ($($name:ident: $($line:literal)+;)+) => {
        $(pub const $name: &str = concat!("Examples:", $("\n  ", $line),+);)+
    };
}

examples! {
    RUN:
        "precipice run copying-small"
        "precipice run copying -s task.copying.n_labels=8 --out no-curriculum"
        "precipice run copying-small --seed 3 --out mine"
        "precipice run copying-small --seed 3 --out mine --steps 3000 --resume";
    SPECS:
        "precipice specs";
    SHOW:
        "precipice show copying-small > mine.toml"
        "precipice show reddy-classes-burstiness";
    PROBE:
        "precipice probe latest"
        "precipice probe latest --step 600"
        "precipice probe latest --ablate 0:0,1:0 --json";
    WATCH:
        "precipice watch latest"
        "precipice watch latest --once";
    FIGURE:
        "precipice figure attention latest"
        "precipice figure attention latest --step 0,600,1600 -o attention.png"
        "precipice figure learning-curve latest --theme dark -o curve.pdf";
    EXPORT:
        "precipice export latest --to csv -o rows.csv"
        "precipice export latest --to safetensors --step 600 -o weights.safetensors"
        "precipice export latest --to npz --contexts --step all -o contexts.npz";
    AT:
        "precipice at latest --step 617"
        "precipice at latest --steps 500..700:20 --sequences 10 -o film.npz";
    BRANCH:
        "precipice branch latest --at 500"
        "precipice branch latest --at 500 -s train.batch_size=64 --out other-batch"
        "precipice branch latest --at 500 --reset blocks.1.attn.W_Q --steps 1000"
        "precipice branch latest --at 500 --graft latest:900:readout --steps 1000";
    VERIFY:
        "precipice verify latest";
    DIFF:
        "precipice run copying-small --threads 1 --out again"
        "precipice run copying-small"
        "precipice diff latest again"
        "precipice diff latest again -o twins.svg --json";
    RUNS:
        "precipice runs"
        "precipice runs --where 't50<3000' --where 'final.accuracy>.9' --sort t50"
        "precipice runs --where train.steps=1600 --json";
    RUNS_RM:
        "precipice runs rm runs --where outcome=none --where 'age>30days' --dry-run"
        "precipice runs rm latest";
    RUNS_GC:
        "precipice runs gc --dry-run"
        "precipice runs gc latest";
    CERTIFY:
        "precipice certify latest -o run.json --force"
        "precipice certify latest -o steps.json --steps 0,600,700 --force";
    SWEEP:
        "precipice sweep copying-small --seeds 0..3"
        "precipice sweep copying-small -g task.copying.n_labels=8,16 --seeds 0..1"
        "precipice sweep copying-small --seeds 0..63 --script slurm --tasks 8"
        "precipice sweep copying-small --seeds 0..3 --collect";
    SWEEP_STATUS:
        "precipice sweep status runs/sweep-copying-small";
    SWEEP_PACK:
        "precipice sweep pack runs/sweep-copying-small";
    SWEEP_UNPACK:
        "precipice sweep unpack runs/sweep-copying-small";
    REPRODUCE:
        "precipice reproduce --list"
        "precipice reproduce essay-3 --fast";
    BENCH:
        "precipice bench copying-small --rounds 3 --seconds .3"
        "precipice bench copying-small --plan --rounds 1 --seconds .1"
        "precipice bench copying-small --profile --seconds .1";
    THEORY_LOSS:
        "precipice theory loss --n 8 --labels 32 --beta 2 --alpha 3 --xi 4";
    THEORY_FLOW:
        "precipice theory flow --n 8 --labels 32"
        "precipice theory flow --n 8 --labels 8";
    THEORY_DESCENT:
        "precipice theory descent --n 8 --labels 32 --learning-rate .1";
    THEORY_LANDSCAPE:
        "precipice theory landscape --n 8 --labels 32 -o landscape.svg";
    THEORY_SCALING:
        "precipice theory scaling --over n -o scaling.svg";
    THEORY_REGRESSION:
        "precipice theory regression";
    THEORY_FIT:
        "precipice run minimal-head"
        "precipice theory fit latest";
    SERVE:
        "precipice serve"
        "precipice serve runs --port 0";
    PAGE:
        "precipice page -o page";
    COMPLETIONS:
        "precipice completions bash > precipice.bash"
        "precipice completions zsh > _precipice";
    MAN:
        "precipice man > precipice.1"
        "precipice man --out man";
}
