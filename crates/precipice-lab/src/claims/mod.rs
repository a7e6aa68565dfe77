//! The register of claims: what the literature says, checked by running it.
//!
//! Reading order: `claim` (what a claim is), `duration` (how long it takes), `seeds` (its runs), then the claims themselves, one file a
//! source or a subject.

mod claim;
mod duration;
mod essay;
mod formula;
mod oswald;
mod reddy;
mod relation;
mod scaling;
mod seeds;

pub use claim::{CaseRow, Claim, ClaimReport, Lookout, Settings, Verdict, Watcher};
pub use duration::{Duration, HOW_LONG, about_seconds};

use crate::error::LabError;
use crate::store::RunDir;

/// Cases that a verdict needs.
const CASES_MIN: usize = 3;

/// All claims, in the order in which they are made.
///
/// ```
/// use precipice_lab::claims::register;
/// assert!(register().iter().any(|claim| claim.id == "essay-1"));
/// ```
pub fn register() -> Vec<Claim> {
    let mut claims = essay::claims();
    claims.push(formula::claim());
    claims.push(scaling::claim());
    claims.extend(oswald::claims());
    claims.extend(reddy::claims());
    claims.extend(relation::claims());
    claims.sort_by_key(|claim| claim.id);
    claims
}

/// Runs what a claim needs and compares.
///
/// # Errors
/// If a run cannot be made; a claim that fails is not an error.
pub fn check(claim: &Claim, settings: &Settings, watcher: &mut Lookout<'_>) -> Result<ClaimReport, LabError> {
    RunDir::check_outside(&settings.out)?;
    let clock = std::time::Instant::now();
    let evidence = (claim.check)(settings, watcher)?;
    let verdict = if claim.band == claim::OPEN || evidence.cases.len() < CASES_MIN {
        Verdict::NotDecided
    } else if evidence.cases.iter().all(|row| row.holds) {
        Verdict::Reproduced
    } else {
        Verdict::NotReproduced
    };
    Ok(ClaimReport {
        id: claim.id.to_owned(),
        claim: claim.claim.to_owned(),
        source: claim.source.to_owned(),
        measured: evidence.measured,
        band: claim.band.to_owned(),
        verdict,
        seconds: clock.elapsed().as_secs_f64(),
        figure: evidence.figure.map(|path| path.display().to_string()),
        seeds: evidence.cases,
    })
}
