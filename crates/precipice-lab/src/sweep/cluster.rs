//! Sweeps on a cluster: identical workers on one folder, started by the system that the cluster has.

use std::io;
use std::path::Path;
use std::process::{Command, Output};

use crate::error::{LabError, SweepProblem};
use crate::store::atomic;

/// A system that starts jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Slurm.
    Slurm,
    /// HyperQueue, which packs many small tasks into jobs of Slurm or PBS, or into machines without either.
    HyperQueue,
}

/// What a job is to be.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// Its name.
    pub name: String,
    /// Workers.
    pub tasks: u32,
    /// Cores of each.
    pub cpus: usize,
    /// `HH:MM:SS` for each; tasks of HyperQueue live as long as its workers.
    pub time: String,
    /// Where the command is typed: paths in it may be relative.
    pub here: String,
    /// The folder of the sweep.
    pub folder: String,
    /// What each worker runs, word by word.
    pub command: Vec<String>,
    /// Options that the system is given as they are.
    pub pass_through: Vec<String>,
}

impl System {
    /// All of them.
    pub const ALL: [System; 2] = [System::Slurm, System::HyperQueue];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        ["slurm", "hyperqueue"][self as usize]
    }

    /// The whole script of a job, for reading, changing and submitting by hand.
    ///
    /// ```
    /// use precipice_lab::sweep::{JobRequest, System};
    /// let request = JobRequest {
    ///     name: "mine".to_owned(),
    ///     tasks: 8,
    ///     cpus: 2,
    ///     time: "04:00:00".to_owned(),
    ///     here: "/home/me".to_owned(),
    ///     folder: "shared".to_owned(),
    ///     command: ["precipice", "sweep", "copying", "--out", "shared", "--quiet"].map(str::to_owned).to_vec(),
    ///     pass_through: vec!["--partition=short".to_owned()],
    /// };
    /// let script = System::Slurm.script(&request);
    /// assert!(script.contains("#SBATCH --array=1-8\n") && script.contains("#SBATCH --partition=short\n"));
    /// ```
    pub fn script(self, request: &JobRequest) -> String {
        let (template, directive) = match self {
            System::Slurm => (include_str!("scripts/slurm.sh"), "#SBATCH"),
            System::HyperQueue => (include_str!("scripts/hyperqueue.sh"), "#HQ"),
        };
        let mut options = String::new();
        for word in &request.pass_through {
            // A value stands behind its option.
            let is_value = !word.starts_with('-') && !options.is_empty();
            options.truncate(options.len() - usize::from(is_value));
            let word = quoted(word);
            options += &if is_value { format!(" {word}\n") } else { format!("{directive} {word}\n") };
        }
        let value = |name: &str| match name {
            "name" => request.name.clone(),
            "tasks" => request.tasks.to_string(),
            "cpus" => request.cpus.to_string(),
            "time" => request.time.clone(),
            "here" => quoted(&request.here),
            "folder" => quoted(&request.folder),
            "command" => request.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
            other => format!("{{{other}}}"),
        };
        // In one pass: what is filled in may have such names itself.
        let mut script = String::new();
        let mut rest = &*template.replace("{pass_through}\n", "\0");
        while let Some((before, name, after)) = next_place(rest) {
            script += before;
            script += &value(name);
            rest = after;
        }
        script += rest;
        script.replacen('\0', &options, 1)
    }

    /// Writes the script into the folder of the sweep and hands it to the system. Returns the job as the system names it.
    ///
    /// # Errors
    /// If there is no such system here, or it refuses.
    pub fn submit(self, request: &JobRequest, folder: &Path) -> Result<String, LabError> {
        let folder = &std::path::absolute(folder).map_err(LabError::io("find", folder))?;
        let path = folder.join(format!("{}.sh", self.name()));
        atomic::write(&path, self.script(request).as_bytes())?;
        let log = |name: &str| folder.join(name).display().to_string();
        let mut command = match self {
            System::Slurm => {
                let mut command = Command::new("sbatch");
                command.args(["--parsable".to_owned(), format!("--output={}", log("slurm-%A_%a.log"))]);
                command
            }
            System::HyperQueue => {
                let mut command = Command::new("hq");
                command.args(["--output-mode=quiet", "submit"]);
                let [out, errors] =
                    ["out", "err"].map(|kind| log(&format!("hyperqueue-%{{JOB_ID}}_%{{TASK_ID}}.{kind}")));
                command.args([format!("--stdout={out}"), format!("--stderr={errors}")]);
                command
            }
        };
        let said = self.ask(command.arg(&path))?;
        // Slurm adds the name of the cluster where there are several.
        Ok(said.trim().split(';').next().unwrap_or_default().to_owned())
    }

    /// Whether any worker of a job runs or waits to; true where the system does not say.
    pub fn has(self, job: &str) -> bool {
        match self {
            System::Slurm => {
                let said = self.ask(Command::new("squeue").args(["--noheader", "--jobs", job]));
                // A job that ended a while ago is forgotten.
                said.map_or_else(|e| !e.to_string().contains("Invalid job id"), |said| !said.trim().is_empty())
            }
            System::HyperQueue => {
                let said = self.ask(Command::new("hq").args(["--output-mode=json", "job", "info", job]));
                let said = said.ok().and_then(|said| serde_json::from_str::<serde_json::Value>(&said).ok());
                let stats = said
                    .as_ref()
                    .and_then(|said| said.pointer("/0/info/task_stats").or(said.pointer("/info/task_stats")));
                stats.is_none_or(|stats| ["running", "waiting"].iter().any(|kind| stats[kind].as_u64() != Some(0)))
            }
        }
    }

    fn ask(self, command: &mut Command) -> Result<String, LabError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let refused =
            |why: String| LabError::sweep(self.name(), SweepProblem::ClusterRefused { program: program.clone(), why });
        match command.output() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(refused("no such program here".to_owned())),
            Err(e) => Err(refused(e.to_string())),
            Ok(Output { status, stdout, .. }) if status.success() => Ok(String::from_utf8_lossy(&stdout).into_owned()),
            Ok(Output { status, stderr, stdout }) => {
                let said = [stderr, stdout].map(|said| String::from_utf8_lossy(&said).trim().to_owned());
                Err(refused(format!("{status}: {}", said.join(" ").trim())))
            }
        }
    }
}

/// The text before the next `{name}` of a template, the name, and what follows.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "/-_.,+=:@%".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
