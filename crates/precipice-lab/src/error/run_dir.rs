//! States of a run directory that do not allow what was asked.

/// What stands in a run directory, or is wrong with a file in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirProblem {
    /// There is no run.
    #[error("is not a run directory (it has no spec.toml)")]
    NotARunDirectory,
    /// A file stands where the directory should.
    #[error("is a file; expected a directory for the run")]
    IsAFile,
    /// It holds what no run wrote.
    #[error("is not empty and not a run directory{}; choose another --out", what(.name.as_deref()))]
    ForeignContent {
        /// The first such name; none where only the spec is missing.
        name: Option<String>,
    },
    /// It holds a run of another spec.
    #[error("holds a run of another spec ({stored}, this is {asked}); choose another --out")]
    AnotherSpec {
        /// Name and address of the spec that stands there.
        stored: String,
        /// Name and address of the spec that was to be run.
        asked: String,
    },
    /// Its lock is held.
    #[error("is being written by another process; wait for it, or choose another --out")]
    LockedByAnother,
    /// It holds an unfinished run, and nobody said what to do with it.
    #[error("holds an unfinished run of this spec; go on with --resume, or start over with --force")]
    UnfinishedRun,
    /// Another process began and left the run between the first look and the lock.
    #[error("holds an unfinished run of this spec; go on with --resume")]
    BegunMeanwhile,
    /// Another process finished the run between the first look and the lock.
    #[error("was finished by another process just now")]
    FinishedMeanwhile,
    /// What was asked needs a finished run.
    #[error("is not finished; go on with `precipice run --resume`")]
    NotFinished,
    /// There is no checkpoint of the step.
    #[error("has no checkpoint of step {step}; it has {}", listed(.there_are))]
    NoCheckpoint {
        /// The step that was asked for.
        step: u64,
        /// Those there are, rising.
        there_are: Vec<u64>,
    },
    /// There are no checkpoints at all.
    #[error("has no checkpoints")]
    NoCheckpoints,
    /// The log has no rows.
    #[error("has no rows yet")]
    NoRows,
    /// A checkpoint that cannot be trusted.
    #[error("damaged checkpoint: {what}")]
    DamagedCheckpoint {
        /// What is missing or does not match.
        what: String,
    },
    /// A checkpoint of another run.
    #[error("belongs to another spec")]
    CheckpointOfAnotherSpec,
    /// A manifest that cannot be read.
    #[error("damaged manifest: {cause}; remove it and use --resume")]
    DamagedManifest {
        /// What the parser says.
        cause: String,
    },
    /// A file of another version.
    #[error("format {found}; this version reads format {expected}")]
    OtherFormat {
        /// As it stands there.
        found: String,
        /// What this version reads.
        expected: String,
    },
    /// An arithmetic that this version does not know.
    #[error("unknown arithmetic {name:?}")]
    UnknownArithmetic {
        /// As it stands there.
        name: String,
    },
    /// A table that could not be made.
    #[error("cannot write: {cause}")]
    Table {
        /// What the Parquet library says.
        cause: String,
    },
    /// Only copying runs have a companion that is the same task.
    #[error("is a {family} run, whose companion is another task; name two copying runs")]
    NoCompanion {
        /// The task.
        family: String,
    },
    /// The run is one with L = N.
    #[error("has L = N itself; name a run with more labels, and this one as the second if it is its companion")]
    IsACompanion,
}

fn what(name: Option<&str>) -> String {
    name.map_or(String::new(), |name| format!(" (it holds {name:?})"))
}

fn listed(steps: &[u64]) -> String {
    steps.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
