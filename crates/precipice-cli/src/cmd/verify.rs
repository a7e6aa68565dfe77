//! `precipice verify`: run a finished run again and compare bits.

use precipice::record::{MemoryRecorder, Recorder};
use precipice_lab::reports::run::VerifyReport;
use precipice_lab::runs;
use precipice_lab::store::RunDir;

use crate::args::VerifyArgs;
use crate::numbers::commas;
use crate::output::{run_named, say, say_json};
use crate::progress::Progress;
use crate::{Ending, interrupt};

pub fn verify(args: VerifyArgs) -> anyhow::Result<Ending> {
    let run_dir = RunDir::new(run_named(&args.run)?).with_items(args.moved.items);
    // A damaged spec is a difference; what cannot be read is not watched.
    let mut progress: Box<dyn Recorder> = match run_dir.spec() {
        Ok(spec) => {
            let label = format!("verifying {} · {} steps", run_dir.root().display(), commas(spec.train.steps));
            Box::new(Progress::new(&label, &spec, args.said.quiet))
        }
        Err(_) => Box::new(MemoryRecorder::default()),
    };
    // Nothing is kept of a repetition.
    interrupt::end_at_once();
    let result = runs::verify(&run_dir, args.threads.count(), progress.as_mut());
    drop(progress);
    let report = VerifyReport::new(&run_dir, result?);
    if args.said.json {
        say_json(&report)?;
    } else if let Some(difference) = &report.difference {
        let digest = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "-".to_owned());
        say(&format!(
            "differs: {difference}\nstored digest {}\ndigest        {}",
            digest(&report.stored_digest),
            digest(&report.digest)
        ))?;
    } else {
        let digest = report.digest.as_deref().unwrap_or_default();
        let rows = commas(report.rows as u64);
        say(&format!("same bits: {rows} rows, every file and the final parameters\ndigest {digest}"))?;
    }
    Ok(if report.same { Ending::Done } else { Ending::Failed })
}
