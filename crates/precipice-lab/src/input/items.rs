//! Real items from a file: an array classes x instances x D in `.npz`, `.npy` or `.safetensors`.

use std::fs;
use std::io::{Cursor, Read};
use std::sync::Arc;

use half::{bf16, f16};
use npyz::{NpyFile, TypeChar};
use precipice::spec::{ItemsSpec, RunSpec};
use precipice::task::ItemBank;
use safetensors::{Dtype, SafeTensors};

use crate::error::{ArrayProblem, ItemsProblem, LabError};

/// Files that are part of the program.
pub const BUILT_IN_PREFIX: &str = "builtin:";
const HAN_GLYPHS: &[u8] = include_bytes!("../../../../data/han-glyphs.npz");

/// An array of any shape, as f32.
struct Array {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Reads the items of a spec, if it takes them from a file, and writes their digest into the spec.
///
/// # Errors
/// Naming the file, and the shape that was expected.
pub fn load(spec: &mut RunSpec) -> Result<Option<ItemBank>, LabError> {
    let Some(items) = spec.task.family_mut().items_mut() else { return Ok(None) };
    let error = |problem: ItemsProblem| LabError::Items { path: items.file.clone(), problem };
    let array = read_array(items, &items.array)?;
    let [n_classes, n_instances, d_item] = array.shape[..] else {
        return Err(error(ItemsProblem::Shape { array: items.array.clone(), shape: array.shape }));
    };
    let digest = digest(&array);
    if let Some(expected) = items.digest.as_ref().filter(|expected| **expected != digest) {
        return Err(error(ItemsProblem::OtherContent { found: digest, expected: expected.clone() }));
    }
    items.digest = Some(digest);
    Ok(Some(ItemBank { values: Arc::new(array.values), n_classes, n_instances, d_item }))
}

/// Pictures of the items, `[classes, instances, height, width]`, where the file has them.
///
/// # Errors
/// If the file cannot be read, or its `thumbnails` have another shape.
pub fn thumbnails(items: &ItemsSpec) -> Result<([usize; 4], Vec<u8>), LabError> {
    let array = read_array(items, "thumbnails")?;
    let shape = <[usize; 4]>::try_from(&array.shape[..]).map_err(|_| LabError::Items {
        path: items.file.clone(),
        problem: ItemsProblem::ThumbnailShape { shape: array.shape.clone() },
    })?;
    Ok((shape, array.values.into_iter().map(|value| value as u8).collect()))
}

/// BLAKE3 of shape and values.
fn digest(array: &Array) -> String {
    let mut hasher = blake3::Hasher::new();
    for &size in &array.shape {
        hasher.update(&(size as u64).to_le_bytes());
    }
    for value in &array.values {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn read_array(items: &ItemsSpec, name: &str) -> Result<Array, LabError> {
    let error = |problem: ItemsProblem| LabError::Items { path: items.file.clone(), problem };
    let bytes = match items.file.strip_prefix(BUILT_IN_PREFIX) {
        Some("han-glyphs") => HAN_GLYPHS.to_vec(),
        Some(name) => {
            let there_is = "builtin:han-glyphs";
            return Err(error(ItemsProblem::UnknownBuiltIn { name: name.to_owned(), there_is }));
        }
        None => fs::read(&items.file).map_err(|cause| error(ItemsProblem::Unreadable { cause }))?,
    };
    let extension = items.file.rsplit('.').next().unwrap_or_default();
    let array = match extension {
        "npy" => from_npy(&bytes),
        "safetensors" => from_safetensors(&bytes, name),
        _ if bytes.starts_with(b"PK") => from_npz(&bytes, name),
        _ => Err(ArrayProblem::NotAnArrayFile),
    };
    array.map_err(|problem| error(ItemsProblem::Array { array: name.to_owned(), problem }))
}

fn damaged(cause: impl ToString) -> ArrayProblem {
    ArrayProblem::Damaged { cause: cause.to_string() }
}

fn from_npz(bytes: &[u8], name: &str) -> Result<Array, ArrayProblem> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let names = archive.file_names().filter_map(|file| Some(file.ok()?.trim_end_matches(".npy").to_owned()));
    let names: Vec<String> = names.collect();
    let mut file = archive.by_name(&format!("{name}.npy")).map_err(|_| ArrayProblem::Missing {
        what: "array",
        name: name.to_owned(),
        there_are: names,
    })?;
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(damaged)?;
    from_npy(&content)
}

fn from_npy(bytes: &[u8]) -> Result<Array, ArrayProblem> {
    let file = NpyFile::new(bytes).map_err(damaged)?;
    if file.order() != npyz::Order::C {
        return Err(ArrayProblem::FortranOrder);
    }
    let shape: Vec<usize> = file.shape().iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
    let npyz::DType::Plain(kind) = file.dtype() else { return Err(ArrayProblem::Structured) };
    macro_rules! read {
        ($t:ty, $convert:expr) => {
            file.into_vec::<$t>().map(|values| values.into_iter().map($convert).collect())
        };
    }
    let values: Result<Vec<f32>, _> = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 2) => read!(f16, f16::to_f32),
        (TypeChar::Float, 4) => read!(f32, |x| x),
        (TypeChar::Float, 8) => read!(f64, |x| x as f32),
        (TypeChar::Uint, 1) => read!(u8, f32::from),
        _ => {
            let expected = "float16, float32 or float64";
            return Err(ArrayProblem::Dtype { found: kind.to_string(), expected });
        }
    };
    Ok(Array { shape, values: values.map_err(damaged)? })
}

fn from_safetensors(bytes: &[u8], name: &str) -> Result<Array, ArrayProblem> {
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let there_are = || tensors.names().into_iter().map(str::to_owned).collect();
    let missing = |_| ArrayProblem::Missing { what: "tensor", name: name.to_owned(), there_are: there_are() };
    let tensor = tensors.tensor(name).map_err(missing)?;
    let data = tensor.data();
    let values = match tensor.dtype() {
        Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::U8 => data.iter().map(|&x| f32::from(x)).collect(),
        other => {
            let expected = "F16, BF16, F32 or F64";
            return Err(ArrayProblem::Dtype { found: format!("{other:?}"), expected });
        }
    };
    Ok(Array { shape: tensor.shape().to_vec(), values })
}
