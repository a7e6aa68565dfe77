//! `precipice theory descent`: gradient descent in steps of finite size.

use precipice::theory::{Descent, FlowPoint, descend};
use serde_json::{Value, json};

use super::{LEVELS, context_of, header, is_frozen, point_of, row, to_json};
use crate::args::DescentArgs;
use crate::cmd::{say, say_json};
use crate::numbers::commas;

/// Rows of the JSON report at most, evenly spaced over the steps.
const ROWS: u64 = 1000;

pub fn descent(args: &DescentArgs) -> anyhow::Result<()> {
    let frozen = is_frozen(&args.start.freeze);
    let descent = Descent {
        start: point_of("--start", &args.start.start)?,
        learning_rates: frozen.map(|frozen| if frozen { 0.0 } else { args.learning_rate }),
        noise: args.gradient_noise,
        seed: args.seed,
        steps: args.steps,
    };
    let every = args.steps.div_ceil(ROWS);
    let mut rows: Vec<FlowPoint> = Vec::new();
    // The first point at or above each level.
    let mut levels: [Option<FlowPoint>; LEVELS.len()] = [None; LEVELS.len()];
    descend(context_of(&args.context)?, &descent, |at| {
        for (level, found) in LEVELS.iter().zip(&mut levels) {
            if at.p_correct >= *level {
                found.get_or_insert(at);
            }
        }
        let step = at.t as u64;
        if step.is_multiple_of(every) || step == args.steps {
            rows.push(at);
        }
        true
    })?;
    let t50 = LEVELS.iter().zip(&levels).find(|(level, _)| **level == 0.5).and_then(|(_, found)| *found);
    if args.json {
        let rows: Value = rows.into_iter().map(to_json).collect();
        return say_json(&json!({ "t50": t50.map(|at| at.t as u64), "rows": rows }));
    }
    let mut lines = vec![match t50 {
        Some(at) => format!("p(correct) reaches 1/2 at step {}", commas(at.t as u64)),
        None => format!("p(correct) does not reach 1/2 in {} steps", commas(args.steps)),
    }];
    lines.push(header("step"));
    let mut shown: Vec<FlowPoint> =
        levels.into_iter().flatten().chain(rows.first().copied()).chain(rows.last().copied()).collect();
    shown.sort_by(|a, b| a.t.total_cmp(&b.t));
    shown.dedup_by(|a, b| a.t == b.t);
    lines.extend(shown.into_iter().map(row));
    say(&lines.join("\n"))
}
