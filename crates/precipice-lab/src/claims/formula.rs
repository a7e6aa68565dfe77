//! Claims of the essay about the formula itself: the cliff, and the saddle at L = N.

use precipice::theory::{Context, FlowError, Parameter, Point, Start, Third, flow};

use super::claim::{CaseRow, Claim, Evidence, Lookout, SOURCE, Settings};
use crate::error::{FigureProblem, LabError};
use crate::meter::Meter;
use crate::reports::landscape::{Landscape, Request};
use crate::run_figures::write;

pub(super) fn claim() -> Claim {
    Claim {
        id: "essay-3",
        claim: "the loss of three nested soft-maxes stays on a plateau and falls over a cliff",
        source: SOURCE,
        band: "t50 of the gradient flow within 5e-4 of independent values in every setting; \
               N = 8, L = 32: half of the rise takes less than 3 % of t50",
        check: cliff,
    }
}

/// N, L, start and t50, from an independent integration with another method.
const TIMES: [(usize, usize, Point, f64); 20] = [
    (4, 16, [0.0; 3], 42.143),
    (8, 32, [0.0; 3], 98.673),
    (16, 64, [0.0; 3], 254.30),
    (32, 128, [0.0; 3], 688.53),
    (64, 256, [0.0; 3], 1908.2),
    (128, 512, [0.0; 3], 5345.4),
    (256, 1024, [0.0; 3], 15049.0),
    (8, 9, [0.0; 3], 239.80),
    (8, 12, [0.0; 3], 147.48),
    (8, 16, [0.0; 3], 121.32),
    (8, 24, [0.0; 3], 104.92),
    (8, 48, [0.0; 3], 93.333),
    (8, 64, [0.0; 3], 90.961),
    (8, 128, [0.0; 3], 87.83),
    (8, 256, [0.0; 3], 86.639),
    (8, 32, [0.0, 0.0, 1.0], 78.74),
    (8, 32, [0.0, 0.0, 2.0], 63.65),
    (8, 32, [0.0, 0.0, 4.0], 43.90),
    (8, 32, [0.0, 0.0, 8.0], 25.50),
    (8, 32, [0.0, 0.0, 16.0], 13.37),
];

/// How long a cliff is waited for.
const UNTIL: f64 = 1e6;
/// Of t50, relative.
const TOLERANCE: f64 = 5e-4;

fn context(n_exemplars: usize, n_labels: usize) -> Context {
    Context::new(n_exemplars, n_labels).expect("the table's contexts exist")
}

/// When the flow first gives the right label the probability `level`; NaN if it never does.
fn reaches(level: f64, n_exemplars: usize, n_labels: usize, start: Point) -> Result<f64, FlowError> {
    Ok(flow(context(n_exemplars, n_labels), Start::at(start, UNTIL))?.time_of(level).unwrap_or(f64::NAN))
}

fn t50(n_exemplars: usize, n_labels: usize, start: Point) -> Result<f64, FlowError> {
    reaches(0.5, n_exemplars, n_labels, start)
}

fn problem(e: impl ToString) -> LabError {
    LabError::figure("theory", FigureProblem::Theory { why: e.to_string() })
}

fn cliff(settings: &Settings, _: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let mut cases = Vec::new();
    let mut deviations = Vec::new();
    for (n, labels, start, reference) in TIMES {
        let t50 = t50(n, labels, start).map_err(problem)?;
        let deviation = t50 / reference - 1.0;
        let head_start = if start[2] > 0.0 { format!(", xi0 = {}", start[2]) } else { String::new() };
        let case = format!("N = {n}, L = {labels}{head_start}");
        let values = [("t50", t50), ("independent", reference)];
        cases.push(CaseRow::new(case, None, deviation.abs() < TOLERANCE, &values));
        deviations.push(deviation.abs());
    }
    let flow = flow(context(8, 32), Start::at([0.0; 3], UNTIL)).map_err(problem)?;
    let [quarter, half, three] = [0.25, 0.5, 0.75].map(|level| flow.time_of(level).unwrap_or(f64::NAN));
    let share = (three - quarter) / half;
    let values = [("p = .25 at", quarter), ("p = .75 at", three), ("share of t50", share)];
    cases.push(CaseRow::new("half of the rise, N = 8, L = 32".to_owned(), None, share < 0.03, &values));
    let largest = deviations.iter().copied().fold(0.0, f64::max);
    let measured = format!("largest deviation of t50 {largest:.1e}; half of the rise takes {share:.3} of t50");
    Ok(Evidence { measured, cases, figure: Some(draw(settings)?) })
}

/// The landscape of the default context.
fn draw(settings: &Settings) -> Result<std::path::PathBuf, LabError> {
    let request = Request {
        context: context(8, 32),
        x: (Parameter::Alpha, None),
        y: (Parameter::Xi, None),
        third: Third::OnFlow([0.0; 3]),
        start: [0.0; 3],
        grid: 129,
    };
    let figure =
        Landscape::new(request, &Meter::default()).map_err(problem)?.figure("The loss landscape · N = 8, L = 32")?;
    let path = settings.out.join("landscape.svg");
    std::fs::create_dir_all(&settings.out).map_err(LabError::io("create", &settings.out))?;
    write(&figure, &path)?;
    Ok(path)
}

/// At L = N the origin is a saddle: what starts on it stays, what starts beside it leaves at the rate
/// ((N-1)/N) / ((N+1)(2N+1)).
pub(super) fn saddle_cases() -> Result<Vec<CaseRow>, LabError> {
    let mut cases = Vec::new();
    for n in [2, 4, 8] {
        let end = flow(context(n, n), Start::at([0.0; 3], UNTIL)).map_err(problem)?.last();
        let moved = end.point.iter().map(|value| value.abs()).fold(0.0, f64::max);
        let case = format!("formula from the origin, N = L = {n}");
        cases.push(CaseRow::new(case, None, moved < 1e-9, &[("motion by t = 1e6", moved)]));
        // Three quarters: at N = L = 2 chance itself is one half.
        let beside = |d: f64| reaches(0.75, n, n, [d; 3]).map_err(problem);
        let increment = beside(1e-7)? - beside(1e-6)?;
        let (measured, size) = (std::f64::consts::LN_10 / increment, n as f64);
        let derived = (size - 1.0) / size / ((size + 1.0) * (2.0 * size + 1.0));
        let case = format!("formula beside it, N = L = {n}");
        let values = [("rate of escape", measured), ("derived", derived)];
        cases.push(CaseRow::new(case, None, (measured / derived - 1.0).abs() < 1e-3, &values));
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The claims about the formula hold, and it is the numbers that decide.
    #[test]
    fn the_formula_s_claims_are_decided_by_numbers() {
        let rows = saddle_cases().unwrap();
        assert!(rows.len() == 6 && rows.iter().all(|row| row.holds), "{rows:?}");
        assert!((t50(8, 32, [0.0; 3]).unwrap() / 98.673 - 1.0).abs() < TOLERANCE);
        assert!((t50(8, 33, [0.0; 3]).unwrap() / 98.673 - 1.0).abs() > TOLERANCE);
    }
}
