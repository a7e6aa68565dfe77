//! Readers of files, given files that were made to do harm: no panic, no long work, no more memory than a file is worth.
//!
//! Inputs are those of the committed corpus and of a small run, changed by a generator that is the same every time.
//! `PRECIPICE_FUZZ_ROUNDS=100000 cargo test -p precipice-lab --test fuzz NAME` goes further with one reader, which are
//! `npy`, `npz`, `safetensors`, `spec`, `sweep`, `log`, `manifest` and `checkpoint`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use precipice::record::MemoryRecorder;
use precipice::spec::ItemsSpec;
use precipice_lab::input::items;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::{Keep, Options, StoredRun, train};
use precipice_lab::sweep::Plan;

/// Changed inputs of each reader, unless the environment says how many.
const ROUNDS: u64 = 400;
/// Far more than any takes, also on a slow machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Numbers from a seed (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

/// What readers stumble over.
const TOKENS: [&[u8]; 24] = [
    b"18446744073709551615",
    b"-1",
    b"1e400",
    b"nan",
    b"0",
    b"[[[[[[[[[[[[[[[[",
    b"{{{{",
    b"}",
    b"]",
    b"\"",
    b"'",
    b"(",
    b",",
    b"=",
    b"\n",
    b"\0\0\0\0\0\0\0\0",
    b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    b"\x7F",
    b"null",
    b"true",
    b"../../x",
    b"'<f8'",
    b"\xC3\x28",
    b"4294967296",
];

/// One to four changes of an input; `other` is spliced in.
fn change(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(32)).min(bytes.len());
        match random.below(8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => {
                let again = bytes[at.min(end)..end].repeat(1 + random.below(40));
                bytes.splice(at..at, again);
            }
            5 => drop(bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].iter().copied())),
            6 => {
                let token = TOKENS[random.below(TOKENS.len())];
                drop(bytes.splice(at.min(end)..end, token.iter().copied()));
            }
            7 if random.below(4) == 0 => bytes.truncate(at),
            _ => {
                let from = random.below(other.len());
                let part = &other[from..(from + random.below(200)).min(other.len())];
                drop(bytes.splice(at..at, part.iter().copied()));
            }
        }
    }
    bytes
}

/// Gives a reader the inputs as they are and changed.
fn fuzz(name: &str, corpus: &[Vec<u8>], mut read: impl FnMut(&[u8])) {
    assert!(!corpus.is_empty());
    let rounds = std::env::var("PRECIPICE_FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..corpus.len() as u64 + rounds {
        let [input, other] = [(); 2].map(|()| random.below(corpus.len()));
        let input = match corpus.get(round as usize) {
            Some(whole) => whole.clone(),
            None => change(&mut random, &corpus[input], &corpus[other]),
        };
        let clock = Instant::now();
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&input)));
        let kept = || {
            let path = std::env::temp_dir().join(format!("precipice-fuzz-{name}"));
            fs::write(&path, &input).unwrap();
            path.display().to_string()
        };
        assert!(read.is_ok(), "round {round} of {name} panics: {}", kept());
        assert!(clock.elapsed() < LIMIT, "round {round} of {name} takes {:?}: {}", clock.elapsed(), kept());
    }
    #[cfg(target_os = "linux")]
    {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap();
        assert!(kib < 1 << 20, "a gigabyte for files of some kilobytes: {kib} kB");
    }
}

/// The files of a folder of the corpus, in order.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn fuzz_items(extension: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("items.{extension}"));
    let mut spec = spec_file::load("han-small", &Changes::default()).unwrap();
    *spec.task.family_mut().items_mut().unwrap() = ItemsSpec::of(&file.display().to_string());
    fuzz(extension, &corpus(extension), |bytes| {
        fs::write(&file, bytes).unwrap();
        let _ = items::load(&mut spec.clone());
        let _ = items::bytes(spec.task.family().items().unwrap());
        let _ = items::thumbnails(spec.task.family().items().unwrap());
    });
}

#[test]
fn npy() {
    fuzz_items("npy");
}

#[test]
fn npz() {
    fuzz_items("npz");
}

#[test]
fn safetensors() {
    fuzz_items("safetensors");
}

#[test]
fn spec() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spec.toml");
    fuzz("spec", &corpus("spec"), |bytes| {
        fs::write(&file, bytes).unwrap();
        if let Ok(spec) = spec_file::load(file.to_str().unwrap(), &Changes::default()) {
            // What was read is written, and read again as the same.
            let stored = spec_file::parse_stored("stored", &spec_file::to_toml(&spec)).unwrap();
            assert_eq!(stored.hash(), spec.hash());
        }
    });
}

#[test]
fn sweep() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sweep.toml");
    fuzz("sweep", &corpus("sweep"), |bytes| {
        fs::write(&file, bytes).unwrap();
        if let Ok(plan) = Plan::load(file.to_str().unwrap(), false) {
            let n_points: usize = plan.axes.iter().map(|axis| axis.points.len()).product();
            if n_points * plan.seeds.len() <= 64 {
                let _ = plan.jobs();
            }
        }
    });
}

/// A run of two steps, one file of which is changed.
fn fuzz_run(name: &str, file: &str) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("run");
    let small =
        ["eval.sequences=8", "probes.sequences=2", "task.copying.d_item=2", "model.d_buffer=0", "model.d_pos=9"];
    let changes = Changes { overrides: small.map(str::to_owned).to_vec(), steps: Some(2), seed: None };
    let spec = spec_file::load("copying-small", &changes).unwrap();
    let options =
        Options { out: Some(root.clone()), threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
    train(spec, &options, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
    let file = root.join(file);
    let whole = fs::read(&file).unwrap();
    fuzz(name, std::slice::from_ref(&whole), |bytes| {
        fs::write(&file, bytes).unwrap();
        if let Ok(run) = StoredRun::open(&root) {
            let _ = run.at_step(2);
        }
    });
    fs::write(&file, whole).unwrap();
    StoredRun::open(&root).unwrap().at_step(2).unwrap();
}

#[test]
fn log() {
    fuzz_run("log", "log.jsonl");
}

#[test]
fn manifest() {
    fuzz_run("manifest", "manifest.json");
}

#[test]
fn checkpoint() {
    fuzz_run("checkpoint", "checkpoints/step-00000002.safetensors");
}
