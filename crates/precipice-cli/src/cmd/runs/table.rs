//! Runs as a table that fits into the terminal.

use console::{Alignment, measure_text_width, pad_str, truncate_str};
use precipice_lab::inventory::RunEntry;

use crate::numbers::{age, commas, size};

/// What is unknown or undefined.
const NOTHING: &str = "–";
/// Digits of addresses and digests.
const N_DIGITS: usize = 8;
/// Characters that a path has, at least.
const PATH_MIN: usize = 12;

/// A line a run, in columns; the path is last, and is shortened where the line would be too long. Parents are shown
/// where there are branches, in place of digests.
pub fn table(runs: &[RunEntry], width: usize) -> String {
    let has_branches = runs.iter().any(|run| run.parent.is_some());
    let heads = ["hash", "outcome", "t50", "steps", if has_branches { "parent" } else { "digest" }, "size", "age"];
    let left = [true, true, false, false, true, false, false];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(runs.iter().map(|run| cells(run, has_branches)));
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or(0))
        .collect();
    let taken: usize = widths.iter().map(|width| width + 2).sum();
    let room = width.saturating_sub(taken).max(PATH_MIN);
    let paths = std::iter::once("run".to_owned()).chain(runs.iter().map(|run| path(run, room)));
    let line = |(row, path): (&[String; 7], String)| {
        let cells = row.iter().zip(&widths).zip(left).map(|((cell, width), is_left)| {
            pad_str(cell, *width, if is_left { Alignment::Left } else { Alignment::Right }, None).into_owned()
        });
        cells.chain([path]).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().zip(paths).map(line).collect::<Vec<_>>().join("\n")
}

fn cells(run: &RunEntry, has_branches: bool) -> [String; 7] {
    let digits = |text: &Option<String>| text.as_ref().map_or(NOTHING.to_owned(), |text| first(text, N_DIGITS));
    let number = |number: Option<u64>| number.map_or(NOTHING.to_owned(), commas);
    let parent =
        || run.parent.as_ref().map_or(String::new(), |parent| format!("{}@{}", digits(&parent.hash), parent.step));
    [
        digits(&run.hash),
        run.outcome.word(),
        number(run.t50.map(|t50| t50.round() as u64)),
        number(run.steps),
        if has_branches { parent() } else { digits(&run.digest) },
        size(run.size),
        run.age.map_or(NOTHING.to_owned(), age),
    ]
}

fn first(text: &str, n: usize) -> String {
    text.chars().take(n).collect()
}

/// A path that fits: without the address at its end, which has a column of its own, and then without its beginning.
fn path(run: &RunEntry, room: usize) -> String {
    let whole = &run.path;
    if measure_text_width(whole) <= room {
        return whole.clone();
    }
    let address = run.hash.as_deref().filter(|hash| hash.len() > N_DIGITS);
    let without = whole
        .rsplit_once('-')
        .filter(|(_, end)| end.len() >= N_DIGITS && address.is_some_and(|hash| hash.starts_with(end)));
    let short = without.map_or(whole.clone(), |(name, _)| format!("{name}-…"));
    let over = measure_text_width(&short).saturating_sub(room);
    if over == 0 {
        return short;
    }
    // The end of a path tells more of it than its beginning.
    let end: String = short.chars().skip(over + 1).collect();
    truncate_str(&format!("…{end}"), room, "").into_owned()
}

#[cfg(test)]
mod tests {
    use precipice_lab::inventory::{Asked, list};
    use precipice_lab::store::RunDir;

    use super::*;

    fn entries() -> Vec<RunEntry> {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path().join("run"));
        run.make_folders().unwrap();
        run.write_spec(&precipice::spec::RunSpec { name: "mine".to_owned(), ..Default::default() }).unwrap();
        let entry = list(folder.path(), &Asked::default()).unwrap().remove(0);
        let hash = entry.hash.clone().unwrap();
        let named = |path: String, steps| RunEntry { path, steps: Some(steps), t50: Some(1e6), ..entry.clone() };
        vec![
            named("runs/mine".to_owned(), 5),
            named(format!("runs/copying-small-{}", &hash[..8]), 12_345_678),
            named(format!("runs/sweep-of-many-fields/copying-small-{}", &hash[..12]), 0),
            named(format!("runs/{}", "long-".repeat(40)), 0),
            named("a/文文文文文文文文文文文文文文文文文文".to_owned(), 0),
        ]
    }

    #[test]
    fn tables_fit_and_addresses_are_left_out_of_paths_first() {
        let mut runs = entries();
        for width in [80, 100, 200] {
            let table = table(&runs, width);
            assert!(table.lines().all(|line| measure_text_width(line) <= width), "{table}");
            assert_eq!(table.lines().count(), runs.len() + 1);
            assert!(table.lines().nth(1).unwrap().ends_with("  runs/mine"), "{table}");
        }
        let lines = |runs: &[RunEntry]| table(runs, 80).lines().map(str::to_owned).collect::<Vec<_>>();
        assert!(lines(&runs[..2])[2].ends_with("small-…"), "{:?}", lines(&runs[..2]));
        let parent = precipice_lab::inventory::Parent { hash: Some("0123456789".to_owned()), step: 600 };
        runs[0].parent = Some(parent);
        let with_parent = lines(&runs);
        assert!(with_parent[1].contains("01234567@600") && with_parent[0].contains("parent"));
        assert!(with_parent.iter().all(|line| measure_text_width(line) <= 84), "{with_parent:?}");
    }
}
