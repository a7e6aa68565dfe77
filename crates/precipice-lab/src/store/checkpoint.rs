//! Checkpoints: safetensors files that need nothing of ours to be understood, with a checksum.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use precipice::model::{Layout, Params};
use precipice::train::{OptimizerState, TrainState, Trainer};
use precipice_num::Arithmetic;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::atomic;
use crate::error::{LabError, RunDirProblem};

/// Version of the format.
const FORMAT: &str = "2";
/// The metadata entry of ours: a JSON object of strings.
const METADATA: &str = "precipice";

/// What a checkpoint holds.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The state of training.
    pub state: TrainState,
    /// The arithmetic that the run computes with.
    pub arithmetic: Arithmetic,
    /// The check of the last row that was measured before; the hash of the spec where there was none.
    pub log_check: String,
}

/// Name of the checkpoint of a step.
pub fn file_name(step: u64) -> String {
    format!("step-{step:08}.safetensors")
}

/// Steps that have a checkpoint, ascending.
///
/// # Errors
/// If the folder cannot be read. A missing folder has none.
pub fn steps(folder: &Path) -> Result<Vec<u64>, LabError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(LabError::io("read", folder)(e)),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut steps: Vec<u64> = names.filter_map(|name| step_of(&name)).collect();
    steps.sort_unstable();
    Ok(steps)
}

/// The step that a file's name says; none where it is not the name of a checkpoint.
pub fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()?;
    (file_name(step) == name).then_some(step)
}

/// Tensors of a file, by name.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// Writes the trainer's state, label vectors included, with the check of the log up to there.
///
/// # Errors
/// If the system refuses; no partial file is left.
pub fn write(folder: &Path, trainer: &Trainer, spec_hash: &str, log_check: &str) -> Result<(), LabError> {
    atomic::write(&folder.join(file_name(trainer.state().step)), &to_bytes(trainer, spec_hash, log_check))
}

/// The bytes of that file.
pub fn to_bytes(trainer: &Trainer, spec_hash: &str, log_check: &str) -> Vec<u8> {
    let state = trainer.state();
    let mut tensors = Tensors::new();
    push_params(&mut tensors, "", &state.params);
    let optimizer = &state.optimizer;
    for (prefix, moments) in [("optimizer.first.", &optimizer.first), ("optimizer.second.", &optimizer.second)] {
        if let Some(moments) = moments {
            push_params(&mut tensors, prefix, moments);
        }
    }
    let labels = trainer.model().label_table();
    let d_item = trainer.model().embed_dims().d_item;
    let shape = vec![labels.len() / d_item, d_item];
    tensors.insert("embed.labels".to_owned(), (Dtype::F32, shape, bytes_of(labels)));
    let loss = state.loss_sum.to_le_bytes().to_vec();
    tensors.insert("train.loss_sum".to_owned(), (Dtype::F64, vec![1], loss));
    let mut metadata = BTreeMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("spec_hash".to_owned(), spec_hash.to_owned()),
        ("step".to_owned(), state.step.to_string()),
        ("loss_count".to_owned(), state.loss_count.to_string()),
        ("log_check".to_owned(), log_check.to_owned()),
        ("arithmetic".to_owned(), trainer.model().kernels().arithmetic().name().to_owned()),
    ]);
    metadata.insert("checksum".to_owned(), checksum(&metadata, &tensors));
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        let view = TensorView::new(*dtype, shape.clone(), data).expect("shape and data agree");
        (name.as_str(), view)
    });
    // One entry, because the library writes several in an order of its own at every call.
    let metadata = serde_json::to_string(&metadata).expect("strings are plain data");
    let metadata = HashMap::from([(METADATA.to_owned(), metadata)]);
    safetensors::serialize(views, Some(metadata)).expect("names and shapes are valid")
}

/// Reads a checkpoint of the network with this layout.
///
/// # Errors
/// Naming the file where it is damaged, or belongs to another run or another step.
pub fn read(path: &Path, layout: &Arc<Layout>, spec_hash: &str) -> Result<Saved, LabError> {
    parse(path, &atomic::read(path)?, layout, spec_hash)
}

/// The same of the bytes that were read from there.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, bytes: &[u8], layout: &Arc<Layout>, spec_hash: &str) -> Result<Saved, LabError> {
    let damaged = |problem: &str| damaged(path, problem);
    let (mut metadata, tensors) = checked(path, bytes, spec_hash)?;
    let number = |key: &str| metadata.get(key).and_then(|text| text.parse::<u64>().ok());
    let params = |prefix: &str| pull_params(&tensors, prefix, layout);
    let loss_sum = tensors.get("train.loss_sum").and_then(|(_, _, data)| data.as_slice().try_into().ok());
    let arithmetic = metadata.get("arithmetic").and_then(|name| Arithmetic::from_name(name));
    let state = TrainState {
        step: step(path, &metadata)?,
        params: params("").ok_or_else(|| damaged("a tensor is missing or has another shape"))?,
        optimizer: OptimizerState { first: params("optimizer.first."), second: params("optimizer.second.") },
        loss_sum: f64::from_le_bytes(loss_sum.ok_or_else(|| damaged("no train.loss_sum"))?),
        loss_count: number("loss_count").ok_or_else(|| damaged("no loss_count"))?,
    };
    let log_check = metadata.remove("log_check").ok_or_else(|| damaged("no log_check"))?;
    Ok(Saved { state, arithmetic: arithmetic.ok_or_else(|| damaged("no arithmetic"))?, log_check })
}

/// Whether bytes are a whole checkpoint of the run of a spec, and of the step of the file's name: all that can be said
/// without the network.
///
/// # Errors
/// As [`read`].
pub fn check(path: &Path, bytes: &[u8], spec_hash: &str) -> Result<(), LabError> {
    checked(path, bytes, spec_hash).and_then(|(metadata, _)| step(path, &metadata)).map(|_| ())
}

fn damaged(path: &Path, problem: &str) -> LabError {
    LabError::run_dir(path, RunDirProblem::DamagedCheckpoint { what: problem.to_owned() })
}

type Metadata = BTreeMap<String, String>;

/// Metadata and tensors, which have the checksum that stands among them, of this format and the run of this spec.
fn checked(path: &Path, bytes: &[u8], spec_hash: &str) -> Result<(Metadata, Tensors), LabError> {
    let damaged = |problem: &str| damaged(path, problem);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(&e.to_string()))?;
    let metadata = header.metadata().as_ref().and_then(|entries| entries.get(METADATA));
    let metadata = metadata.ok_or_else(|| damaged("no metadata"))?;
    let mut metadata: Metadata = serde_json::from_str(metadata).map_err(|e| damaged(&e.to_string()))?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(&e.to_string()))?;
    let tensors: Tensors = file
        .iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    let stored = metadata.remove("checksum").ok_or_else(|| damaged("no checksum"))?;
    if stored != checksum(&metadata, &tensors) {
        return Err(damaged("its checksum does not match its content"));
    }
    if metadata.get("format").map(String::as_str) != Some(FORMAT) {
        let found = format!("{:?}", metadata.get("format"));
        return Err(LabError::run_dir(path, RunDirProblem::OtherFormat { found, expected: FORMAT.to_owned() }));
    }
    if metadata.get("spec_hash").map(String::as_str) != Some(spec_hash) {
        return Err(LabError::run_dir(path, RunDirProblem::CheckpointOfAnotherSpec));
    }
    Ok((metadata, tensors))
}

/// The step inside, which is that of the file's name.
fn step(path: &Path, metadata: &Metadata) -> Result<u64, LabError> {
    let found = metadata.get("step").and_then(|text| text.parse().ok()).ok_or_else(|| damaged(path, "no step"))?;
    let named = path.file_name().and_then(|name| step_of(&name.to_string_lossy()));
    if named == Some(found) {
        return Ok(found);
    }
    Err(LabError::run_dir(path, RunDirProblem::CheckpointOfAnotherStep { found }))
}

fn push_params(tensors: &mut Tensors, prefix: &str, params: &Params<f32>) {
    for tensor in params.layout.tensors() {
        let data = bytes_of(&params.values[tensor.range.clone()]);
        tensors.insert(format!("{prefix}{}", tensor.name), (Dtype::F32, tensor.shape.clone(), data));
    }
}

fn pull_params(tensors: &Tensors, prefix: &str, layout: &Arc<Layout>) -> Option<Params<f32>> {
    let mut params = Params::zeros(layout.clone());
    for tensor in layout.tensors() {
        let (dtype, shape, data) = tensors.get(&format!("{prefix}{}", tensor.name))?;
        if *dtype != Dtype::F32 || *shape != tensor.shape {
            return None;
        }
        let out = &mut params.values[tensor.range.clone()];
        out.iter_mut().zip(data.as_chunks().0).for_each(|(x, b)| *x = f32::from_le_bytes(*b));
    }
    Some(params)
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// BLAKE3 over metadata, names, shapes and data.
fn checksum(metadata: &BTreeMap<String, String>, tensors: &Tensors) -> String {
    let mut hasher = blake3::Hasher::new();
    for (key, value) in metadata {
        hasher.update(format!("{key}={value}\n").as_bytes());
    }
    for (name, (dtype, shape, data)) in tensors {
        hasher.update(format!("{name} {dtype:?} {shape:?}\n").as_bytes());
        hasher.update(data);
    }
    hasher.finalize().to_hex().to_string()
}
