//! `precipice theory`: the three nested soft-maxes as numbers and pictures.

mod descent;
mod fit;
mod flow;
mod landscape;
mod loss;
mod regression;
mod scaling;

use anyhow::bail;
use precipice::theory::{Context, Point};
use precipice_lab::reports::formula::FlowRow;

use crate::Ending;
use crate::args::{ContextArgs, ParameterArg, TheoryCommand};
use crate::numbers::fixed;

pub fn theory(command: TheoryCommand) -> anyhow::Result<Ending> {
    match command {
        TheoryCommand::Loss(args) => loss::loss(&args)?,
        TheoryCommand::Flow(args) => flow::follow(&args)?,
        TheoryCommand::Descent(args) => descent::descent(&args)?,
        TheoryCommand::Fit(args) => fit::fit(&args)?,
        TheoryCommand::Landscape(args) => landscape::landscape(&args)?,
        TheoryCommand::Scaling(args) => scaling::scaling(&args)?,
        TheoryCommand::Regression(args) => regression::regression(&args)?,
    }
    Ok(Ending::Done)
}

fn context_of(args: &ContextArgs) -> anyhow::Result<Context> {
    let context = Context {
        n_exemplars: args.n,
        n_labels: args.labels,
        burstiness: args.burstiness,
        within_class_noise: args.noise,
        label_strength: args.label_strength,
    };
    Ok(context.checked()?)
}

fn point_of(what: &str, numbers: &[f64]) -> anyhow::Result<Point> {
    let [beta, alpha, xi] = numbers[..] else { bail!("{what} takes three numbers, beta,alpha,xi") };
    Ok([beta, alpha, xi])
}

fn is_frozen(frozen: &[ParameterArg]) -> [bool; 3] {
    [ParameterArg::Beta, ParameterArg::Alpha, ParameterArg::Xi].map(|parameter| frozen.contains(&parameter))
}

/// Head of a table of points.
fn header(time: &str) -> String {
    format!("{time:>14} {:>11} {:>11} {:>11} {:>12} {:>11}", "beta", "alpha", "xi", "loss", "p(correct)")
}

fn row(at: FlowRow) -> String {
    let FlowRow { t, beta, alpha, xi, loss, p_correct } = at;
    let [t, beta, alpha, xi] = [t, beta, alpha, xi].map(|x| fixed(x, 6));
    format!("{t:>14} {beta:>11} {alpha:>11} {xi:>11} {loss:>12} {p_correct:>11.8}", loss = fixed(loss, 8))
}
