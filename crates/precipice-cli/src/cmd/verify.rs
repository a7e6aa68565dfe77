//! `precipice verify`: run a finished run again and compare bits.

use precipice_lab::runs;
use precipice_lab::store::RunDir;
use serde_json::json;

use super::{say, say_json};
use crate::Ending;
use crate::args::VerifyArgs;
use crate::numbers::commas;
use crate::progress::Progress;

pub fn verify(args: VerifyArgs) -> anyhow::Result<Ending> {
    let run_dir = RunDir::new(&args.run);
    let spec = run_dir.spec()?;
    let label = format!("verifying {} · {} steps", run_dir.root().display(), commas(spec.train.steps));
    let mut progress = Progress::new(&label, &spec, args.quiet);
    let result = runs::verify(&run_dir, args.threads.count(), &mut progress);
    drop(progress);
    let result = result?;
    let same = result.difference.is_none();
    if args.json {
        say_json(&json!({
            "run_dir": run_dir.root().display().to_string(),
            "same": same,
            "rows": result.rows,
            "stored_digest": result.stored_digest,
            "digest": result.digest,
            "difference": result.difference,
        }))?;
    } else if let Some(difference) = &result.difference {
        say(&format!(
            "differs: {difference}\nstored digest {}\ndigest        {}",
            result.stored_digest, result.digest
        ))?;
    } else {
        say(&format!("same bits: {} rows and the final parameters, digest {}", result.rows, result.digest))?;
    }
    Ok(if same { Ending::Done } else { Ending::Failed })
}
