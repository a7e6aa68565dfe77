//! `precipice specs` and `precipice show`: the experiments as data.

use precipice_lab::spec_file::{self, BUILT_INS, Changes};
use serde_json::{Value, json};

use super::{say, say_json};
use crate::Ending;
use crate::args::{ShowArgs, SpecsArgs};

pub fn specs(args: SpecsArgs) -> anyhow::Result<Ending> {
    let load = |(name, _): &(&str, &str)| spec_file::load(name, &Changes::default());
    let specs = BUILT_INS.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        let object = |spec: &precipice::spec::RunSpec| json!({ "name": spec.name, "description": spec.description });
        say_json(&Value::Array(specs.iter().map(object).collect()))?;
    } else {
        let lines: Vec<String> = specs.iter().map(|spec| format!("{:<22} {}", spec.name, spec.description)).collect();
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
