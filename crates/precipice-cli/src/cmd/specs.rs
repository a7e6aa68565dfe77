//! `precipice specs` and `precipice show`: the experiments as data.

use anyhow::bail;
use precipice_lab::input::spec_file;
use precipice_lab::store::spec_text;
use precipice_lab::sweep::{self, Experiment, ExperimentKind, catalog};

use crate::Ending;
use crate::args::{ShowArgs, SpecArgs, SpecsArgs};
use crate::output::{note, say, say_json, say_text};

pub fn specs(args: SpecsArgs) -> anyhow::Result<Ending> {
    let all = catalog()?;
    if args.json {
        say_json(&all)?;
    } else {
        let of_kind = |kind| all.iter().filter(move |experiment| experiment.kind == kind);
        let line = |Experiment { name, description, .. }: &Experiment| format!("{name:<25} {description}");
        let mut lines: Vec<String> = of_kind(ExperimentKind::Spec).map(line).collect();
        lines.push("\nsweeps (precipice sweep NAME [--fast]):".to_owned());
        lines.extend(of_kind(ExperimentKind::Sweep).map(line));
        say_text(&lines.join("\n"))?;
    }
    Ok(Ending::Done)
}

pub fn show(args: ShowArgs) -> anyhow::Result<Ending> {
    let SpecArgs { spec: name, set, seed, steps } = &args.spec;
    if let Some(text) = sweep::source(name)? {
        // What cannot be run is not worth showing.
        sweep::Plan::load(name, false)?;
        if !set.is_empty() || seed.is_some() || steps.is_some() {
            bail!("{name}: is a sweep; -s, --seed and --steps change a spec, those of `precipice sweep` a sweep");
        }
        note(&format!("{name} is a sweep, a grid of runs: `precipice sweep {name}` makes them"));
        if args.json {
            say_json(&sweep::as_json(&text)?)?;
        } else {
            say(&text)?;
        }
        return Ok(Ending::Done);
    }
    let spec = spec_text::load(&args.spec.spec, &super::run::changes(&args.spec))?;
    if args.json {
        say_json(&spec)?;
    } else {
        say(&spec_file::to_toml(&spec))?;
    }
    Ok(Ending::Done)
}
