//! `precipice specs` and `precipice show`: the experiments as data.

use precipice_lab::input::spec_file::{self, BUILT_INS, Changes};
use precipice_lab::sweep::{BUILT_IN_SWEEPS, Plan};
use serde_json::json;

use super::{say, say_json};
use crate::Ending;
use crate::args::{ShowArgs, SpecsArgs};

pub fn specs(args: SpecsArgs) -> anyhow::Result<Ending> {
    let load = |(name, _): &(&str, &str)| spec_file::load(name, &Changes::default());
    let specs = BUILT_INS.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let load = |(name, _): &(&str, &str)| Plan::load(name, false);
    let sweeps = BUILT_IN_SWEEPS.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        let object = |kind: &str, name: &str, words: &str| json!({ "name": name, "description": words, "kind": kind });
        let specs = specs.iter().map(|spec| object("spec", &spec.name, &spec.description));
        say_json(&specs.chain(sweeps.iter().map(|sweep| object("sweep", &sweep.name, &sweep.description))).collect())?;
    } else {
        let line = |name: &str, words: &str| format!("{name:<25} {words}");
        let mut lines: Vec<String> = specs.iter().map(|spec| line(&spec.name, &spec.description)).collect();
        lines.push("\nsweeps (precipice sweep NAME [--fast]):".to_owned());
        lines.extend(sweeps.iter().map(|sweep| line(&sweep.name, &sweep.description)));
        say(&lines.join("\n"))?;
    }
    Ok(Ending::Done)
}

pub fn show(args: ShowArgs) -> anyhow::Result<Ending> {
    let spec = spec_file::load(&args.spec.spec, &super::run::changes(&args.spec))?;
    if args.json {
        say_json(&serde_json::to_value(&spec)?)?;
    } else {
        say(&spec_file::to_toml(&spec))?;
    }
    Ok(Ending::Done)
}
