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
    copying.items = Some(ItemsSpec { n_held_out: 4, ..ItemsSpec::of(&file.display().to_string()) });
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
    assert!(problem(spec_for(&folder.path().join("nowhere.npz"))).contains("no such file"));
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

/// A `.npy` file as NumPy writes it.
fn raw_npy(descr: &str, is_fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let fortran = if is_fortran { "True" } else { "False" };
    let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

/// An archive of one array, packed.
fn npz(npy: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("items.npy", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(npy).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn arrays_of_any_order_and_kind_of_number_are_the_same_items() {
    let folder = tempfile::tempdir().unwrap();
    let bank = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let mut spec = spec_for(&file);
        let bank = items::load(&mut spec).unwrap_or_else(|e| panic!("{name}: {e}")).unwrap();
        ((bank.n_classes, bank.n_instances, bank.d_item), bank.values.to_vec(), spec.hash())
    };
    let n = 10 * 3 * 6;
    let values: Vec<f32> = (0..n).map(|i| (i % 100) as f32).collect();
    let whole = bank("items.npy", &npy(&[10, 3, 6], &values));
    let bytes = |of: &dyn Fn(i64) -> Vec<u8>| (0..n).flat_map(|i| of(i % 100)).collect::<Vec<u8>>();
    let cases: [(&str, Vec<u8>); 9] = [
        ("'|i1'", bytes(&|i| vec![i as u8])),
        ("'<i2'", bytes(&|i| (i as i16).to_le_bytes().to_vec())),
        ("'>i4'", bytes(&|i| (i as i32).to_be_bytes().to_vec())),
        ("'<i8'", bytes(&|i| i.to_le_bytes().to_vec())),
        ("'|u1'", bytes(&|i| vec![i as u8])),
        ("'<u4'", bytes(&|i| (i as u32).to_le_bytes().to_vec())),
        ("'>u8'", bytes(&|i| (i as u64).to_be_bytes().to_vec())),
        ("'<f8'", bytes(&|i| (i as f64).to_le_bytes().to_vec())),
        ("'>f4'", bytes(&|i| (i as f32).to_be_bytes().to_vec())),
    ];
    for (descr, data) in &cases {
        let file = raw_npy(descr, false, "(10, 3, 6)", data);
        assert!(bank("other.npy", &file) == whole, "{descr}");
        assert!(bank("other.npz", &npz(&file)) == whole, "{descr} in an archive");
    }
    // Columns first: the same numbers, the first axis fastest.
    let mut turned = vec![0.0_f32; n as usize];
    for (at, value) in values.iter().enumerate() {
        let (a, b, c) = (at / 18, at / 6 % 3, at % 6);
        turned[a + 10 * (b + 3 * c)] = *value;
    }
    let turned: Vec<u8> = turned.iter().flat_map(|x| x.to_le_bytes()).collect();
    assert!(bank("fortran.npy", &raw_npy("'<f4'", true, "(10, 3, 6)", &turned)) == whole, "columns first");
    let truths = bank("truths.npy", &raw_npy("'|b1'", false, "(10, 3, 6)", &bytes(&|i| vec![u8::from(i % 3 == 0)])));
    assert_eq!(truths.1[..4], [1.0, 0.0, 0.0, 1.0]);
    let complex = folder.path().join("complex.npy");
    fs::write(&complex, raw_npy("'<c8'", false, "(10, 3, 6)", &[0; 8 * 180])).unwrap();
    let told = problem(spec_for(&complex));
    assert!(told.contains("dtype <c8") && told.contains("save items.real, or np.abs(items)"), "{told}");
}

#[test]
fn what_a_header_promises_must_be_there_and_fit() {
    let folder = tempfile::tempdir().unwrap();
    let told = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        problem(spec_for(&file))
    };
    let few = [0; 720];
    for shape in ["(10000000, 1000000, 6)", "(18446744073709551615, 3, 6)", "(4294967296, 4294967296, 6)", "(11, 3, 6)"]
    {
        let file = raw_npy("'<f4'", false, shape, &few);
        for (name, bytes) in [("large.npy", file.clone()), ("large.npz", npz(&file))] {
            let told = told(name, &bytes);
            assert!(told.contains("it holds 720 bytes of values, fewer than f32 of"), "{told}");
        }
    }
    // Nested lists, which take other readers a time that doubles with each.
    let nested = format!("{}'<f4'{}", "[".repeat(1000), "]".repeat(1000));
    assert!(told("nested.npy", &raw_npy(&nested, false, "(10, 3, 6)", &few)).contains("of records"));
    let shape = format!("{}1{}", "(".repeat(1000), ")".repeat(1000));
    assert!(told("nested.npy", &raw_npy("'<f4'", false, &shape, &few)).contains("whole numbers"));
    let long = [&b"\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF"[..], &[b' '; 100]].concat();
    assert!(told("long.npy", &long).contains("at most 4096"));
    // A header that is right, and another shape than items have: nothing is read.
    assert!(told("flat.npy", &raw_npy("'|b1'", false, "(720,)", &few)).contains("three axes"));
    // Zeros pack a thousand to one: what is unpacked is what the header promises, and no more.
    let bomb = npz(&raw_npy("'<f4'", false, "(10, 3, 6)", &vec![0; 50_000_000]));
    assert!(bomb.len() < 100_000);
    let file = folder.path().join("bomb.npz");
    fs::write(&file, bomb).unwrap();
    assert_eq!(items::load(&mut spec_for(&file)).unwrap().unwrap().values.len(), 180);
    let mut header = u64::MAX.to_le_bytes().to_vec();
    assert!(told("long.safetensors", &header).contains("are read"));
    header[..8].copy_from_slice(&100_u64.to_le_bytes());
    header.extend(format!("{:100}", "[".repeat(90)).into_bytes());
    assert!(told("nested.safetensors", &header).contains("damaged or truncated"));
    #[cfg(unix)]
    assert!(problem(spec_for(Path::new("/dev/zero"))).contains("is no regular file"));
}

/// Items eight times too long are named, and divided by their mean length where that is asked for.
#[test]
fn items_of_another_scale_are_told_and_can_be_normalized() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("long.npy");
    let values: Vec<f32> = (0..180).map(|i| if i % 6 == i / 6 % 6 { 8.0 } else { 0.0 }).collect();
    fs::write(&file, npy(&[10, 3, 6], &values)).unwrap();
    let mut spec = spec_for(&file);
    let bank = items::load(&mut spec).unwrap();
    let told = items::warning(&spec, bank.as_ref()).unwrap();
    assert!(told.contains("mean length of 8.000") && told.contains("-s task.copying.items.normalize=true"), "{told}");
    let mut divided = spec_for(&file);
    divided.task.family_mut().items_mut().unwrap().normalize = true;
    let bank = items::load(&mut divided).unwrap();
    assert_eq!(items::warning(&divided, bank.as_ref()), None);
    assert!(bank.unwrap().values.iter().all(|&x| x == 0.0 || x == 1.0));
    assert_ne!(spec.hash(), divided.hash());
    let digest = |spec: &RunSpec| spec.task.family().items().unwrap().digest.clone();
    assert_eq!(digest(&spec), digest(&divided), "the digest is that of the file");
    let mut han = spec_file::load("han", &Changes::default()).unwrap();
    let bank = items::load(&mut han).unwrap();
    assert_eq!(items::warning(&han, bank.as_ref()), None);
    fs::write(&file, npy(&[10, 3, 6], &[0.0; 180])).unwrap();
    let mut nothing = spec_for(&file);
    nothing.task.family_mut().items_mut().unwrap().normalize = true;
    assert!(problem(nothing).contains("mean length of 0"));
}
