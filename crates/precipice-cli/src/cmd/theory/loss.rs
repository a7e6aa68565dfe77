//! `precipice theory loss`: everything at one point.

use anyhow::bail;
use precipice::theory::Point;
use precipice_lab::reports::formula::PointReport;

use super::context_of;
use crate::args::LossArgs;
use crate::output::{say_json, say_text};

pub fn loss(args: &LossArgs) -> anyhow::Result<()> {
    let context = context_of(&args.context)?;
    let point = [args.beta, args.alpha, args.xi];
    if !point.iter().all(|x| x.is_finite()) {
        bail!("beta, alpha and xi must be finite numbers");
    }
    let at = context.evaluate(point);
    if args.json {
        return say_json(&PointReport::from(at));
    }
    let row = |row: Point| row.map(|x| format!("{x:>14.6e}")).join(" ");
    say_text(&format!(
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
