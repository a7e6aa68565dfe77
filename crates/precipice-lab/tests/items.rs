//! Files of items: what is read, and how each fault is named.

use std::fs;
use std::path::Path;

use precipice::spec::{ItemsSpec, RunSpec, TaskSpec};
use precipice_lab::error::LabError;
use precipice_lab::input::items;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::new_trainer;
use precipice_num::Kernels;

fn spec_for(file: &Path) -> RunSpec {
    let mut spec = spec_file::load("han-small", &Changes::default()).unwrap();
    let TaskSpec::Copying(copying) = &mut spec.task else { unreachable!("copying") };
    copying.items =
        Some(ItemsSpec { file: file.display().to_string(), array: "items".to_owned(), n_held_out: 4, digest: None });
    copying.d_item = 6;
    spec.model.d_head = None;
    spec
}

/// A `.npy` file of this shape.
fn npy(shape: &[u64], values: &[f32]) -> Vec<u8> {
    use npyz::WriterBuilder;
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    bytes
}

fn problem(mut spec: RunSpec) -> String {
    let read = items::load(&mut spec).and_then(|bank| new_trainer(&spec, bank, Kernels::detect()).map(drop));
    let Err(error @ LabError::Items { .. }) = read else { panic!("must be an error about items") };
    error.to_string()
}

#[test]
fn the_same_items_in_any_container_have_the_same_digest() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..10 * 3 * 6).map(|i| i as f32).collect();
    let file = folder.path().join("items.npy");
    fs::write(&file, npy(&[10, 3, 6], &values)).unwrap();
    let mut spec = spec_for(&file);
    let bank = items::load(&mut spec).unwrap().unwrap();
    assert_eq!((bank.n_classes, bank.n_instances, bank.d_item), (10, 3, 6));
    assert_eq!(*bank.values, values);
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![10, 3, 6], &bytes).unwrap();
    let other = folder.path().join("items.safetensors");
    fs::write(&other, safetensors::serialize([("items", view)], None).unwrap()).unwrap();
    let mut other_spec = spec_for(&other);
    items::load(&mut other_spec).unwrap();
    assert_eq!(spec.task.family().items().unwrap().digest, other_spec.task.family().items().unwrap().digest);
    assert_eq!(spec.hash(), other_spec.hash(), "items are addressed by their content");
}

#[test]
fn each_fault_names_the_file_and_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..180).map(|i| i as f32).collect();
    let mut broken = values.clone();
    broken[100] = f32::NAN;
    let whole = npy(&[10, 3, 6], &values);
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("flat.npy", npy(&[30, 6], &values), "expected three axes, classes x instances x d_item"),
        ("nan.npy", npy(&[10, 3, 6], &broken), "value [5, 1, 4] is NaN"),
        ("few.npy", npy(&[7, 3, 6], &values[..126]), "3 training classes"),
        ("single.npy", npy(&[30, 1, 6], &values), "at least 2 are needed"),
        ("wide.npy", npy(&[10, 2, 9], &values), "task.copying.d_item = 6"),
        ("short.npy", whole[..whole.len() - 10].to_vec(), "damaged or truncated"),
        ("empty.npz", Vec::new(), "is not an .npz, .npy or .safetensors file"),
        ("text.safetensors", b"hello".to_vec(), "damaged or truncated"),
    ];
    for (name, bytes, expected) in cases {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let problem = problem(spec_for(&file));
        assert!(problem.contains(name) && problem.contains(expected), "{name}: {problem}");
    }
    assert!(problem(spec_for(&folder.path().join("nowhere.npz"))).contains("cannot read it"));
}

#[test]
fn changed_items_are_not_taken_for_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("items.npy");
    let mut values: Vec<f32> = (0..180).map(|i| i as f32).collect();
    fs::write(&file, npy(&[10, 3, 6], &values)).unwrap();
    let mut spec = spec_for(&file);
    items::load(&mut spec).unwrap();
    values[0] = 7.0;
    fs::write(&file, npy(&[10, 3, 6], &values)).unwrap();
    assert!(problem(spec).contains("the spec was made for"));
}

#[test]
fn the_built_in_characters_have_pictures() {
    let mut spec = spec_file::load("han", &Changes::default()).unwrap();
    let bank = items::load(&mut spec).unwrap().unwrap();
    assert_eq!((bank.n_classes, bank.n_instances, bank.d_item), (1664, 12, 63));
    let (shape, pixels) = items::thumbnails(spec.task.family().items().unwrap()).unwrap();
    assert_eq!(shape, [1664, 12, 24, 24]);
    assert_eq!(pixels.len(), 1664 * 12 * 24 * 24);
}
