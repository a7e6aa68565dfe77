//! What can be typed.

mod examples;
mod look;
mod make;
mod page;
mod runs;
mod shell;
mod sweep;
mod theory;
mod values;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use precipice_figures::Theme;
use precipice_lab::runs::threads;
use precipice_num::Arithmetic;
use values::{SpecName, arithmetics, themes};

pub use look::{
    AtArgs, DiffArgs, ExportArgs, ExportFormat, FigureArgs, ProbeArgs, ShowArgs, SpecsArgs, VerifyArgs, WatchArgs,
};
pub use make::{BenchArgs, BranchArgs, ReproduceArgs, RunArgs};
pub use page::{PageArgs, ServeArgs};
pub use runs::{CertifyArgs, GcArgs, ListArgs, RmArgs, RunsArgs, RunsCommand};
pub use shell::{CompletionsArgs, ManArgs};
pub use sweep::{ClusterArgs, PackArgs, StatusArgs, SweepArgs, SweepCommand, UnpackArgs};
pub use theory::{
    ContextArgs, DescentArgs, FitArgs, FlowArgs, LandscapeArgs, LossArgs, OverArg, ParameterArg, RegressionArgs,
    ScalingArgs, TheoryCommand,
};
pub use values::{Drawn, GraftName, StepRange, Steps};

/// A laboratory for the abrupt emergence of in-context learning.
#[derive(Debug, Parser)]
#[command(name = "precipice", version, propagate_version = true, max_term_width = 80)]
#[command(after_help = "Exit codes: 0 done; 1 the work ran and failed its check, diverged or was stopped; \
                        2 wrong usage, bad input, or the system refused; 75 stopped by SIGTERM or SIGUSR1 with all \
                        kept, the same command goes on; 130 ended by Ctrl-C with nothing to keep.")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train one network: watch the plateau, the jump, and the induction head
    Run(RunArgs),
    /// List the built-in experiments
    Specs(SpecsArgs),
    /// Print a spec with every default filled in
    Show(ShowArgs),
    /// The three nested soft-maxes: loss, gradient flow over the cliff, landscape, scaling laws
    Theory {
        /// What of the theory.
        #[command(subcommand)]
        command: TheoryCommand,
    },
    /// Look inside a trained network: attention, nine interactions, order parameters; of regression, gradient descent
    Probe(ProbeArgs),
    /// Follow a run or a sweep that goes on, from another terminal
    Watch(WatchArgs),
    /// Draw a figure of stored runs
    Figure(FigureArgs),
    /// Write a run's rows or tensors for other tools
    Export(ExportArgs),
    /// Write a run as it was at any step, or a film of many: state, gradients, attention, losses
    At(AtArgs),
    /// Train a copy of a run from any of its steps on, under another spec
    Branch(BranchArgs),
    /// Run a finished run, or what a certificate names, again and compare bits
    Verify(VerifyArgs),
    /// Compare two runs: where they part, by how much, in which tensor
    Diff(DiffArgs),
    /// List the runs that there are; remove some, or checkpoints that replay makes again
    Runs(RunsArgs),
    /// Write what runs came to into a small file, by which anyone can make them again and compare bits
    Certify(CertifyArgs),
    /// Train many networks: a grid over any fields times seeds, resumable run by run
    Sweep(SweepArgs),
    /// Check claims of the literature by running them
    Reproduce(ReproduceArgs),
    /// Time training steps: steps per second, operations, share of this machine's limit
    Bench(BenchArgs),
    /// Show runs in a browser: the page with the runs and sweeps of a folder, on this machine
    Serve(ServeArgs),
    /// Write the page as static files for any web host
    Page(PageArgs),
    /// Print what makes a shell complete commands, options and names
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all subcommands
    Man(ManArgs),
}

/// Which spec, and what to change in it.
#[derive(Debug, ClapArgs)]
pub struct SpecArgs {
    /// Built-in name (see `precipice specs`) or path of a TOML file
    #[arg(default_value = "copying", value_parser = SpecName { has_sweeps: false }, hide_possible_values = true)]
    pub spec: String,
    /// Override a field, for example -s task.copying.n_labels=16. It counts more than --seed and --steps, and the later
    /// of two for one field more than the earlier
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Set all four seeds; -s seeds.data=3 on top of it sets one
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Set train.steps; -s train.steps=N counts more
    #[arg(long)]
    pub steps: Option<u64>,
}

/// What is said, and how.
#[derive(Debug, ClapArgs)]
pub struct SaidArgs {
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress display
    #[arg(short, long)]
    pub quiet: bool,
}

/// Where the items of a stored run are now.
#[derive(Debug, ClapArgs)]
pub struct MovedArgs {
    /// File of the run's items, if it has been moved; its content must be the same
    #[arg(long, value_name = "PATH")]
    pub items: Option<PathBuf>,
}

/// How a new run computes.
#[derive(Debug, ClapArgs)]
pub struct ArithmeticArgs {
    /// Arithmetic of a new run: fused (as this processor has it, faster) or portable (the same on every processor)
    /// [default: what this processor has]
    #[arg(long, value_name = "KIND", value_parser = arithmetics(), hide_possible_values = true)]
    pub arithmetic: Option<Arithmetic>,
}

/// The page that a figure is made for.
#[derive(Debug, ClapArgs)]
pub struct ThemeArgs {
    /// Page of the figure: light, dark or transparent (the light colors without a page)
    #[arg(long, value_name = "THEME", default_value = "light", value_parser = themes(), hide_possible_values = true)]
    pub theme: Theme,
}

/// Number of threads.
#[derive(Debug, ClapArgs)]
pub struct ThreadArgs {
    /// Threads; the result does not depend on them [default: all cores, at most 8]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl ThreadArgs {
    /// More than a batch has shards would have nothing to do.
    pub fn count(&self) -> usize {
        self.threads.map_or_else(threads::available, |n| usize::from(n).min(threads::THREADS_MAX))
    }
}

#[cfg(test)]
#[path = "../tests/documents/collect.rs"]
mod collect;

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{CommandFactory, Error, Parser};

    use super::Args;
    use super::collect::{documents, words};

    /// Names and defaults of every subcommand agree with each other.
    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }

    /// What a document tells to type is understood, whether or not a test has the time to run it.
    #[test]
    fn commands_in_the_documents_are_understood() {
        let (mut n_commands, mut failed) = (0, Vec::new());
        for document in documents() {
            let lines = document.blocks.iter().filter(|block| block.info.starts_with("sh"));
            let lines = lines.flat_map(|block| &block.lines).filter(|line| line.starts_with("precipice"));
            for command in lines.chain(&document.inline) {
                // Names in capitals stand for something, a single letter for a number.
                let meant = |word: String| match &*word {
                    "COMMAND" => "run".to_owned(),
                    "KIND" => "attention".to_owned(),
                    _ if word.len() == 1 && word.chars().all(|c| c.is_ascii_uppercase()) => "1".to_owned(),
                    _ => word,
                };
                // In text a command may stand without what has to follow it.
                let is_wrong = |error: &Error| error.use_stderr() && error.kind() != ErrorKind::MissingRequiredArgument;
                let error = Args::try_parse_from(words(command).into_iter().map(meant)).err().filter(is_wrong);
                failed.extend(error.map(|error| format!("{}: {command}\n{error}", document.name)));
                n_commands += 1;
            }
        }
        assert!(n_commands > 50 && failed.is_empty(), "{n_commands}\n{}", failed.join("\n"));
    }
}
