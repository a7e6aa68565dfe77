//! Writes a folder of so many runs that were never trained, whole by every check but `verify`: rows and state of one run
//! under the addresses of many. It is for measuring what a large folder costs.
//!
//! ```text
//! cargo run --release -p precipice-lab --example synthetic_sweep -- FOLDER N
//! ```

use std::error::Error;
use std::path::PathBuf;

use precipice::run::{Event, Outcome, Run};
use precipice::workers::Sequential;
use precipice_lab::store::archive::Archive;
use precipice_lab::store::manifest::{Session, machine};
use precipice_lab::store::{Manifest, RunDir};
use precipice_lab::sweep::{Plan, enter};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(n)) = (args.next().map(PathBuf::from), args.next()) else {
        return Err("expected FOLDER and the number of runs".into());
    };
    let mut plan = Plan::load("copying-small", false)?;
    let small =
        ["train.steps=100", "eval.every=10", "eval.sequences=16", "probes.enabled=false", "probes.ablations=[]"];
    plan.changes.overrides = small.map(str::to_owned).to_vec();
    plan.seeds = (0..n.parse()?).collect();
    let jobs = plan.jobs()?;
    enter(&folder, &jobs)?;
    let mut run = Run::new(&jobs[0].spec, None, precipice_num::Kernels::detect())?;
    while !matches!(run.advance(100, &Sequential), Event::Ended(_)) {}
    let session = Session {
        machine: machine(),
        threads: 1,
        started: "2026-01-01T00:00:00Z".to_owned(),
        ended: "2026-01-01T00:00:01Z".to_owned(),
        seconds: 1.0,
        first_step: 0,
    };
    let manifest = Manifest::of(&run, Outcome::Finished, session);
    for job in &jobs {
        let mut archive = Archive::new(&job.spec, usize::MAX);
        run.rows().iter().for_each(|row| archive.row(row));
        archive.checkpoint(run.trainer());
        let spec_hash = job.spec.hash();
        let run_dir = RunDir::new(folder.join(format!("{}-{}", job.spec.name, &spec_hash[..12])));
        archive.write_to(&run_dir, &job.spec, Some(Manifest { spec_hash, ..manifest.clone() }))?;
    }
    Ok(())
}
