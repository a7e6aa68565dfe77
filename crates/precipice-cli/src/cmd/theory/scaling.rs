//! `precipice theory scaling`: when the cliff comes.

use anyhow::bail;
use precipice::theory::Over;
use precipice_lab::reports::scaling::{FittedExponent, ScalingReport, ScalingRow};

use crate::args::{OverArg, ScalingArgs};
use crate::numbers::fixed;
use crate::output::{check_place, is_stdout, put_figure, say_json, say_text};
use crate::progress::Working;

pub fn scaling(args: &ScalingArgs) -> anyhow::Result<()> {
    args.output.as_deref().map_or(Ok(()), check_place)?;
    let goes_to_stdout = args.output.as_deref().is_some_and(is_stdout);
    if goes_to_stdout && args.json {
        bail!("-o - writes the figure to standard output; leave out --json");
    }
    let (over, default): (Over, &[f64]) = match args.over {
        OverArg::N => {
            let over = Over::Exemplars { labels_per_exemplar: args.labels_per_exemplar };
            (over, &[4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0])
        }
        OverArg::Labels => {
            (Over::Labels { n_exemplars: args.n }, &[9.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0, 256.0])
        }
        OverArg::FrozenXi => {
            (Over::FrozenReadout { n_exemplars: args.n, n_labels: args.labels }, &[4.0, 8.0, 16.0, 32.0, 64.0])
        }
        OverArg::StartXi => {
            (Over::HeadStart { n_exemplars: args.n, n_labels: args.labels }, &[0.5, 1.0, 2.0, 4.0, 8.0, 16.0])
        }
    };
    let working = Working::on("following the flows", false);
    let report = ScalingReport::new(over, if args.values.is_empty() { default } else { &args.values })?;
    drop(working);
    if let Some(path) = &args.output {
        put_figure(path, &report.figure()?.in_theme(args.page.theme), args.force)?;
    }
    if goes_to_stdout {
        return Ok(());
    }
    if args.json {
        return say_json(&report);
    }
    let mut lines = vec![format!("{:>12} {:>16} {:>16} {:>9}", "value", "t50", "law", "ratio")];
    lines.extend(report.points.iter().map(line));
    let of = over.law().map_or("the value", |(_, of)| of);
    match report.exponent {
        Some(FittedExponent { value, standard_error, last }) => lines.push(format!(
            "t50 ~ ({of})^{value:.4}, standard error {standard_error:.4} over the whole range; ^{last:.4} between the last two"
        )),
        None => lines.push("no exponent: it needs two times at different values".to_owned()),
    }
    if let Some((power, of)) = over.law() {
        lines.push(format!("derived for large N: ({of})^{power}"));
    }
    if let Some(path) = &args.output {
        lines.push(path.display().to_string());
    }
    say_text(&lines.join("\n"))
}

fn line(point: &ScalingRow) -> String {
    let number = |x: Option<f64>, digits: usize| x.map_or_else(|| "-".to_owned(), |x| fixed(x, digits));
    let ratio = point.t50.zip(point.law).map(|(t50, law)| t50 / law);
    format!(
        "{:>12} {:>16} {:>16} {:>9}",
        format!("{:?}", point.value).trim_end_matches(".0"),
        number(point.t50, 4),
        number(point.law, 4),
        number(ratio, 4)
    )
}
