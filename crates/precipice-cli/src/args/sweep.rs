//! Arguments of sweeps.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use precipice_lab::sweep::{Axis, Shard, System};

use super::values::{Seeds, SpecName, parse_seconds, parse_seeds, parse_time, systems};
use super::{ArithmeticArgs, SaidArgs, examples};

/// `sweep`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::SWEEP, args_conflicts_with_subcommands = true)]
pub struct SweepArgs {
    #[command(subcommand)]
    pub command: Option<SweepCommand>,
    /// Built-in sweep or spec (see `precipice specs`), or path of a sweep file or a spec
    #[arg(default_value = "copying", value_parser = SpecName { has_sweeps: true }, hide_possible_values = true)]
    pub spec: String,
    /// The smaller settings that a sweep file has for a first look
    #[arg(long)]
    pub fast: bool,
    /// A field and its values, for example -g task.copying.n_labels=16,32,64; repeat it for a grid. Fields that go
    /// together: -g task.copying.n_exemplars,task.copying.n_labels=[4,16],[8,32]. Replaces the values that a sweep file
    /// has for the field
    #[arg(short = 'g', long = "grid", value_name = "KEY=V1,V2", value_parser = Axis::parse)]
    pub grid: Vec<Axis>,
    /// Override a field of every run, on top of what a sweep file sets and of --steps; not one that is swept
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Set train.steps
    #[arg(long)]
    pub steps: Option<u64>,
    /// Seeds of every point of the grid: 0..31 (with both ends), or 0,3,7 [default: those of the sweep file, or 0..7]
    #[arg(long, value_parser = parse_seeds)]
    pub seeds: Option<Seeds>,
    /// Runs at a time [default: all cores; on a cluster 1]
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// Folder of the runs and the table [default: runs/sweep-<name>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Save the state of a run every so many seconds, for whoever goes on with it
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = parse_seconds)]
    pub checkpoint: f64,
    /// Make every N-th run only, the I-th and those after it by cost, and no table: for processes that share a folder
    /// whose file system has no locks
    #[arg(long, value_name = "I/N", conflicts_with_all = ["collect", "script", "submit"])]
    pub shard: Option<Shard>,
    /// Train nothing: write table and figures of what is there, and list what is missing
    #[arg(long, conflicts_with_all = ["script", "submit"])]
    pub collect: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub how: ArithmeticArgs,
    #[command(flatten)]
    pub said: SaidArgs,
}

/// Workers on a cluster.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "On a cluster")]
pub struct ClusterArgs {
    /// Print the script of a job of identical workers on one folder: slurm or hyperqueue
    #[arg(long, value_name = "SYSTEM", value_parser = systems(), hide_possible_values = true)]
    pub script: Option<System>,
    /// Hand that script to the system, and follow the folder
    #[arg(long, value_name = "SYSTEM", value_parser = systems(), hide_possible_values = true, conflicts_with = "script")]
    pub submit: Option<System>,
    /// Workers of the job, each with --workers runs at a time on as many cores [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub tasks: Option<u32>,
    /// Time of a worker with Slurm, HH:MM:SS; one that runs out of it is queued again [default: 01:00:00]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub time: Option<String>,
    /// After `--`: options that the system is given as they are, for example -- --partition=short
    #[arg(last = true, value_name = "OPTION")]
    pub pass_through: Vec<String>,
}

/// What else is done with folders of sweeps.
#[derive(Debug, Subcommand)]
pub enum SweepCommand {
    /// How far a sweep is, from wherever its folder is seen
    Status(StatusArgs),
    /// Put the runs that have ended into a few files, which every command reads as it reads directories
    Pack(PackArgs),
    /// Make the directories of packed runs again
    Unpack(UnpackArgs),
}

/// `sweep status`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::SWEEP_STATUS)]
pub struct StatusArgs {
    /// Folder of the sweep
    pub folder: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `sweep unpack`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::SWEEP_UNPACK)]
pub struct UnpackArgs {
    /// Folder of the sweep
    pub folder: PathBuf,
    /// Runs whose packs alone are unpacked [default: all packs]
    #[arg(value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    #[command(flatten)]
    pub said: SaidArgs,
}

/// `sweep pack`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::SWEEP_PACK)]
pub struct PackArgs {
    /// Folder of the sweep
    pub folder: PathBuf,
    #[command(flatten)]
    pub said: SaidArgs,
}
