//! `precipice theory descent`: gradient descent in steps of finite size.

use precipice::theory::Descent;
use precipice_lab::reports::formula::{DescentReport, FlowRow};

use super::{context_of, header, is_frozen, point_of, row};
use crate::args::DescentArgs;
use crate::numbers::commas;
use crate::output::{say, say_json};
use crate::progress::Working;

pub fn descent(args: &DescentArgs) -> anyhow::Result<()> {
    let frozen = is_frozen(&args.start.freeze);
    let descent = Descent {
        start: point_of("--start", &args.start.start)?,
        learning_rates: frozen.map(|frozen| if frozen { 0.0 } else { args.learning_rate }),
        noise: args.gradient_noise,
        seed: args.seed,
        steps: args.steps,
    };
    let working = Working::on("descending", false);
    let report = DescentReport::new(context_of(&args.context)?, &descent, working.meter())?;
    drop(working);
    if args.json {
        return say_json(&report);
    }
    let mut lines = vec![match report.t50 {
        Some(step) => format!("p(correct) reaches 1/2 at step {}", commas(step)),
        None => format!("p(correct) does not reach 1/2 in {} steps", commas(args.steps)),
    }];
    lines.push(header("step"));
    let DescentReport { rows, levels, .. } = report;
    let mut shown: Vec<FlowRow> = levels.into_iter().chain(rows.first().copied()).chain(rows.last().copied()).collect();
    shown.sort_by(|a, b| a.t.total_cmp(&b.t));
    shown.dedup_by(|a, b| a.t == b.t);
    lines.extend(shown.into_iter().map(row));
    say(&lines.join("\n"))
}
