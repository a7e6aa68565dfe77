//! `precipice theory flow`: the gradient flow and its events.

use anyhow::bail;
use precipice::theory::{Motion, Schedule, Start, flow};
use precipice_lab::reports::formula::{FlowReport, FlowRow, LEVELS};

use super::{context_of, header, is_frozen, point_of, row};
use crate::args::FlowArgs;
use crate::output::{say, say_json};

pub fn follow(args: &FlowArgs) -> anyhow::Result<()> {
    let flow = flow(context_of(&args.context)?, start_of(args)?)?;
    let (t50, edge) = (flow.time_of(0.5), flow.edge());
    if args.json {
        return say_json(&FlowReport::from(&flow));
    }
    let mut lines = vec![match t50 {
        Some(t50) => format!("t50 = {t50:.6} (p(correct) = 1/2)"),
        None if flow.at(0.0).p_correct >= 0.5 => "p(correct) is above 1/2 from the start".to_owned(),
        None => format!("p(correct) does not reach 1/2 by t = {:?}", args.until),
    }];
    if let Some(edge) = edge {
        lines.push(format!("edge of the cliff at t = {:.6}", edge.t));
    }
    lines.push(header("t"));
    let mut times: Vec<f64> = LEVELS.iter().filter_map(|&p| flow.time_of(p)).chain(edge.map(|edge| edge.t)).collect();
    times.push(0.0);
    times.sort_by(f64::total_cmp);
    lines.extend(times.into_iter().map(|t| flow.at(t)).chain([flow.last()]).map(FlowRow::from).map(row));
    say(&lines.join("\n"))
}

fn start_of(args: &FlowArgs) -> anyhow::Result<Start> {
    let rates = point_of("--rates", &args.rates)?;
    let frozen = is_frozen(&args.start.freeze);
    let mut start = Start::at(point_of("--start", &args.start.start)?, args.until);
    start.motions = std::array::from_fn(|i| Motion::Descent(if frozen[i] { 0.0 } else { rates[i] }));
    for (name, points) in &args.schedule {
        let index = *name as usize;
        if frozen[index] || matches!(start.motions[index], Motion::Schedule(_)) {
            bail!("--schedule {name:?}: the parameter is frozen, or has a schedule already");
        }
        start.motions[index] = Motion::Schedule(Schedule::new(points.clone())?);
    }
    Ok(start)
}
