//! States of a run directory that do not allow what was asked.

use std::path::PathBuf;

/// What mends an unfinished run.
const AGAIN: &str = "`precipice run --resume` goes on from before it";

/// What mends a finished run.
const ANEW: &str = "`precipice run --force` computes the run again";

/// What stands in a run directory, or is wrong with a file in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirProblem {
    /// There is no run.
    #[error("is not a run directory (it has no spec.toml)")]
    NotARunDirectory,
    /// There is nothing of that name.
    #[error("no such run{}", .nearest.as_ref().map_or_else(
        || "; name its directory, or `latest` for the newest run here and in runs/".to_owned(),
        |run| format!("; did you mean {}?", run.display())
    ))]
    NoSuchRun {
        /// A run that is spelled alike.
        nearest: Option<PathBuf>,
    },
    /// There are no runs of which one could be the newest.
    #[error(
        "there is no run yet, here or in runs/; `precipice run` makes one (those of a sweep are named by their path)"
    )]
    NoLatest,
    /// A folder of runs where one run was expected.
    #[error(
        "is the folder of a sweep, whose runs are verified, probed and drawn one by one{}",
        .run.as_ref().map_or(String::new(), |run| format!(", for example `precipice verify {}`", run.display()))
    )]
    IsASweep {
        /// The first of its runs.
        run: Option<PathBuf>,
    },
    /// A folder of runs of which one was to be removed.
    #[error("is the folder of a sweep; `precipice runs rm FOLDER --where FIELD=VALUE --force` removes runs in it")]
    RunsOfASweep,
    /// A link where a folder is removed.
    #[error("is a link, and what lies elsewhere is not removed; name the directory that it leads to")]
    IsALink,
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
    /// The file system has no locks, by which several processes share a folder.
    #[error(
        "its file system has no locks ({cause}), by which processes keep out of each other's way; use a folder \
         that has, or give each process of a sweep a part of its own: --shard I/N"
    )]
    NoLocks {
        /// What the system says.
        cause: String,
    },
    /// What is to be removed is being written.
    #[error("is being written by another process, and stays; stop that, or wait for it")]
    BeingWritten,
    /// What is to be removed was asked for by a sweep.
    #[error("is a run of the sweep {}, whose figures and table would lack it; --force removes it all the same", .sweep.display())]
    OfASweep {
        /// The sweep's folder.
        sweep: PathBuf,
    },
    /// It holds an unfinished run, and nobody said what to do with it.
    #[error("holds an unfinished run of this spec; go on with --resume, or start over with --force")]
    UnfinishedRun,
    /// A run that is elsewhere was to be written there.
    #[error("holds this run already")]
    HoldsTheRun,
    /// Another process began and left the run between the first look and the lock.
    #[error("holds an unfinished run of this spec; go on with --resume")]
    BegunMeanwhile,
    /// Another process finished the run between the first look and the lock.
    #[error("was finished by another process just now")]
    FinishedMeanwhile,
    /// What was asked needs a finished run.
    #[error("is not finished; go on with `{resume}`")]
    NotFinished {
        /// What is typed for that.
        resume: String,
    },
    /// There is no checkpoint of the step.
    #[error("has no checkpoint of step {step}; it has {}", listed(.there_are))]
    NoCheckpoint {
        /// The step that was asked for.
        step: u64,
        /// Those there are, rising.
        there_are: Vec<u64>,
    },
    /// The run is not known at that step.
    #[error("did not make step {step}: {}", made(*.first, *.last))]
    StepNotMade {
        /// The step that was asked for.
        step: u64,
        /// Where the run begins.
        first: u64,
        /// How far it went.
        last: u64,
    },
    /// Its steps, made again, do not lead where it went.
    #[error("diverges at step {step} where it is made again, and did not before; {}", ANEW)]
    ReplayDiverged {
        /// Updates done.
        step: u64,
    },
    /// The run that a branch begins as does not come so far.
    #[error("cannot begin: its parent {name} diverges at step {step}")]
    ParentDiverged {
        /// Of the parent.
        name: String,
        /// Updates done.
        step: u64,
    },
    /// There are no checkpoints at all.
    #[error("has no checkpoints")]
    NoCheckpoints,
    /// The log has no rows.
    #[error("has no rows yet")]
    NoRows,
    /// A spec that is not the one that was written.
    #[error(
        "damaged or edited: {what}; an edited spec is another run: run a copy of it, and mend this one with --force"
    )]
    DamagedSpec {
        /// What does not match.
        what: String,
    },
    /// A row that is not as it was measured.
    #[error("line {line} is damaged: its check does not match; {}", AGAIN)]
    DamagedLog {
        /// From 1.
        line: usize,
    },
    /// Rows that a checkpoint vouches for are gone.
    #[error("lacks rows that were measured before the checkpoint of step {step}; {}", AGAIN)]
    LostRows {
        /// Of the checkpoint.
        step: u64,
    },
    /// A checkpoint that cannot be trusted.
    #[error("damaged checkpoint: {what}")]
    DamagedCheckpoint {
        /// What is missing or does not match.
        what: String,
    },
    /// A checkpoint of another run.
    #[error("belongs to another spec")]
    CheckpointOfAnotherSpec,
    /// A checkpoint under the name of another.
    #[error("holds the state of step {found}, not that of its name")]
    CheckpointOfAnotherStep {
        /// The step inside.
        found: u64,
    },
    /// A checkpoint that goes with other rows than those of the log.
    #[error("the log does not hold the rows before it")]
    CheckpointOfAnotherLog,
    /// A checkpoint of an unfinished run that was due is not there.
    #[error("is missing, though it was due; {}", AGAIN)]
    MissingCheckpoint,
    /// A manifest that cannot be read.
    #[error("damaged manifest: {cause}; remove it and use --resume")]
    DamagedManifest {
        /// What does not match.
        cause: String,
    },
    /// A manifest of another run.
    #[error("is the manifest of another run; remove it and use --resume")]
    ManifestOfAnotherSpec,
    /// A file of a finished run that is not as it was when the run ended.
    #[error("is not the file that the run wrote: the manifest has another digest; {}", ANEW)]
    OtherContent,
    /// A file of a finished run that is gone.
    #[error("is missing, though the manifest names it; {}", ANEW)]
    MissingFile,
    /// A file of a finished run that is none.
    #[error("is no file of this run: its manifest does not name it")]
    NotOfThisRun,
    /// Someone else changed a file of the run.
    #[error("was removed or changed while the run was written; go on with --resume")]
    ChangedWhileWritten,
    /// What a folder of runs was asked for cannot be read.
    #[error(
        "damaged: its check does not match its content; remove it with runs.parquet and the figures beside it, and the same sweep enters its runs again"
    )]
    DamagedRecord,
    /// A folder that has a file under a name of a sweep's, and is no sweep's.
    #[error("holds {name:?}, which no sweep of this version wrote; choose another --out")]
    NotOfASweep {
        /// The file.
        name: String,
    },
    /// A pack that cannot be read.
    #[error("damaged pack: {cause}; remove it, and the sweep that made its runs makes them again")]
    DamagedPack {
        /// What is wrong.
        cause: String,
    },
    /// A run that has no directory of its own.
    #[error(
        "is packed in {}, so that nothing in it can be changed; figures go where -o says, and `{unpack}` makes \
         directories again", .pack.display()
    )]
    IsPacked {
        /// Where it is.
        pack: PathBuf,
        /// What is typed to have its directory again.
        unpack: String,
    },
    /// A run that was to be unpacked.
    #[error("is not packed")]
    NotPacked,
    /// The lock of a folder's packs is held.
    #[error("is being packed or unpacked by another process; wait for it")]
    BeingPacked,
    /// A run where the folder of a sweep was expected.
    #[error("is a run, not a sweep; name the folder of a sweep")]
    IsARun,
    /// A place where the folder of a sweep was expected.
    #[error("is no folder of a sweep (it {})", if *.is_folder { "has no sweep.json" } else { "is a file" })]
    NotASweep {
        /// Whether it is a folder at all.
        is_folder: bool,
    },
    /// A directory that is or lies in that of a run.
    #[error("is or lies in the run directory {}, which holds only what the run wrote; choose another --out", .run.display())]
    InsideARun {
        /// The run.
        run: PathBuf,
    },
    /// A file of another version.
    #[error("format {found}; this version reads format {expected}, so run the spec again with another --out")]
    OtherFormat {
        /// As it stands there.
        found: String,
        /// What this version reads.
        expected: String,
    },
    /// A run in another arithmetic than was asked for.
    #[error("is a run in {stored} arithmetic, not {asked}; leave out --arithmetic, or choose another --out")]
    OtherArithmetic {
        /// That of the run.
        stored: String,
        /// What was asked for.
        asked: String,
    },
    /// A run without items from a file.
    #[error("has no items from a file; leave out --items")]
    NoItems,
    /// A run that cannot be gone on with under the spec that was asked for.
    #[error("cannot be extended: {why}")]
    CannotExtend {
        /// Why its beginning is another.
        why: String,
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

impl RunDirProblem {
    /// Whether something is not as it was written.
    pub fn is_damage(&self) -> bool {
        use RunDirProblem::{
            ChangedWhileWritten, CheckpointOfAnotherLog, CheckpointOfAnotherSpec, CheckpointOfAnotherStep,
            DamagedCheckpoint, DamagedLog, DamagedManifest, DamagedPack, DamagedRecord, DamagedSpec, LostRows,
            ManifestOfAnotherSpec, MissingCheckpoint, MissingFile, NotOfThisRun, OtherContent,
        };
        matches!(
            self,
            ChangedWhileWritten
                | CheckpointOfAnotherLog
                | CheckpointOfAnotherSpec
                | CheckpointOfAnotherStep { .. }
                | DamagedCheckpoint { .. }
                | DamagedLog { .. }
                | DamagedManifest { .. }
                | DamagedPack { .. }
                | DamagedRecord
                | DamagedSpec { .. }
                | LostRows { .. }
                | ManifestOfAnotherSpec
                | MissingCheckpoint
                | MissingFile
                | NotOfThisRun
                | OtherContent
        )
    }
}

fn what(name: Option<&str>) -> String {
    name.map_or(String::new(), |name| format!(" (it holds {name:?})"))
}

fn made(first: u64, last: u64) -> String {
    if first > 0 {
        format!("it is a branch from step {first}, and went to step {last}")
    } else {
        format!("it went to step {last}")
    }
}

fn listed(steps: &[u64]) -> String {
    steps.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
