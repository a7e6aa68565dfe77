//! What this machine leaves to this process: the memory that is free, and the limits that were set.

use std::fs;
use std::path::{Path, PathBuf};

/// Memory that can still be had, and who says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Bytes.
    pub bytes: f64,
    /// What sets the limit.
    pub whose: &'static str,
}

/// The least of what the machine, the control groups and the limits of this process leave; 64 GiB where the system
/// says nothing.
///
/// ```
/// assert!(precipice_lab::machine::memory().bytes > 0.0);
/// ```
pub fn memory() -> Memory {
    memory_under(Path::new("/"))
}

fn memory_under(root: &Path) -> Memory {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let status = read("proc/self/status");
    let used = |name| kib(&status, name).unwrap_or(0.0);
    let limits = read("proc/self/limits");
    let left = |name, used: f64| Some((limit(&limits, name)? - used).max(0.0));
    let memory = |whose| move |bytes| Memory { bytes, whose };
    let info = read("proc/meminfo");
    let all = [
        kib(&info, "MemAvailable:").or_else(|| kib(&info, "MemTotal:")).map(memory("this machine has free")),
        left("Max address space", used("VmSize:")).map(memory("the limit of address space (ulimit -v) leaves")),
        left("Max data size", used("VmData:")).map(memory("the limit of data (ulimit -d) leaves")),
        of_control_groups(root, &read("proc/self/cgroup")).map(memory("the control group leaves")),
    ];
    let nothing = Memory { bytes: 64.0 * f64::from(1 << 30), whose: "is assumed, as the system says nothing," };
    all.into_iter().flatten().min_by(|a, b| a.bytes.total_cmp(&b.bytes)).unwrap_or(nothing)
}

/// A line "name 123 kB".
fn kib(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
}

/// The soft limit in a line "name soft hard unit"; none if there is none.
fn limit(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The least that a control group of memory above this process leaves, of version 2 or 1.
fn of_control_groups(root: &Path, groups: &str) -> Option<f64> {
    let left = groups.lines().filter_map(|line| {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { return None };
        let (mount, files) = match controllers {
            "" => ("sys/fs/cgroup", ["memory.max", "memory.current", "inactive_file"]),
            names if names.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"])
            }
            _ => return None,
        };
        let mount = root.join(mount);
        let mut folder: PathBuf = mount.join(path.trim_start_matches('/'));
        let mut least: Option<f64> = None;
        while folder.starts_with(&mount) {
            let here = left_in_group(&folder, files);
            least = [least, here].into_iter().flatten().reduce(f64::min);
            folder.pop();
        }
        least
    });
    left.reduce(f64::min)
}

/// The limit of one group without what is in use; pages of files that nobody needs are given back.
fn left_in_group(folder: &Path, [most, used, idle]: [&str; 3]) -> Option<f64> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<f64>().ok();
    let most = number(most)?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let idle = stat.lines().find_map(|line| line.strip_prefix(idle)?.trim().parse::<f64>().ok());
    Some((most - (number(used).unwrap_or(0.0) - idle.unwrap_or(0.0)).max(0.0)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of files.
    fn machine(files: &[(&str, &str)]) -> Memory {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        memory_under(folder.path())
    }

    const INFO: (&str, &str) = ("proc/meminfo", "MemTotal: 2000 kB\nMemFree: 7 kB\nMemAvailable:    1000 kB\n");

    #[test]
    fn the_tightest_limit_counts() {
        assert_eq!(machine(&[]).bytes, 64.0 * 1024.0 * 1024.0 * 1024.0);
        assert_eq!(machine(&[INFO]).bytes, 1000.0 * 1024.0);
        let limits = "Limit  Soft Limit  Hard Limit Units\nMax address space  900000 unlimited bytes\nMax data size unlimited unlimited bytes\n";
        let found = machine(&[INFO, ("proc/self/limits", limits), ("proc/self/status", "VmSize:\t 100 kB\n")]);
        assert_eq!(found.bytes, 900_000.0 - 102_400.0);
        assert!(found.whose.contains("ulimit -v"));
    }

    #[test]
    fn control_groups_of_both_versions_and_those_above_them() {
        let second = [
            INFO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "500000\n"),
            ("sys/fs/cgroup/a/memory.current", "200000\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 150000\n"),
        ];
        assert_eq!(machine(&second).bytes, 450_000.0);
        let first = [
            INFO,
            ("proc/self/cgroup", "9:cpu:/x\n4:memory:/job\n0::/\n"),
            ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "300000\n"),
            ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "100000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(machine(&first).bytes, 200_000.0);
        // In a container the path is that of the host, and the mount begins at the group.
        let inside = [
            INFO,
            ("proc/self/cgroup", "4:memory:/docker/abc\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "70000\n"),
        ];
        assert_eq!(machine(&inside).bytes, 70_000.0);
    }
}
