//! The table and the figures of a folder, written by whoever sees that all its runs have ended.

use std::path::{Path, PathBuf};

use super::diagrams::{SweepFigure, draw};
use super::grid::Job;
use super::plan::Axis;
use super::record::{Record, ended, lock, name_of};
use super::report::{SweepReport, SweepRow};
use super::tables::table;
use crate::error::{LabError, RunDirProblem};
use crate::run_figures;
use crate::store::{RunDir, atomic, output, pack, seal};

/// The table of all runs.
pub(super) const TABLE: &str = output::OF_SWEEPS[1];

/// What is written of a folder.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// The table.
    pub table: PathBuf,
    /// The figures.
    pub figures: Vec<PathBuf>,
    /// What is not on the figures, or why there are none.
    pub notes: Vec<String>,
}

/// Writes a table of all runs that have ended in the folder, whichever sweep made them, and figures of those at the
/// points of this sweep; a figure is not worth losing the table for. Others may have written both already: the same runs
/// give the same bytes, so that it is done again only where `is_asked_for`, or where the table is one of other runs. What
/// is asked for is a table without the runs that are damaged, too.
///
/// # Errors
/// If a run is damaged and nothing `is_asked_for`, or the system refuses.
pub fn collect(
    name: &str,
    axes: &[Axis],
    folder: &Path,
    report: &SweepReport,
    is_asked_for: bool,
) -> Result<Collected, LabError> {
    let path = folder.join(TABLE);
    let _lock = lock(folder, is_asked_for)?;
    let record = Record::read(folder)?;
    let mut collected = Collected { table: path.clone(), ..Collected::default() };
    let check = check(name, &record, report);
    let mark = folder.join(MARK);
    if !is_asked_for && path.is_file() && atomic::read(&mark).is_ok_and(|written| written == check.as_bytes()) {
        let figures = output::OF_SWEEPS[2..].iter().map(|figure| folder.join(figure));
        collected.figures = figures.filter(|figure| figure.is_file()).collect();
        return Ok(collected);
    }
    let rows = if is_asked_for { record.all(folder, ended).0 } else { record.ended(folder)? };
    let problem = |e: parquet::errors::ParquetError| RunDirProblem::Table { cause: e.to_string() };
    let bytes = table(&rows).parquet().map_err(|e| LabError::run_dir(&path, problem(e)))?;
    atomic::write(&path, &bytes)?;
    let is_whole = rows.len() == record.n_runs();
    let shown = report.with_more_seeds(rows);
    let title = format!("{name} · {} runs", precipice_figures::thousands(shown.runs.len() as f64));
    let drawn = draw(&title, axes, &shown).and_then(|drawn| {
        for SweepFigure { name, figure } in &drawn.figures {
            let path = folder.join(format!("{name}.svg"));
            run_figures::write(figure, &path)?;
            collected.figures.push(path);
        }
        if drawn.n_left_out > 0 {
            let note = format!("ensemble.svg shows the first points of the grid, not the last {}", drawn.n_left_out);
            collected.notes.push(note);
        }
        Ok(())
    });
    if let Err(e) = drawn {
        collected.notes.push(format!("warning: no figure: {e}"));
    }
    // Of some of the runs it is nobody's last word.
    if is_whole {
        atomic::write(&mark, check.as_bytes())?;
    }
    Ok(collected)
}

/// Where it says of which runs the table is, and for which sweep the figures beside it were drawn.
const MARK: &str = ".precipice-collected";

fn check(name: &str, record: &Record, report: &SweepReport) -> String {
    let shown: Vec<&str> = report.runs.iter().map(|row| row.spec_hash.as_str()).collect();
    seal::check(record.check(), &format!("{name}\n{}", shown.join("\n")))
}

/// What there is of the runs of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Those that have ended.
    pub report: SweepReport,
    /// The places of those that have not.
    pub missing: Vec<String>,
    /// What is wrong with those that are damaged, and with packs that nothing can be read from.
    pub damaged: Vec<String>,
}

/// Looks for the runs of a sweep in a folder.
///
/// # Errors
/// If the system refuses to let one be read.
pub fn look(jobs: &[Job], folder: &Path) -> Result<Look, LabError> {
    let (mut report, mut missing) = (SweepReport::default(), Vec::new());
    let mut damaged: Vec<String> = pack::damaged(folder).iter().map(LabError::to_string).collect();
    for job in jobs {
        let run_dir = RunDir::new(folder.join(name_of(&job.spec)));
        let found = match ended(&run_dir) {
            Err(e @ LabError::Io { .. }) => return Err(e),
            Err(e) => {
                damaged.push(e.to_string());
                continue;
            }
            Ok(found) => found,
        };
        match found {
            Some((spec, manifest)) => {
                let point = super::apart::point_of(&spec);
                let (swept, seed) = (job.swept.clone(), job.seed);
                report.runs.push(SweepRow::new(manifest, run_dir.root(), point, swept, seed));
            }
            None => missing.push(run_dir.root().display().to_string()),
        }
    }
    report.skipped = report.runs.len();
    Ok(Look { report, missing, damaged })
}
