//! The command line of precipice. `main` only dispatches; the work is in `cmd`.
#![forbid(unsafe_code)]

mod args;
mod chart;
mod cmd;
mod interrupt;
mod keys;
mod lines;
mod numbers;
mod output;
mod progress;
mod screen;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use precipice_lab::error::LabError;
use precipice_num::allocator::Reporting;

/// What a command came to.
pub enum Ending {
    /// Exit code 0.
    Done,
    /// Exit code 1: the work ran and failed its check, or diverged.
    Failed,
    /// It was stopped, and the same command goes on: exit code 1, or 75 where a scheduler asked for it.
    Stopped,
}

/// Memory may end in spite of all checks, for others take some, too.
#[global_allocator]
static ALLOCATOR: Reporting = Reporting::new(out_of_memory);

fn out_of_memory(bytes: usize) -> ! {
    // Nobody reading it is no reason to go on.
    let _ = writeln!(
        std::io::stderr(),
        "error: the system gives no more memory ({bytes} bytes were asked for); what was written is kept: a run that was \
         being made goes on by `precipice run` with --resume, a sweep by the same command"
    );
    std::process::exit(2)
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return output::wrong_usage(&error),
    };
    let ending = match args.command {
        None => cmd::welcome(),
        Some(Command::Run(args)) => cmd::run::run(args),
        Some(Command::Specs(args)) => cmd::specs::specs(args),
        Some(Command::Show(args)) => cmd::specs::show(args),
        Some(Command::Theory { command }) => cmd::theory::theory(command),
        Some(Command::Probe(args)) => cmd::probe::probe(args),
        Some(Command::Watch(args)) => cmd::watch::watch(&args),
        Some(Command::Figure(args)) => cmd::figure::figure(args),
        Some(Command::Export(args)) => cmd::export::export(args),
        Some(Command::At(args)) => cmd::at::at(args),
        Some(Command::Branch(args)) => cmd::branch::branch(args),
        Some(Command::Verify(args)) => cmd::verify::verify(args),
        Some(Command::Diff(args)) => cmd::diff::diff(args),
        Some(Command::Runs(args)) => cmd::runs::runs(args),
        Some(Command::Certify(args)) => cmd::certify::certify(args),
        Some(Command::Sweep(args)) => cmd::sweep::sweep(args),
        Some(Command::Reproduce(args)) => cmd::reproduce::reproduce(args),
        Some(Command::Bench(args)) => cmd::bench::bench(args),
        Some(Command::Serve(args)) => cmd::page::serve(args),
        Some(Command::Page(args)) => cmd::page::page(args),
        Some(Command::Completions(args)) => cmd::shell::completions(args),
        Some(Command::Man(args)) => cmd::shell::man(args),
    };
    match ending {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::from(1),
        Ok(Ending::Stopped) => ExitCode::from(interrupt::code_of_stopped()),
        Err(error) => {
            if let Some(stopped @ LabError::Stopped { .. }) = error.downcast_ref() {
                output::note(&stopped.to_string());
                return ExitCode::from(interrupt::code_of_stopped());
            }
            output::note(&output::bounded(&format!("error: {error:#}")));
            ExitCode::from(2)
        }
    }
}
