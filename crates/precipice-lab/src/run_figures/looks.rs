//! From a run's checkpoints to the data of figures that look into the network.

use precipice::measure::accuracy::argmax;
use precipice::measure::inside::look;
use precipice::measure::interactions::pattern_of;
use precipice::measure::{Column, Observer, metric};
use precipice::model::{Description, Trace};
use precipice::run::is_checkpoint_due;
use precipice::sequence::Batch;
use precipice::task::Set;
use precipice::train::Trainer;
use precipice::workers::Workers;
use precipice_figures as figure;

use super::Choice;
use crate::error::{FigureProblem, LabError, RunDirProblem};
use crate::input::items;
use crate::runs::StoredRun;

/// Rows of the attention figure where nothing is chosen; a network with more heads shows the leading ones.
const MOST_ROWS: usize = 8;

/// Sequences from which the leading heads are found; the first of them are drawn.
const LOOKED_AT: usize = 32;

impl StoredRun {
    /// Checkpoints on the plateau, in the jump and at the end; without a jump first, middle, last.
    pub(super) fn moments(&self) -> Result<Vec<u64>, LabError> {
        let all = self.run_dir.checkpoint_steps(&self.spec)?;
        // A checkpoint that an interruption left would make the figure depend on it.
        let due: Vec<u64> = all.iter().copied().filter(|&step| is_checkpoint_due(&self.spec, step)).collect();
        let steps = if due.is_empty() { all } else { due };
        let Some(&last) = steps.last() else {
            return Err(LabError::run_dir(&self.run_dir.checkpoints(), RunDirProblem::NoCheckpoints));
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

    /// A column at a checkpoint: from the log, or measured where no evaluation was due.
    pub(super) fn column_at(&self, trainer: &Trainer, column: &Column, workers: &dyn Workers) -> f64 {
        let step = trainer.state().step;
        if let Some(row) = self.rows.iter().find(|row| row.step == step) {
            return row.get(column);
        }
        let mut spec = self.spec.clone();
        spec.probes.enabled = false;
        Observer::new(&spec, trainer).observe(trainer, f64::NAN, workers).get(column)
    }

    /// The chosen steps, in order, or [`StoredRun::moments`].
    fn chosen_moments(&self, choice: &Choice) -> Result<Vec<u64>, LabError> {
        if choice.steps.is_empty() {
            return self.moments();
        }
        let mut steps = choice.steps.clone();
        steps.sort_unstable();
        steps.dedup();
        Ok(steps)
    }

    pub(super) fn attention(&self, choice: &Choice, workers: &dyn Workers) -> Result<figure::AttentionGrid, LabError> {
        let facts = self.spec.facts();
        let accuracy = Column::of_accuracy(&facts);
        let steps = self.chosen_moments(choice)?;
        let looks = steps.iter().map(|step| {
            let trainer = self.at_step_with(*step, workers)?;
            let look = look(&trainer, facts.probed_set, LOOKED_AT);
            Ok((*step, self.column_at(&trainer, &accuracy, workers), look))
        });
        let looks = looks.collect::<Result<Vec<_>, LabError>>()?;
        // The heads that lead in the end, in every column: a row is one head.
        let (_, _, (batch, _, leading)) = &looks[looks.len() - 1];
        let heads = self.rows_of_heads(choice, leading)?;
        let t = batch.n_tokens();
        // One sequence, because an average over sequences would hide what matching looks like.
        let pattern = |trace: &Trace<f32>, (layer, head): (usize, usize)| -> Vec<f64> {
            trace.blocks[layer].attention.pattern[head * t * t..][..t * t].iter().map(|&p| f64::from(p)).collect()
        };
        let moment = |(step, accuracy, (_, trace, _)): &(u64, f64, (Batch, Trace<f32>, Vec<usize>))| {
            let patterns = heads.iter().map(|head| pattern(trace, *head)).collect();
            figure::AttentionMoment { step: *step, accuracy: *accuracy, patterns }
        };
        let is_single = Description::of(&self.spec).n_heads == 1;
        let name = |(layer, head): &(usize, usize)| {
            if is_single { format!("layer {}", layer + 1) } else { format!("head {layer}.{head}") }
        };
        Ok(figure::AttentionGrid {
            title: self.title(),
            n_tokens: self.spec.n_tokens(),
            rows: heads.iter().map(name).collect(),
            moments: looks.iter().map(moment).collect(),
            highlights: heads.iter().map(|(layer, _)| pattern_of(*layer, batch, 0)).collect(),
        })
    }

    /// (layer, head) of each row: the chosen ones, all of a small network, or the leading head of each layer.
    fn rows_of_heads(&self, choice: &Choice, leading: &[usize]) -> Result<Vec<(usize, usize)>, LabError> {
        let Description { n_layers, n_heads, .. } = Description::of(&self.spec);
        if let Some((layer, head)) = choice.heads.iter().find(|(layer, head)| *layer >= n_layers || *head >= n_heads) {
            let why = format!(
                "there is no head {layer}.{head}: layers are 0 to {}, heads 0 to {}",
                n_layers - 1,
                n_heads - 1
            );
            return Err(LabError::figure("attention", FigureProblem::NotForThisRun { why }));
        }
        if !choice.heads.is_empty() {
            return Ok(choice.heads.clone());
        }
        if n_layers * n_heads <= MOST_ROWS {
            return Ok((0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| (layer, head))).collect());
        }
        Ok(leading.iter().copied().enumerate().collect())
    }

    pub(super) fn contexts(&self, choice: &Choice, workers: &dyn Workers) -> Result<figure::Contexts, LabError> {
        const ROWS: usize = 5;
        let problem = |why: &str| LabError::figure("contexts", FigureProblem::NotForThisRun { why: why.to_owned() });
        let items =
            self.spec.task.family().items().ok_or_else(|| problem("items are Gaussian; there is nothing to see"))?;
        let ([_, _, height, width], pixels) = items::thumbnails(items)?;
        let thumbnail = |id: u32| figure::Thumbnail {
            pixels: pixels.iter().skip(id as usize * height * width).take(height * width).copied().collect(),
            width,
            height,
        };
        let mut steps = self.chosen_moments(choice)?;
        if choice.steps.is_empty() && steps.len() == 3 {
            steps.remove(1);
        }
        let facts = self.spec.facts();
        let held_out = facts.novel_set.filter(|_| items.n_held_out > 0);
        let set = held_out.unwrap_or(Set::MAIN);
        let column = metric::ACCURACY.on(facts.prefix(set));
        let mut rows: Vec<figure::ContextRow> = Vec::new();
        let mut moment_names = Vec::new();
        for &step in &steps {
            let trainer = self.at_step_with(step, workers)?;
            let (batch, trace, heads) = look(&trainer, set, LOOKED_AT);
            let head = heads.last().copied().unwrap_or(0);
            let accuracy = self.column_at(&trainer, &column, workers);
            moment_names.push(figure::moment_name(step, accuracy));
            let (n, t) = (batch.n_exemplars, batch.n_tokens());
            let attention = &trace.blocks.last().ok_or_else(|| problem("no layers"))?.attention;
            let n_heads = trainer.model().n_heads(trace.blocks.len() - 1);
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
                    attention: (0..n).map(|slot| f64::from(query[batch.geometry().label_token(slot)])).collect(),
                    predicted: argmax((0..).zip(logits.iter().copied())).unwrap_or(u32::MAX),
                });
            }
        }
        let whose = if held_out.is_some() { " · classes never trained on" } else { "" };
        Ok(figure::Contexts { title: self.title() + whose, moment_names, rows })
    }
}
