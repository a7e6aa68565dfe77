//! Ways in which a file is damaged.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// SplitMix64; only places and bytes of damage come from it.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// Every file below a folder, the lock excepted, which nobody reads.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

/// Damages a file, and says how. None where the bytes are as they were.
pub fn harm(path: &Path, others: &[PathBuf], random: &mut Random) -> Option<String> {
    let whole = fs::read(path).unwrap();
    let (mut bytes, at) = (whole.clone(), random.below(whole.len()));
    let how = match random.below(9) {
        0 | 1 => {
            bytes[at] ^= 1 << random.below(8);
            format!("a flipped bit in byte {at}")
        }
        2 => {
            bytes[at] = b"0123456789\n {}\"e.-\0\xff"[random.below(20)];
            format!("another byte {at}")
        }
        3 => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        4 => {
            bytes.remove(at);
            format!("byte {at} left out")
        }
        5 => {
            let n = random.below(64).min(bytes.len() - at);
            bytes[at..at + n].fill(0);
            format!("{n} zeros at {at}")
        }
        6 => {
            bytes.extend_from_within(at..);
            format!("bytes from {at} twice")
        }
        7 => {
            // The file of another name, or of another run.
            let other = &others[random.below(others.len())];
            bytes = fs::read(other).unwrap();
            format!("exchanged for {}", other.display())
        }
        _ => {
            fs::remove_file(path).unwrap();
            return Some(format!("{}: removed", path.display()));
        }
    };
    fs::write(path, &bytes).unwrap();
    (bytes != whole).then(|| format!("{}: {how}", path.display()))
}

/// Runs what must neither panic nor hang.
pub fn bounded<T: Send>(what: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        scope.spawn(move || send.send(catch_unwind(AssertUnwindSafe(work))));
        match receive.recv_timeout(Duration::from_secs(60)) {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => panic!("{what}: panicked"),
            // A scope waits for its threads, and this one would not end.
            Err(_) => {
                eprintln!("{what}: hangs");
                std::process::abort();
            }
        }
    })
}
