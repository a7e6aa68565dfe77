//! `precipice theory`: the three nested soft-maxes as numbers.

use anyhow::bail;
use precipice::theory::{Context, FlowPoint, Point, Start, flow};
use precipice_lab::store::manifest::number;
use serde_json::{Value, json};

use super::{say, say_json};
use crate::Ending;
use crate::args::{ContextArgs, FlowArgs, LossArgs, TheoryCommand};

/// Levels of p(correct) whose times are reported.
const LEVELS: [f64; 6] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9];

pub fn theory(command: TheoryCommand) -> anyhow::Result<Ending> {
    match command {
        TheoryCommand::Loss(args) => loss(&args)?,
        TheoryCommand::Flow(args) => follow(&args)?,
    }
    Ok(Ending::Done)
}

fn context_of(args: &ContextArgs) -> anyhow::Result<Context> {
    let context = Context {
        n_exemplars: args.n,
        n_labels: args.labels,
        burstiness: args.burstiness,
        within_class_noise: args.noise,
    };
    Ok(context.checked()?)
}

fn loss(args: &LossArgs) -> anyhow::Result<()> {
    let context = context_of(&args.context)?;
    let point = [args.beta, args.alpha, args.xi];
    if !point.iter().all(|x| x.is_finite()) {
        bail!("beta, alpha and xi must be finite numbers");
    }
    let at = context.evaluate(point);
    let [beta, alpha, xi] = at.gradient;
    if args.json {
        return say_json(&json!({
            "loss": number(at.loss),
            "p_correct": number(at.p_correct),
            "y": number(at.y),
            "z": number(at.z),
            "z_other": number(at.z_other),
            "u": number(at.u),
            "u_prime": number(at.u_prime),
            "gradient": { "beta": number(beta), "alpha": number(alpha), "xi": number(xi) },
            "hessian": at.hessian,
        }));
    }
    let row = |row: Point| row.map(|x| format!("{x:>14.6e}")).join(" ");
    say(&format!(
        "loss {:.12}  p(correct) {:.12}\n\
         attention: y {:.9} to the previous token, z {:.9} to the right label, z' {:.9} to other tokens\n\
         logit gaps: u {:.9} to labels of the context, u' {:.9} to the others\n\
         gradient {}\nhessian  {}\n         {}\n         {}\n(in the order beta, alpha, xi)",
        at.loss,
        at.p_correct,
        at.y,
        at.z,
        at.z_other,
        at.u,
        at.u_prime,
        row(at.gradient),
        row(at.hessian[0]),
        row(at.hessian[1]),
        row(at.hessian[2])
    ))
}

fn follow(args: &FlowArgs) -> anyhow::Result<()> {
    let context = context_of(&args.context)?;
    let [beta, alpha, xi] = args.start[..] else { bail!("--start takes three numbers, beta,alpha,xi") };
    let frozen = ["beta", "alpha", "xi"].map(|name| args.freeze.iter().any(|frozen| frozen == name));
    let flow = flow(context, Start { point: [beta, alpha, xi], frozen, until: args.until })?;
    let (t50, edge) = (flow.time_of(0.5), flow.edge());
    if args.json {
        return say_json(&json!({
            "t50": t50,
            "edge": edge.map(to_json),
            "rows": flow.points().into_iter().map(to_json).collect::<Value>(),
        }));
    }
    let mut lines = vec![match t50 {
        Some(t50) => format!("t50 = {t50:.6} (p(correct) = 1/2)"),
        None if flow.at(0.0).p_correct >= 0.5 => "p(correct) is above 1/2 from the start".to_owned(),
        None => format!("p(correct) does not reach 1/2 by t = {:?}", args.until),
    }];
    if let Some(edge) = edge {
        lines.push(format!("edge of the cliff at t = {:.6}", edge.t));
    }
    lines.push(format!("{:>14} {:>11} {:>11} {:>11} {:>12} {:>11}", "t", "beta", "alpha", "xi", "loss", "p(correct)"));
    let mut times: Vec<f64> = LEVELS.iter().filter_map(|&p| flow.time_of(p)).chain(edge.map(|edge| edge.t)).collect();
    times.push(0.0);
    times.sort_by(f64::total_cmp);
    let shown = times.into_iter().map(|t| flow.at(t)).chain([flow.last()]);
    lines.extend(shown.map(|at| {
        let [beta, alpha, xi] = at.point;
        format!("{:>14.6} {beta:>11.6} {alpha:>11.6} {xi:>11.6} {:>12.8} {:>11.8}", at.t, at.loss, at.p_correct)
    }));
    say(&lines.join("\n"))
}

fn to_json(at: FlowPoint) -> Value {
    let [beta, alpha, xi] = at.point.map(number);
    json!({
        "t": number(at.t),
        "beta": beta,
        "alpha": alpha,
        "xi": xi,
        "loss": number(at.loss),
        "p_correct": number(at.p_correct),
    })
}
