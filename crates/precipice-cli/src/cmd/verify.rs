//! `precipice verify`: run a finished run again and compare bits.

use precipice_lab::reports::run::VerifyReport;
use precipice_lab::runs;
use precipice_lab::store::RunDir;

use crate::Ending;
use crate::args::VerifyArgs;
use crate::numbers::commas;
use crate::output::{say, say_json};
use crate::progress::Progress;

pub fn verify(args: VerifyArgs) -> anyhow::Result<Ending> {
    let run_dir = RunDir::new(&args.run);
    let spec = run_dir.spec()?;
    let label = format!("verifying {} · {} steps", run_dir.root().display(), commas(spec.train.steps));
    let mut progress = Progress::new(&label, &spec, args.quiet);
    let result = runs::verify(&run_dir, args.threads.count(), &mut progress);
    drop(progress);
    let report = VerifyReport::new(&run_dir, result?);
    if args.json {
        say_json(&report)?;
    } else if let Some(difference) = &report.difference {
        say(&format!(
            "differs: {difference}\nstored digest {}\ndigest        {}",
            report.stored_digest, report.digest
        ))?;
    } else {
        say(&format!("same bits: {} rows and the final parameters, digest {}", report.rows, report.digest))?;
    }
    Ok(if report.same { Ending::Done } else { Ending::Failed })
}
