//! `precipice certify`: what runs came to, in a file by which anyone can make them again.

use precipice_lab::certificate::{self, Certificate};
use precipice_lab::reports::run::ExportReport;
use precipice_lab::store::RunDir;

use crate::Ending;
use crate::args::CertifyArgs;
use crate::output::{check_place, is_stdout, put, run_named, say, say_json};
use crate::progress::Working;

pub fn certify(args: CertifyArgs) -> anyhow::Result<Ending> {
    if args.said.json && is_stdout(&args.output) {
        anyhow::bail!("-o - writes the certificate to standard output; leave out --json");
    }
    check_place(&args.output)?;
    let named = args.runs.iter().map(|run| run_named(run)).collect::<Result<Vec<_>, _>>()?;
    let working = Working::on("certifying", args.said.quiet);
    working.meter().expect(named.len() as u64);
    let mut runs = Vec::with_capacity(named.len());
    for root in named {
        let run_dir = RunDir::new(root).with_items(args.moved.items.clone());
        runs.push(certificate::certify(&run_dir, args.steps.as_deref(), args.threads.count())?);
        working.meter().done(1);
    }
    drop(working);
    let text = Certificate::of(runs).to_text();
    put(&args.output, text.as_bytes(), args.force)?;
    if args.said.json {
        say_json(&ExportReport::new(&args.output, text.as_bytes()))?;
    } else if !is_stdout(&args.output) {
        say(&args.output.display().to_string())?;
    }
    Ok(Ending::Done)
}
