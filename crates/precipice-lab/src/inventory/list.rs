//! All runs below a folder that are asked for, in order.

use std::cmp::Ordering;
use std::path::Path;
use std::time::SystemTime;

use super::condition::Condition;
use super::entry::RunEntry;
use super::field::{Field, Known};
use super::walk::{in_parallel, runs_below};
use crate::error::LabError;
use crate::runs::threads::{Pool, available};

/// Which runs are listed, and in what order.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    conditions: Vec<Condition>,
    sort: Option<Field>,
    is_reversed: bool,
}

impl Asked {
    /// Runs of which all conditions are true.
    pub fn of(conditions: Vec<Condition>) -> Self {
        Self { conditions, ..Self::default() }
    }

    /// By a field, what has none last, instead of by path.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn sorted(self, field: Option<&str>, is_reversed: bool) -> Result<Self, LabError> {
        Ok(Self { sort: field.map(Field::parse).transpose()?, is_reversed, ..self })
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        self.conditions.iter().map(|condition| &condition.field).chain(&self.sort)
    }

    /// The order of two runs; those without the field stand last either way.
    fn order(&self, a: &RunEntry, b: &RunEntry) -> Ordering {
        let turned = |order: Ordering| if self.is_reversed { order.reverse() } else { order };
        let Some(field) = &self.sort else { return turned(a.path.cmp(&b.path)) };
        let by_field = match (field.of(a), field.of(b)) {
            (Known::Nothing, Known::Nothing) => Ordering::Equal,
            (Known::Nothing, _) => Ordering::Greater,
            (_, Known::Nothing) => Ordering::Less,
            (Known::Number(a), Known::Number(b)) => turned(a.total_cmp(&b)),
            (Known::Text(a), Known::Text(b)) => turned(a.cmp(&b)),
            (Known::Number(_), Known::Text(_)) => turned(Ordering::Less),
            (Known::Text(_), Known::Number(_)) => turned(Ordering::Greater),
        };
        by_field.then_with(|| a.path.cmp(&b.path))
    }
}

/// The runs in a folder and in the folders in it that are asked for. Manifests are read, and checked, not what they vouch
/// for; a damaged run is listed as that.
///
/// # Errors
/// If the folder cannot be read, or none of its runs has a column that was asked for.
///
/// ```
/// use precipice_lab::inventory::{Asked, Condition, list};
/// # let folder = tempfile::tempdir()?;
/// let asked = Asked::of(vec![Condition::parse("outcome=transition")?]).sorted(Some("t50"), false)?;
/// assert!(list(folder.path(), &asked)?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn list(folder: &Path, asked: &Asked) -> Result<Vec<RunEntry>, LabError> {
    let pool = Pool::for_work_at(available(), folder)?;
    let found = runs_below(folder, &pool)?;
    let paths: Vec<Vec<String>> = asked.fields().filter_map(Field::path).collect();
    // To look at every file takes longer than to read a manifest: only of what is listed, where that does not depend on it.
    let is_size_asked = asked.fields().any(|field| *field == Field::Column("size"));
    let now = SystemTime::now();
    let mut runs = in_parallel(&pool, &found, |found| {
        let mut run = RunEntry::read(found, &paths, now);
        run.size = if is_size_asked { run.measure() } else { 0 };
        run
    });
    asked.fields().try_for_each(|field| field.check(&runs))?;
    runs.retain(|run| asked.conditions.iter().all(|condition| condition.holds(run)));
    if !is_size_asked {
        let sizes = in_parallel(&pool, &runs, RunEntry::measure);
        runs.iter_mut().zip(sizes).for_each(|(run, size)| run.size = size);
    }
    runs.sort_by(|a, b| asked.order(a, b));
    Ok(runs)
}

impl Field {
    fn path(&self) -> Option<Vec<String>> {
        match self {
            Field::Spec(path) => Some(path.clone()),
            _ => None,
        }
    }
}
