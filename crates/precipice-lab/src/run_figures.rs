//! From the rows and checkpoints of a run to its figures.

use std::fs;
use std::path::{Path, PathBuf};

use precipice::probe::accuracy::argmax;
use precipice::probe::interactions::{PARTS, pattern_of};
use precipice::probe::{Observer, look};
use precipice::record::Row;
use precipice::run::is_checkpoint_due;
use precipice::spec::RunSpec;
use precipice::task::Set;
use precipice::train::Trainer;
use precipice::workers::Sequential;

use crate::error::LabError;
use crate::figure::{self, Figure, Series};
use crate::items;
use crate::session::new_trainer;
use crate::store::{RunDir, atomic, checkpoint, manifest};

/// What can be drawn of one run.
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
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] =
        [Kind::LearningCurve, Kind::Attention, Kind::Interactions, Kind::OrderParameters, Kind::Contexts];

    /// The name on the command line and of the file.
    pub fn name(self) -> &'static str {
        match self {
            Kind::LearningCurve => "learning-curve",
            Kind::Attention => "attention",
            Kind::Interactions => "interactions",
            Kind::OrderParameters => "order-parameters",
            Kind::Contexts => "contexts",
        }
    }
}

/// Sequences from which the leading heads are found; the first of them are drawn.
const LOOKED_AT: usize = 32;

/// The run that figures are drawn of.
struct Subject<'a> {
    run_dir: &'a RunDir,
    spec: &'a RunSpec,
    rows: &'a [Row],
}

/// Draws one figure of a stored run.
///
/// # Errors
/// If the run lacks what the figure shows.
pub fn draw(kind: Kind, run_dir: &RunDir, spec: &RunSpec, rows: &[Row]) -> Result<Figure, LabError> {
    let subject = Subject { run_dir, spec, rows };
    let problem = |problem: String| LabError::Figure { kind: kind.name().to_owned(), problem };
    if rows.is_empty() {
        return Err(problem(format!("{} has no rows yet", run_dir.root().display())));
    }
    let figure = match kind {
        Kind::LearningCurve => figure::learning_curve(&subject.learning_curve()),
        Kind::Attention => figure::attention(&subject.attention()?),
        Kind::Interactions => figure::interactions(&subject.interactions().map_err(problem)?),
        Kind::OrderParameters => figure::order_parameters(&subject.order_parameters().map_err(problem)?),
        Kind::Contexts => figure::contexts(&subject.contexts()?),
    };
    figure.map_err(|e| problem(e.to_string()))
}

/// Draws what the run has as SVG into its `figures` folder. Returns the files, and what failed.
pub fn draw_all(run_dir: &RunDir, spec: &RunSpec, rows: &[Row]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut paths, mut problems) = (Vec::new(), Vec::new());
    if let Err(e) = fs::create_dir_all(run_dir.figures()) {
        return (paths, vec![LabError::io("create", &run_dir.figures())(e).to_string()]);
    }
    for kind in Kind::ALL.into_iter().filter(|kind| applies(*kind, spec)) {
        let path = run_dir.figures().join(format!("{}.svg", kind.name()));
        match draw(kind, run_dir, spec, rows).and_then(|figure| write(&figure, &path)) {
            Ok(()) => paths.push(path),
            Err(e) => problems.push(e.to_string()),
        }
    }
    (paths, problems)
}

fn applies(kind: Kind, spec: &RunSpec) -> bool {
    match kind {
        Kind::LearningCurve | Kind::Attention => true,
        Kind::Interactions => spec.probes.enabled && !spec.model.layer_norm && spec.model.minimal.is_none(),
        Kind::OrderParameters => spec.probes.enabled,
        Kind::Contexts => spec.copying().items.as_ref().is_some_and(|items| items::thumbnails(items).is_ok()),
    }
}

/// Writes a figure in the format that the file's extension names.
///
/// # Errors
/// If the extension is another one, or the system refuses.
pub fn write(figure: &Figure, path: &Path) -> Result<(), LabError> {
    let problem = |problem: String| LabError::Figure { kind: path.display().to_string(), problem };
    let bytes = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => figure.svg().as_bytes().to_vec(),
        Some("png") => figure.png().map_err(|e| problem(e.to_string()))?,
        Some("pdf") => figure.pdf().map_err(|e| problem(e.to_string()))?,
        _ => return Err(problem("the file name must end in .svg, .png or .pdf".to_owned())),
    };
    atomic::write(path, &bytes)
}

impl Subject<'_> {
    fn title(&self) -> String {
        let copying = self.spec.copying();
        format!("{} · N = {}, L = {}", self.spec.name, copying.n_exemplars, copying.n_labels)
    }

    fn steps(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.step as f64).collect()
    }

    fn column(&self, name: &str) -> Vec<f64> {
        self.rows.iter().map(|row| row.get(name)).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.get(name).is_finite())
    }

    fn jump(&self) -> Option<figure::Jump> {
        let (_, transition) = manifest::transition_of(self.rows, self.spec.copying().n_exemplars);
        let jump = |t: precipice::probe::transition::Transition| figure::Jump {
            onset_step: t.onset_step,
            t50: t.t50,
            width_10_90: t.width_10_90,
        };
        transition.filter(|t| t.t50.is_finite()).map(jump)
    }

    fn learning_curve(&self) -> figure::LearningCurve {
        let series = |name: &str, column: &str| Series { name: name.to_owned(), values: self.column(column) };
        let mut accuracy = vec![series("accuracy", "accuracy")];
        let mut loss = vec![series("loss", "loss")];
        if self.has("ic_accuracy") {
            accuracy[0].name = "trained classes, new sequences".to_owned();
            loss[0].name = accuracy[0].name.clone();
            accuracy.push(series("classes never seen", "ic_accuracy"));
            loss.push(series("classes never seen", "ic_loss"));
        }
        let neighbor = if self.has("ic_nearest_neighbor_accuracy") { "ic_" } else { "" };
        let neighbor = self.rows[0].get(&format!("{neighbor}nearest_neighbor_accuracy"));
        let copying = self.spec.copying();
        figure::LearningCurve {
            title: self.title(),
            steps: self.steps(),
            accuracy,
            loss,
            n_labels: copying.n_labels,
            n_exemplars: copying.n_exemplars,
            reference: neighbor.is_finite().then(|| ("nearest neighbor".to_owned(), neighbor)),
            jump: self.jump(),
        }
    }

    fn interactions(&self) -> Result<figure::InteractionMap, String> {
        if !self.has("interaction_0_content_content_contrast") {
            return Err(
                "the log has no interactions (probes off, a network with LayerNorm, or a minimal head)".to_owned()
            );
        }
        let layer = |layer: usize| -> Vec<Series> {
            let pair = |(query, key): (&str, &str)| Series {
                name: format!("{query} × {key}"),
                values: self.column(&format!("interaction_{layer}_{query}_{key}_contrast")),
            };
            PARTS.iter().flat_map(|query| PARTS.iter().map(|key| (*query, *key))).map(pair).collect()
        };
        let layers = (0..self.spec.model.n_layers).map(layer).collect();
        Ok(figure::InteractionMap { title: self.title(), steps: self.steps(), layers, jump: self.jump() })
    }

    fn order_parameters(&self) -> Result<figure::OrderParameters, String> {
        if !self.has("beta") {
            return Err("the log has no order parameters (probes were off)".to_owned());
        }
        let parameter = |name: &str| {
            let series = Series { name: name.to_owned(), values: self.column(name) };
            (series, self.column(&format!("{name}_se")))
        };
        let copying = self.spec.copying();
        Ok(figure::OrderParameters {
            title: self.title(),
            steps: self.steps(),
            parameters: ["beta", "alpha", "xi"].map(parameter).to_vec(),
            measured_loss: self.column("measured_loss"),
            predicted_loss: self.column("predicted_loss"),
            n_labels: copying.n_labels,
            n_exemplars: copying.n_exemplars,
            jump: self.jump(),
        })
    }

    /// Checkpoints on the plateau, in the jump and at the end; without a jump first, middle, last.
    fn moments(&self) -> Result<Vec<u64>, LabError> {
        let mut steps = checkpoint::steps(&self.run_dir.checkpoints())?;
        // A checkpoint that an interruption left would make the figure depend on it.
        steps.retain(|&step| is_checkpoint_due(self.spec, step));
        let Some(&last) = steps.last() else {
            return Err(LabError::run_dir(&self.run_dir.checkpoints(), "has no checkpoints"));
        };
        let nearest =
            |at: f64| steps.iter().copied().min_by_key(|&step| (step as f64 - at).abs() as u64).unwrap_or(last);
        let (before, during) = match self.jump() {
            Some(jump) => (nearest(0.6 * jump.onset_step), nearest(jump.t50)),
            None => (steps[0], nearest(last as f64 / 2.0)),
        };
        let mut moments = vec![before, during, last];
        moments.dedup();
        Ok(moments)
    }

    /// The network at a checkpoint.
    fn trainer_at(&self, step: u64) -> Result<Trainer, LabError> {
        at_step(self.run_dir, self.spec, step)
    }

    /// A column at a checkpoint: from the log, or measured where no evaluation was due.
    fn column_at(&self, trainer: &Trainer, column: &str) -> f64 {
        let step = trainer.state().step;
        if let Some(row) = self.rows.iter().find(|row| row.step == step) {
            return row.get(column);
        }
        let mut spec = self.spec.clone();
        spec.probes.enabled = false;
        let (row, _) = Observer::new(&spec, trainer).observe(trainer, f64::NAN, &Sequential);
        row.get(column)
    }

    fn attention(&self) -> Result<figure::AttentionGrid, LabError> {
        let mut moments = Vec::new();
        let mut highlights = Vec::new();
        for step in self.moments()? {
            let trainer = self.trainer_at(step)?;
            let (batch, trace, heads) = look(self.spec, &trainer, Set::Eval, LOOKED_AT);
            let t = batch.n_tokens();
            // One sequence, because an average over sequences would hide what matching looks like.
            let pattern = |(block, head): (&precipice::model::BlockTrace<f32>, &usize)| -> Vec<f64> {
                block.attention.pattern[head * t * t..][..t * t].iter().map(|&p| f64::from(p)).collect()
            };
            let layers = trace.blocks.iter().zip(&heads).map(pattern).collect();
            moments.push(figure::AttentionMoment { step, accuracy: self.column_at(&trainer, "accuracy"), layers });
            highlights = (0..self.spec.model.n_layers).map(|layer| pattern_of(layer, &batch, 0)).collect();
        }
        Ok(figure::AttentionGrid { title: self.title(), n_tokens: self.spec.n_tokens(), moments, highlights })
    }

    fn contexts(&self) -> Result<figure::Contexts, LabError> {
        const ROWS: usize = 5;
        let problem = |problem: &str| LabError::Figure { kind: "contexts".to_owned(), problem: problem.to_owned() };
        let items =
            self.spec.copying().items.as_ref().ok_or_else(|| problem("items are Gaussian; there is nothing to see"))?;
        let ([_, _, height, width], pixels) = items::thumbnails(items)?;
        let thumbnail = |id: u32| figure::Thumbnail {
            pixels: pixels.iter().skip(id as usize * height * width).take(height * width).copied().collect(),
            width,
            height,
        };
        let mut steps = self.moments()?;
        if steps.len() == 3 {
            steps.remove(1);
        }
        let (set, column) =
            if items.n_held_out > 0 { (Set::InContext, "ic_accuracy") } else { (Set::Eval, "accuracy") };
        let mut rows: Vec<figure::ContextRow> = Vec::new();
        let mut moment_names = Vec::new();
        for &step in &steps {
            let trainer = self.trainer_at(step)?;
            let (batch, trace, heads) = look(self.spec, &trainer, set, LOOKED_AT);
            let head = heads.last().copied().unwrap_or(0);
            let accuracy = self.column_at(&trainer, column);
            moment_names.push(figure::moment_name(step, accuracy));
            let (n, t) = (batch.n_exemplars, batch.n_tokens());
            let attention = &trace.blocks.last().ok_or_else(|| problem("no layers"))?.attention;
            let n_heads = self.spec.model.n_heads;
            for s in 0..ROWS {
                if rows.len() <= s {
                    let ids = &batch.item_ids[s * (n + 1)..(s + 1) * (n + 1)];
                    rows.push(figure::ContextRow {
                        items: ids[..n].iter().map(|&id| thumbnail(id)).collect(),
                        labels: batch.labels_of(s).to_vec(),
                        query: thumbnail(ids[n]),
                        answer: batch.answers[s],
                        moments: Vec::new(),
                    });
                }
                let query = &attention.pattern[((s * n_heads + head) * t + t - 1) * t..][..t];
                let n_labels = trace.logits().len() / LOOKED_AT;
                let logits = &trace.logits()[s * n_labels..(s + 1) * n_labels];
                rows[s].moments.push(figure::ContextMoment {
                    attention: (0..n).map(|i| f64::from(query[2 * i + 1])).collect(),
                    predicted: argmax((0..).zip(logits.iter().copied())).unwrap_or(u32::MAX),
                });
            }
        }
        let whose = if set == Set::InContext { " · classes never trained on" } else { "" };
        Ok(figure::Contexts { title: self.title() + whose, moment_names, rows })
    }
}

/// The network of a stored run at a checkpoint.
///
/// # Errors
/// If there is no such checkpoint, listing those there are.
pub fn at_step(run_dir: &RunDir, spec: &RunSpec, step: u64) -> Result<Trainer, LabError> {
    let mut spec = spec.clone();
    let bank = items::load(&mut spec)?;
    let mut trainer = new_trainer(&spec, bank)?;
    let path = run_dir.checkpoints().join(checkpoint::file_name(step));
    if !path.is_file() {
        let steps = checkpoint::steps(&run_dir.checkpoints())?;
        let list = steps.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        return Err(LabError::run_dir(run_dir.root(), format!("has no checkpoint of step {step}; it has {list}")));
    }
    let saved = checkpoint::read(&path, trainer.model().layout(), &spec.hash())?;
    trainer.restore(saved.state);
    Ok(trainer)
}
