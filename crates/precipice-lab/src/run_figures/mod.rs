//! From the rows and checkpoints of a run to its figures.

mod curves;
mod landscape;
mod looks;
mod regression;

use std::fs;
use std::path::{Path, PathBuf};

use precipice::measure::order_parameters::{context_of, flow_context_of};
use precipice::model::Description;
use precipice::spec::{RunSpec, TaskSpec};
use precipice::workers::Workers;
use precipice_figures::{self as figure, Figure};

use self::landscape::landscape_row;
use crate::error::{FigureProblem, LabError};
use crate::input::items;
use crate::reports::theory::NoPath;
use crate::runs::StoredRun;
use crate::store::atomic;

/// What can be drawn of stored runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Loss and accuracy over steps, with reference lines and the jump.
    LearningCurve,
    /// Attention of every layer before, during and after the jump.
    Attention,
    /// The nine interactions over training.
    Interactions,
    /// beta, alpha and xi over training, and the loss they predict.
    OrderParameters,
    /// Contexts of real items, before and after the jump.
    Contexts,
    /// The learning curve beside the theory's landscape, with the measured path on it.
    Landscape,
    /// Parameters and losses as measured and as the fitted theory has them, and the jump it foretells.
    TheoryOverMeasurement,
    /// The landscape of a run above that of its companion with L = N.
    Argument,
    /// A network of the regression task on scaled inputs and labels, beside closed forms.
    Generalization,
    /// The same applied again and again.
    RollOut,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 10] = [
        Kind::LearningCurve,
        Kind::Attention,
        Kind::Interactions,
        Kind::OrderParameters,
        Kind::Contexts,
        Kind::Landscape,
        Kind::TheoryOverMeasurement,
        Kind::Argument,
        Kind::Generalization,
        Kind::RollOut,
    ];

    /// The name on the command line and of the file.
    pub fn name(self) -> &'static str {
        match self {
            Kind::LearningCurve => "learning-curve",
            Kind::Attention => "attention",
            Kind::Interactions => "interactions",
            Kind::OrderParameters => "order-parameters",
            Kind::Contexts => "contexts",
            Kind::Landscape => "landscape",
            Kind::TheoryOverMeasurement => "theory-over-measurement",
            Kind::Argument => "argument",
            Kind::Generalization => "generalization",
            Kind::RollOut => "roll-out",
        }
    }
}

/// What to show of a run where a figure leaves a choice; nothing chosen is what tells the story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Heads as (layer, head), from 0: rows of the attention figure.
    pub heads: Vec<(usize, usize)>,
    /// Steps that the run made: columns of the figures that look into networks.
    pub steps: Vec<u64>,
}

/// Draws one figure of a stored run; `workers` measure what the figure shows and the log has not.
///
/// # Errors
/// If the run lacks what the figure shows, or the figure is one of two runs.
///
/// ```
/// use precipice::record::Row;
/// use precipice::workers::Sequential;
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::run_figures::{Kind, draw};
/// use precipice_lab::runs::StoredRun;
/// use precipice_lab::store::RunDir;
/// // As `StoredRun::open` gives it.
/// let spec = spec_file::load("copying-small", &Changes::default())?;
/// let columns = |accuracy, loss| vec![("accuracy".to_owned(), accuracy), ("loss".to_owned(), loss)];
/// let row = |step, accuracy, loss| Row { step, sequences: 128 * step, columns: columns(accuracy, loss) };
/// let rows = vec![row(0, 0.06, 2.8), row(500, 0.25, 1.4), row(1000, 0.98, 0.1)];
/// let run = StoredRun { run_dir: RunDir::new("runs/example"), spec, rows, own_metrics: Vec::new() };
/// assert!(draw(Kind::LearningCurve, &run, &Sequential)?.svg().contains("accuracy"));
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn draw(kind: Kind, run: &StoredRun, workers: &dyn Workers) -> Result<Figure, LabError> {
    draw_chosen(kind, run, &Choice::default(), workers)
}

/// The same with a choice of heads and steps.
///
/// # Errors
/// As for [`draw`], or if the figure leaves no such choice, or the run has no such head or step.
pub fn draw_chosen(kind: Kind, run: &StoredRun, choice: &Choice, workers: &dyn Workers) -> Result<Figure, LabError> {
    let lacks = |why: String| LabError::figure(kind.name(), FigureProblem::NotForThisRun { why });
    let has_no_choice = (!choice.heads.is_empty() && kind != Kind::Attention)
        || (!choice.steps.is_empty() && !matches!(kind, Kind::Attention | Kind::Contexts));
    if has_no_choice {
        return Err(lacks("heads are chosen for attention, steps for attention and contexts".to_owned()));
    }
    let no_path = |e: NoPath| lacks(e.to_string());
    if run.rows.is_empty() {
        let path = run.run_dir.root().to_owned();
        return Err(LabError::figure(kind.name(), FigureProblem::NoRows { path }));
    }
    let asks_for_labels = run.spec.targets().are_labels();
    if !applies(kind, &run.spec) && !asks_for_labels {
        return Err(lacks(
            "is not drawn of this run, which predicts values; such a run has learning-curve, one of the regression task \
             generalization and, with output_projection and one layer or tied ones, roll-out"
                .to_owned(),
        ));
    }
    let figure = match kind {
        Kind::LearningCurve if !asks_for_labels => figure::bands(&run.regression_curves()),
        Kind::LearningCurve => figure::learning_curve(&run.learning_curve()),
        Kind::Attention => figure::attention(&run.attention(choice, workers)?),
        Kind::Interactions => figure::interactions(&run.interactions().map_err(lacks)?),
        Kind::OrderParameters => figure::order_parameters(&run.order_parameters().map_err(no_path)?),
        Kind::Contexts => figure::contexts(&run.contexts(choice, workers)?),
        Kind::Landscape => figure::landscape(&figure::Landscape {
            title: run.title(),
            rows: vec![landscape_row(&run.spec, &run.rows, true).map_err(lacks)?],
        }),
        Kind::TheoryOverMeasurement => {
            figure::theory_over_measurement(&run.theory_over_measurement().map_err(no_path)?)
        }
        Kind::Generalization | Kind::RollOut if run.spec.task.regression().is_none() => {
            return Err(lacks("is drawn of runs of the regression task".to_owned()));
        }
        Kind::Generalization => figure::bands(&run.generalization(workers)?),
        Kind::RollOut => figure::bands(&run.roll_out(workers)?),
        Kind::Argument => return Err(lacks("it takes a run and its companion with L = N".to_owned())),
    };
    figure.map_err(|e| LabError::figure(kind.name(), e))
}

/// Draws the whole argument: the landscape of a run that learns above that of one with L = N.
///
/// # Errors
/// If a run lacks order parameters.
pub fn draw_argument(run: &StoredRun, companion: &StoredRun) -> Result<Figure, LabError> {
    let kind = Kind::Argument.name();
    let lacks = |why: String| LabError::figure(kind, FigureProblem::NotForThisRun { why });
    let row = |run: &StoredRun| landscape_row(&run.spec, &run.rows, false).map_err(lacks);
    let title = format!("{}: the network walks over the cliff, or stays on the saddle", run.spec.name);
    let data = figure::Landscape { title, rows: vec![row(run)?, row(companion)?] };
    figure::landscape(&data).map_err(|e| LabError::figure(kind, e))
}

/// Draws what the run has as SVG into its `figures` folder. Returns the files, and what failed.
pub fn draw_all(run: &StoredRun, workers: &dyn Workers) -> (Vec<PathBuf>, Vec<String>) {
    let StoredRun { run_dir, spec, .. } = run;
    let (mut paths, mut problems) = (Vec::new(), Vec::new());
    if let Err(e) = fs::create_dir_all(run_dir.figures()) {
        return (paths, vec![LabError::io("create", &run_dir.figures())(e).to_string()]);
    }
    // Those that measure anew are drawn on demand.
    let is_drawn = |kind: &Kind| applies(*kind, spec) && !matches!(kind, Kind::Generalization | Kind::RollOut);
    for kind in Kind::ALL.into_iter().filter(is_drawn) {
        let path = run_dir.figures().join(format!("{}.svg", kind.name()));
        match draw(kind, run, workers).and_then(|figure| write(&figure, &path)) {
            Ok(()) => paths.push(path),
            Err(e) => problems.push(e.to_string()),
        }
    }
    (paths, problems)
}

fn applies(kind: Kind, spec: &RunSpec) -> bool {
    let (facts, network, is_probed) = (spec.facts(), Description::of(spec), spec.probes.enabled);
    if !facts.targets.are_labels() {
        let is_descent = spec.task.regression().is_some();
        return match kind {
            Kind::LearningCurve => true,
            Kind::Generalization => is_descent,
            Kind::RollOut => is_descent && network.can_repeat(),
            _ => false,
        };
    }
    match kind {
        Kind::LearningCurve => true,
        // Looking into a network of another program's task needs that program.
        Kind::Attention => !matches!(spec.task, TaskSpec::Own(_)),
        Kind::Interactions => is_probed && network.has_bilinear_scores(),
        Kind::OrderParameters => is_probed && context_of(&facts, &network).is_ok(),
        Kind::Landscape | Kind::TheoryOverMeasurement => is_probed && flow_context_of(&facts, &network).is_ok(),
        Kind::Argument | Kind::Generalization | Kind::RollOut => false,
        Kind::Contexts => spec.task.family().items().is_some_and(|items| items::thumbnails(items).is_ok()),
    }
}

/// Writes a figure that the program draws by itself, in the format that the file's extension names.
///
/// # Errors
/// If the extension is another one, or the system refuses.
pub fn write(figure: &Figure, path: &Path) -> Result<(), LabError> {
    atomic::write(path, &bytes(figure, path)?)
}

/// A figure in the format that the file's extension names.
///
/// # Errors
/// If the extension is another one, or the figure cannot be converted.
pub fn bytes(figure: &Figure, path: &Path) -> Result<Vec<u8>, LabError> {
    let error = |problem: FigureProblem| LabError::Figure { kind: path.display().to_string(), problem };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(figure.svg().as_bytes().to_vec()),
        Some("png") => figure.png().map_err(|e| error(e.into())),
        Some("pdf") => figure.pdf().map_err(|e| error(e.into())),
        _ => Err(error(FigureProblem::Extension)),
    }
}

/// Writes a figure of a run into its folder of figures.
///
/// # Errors
/// If the system refuses.
pub fn write_own(kind: Kind, figure: &Figure, run: &StoredRun) -> Result<PathBuf, LabError> {
    run.run_dir.write_figure(&run.spec, &format!("{}.svg", kind.name()), figure.svg().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::FIGURES;

    #[test]
    fn every_kind_has_its_file_in_a_run() {
        assert_eq!(Kind::ALL.map(|kind| format!("{}.svg", kind.name())), FIGURES);
    }
}
