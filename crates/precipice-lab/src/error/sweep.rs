//! Grids of runs that cannot be made.

use precipice::spec::SpecError;

/// What is wrong with a sweep.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SweepProblem {
    /// Neither a sweep, nor a spec, nor a file, and similar to a sweep.
    #[error("no such sweep, spec or file; did you mean {nearest:?}? built-in sweeps: {}", .there_are.join(", "))]
    Unknown {
        /// The most similar sweep.
        nearest: String,
        /// All built-in sweeps.
        there_are: Vec<&'static str>,
    },
    /// The fast form of a spec was asked for.
    #[error("is not a sweep file; only those have a fast form")]
    NotASweepFile,
    /// The fast form of a sweep file that has none was asked for.
    #[error("has no [fast] part")]
    NoFastPart,
    /// Seeds that are none.
    #[error("seeds = {text:?}: {expected}")]
    Seeds {
        /// As written.
        text: String,
        /// What was expected.
        expected: String,
    },
    /// An axis without values.
    #[error("grid: {key} has no values")]
    NoValues {
        /// Its field.
        key: String,
    },
    /// An axis that cannot be read.
    #[error("grid: {key}: {expected}")]
    Axis {
        /// Its fields.
        key: String,
        /// What was expected.
        expected: String,
    },
    /// A name that could stand for another folder.
    #[error(transparent)]
    Name(SpecError),
    /// An axis was replaced in part.
    #[error("{key} is swept together with others; name all of {together}")]
    GoesTogether {
        /// The field that was not named.
        key: String,
        /// All fields of the axis.
        together: String,
    },
    /// A field that is swept and set.
    #[error("the field is swept; give its values by -g, or leave it out")]
    SetAndSwept,
    /// More runs than a sweep may have.
    #[error("the grid has more than {most} runs; sweep fewer values or seeds")]
    TooManyRuns {
        /// How many it may have.
        most: usize,
    },
    /// Two axes of one field.
    #[error("{key} is swept twice; name all its values once")]
    SweptTwice {
        /// The field.
        key: String,
    },
    /// An override of what the sweep sets.
    #[error("a sweep sets all seeds of its runs; use --seeds, or `seeds` in a sweep file")]
    SeedIsSet,
    /// Steps that are swept and set.
    #[error("train.steps is swept; leave out --steps")]
    StepsAreSwept,
    /// Two points that are one spec.
    #[error("{first} and {second} of the grid are the same run; name each value once")]
    SameRun {
        /// The values and the seed of one.
        first: String,
        /// Of the other.
        second: String,
    },
    /// No point is a spec.
    #[error("no point of the grid is a spec that can be run")]
    NoRuns,
    /// The system of a cluster did not take a job.
    #[error("`{program}` did not take the job: {why}; --script prints it, to be handed over where the system is")]
    ClusterRefused {
        /// What was asked.
        program: String,
        /// What it said.
        why: String,
    },
    /// A run that is needed failed.
    #[error("{problem}")]
    RunFailed {
        /// Why.
        problem: String,
    },
}
