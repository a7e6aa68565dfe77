//! A run beside the theory: its measured path, the flow that fits it, and the jump that foretells.

use precipice::measure::order_parameters::{NoFormula, context_of, flow_context_of};
use precipice::measure::transition::transition_of;
use precipice::measure::{Column, Metric, metric};
use precipice::model::Description;
use precipice::record::Row;
use precipice::spec::RunSpec;
use precipice::theory::{Context, Fit, FlowPoint, Path, PathError, PathPoint, Point, fit};
use serde::Serialize;

/// Which formula is held against the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// Three parameters: beta, alpha, xi.
    Three,
    /// The same with the measured label attention beta_2, and alpha among label tokens only.
    LabelAttention,
}

impl Formula {
    /// Both.
    pub const ALL: [Formula; 2] = [Formula::Three, Formula::LabelAttention];

    /// As in legends and tables.
    pub fn name(self) -> &'static str {
        match self {
            Formula::Three => "three parameters",
            Formula::LabelAttention => "with label attention",
        }
    }

    /// The columns of (beta, alpha, xi).
    pub fn columns(self) -> [Column; 3] {
        let [[beta, _], [alpha, _], [xi, _]] = self.parameters();
        [beta, alpha, xi].map(|metric| metric.main())
    }

    /// The metrics of (beta, alpha, xi), each with that of its standard error.
    pub fn parameters(self) -> [[Metric; 2]; 3] {
        let alpha = match self {
            Formula::Three => [metric::ALPHA, metric::ALPHA_SE],
            Formula::LabelAttention => [metric::ALPHA_LABELS, metric::ALPHA_LABELS_SE],
        };
        [[metric::BETA, metric::BETA_SE], alpha, [metric::XI, metric::XI_SE]]
    }

    /// The column of the loss it predicts.
    pub fn loss_column(self) -> Column {
        match self {
            Formula::Three => metric::PREDICTED_LOSS.main(),
            Formula::LabelAttention => metric::PREDICTED_LOSS_LABELS.main(),
        }
    }

    /// The error with the parameter's own name: two of them are called alpha.
    fn named(self, mut error: PathError) -> PathError {
        if self == Formula::LabelAttention && error.out.name == "alpha" {
            error.out.name = "alpha among labels";
        }
        error
    }

    /// The measured path.
    ///
    /// # Errors
    /// If the formula does not describe the network, or the log has no path that it can follow.
    pub fn path(self, spec: &RunSpec, rows: &[Row]) -> Result<Path, NoPath> {
        let context = flow_context_of(&spec.facts(), &Description::of(spec))?;
        let columns = self.columns();
        let point = |row: &Row| PathPoint {
            step: row.step as f64,
            point: columns.each_ref().map(|column| row.get(column)),
            label_strength: match self {
                Formula::Three => 0.0,
                Formula::LabelAttention => row.get(&metric::BETA_2.main()),
            },
        };
        let path = Path::new(context, rows.iter().map(point));
        if path.points().is_empty() {
            return Err(NoPath::of_log(spec));
        }
        path.check().map_err(|e| self.named(e))?;
        Ok(path)
    }
}

/// Why a run's order parameters cannot be held against the formula.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoPath {
    /// The formula does not describe the network.
    #[error(transparent)]
    Formula(#[from] NoFormula),
    /// They were not measured.
    #[error("the log has no order parameters: the spec has probes.enabled = false")]
    ProbesOff,
    /// They were nowhere numbers.
    #[error("the log has no order parameters that are numbers")]
    NoNumbers,
    /// They exploded.
    #[error(transparent)]
    Exploded(#[from] PathError),
}

impl NoPath {
    /// Of a log without order parameters.
    pub(crate) fn of_log(spec: &RunSpec) -> Self {
        if spec.probes.enabled { NoPath::NoNumbers } else { NoPath::ProbesOff }
    }
}

/// The context of a run in whose network the formula's parameters exist.
///
/// # Errors
/// Why they do not.
pub fn formula_of(spec: &RunSpec) -> Result<Context, NoPath> {
    Ok(context_of(&spec.facts(), &Description::of(spec))?)
}

/// The jump as foretold from a part of the path.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// The last step that it knows.
    pub until_step: f64,
    /// Step of p(correct) = 1/2 with each parameter at its own fitted rate; none if not within ten
    /// times the steps known.
    pub own_rates: Option<f64>,
    /// The same with one rate for all three.
    pub common_rate: Option<f64>,
}

/// Step at which the measured loss falls through ln 2, where the formula has p(correct) = 1/2;
/// between two rows by interpolation. None if it does not.
///
/// ```
/// use precipice::measure::{Row, metric};
/// use precipice::spec::RunSpec;
/// use precipice_lab::reports::theory::half_step;
/// let row = |step, loss| {
///     let mut row = Row { step, ..Row::default() };
///     row.push(metric::LOSS.main(), loss);
///     row
/// };
/// let step = half_step(&RunSpec::default(), &[row(0, 2.0), row(100, 0.0)]).unwrap();
/// assert!((step - 50.0 * (2.0 - 2_f64.ln())).abs() < 1e-9);
/// ```
pub fn half_step(spec: &RunSpec, rows: &[Row]) -> Option<f64> {
    let half = std::f64::consts::LN_2;
    let column = Column::of_loss(&spec.facts());
    let at = |row: &Row| (row.step as f64, row.get(&column));
    let pair = rows.windows(2).find(|pair| at(&pair[0]).1 > half && at(&pair[1]).1 <= half)?;
    let ((a, high), (b, low)) = (at(&pair[0]), at(&pair[1]));
    Some(a + (b - a) * (high - half) / (high - low))
}

/// One formula against one run.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Which formula.
    pub formula: Formula,
    /// The measured path.
    pub path: Path,
    /// Rates fitted to the path up to `until_step`; none where there are too few points.
    pub fit: Option<Fit>,
    /// The end of the plateau, or of the run where there is no jump.
    pub until_step: f64,
    /// The flow from the first point at those rates, over the steps of the run.
    pub fitted: Vec<FlowPoint>,
    /// Forecasts from ever more of what came before the jump.
    pub forecasts: Vec<Forecast>,
}

/// A forecast looks this many times as far ahead as it looks back.
const HORIZON: f64 = 10.0;
/// Points of the fitted flow.
const FITTED_POINTS: u32 = 400;

/// Forecasts of a run at most, each with a flow of its own.
const FORECASTS: usize = 200;

/// Holds a formula against a run.
///
/// # Errors
/// As for [`Formula::path`].
pub fn compare(formula: Formula, spec: &RunSpec, rows: &[Row]) -> Result<Comparison, NoPath> {
    let path = formula.path(spec, rows)?;
    let (_, transition) = transition_of(&spec.facts(), rows);
    let last = path.points()[path.points().len() - 1].step;
    let (until_step, jump) = transition.map_or((last, last), |t| (t.onset_step, t.t50));
    let until_step = if until_step.is_finite() { until_step } else { jump };
    let fit_until = fit(&path.until(until_step));
    let first = path.points()[0].step;
    let fitted = fit_until.and_then(|fit| path.flow_from(0, fit.rates, last - first).ok());
    let fitted = fitted.map_or_else(Vec::new, |flow| {
        let share = |i: u32| f64::from(i) / f64::from(FITTED_POINTS) * (last - first);
        let point = |i: u32| FlowPoint { t: first + share(i), ..flow.at(share(i)) };
        (0..=FITTED_POINTS).map(point).collect()
    });
    let steps: Vec<f64> = path.points().iter().map(|point| point.step).filter(|step| *step <= jump).collect();
    let spread = steps.iter().step_by(steps.len().div_ceil(FORECASTS).max(1));
    let forecasts = spread.filter_map(|step| forecast(&path.until(*step))).collect();
    Ok(Comparison { formula, path, fit: fit_until, until_step, fitted, forecasts })
}

fn forecast(known: &Path) -> Option<Forecast> {
    let fit = fit(known)?;
    let until_step = known.points().last()?.step;
    let horizon = HORIZON * (until_step - known.points()[0].step);
    let at = |rates| known.forecast(rates, horizon);
    Some(Forecast { until_step, own_rates: at(fit.rates), common_rate: at([fit.common; 3]) })
}

/// What `theory fit` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FitReport {
    /// Step at which the accuracy is half way, or null.
    pub t50: Option<f64>,
    /// Step at which the measured loss falls through ln 2, or null.
    pub half_step: Option<f64>,
    /// Both formulas.
    pub formulas: Vec<FormulaFit>,
}

/// One formula's rates and what they foretell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FormulaFit {
    /// Which formula.
    pub formula: Formula,
    /// The end of the plateau, or of the run where there is no jump.
    pub until_step: f64,
    /// Rates fitted to the path up to there; null where there are too few points.
    pub fit: Option<FittedRates>,
    /// Forecasts from ever more of what came before the jump.
    pub forecasts: Vec<Forecast>,
}

/// Flow time a step, of beta, alpha and xi.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FittedRates {
    /// Each parameter's own.
    pub rates: Point,
    /// Lower bounds of their standard errors.
    pub standard_errors: Point,
    /// One rate for all three.
    pub common_rate: f64,
}

impl FitReport {
    /// Holds both formulas against a run.
    ///
    /// # Errors
    /// As for [`Formula::path`].
    pub fn new(spec: &RunSpec, rows: &[Row]) -> Result<Self, NoPath> {
        let fit = |formula| compare(formula, spec, rows).map(FormulaFit::from);
        let formulas = Formula::ALL.into_iter().map(fit).collect::<Result<Vec<_>, _>>()?;
        let t50 = transition_of(&spec.facts(), rows).1.map(|t| t.t50);
        Ok(Self { t50, half_step: half_step(spec, rows), formulas })
    }
}

impl From<Comparison> for FormulaFit {
    fn from(Comparison { formula, until_step, fit, forecasts, .. }: Comparison) -> Self {
        let fit = fit.map(|Fit { rates, standard_errors, common }| FittedRates {
            rates,
            standard_errors,
            common_rate: common,
        });
        Self { formula, until_step, fit, forecasts }
    }
}
