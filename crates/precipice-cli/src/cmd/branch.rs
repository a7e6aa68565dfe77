//! `precipice branch`: a run that begins as a copy of another one, and goes on under another spec.

use precipice_lab::input::spec_file::Changes;
use precipice_lab::runs::{Divergence, Graft, Keep, Options, Replay, StoredRun, branch_spec};
use precipice_lab::store::RunDir;

use super::run::train;
use crate::Ending;
use crate::args::{BranchArgs, GraftName};
use crate::output::run_named;

pub fn branch(args: BranchArgs) -> anyhow::Result<Ending> {
    let parent = StoredRun::of(RunDir::new(run_named(&args.run)?).with_items(args.moved.items))?;
    let (mut known, mut grafts) = (vec![parent.run_dir.clone()], Vec::new());
    for GraftName { run, step, tensor } in args.graft {
        let run = StoredRun::open(&run_named(&run)?)?;
        run.check_step(step)?;
        known.push(run.run_dir);
        grafts.push(Graft { run: run.spec, step, tensor });
    }
    // Twins are told apart by what is changed, not by the last bit.
    let kernels = Replay::open(&parent.run_dir, &parent.spec, &precipice::run::Run::new)?.kernels();
    let changes = Changes { overrides: args.set, seed: None, steps: args.steps };
    let divergence = Divergence { step: args.at, changes, reset: args.reset, zero: args.zero, grafts };
    let spec = branch_spec(&parent, divergence)?;
    let options = Options {
        out: args.out,
        threads: args.threads.count(),
        resume: args.resume,
        force: args.force,
        keep: Keep::All,
        arithmetic: Some(kernels.arithmetic()),
    };
    train(&spec, &known, &options, &args.said)
}
