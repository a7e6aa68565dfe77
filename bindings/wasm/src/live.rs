//! A run that a page drives.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use precipice::model::Description;
use precipice::record::Row;
use precipice::run::{Event, Outcome, Run};
use precipice::spec::RunSpec;
use precipice::task::{ItemBank, Set};
use precipice::workers::Sequential;
use precipice_lab::input::items;
use precipice_lab::store::archive::Archive;
use precipice_lab::store::checkpoint;
use precipice_lab::store::log::to_object;
use precipice_lab::store::manifest::{Manifest, RunOutcome, Session, StoredTransition};
use precipice_num::{Arithmetic, Kernels};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{look, spec, thrown};

/// Bytes of checkpoints that a page keeps at most.
const BYTES_MAX: usize = 600_000_000;

/// One run in a page: made from a spec, advanced some steps at a time, looked into, and taken home.
#[wasm_bindgen]
pub struct Live {
    spec: RunSpec,
    bank: Option<ItemBank>,
    run: Run,
    /// At a checkpoint, while someone looks at another step than the last.
    past: Option<Run>,
    archive: Archive,
    ended: Option<Outcome>,
}

#[wasm_bindgen]
impl Live {
    /// A run at step 0. `arithmetic` is `fused` or `portable`, which decides bits; `changes` is a JSON list of
    /// `key=value`; `items` are the bytes of the file of items that the spec names, where it names one.
    ///
    /// # Errors
    /// As the command line says them.
    #[wasm_bindgen(constructor)]
    pub fn new(name_or_toml: &str, changes: &str, arithmetic: &str, items: Option<Vec<u8>>) -> Result<Live, JsError> {
        Self::of(name_or_toml, changes, arithmetic, items).map_err(thrown)
    }

    /// Makes up to so many steps: `row` where one was measured, `checkpoint` where one was kept, `paused`, or how the
    /// run ended (`finished`, `diverged`).
    pub fn advance(&mut self, n_steps: u32) -> String {
        let event = self.run.advance(u64::from(n_steps), &Sequential);
        match event {
            Event::Row => {
                if let Some(row) = self.run.rows().last() {
                    self.archive.row(row);
                }
                "row"
            }
            Event::Checkpoint => {
                self.archive.checkpoint(self.run.trainer());
                "checkpoint"
            }
            Event::Paused => "paused",
            Event::Ended(outcome) => {
                // However a run ends, its last state is kept.
                if self.archive.steps().next_back() != Some(self.run.step()) {
                    self.archive.checkpoint(self.run.trainer());
                }
                self.ended = Some(outcome);
                if matches!(outcome, Outcome::Diverged { .. }) { "diverged" } else { "finished" }
            }
        }
        .to_owned()
    }

    /// Updates done.
    pub fn step(&self) -> u32 {
        u32::try_from(self.run.step()).unwrap_or(u32::MAX)
    }

    /// Loss of the last training batch; NaN before the first.
    pub fn last_loss(&self) -> f64 {
        self.run.last_loss()
    }

    /// The last row, as a line of the log has it, without its check.
    pub fn row(&self) -> Option<String> {
        self.run.rows().last().map(row_json)
    }

    /// What the run is: `{name, hash, facts, n_layers, n_heads, n_tokens, arithmetic, steps, has_attention}`, as JSON.
    pub fn about(&self) -> String {
        let description = Description::of(&self.spec);
        json!({
            "name": self.spec.name,
            "hash": self.spec.hash(),
            "facts": self.spec.facts(),
            "n_layers": description.n_layers,
            "n_heads": description.n_heads,
            "n_tokens": self.spec.n_tokens(),
            "arithmetic": self.run.trainer().model().kernels().arithmetic().name(),
            "steps": self.spec.train.steps,
            "has_attention": description.minimal.is_none(),
        })
        .to_string()
    }

    /// The outcome and the jump, as far as they are known: `{outcome, transition}`, as JSON.
    pub fn outcome(&self) -> String {
        let (learned, transition) = self.run.transition();
        let outcome = RunOutcome::of(self.ended.unwrap_or(Outcome::Finished), learned);
        json!({ "outcome": outcome, "transition": transition.map(StoredTransition::from) }).to_string()
    }

    /// BLAKE3 of the parameters' bits, as `precipice run` prints it.
    pub fn digest(&self) -> String {
        self.run.state().params.digest()
    }

    /// Steps that can be looked at, rising; the last is where the run stands.
    pub fn kept_steps(&self) -> Vec<u32> {
        self.archive.steps().filter_map(|step| u32::try_from(step).ok()).collect()
    }

    /// What the network of a step (the nearest kept one at or before it) makes of a context of an evaluation set, as
    /// JSON.
    ///
    /// # Errors
    /// If a checkpoint cannot be read, which would be a mistake of this program.
    pub fn look(&mut self, step: u32, set: usize, sequence: usize) -> Result<String, JsError> {
        let set = self.set(set);
        let run = self.at(step).map_err(thrown)?;
        Ok(crate::json(&look::look(run.trainer(), set, sequence)))
    }

    /// The same with items of the page's own, `[N + 1, D]`.
    ///
    /// # Errors
    /// If they are not as many numbers as the context has.
    pub fn look_with(&mut self, step: u32, set: usize, sequence: usize, items: &[f32]) -> Result<String, JsError> {
        let set = self.set(set);
        let run = self.at(step).map_err(thrown)?;
        look::look_with(run.trainer(), set, sequence, items).map(|look| crate::json(&look)).map_err(thrown)
    }

    /// Items of a context of an evaluation set, `[N + 1, D]`.
    pub fn items(&self, set: usize, sequence: usize) -> Vec<f32> {
        look::items(self.run.trainer(), self.set(set), sequence)
    }

    /// Accuracy on the probes' contexts with a head silenced, at the step where the run stands; none where nothing has
    /// a label, or there is no such head.
    pub fn without_head(&self, layer: usize, head: usize) -> Option<f64> {
        let description = Description::of(&self.spec);
        let exists = layer < description.n_layers && head < description.n_heads && description.minimal.is_none();
        exists.then(|| look::without_head(&self.spec, self.run.trainer(), layer, head)).flatten()
    }

    /// Parameters and moments of a stored checkpoint take the place of the run's; `name` is that of its file.
    ///
    /// # Errors
    /// If it is damaged, or that of another spec.
    pub fn restore(&mut self, name: &str, bytes: &[u8]) -> Result<(), JsError> {
        let saved = checkpoint::parse(Path::new(name), bytes, self.run.trainer().model().layout(), &self.spec.hash());
        self.run.restore(saved.map_err(thrown)?.state, Vec::new());
        self.past = None;
        Ok(())
    }

    /// The run directory as a zip file. With `started`, `ended` (RFC 3339) and `seconds` of a run that has ended its
    /// manifest is written too, and `precipice verify` accepts it; else it is one to be resumed.
    ///
    /// # Errors
    /// If its checkpoints took more room than a page keeps.
    pub fn archive(&self, started: &str, ended: &str, seconds: f64, machine: &str) -> Result<Vec<u8>, JsError> {
        self.zip(started, ended, seconds, machine).map_err(thrown)
    }
}

impl Live {
    fn of(name_or_toml: &str, changes: &str, arithmetic: &str, items: Option<Vec<u8>>) -> Result<Self, String> {
        let mut spec = spec::read(name_or_toml, changes)?;
        let unknown = || format!("arithmetic {arithmetic:?}: expected \"fused\" or \"portable\"");
        let arithmetic = Arithmetic::from_name(arithmetic).ok_or_else(unknown)?;
        let bank = match items {
            Some(bytes) => items::of_bytes(&mut spec, bytes),
            None => items::load(&mut spec),
        };
        let bank = bank.map_err(|e| e.to_string())?;
        let kernels = Kernels::with_arithmetic(arithmetic);
        let run = Run::new(&spec, bank.clone(), kernels).map_err(|e| e.to_string())?;
        let archive = Archive::new(&spec, BYTES_MAX);
        Ok(Self { spec, bank, run, past: None, archive, ended: None })
    }

    fn set(&self, index: usize) -> Set {
        self.spec.facts().sets().nth(index).unwrap_or(Set::MAIN)
    }

    /// The run as it was at the nearest kept step.
    fn at(&mut self, step: u32) -> Result<&Run, String> {
        let step = u64::from(step);
        if step >= self.run.step() {
            return Ok(&self.run);
        }
        let Some((step, bytes)) = self.archive.until(step) else { return Ok(&self.run) };
        if self.past.as_ref().is_none_or(|past| past.step() != step) {
            let (name, layout) = (checkpoint::file_name(step), self.run.trainer().model().layout());
            let saved = checkpoint::parse(Path::new(&name), bytes, layout, &self.spec.hash());
            let state = saved.map_err(|e| e.to_string())?.state;
            let past = match self.past.take() {
                Some(past) => past,
                None => {
                    let kernels = self.run.trainer().model().kernels();
                    Run::new(&self.spec, self.bank.clone(), kernels).map_err(|e| e.to_string())?
                }
            };
            let past = self.past.insert(past);
            past.restore(state, Vec::new());
        }
        Ok(self.past.as_ref().unwrap_or(&self.run))
    }

    fn zip(&self, started: &str, ended: &str, seconds: f64, machine: &str) -> Result<Vec<u8>, String> {
        let folder = format!("{}-{}", self.spec.name, &self.spec.hash()[..8]);
        let session = || Session {
            machine: BTreeMap::from([("browser".to_owned(), machine.to_owned())]),
            threads: 1,
            started: started.to_owned(),
            ended: ended.to_owned(),
            // A page's clock may stand still for a millisecond.
            seconds: seconds.max(1e-3),
            first_step: 0,
        };
        let manifest = self.ended.map(|outcome| Manifest::of(&self.run, outcome, session()));
        if !self.archive.is_whole() {
            return Err(format!(
                "the checkpoints of this run take more than {} MB, which a page does not keep; `precipice run` writes them",
                BYTES_MAX / 1_000_000
            ));
        }
        // Numbers of trained networks hardly shrink, and packing them would take longer than making them.
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in self.archive.files(&self.spec, manifest) {
            zip.start_file(format!("{folder}/{name}"), stored).map_err(|e| e.to_string())?;
            zip.write_all(&bytes).map_err(|e| e.to_string())?;
        }
        zip.finish().map(Cursor::into_inner).map_err(|e| e.to_string())
    }
}

fn row_json(row: &Row) -> String {
    Value::Object(to_object(row)).to_string()
}

#[cfg(test)]
mod tests {
    use precipice_lab::store::RunDir;

    use super::*;

    const SHORT: &str = r#"["train.steps=40","eval.every=20","eval.sequences=64","probes.sequences=16"]"#;

    fn run(arithmetic: &str) -> Live {
        let mut live = Live::of("copying-small", SHORT, arithmetic, None).unwrap();
        while !["finished", "diverged"].contains(&live.advance(7).as_str()) {}
        live
    }

    #[test]
    fn slices_of_a_run_make_the_run() {
        let spec = spec::read("copying-small", SHORT).unwrap();
        let mut whole = Run::new(&spec, None, Kernels::with_arithmetic(Arithmetic::Portable)).unwrap();
        whole.record(&Sequential, &mut precipice::record::MemoryRecorder::default()).unwrap();
        let live = run("portable");
        assert_eq!(live.digest(), whole.state().params.digest());
        assert_eq!(live.row(), whole.rows().last().map(row_json));
        assert_eq!(live.kept_steps(), [0, 1, 2, 4, 8, 16, 32, 40]);
    }

    #[test]
    fn what_is_taken_home_is_a_run_directory() {
        let live = run("portable");
        let bytes = live.zip("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", 1.0, "test").unwrap();
        let folder = std::env::temp_dir().join(format!("precipice-wasm-{}", std::process::id()));
        zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap().extract(&folder).unwrap();
        let root = folder.join(format!("copying-small-{}", &live.spec.hash()[..8]));
        let run_dir = RunDir::new(&root);
        let spec = run_dir.spec().unwrap();
        let manifest = run_dir.finished(&spec).unwrap();
        manifest.check_all(&root).unwrap();
        assert_eq!((manifest.steps, manifest.digest.clone()), (40, live.digest()));
        assert_eq!(run_dir.rows().unwrap().len(), 3);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_past_is_seen_as_it_was() {
        let mut early = Live::of("copying-small", SHORT, "portable", None).unwrap();
        let outputs = |live: &mut Live, step| {
            let set = live.set(0);
            serde_json::to_value(look::look(live.at(step).unwrap().trainer(), set, 3)).unwrap()
        };
        let first = outputs(&mut early, 0);
        let mut late = run("portable");
        assert_eq!(outputs(&mut late, 0), first);
        assert_ne!(outputs(&mut late, 40)["outputs"], first["outputs"]);
        assert_eq!(outputs(&mut late, 39)["step"], 32);
        assert!(late.without_head(1, 0).is_some() && late.without_head(2, 0).is_none());
        let items = late.items(0, 3);
        let set = late.set(0);
        let same = look::look_with(late.at(0).unwrap().trainer(), set, 3, &items).unwrap();
        assert_eq!(serde_json::to_value(same).unwrap(), first);
        assert!(look::look_with(late.at(0).unwrap().trainer(), set, 3, &items[1..]).is_err());
    }
}
