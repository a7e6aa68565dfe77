//! Real items from a file: an array classes x instances x D in `.npz`, `.npy` or `.safetensors`.

use std::path::Path;
use std::sync::Arc;

use precipice::spec::{ItemsSpec, RunSpec};
use precipice::task::ItemBank;

use super::arrays::{self, Array, Source};
use crate::error::{ArrayProblem, ItemsProblem, LabError};

/// Files that are part of the program.
pub const BUILT_IN_PREFIX: &str = "builtin:";
#[cfg(feature = "glyphs")]
const HAN_GLYPHS: &[u8] = include_bytes!("../../../../data/han-glyphs.npz");

/// Reads the items of a spec, if it takes them from a file, and writes their digest into the spec.
///
/// # Errors
/// Naming the file, and the shape that was expected.
pub fn load(spec: &mut RunSpec) -> Result<Option<ItemBank>, LabError> {
    // The address of a branch covers the items of the runs that it begins with.
    for origin in spec.branch.iter_mut().flat_map(|branch| branch.origins_mut()) {
        let is_known = origin.task.family().items().is_none_or(|items| items.digest.is_some());
        if !is_known || origin.branch.is_some() {
            load(origin)?;
        }
    }
    load_from(spec, None)
}

/// The same of the bytes of that file, for programs that have no disk.
///
/// # Errors
/// As [`load`].
pub fn of_bytes(spec: &mut RunSpec, bytes: Vec<u8>) -> Result<Option<ItemBank>, LabError> {
    load_from(spec, Some(bytes))
}

fn load_from(spec: &mut RunSpec, bytes: Option<Vec<u8>>) -> Result<Option<ItemBank>, LabError> {
    let Some(items) = spec.task.family_mut().items_mut() else { return Ok(None) };
    let error = |problem: ItemsProblem| LabError::Items { path: items.file.clone(), problem };
    let accept = |shape: &[usize]| match shape {
        [_, _, _] => Ok(()),
        _ => Err(ItemsProblem::Shape { array: items.array.clone(), shape: shape.to_vec() }),
    };
    let source = bytes.map_or_else(|| source(items), |bytes| Ok(arrays::in_memory(bytes))).map_err(error)?;
    let array = read_array(source, items, &items.array, accept, |value| value as f32).map_err(error)?;
    let digest = digest(&array);
    if let Some(expected) = items.digest.as_ref().filter(|expected| **expected != digest) {
        return Err(error(ItemsProblem::OtherContent { found: digest, expected: expected.clone() }));
    }
    let Array { shape, values } = array;
    let mut bank = ItemBank { values: Arc::new(values), n_classes: shape[0], n_instances: shape[1], d_item: shape[2] };
    if items.normalize {
        bank.normalize().map_err(|length| error(ItemsProblem::NoLength { length }))?;
    }
    items.digest = Some(digest);
    Ok(Some(bank))
}

/// Mean lengths that the networks are made for.
const LENGTHS: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// What is to be said of items that are far longer or shorter than 1, with which runs fail silently.
pub fn warning(spec: &RunSpec, bank: Option<&ItemBank>) -> Option<String> {
    let (items, length) = (spec.task.family().items()?, bank?.mean_length());
    let field = format!("task.{}.items.normalize", spec.facts().family);
    (!LENGTHS.contains(&length)).then(|| {
        format!(
            "{}: items have a mean length of {length:.3}, and networks are made for about 1; -s {field}=true divides by it",
            items.file
        )
    })
}

/// Pictures of the items, `[classes, instances, height, width]`, where the file has them.
///
/// # Errors
/// If the file cannot be read, or its `thumbnails` have another shape.
pub fn thumbnails(items: &ItemsSpec) -> Result<([usize; 4], Vec<u8>), LabError> {
    let error = |problem: ItemsProblem| LabError::Items { path: items.file.clone(), problem };
    let accept = |shape: &[usize]| match shape {
        [_, _, _, _] => Ok(()),
        _ => Err(ItemsProblem::ThumbnailShape { shape: shape.to_vec() }),
    };
    let of_pictures = |problem| match problem {
        ItemsProblem::Array { problem, .. } => ItemsProblem::NoThumbnails { problem },
        other => other,
    };
    let read = |source| read_array(source, items, "thumbnails", accept, |value| value as u8);
    let array = source(items).and_then(read).map_err(|problem| error(of_pictures(problem)))?;
    let shape = <[usize; 4]>::try_from(&array.shape[..]).expect("the shape was looked at");
    Ok((shape, array.values))
}

/// Bytes that the items of a spec will take, and those of their pictures where the file has some.
///
/// # Errors
/// If the file cannot be read.
pub fn bytes(items: &ItemsSpec) -> Result<f64, LabError> {
    // Read again when they are drawn.
    let n_items = size(items, &items.array).map_err(|problem| LabError::Items { path: items.file.clone(), problem })?;
    Ok(8.0 * n_items + size(items, "thumbnails").unwrap_or(0.0))
}

/// Numbers in an array, by its header.
fn size(items: &ItemsSpec, name: &str) -> Result<f64, ItemsProblem> {
    let mut n = 0.0;
    let look = |shape: &[usize]| {
        n = shape.iter().map(|&size| size as f64).product();
        Err(ItemsProblem::Shape { array: name.to_owned(), shape: shape.to_vec() })
    };
    match read_array(source(items)?, items, name, look, |value| value) {
        Err(ItemsProblem::Shape { .. }) => Ok(n),
        other => other.map(|_| n),
    }
}

/// BLAKE3 of shape and values.
fn digest(array: &Array<f32>) -> String {
    let mut hasher = blake3::Hasher::new();
    for &size in &array.shape {
        hasher.update(&(size as u64).to_le_bytes());
    }
    for value in &array.values {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The file that a spec names.
fn source(items: &ItemsSpec) -> Result<Box<dyn Source>, ItemsProblem> {
    match items.file.strip_prefix(BUILT_IN_PREFIX) {
        #[cfg(feature = "glyphs")]
        Some("han-glyphs") => Ok(arrays::in_memory(HAN_GLYPHS)),
        Some(name) => {
            let there_is = if cfg!(feature = "glyphs") { "builtin:han-glyphs" } else { "none here" };
            Err(ItemsProblem::UnknownBuiltIn { name: name.to_owned(), there_is })
        }
        None => Ok(arrays::open(Path::new(&items.file))?),
    }
}

fn read_array<T: Clone>(
    source: Box<dyn Source>,
    items: &ItemsSpec,
    name: &str,
    accept: impl FnOnce(&[usize]) -> Result<(), ItemsProblem>,
    convert: impl Fn(f64) -> T,
) -> Result<Array<T>, ItemsProblem> {
    let extension = items.file.rsplit('.').next().unwrap_or_default();
    arrays::read(source, extension, name, |shape| accept(shape).map_err(Rejected::Items), convert).map_err(
        |e| match e {
            Rejected::Array(problem) => ItemsProblem::Array { array: name.to_owned(), problem },
            Rejected::Items(problem) => problem,
        },
    )
}

/// Why an array was not read.
enum Rejected {
    Array(ArrayProblem),
    Items(ItemsProblem),
}

impl From<ArrayProblem> for Rejected {
    fn from(problem: ArrayProblem) -> Self {
        Self::Array(problem)
    }
}
