//! `precipice figure`: draw a figure of stored runs.

use anyhow::bail;
use precipice_lab::run_figures;
use precipice_lab::store::RunDir;
use serde_json::json;

use super::{say, say_json, texts};
use crate::Ending;
use crate::args::FigureArgs;

pub fn figure(args: FigureArgs) -> anyhow::Result<Ending> {
    if args.output.is_some() && args.runs.len() > 1 {
        bail!("-o names one file, but there are {} runs; leave it out to write into each run", args.runs.len());
    }
    let mut paths = Vec::new();
    for root in &args.runs {
        let run_dir = RunDir::new(root);
        let spec = run_dir.spec()?;
        let figure = run_figures::draw(args.kind, &run_dir, &spec, &run_dir.rows()?)?;
        let default = || run_dir.figures().join(format!("{}.svg", args.kind.name()));
        let path = args.output.clone().unwrap_or_else(default);
        run_figures::write(&figure, &path)?;
        paths.push(path);
    }
    if args.json {
        say_json(&json!({ "figures": texts(&paths) }))?;
    } else {
        say(&texts(&paths).join("\n"))?;
    }
    Ok(Ending::Done)
}
