//! One run that is watched.

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

use precipice::spec::RunSpec;
use precipice_lab::error::LabError;
use precipice_lab::store::{Manifest, RunDir};

use super::Watched;
use crate::cmd::run::outcome;
use crate::lines::{bar_line, fit, left};
use crate::numbers::{commas, duration};
use crate::progress::Curve;
use crate::progress::live::View;
use crate::screen::Size;

/// A row that is this many times later than the one before it raises the question whether anybody writes.
const LATE: f64 = 3.0;
/// But not within so many seconds.
const LATE_SECS: f64 = 5.0;
/// Reading is to take a tenth of the time at most.
const REST: u32 = 9;

/// A run as it stands in its directory.
pub struct Run {
    run_dir: RunDir,
    spec: RunSpec,
    curve: Curve,
    manifest: Option<Manifest>,
    /// The last step that has a row.
    step: u64,
    /// Length and time of the log when it was read.
    seen: Option<(u64, SystemTime)>,
    /// When it may be read again.
    next: Instant,
    /// Steps a second, if that can be told.
    rate: Option<f64>,
    /// The step and the time of the first row that came while it was watched.
    since: Option<(u64, SystemTime)>,
    is_written: bool,
}

impl Run {
    pub fn new(folder: &Path) -> Result<Self, LabError> {
        let run_dir = RunDir::new(folder);
        let spec = run_dir.spec()?;
        let curve = Curve::new(&spec);
        let (next, is_written) = (Instant::now(), true);
        Ok(Self {
            run_dir,
            spec,
            curve,
            manifest: None,
            step: 0,
            seen: None,
            next,
            rate: None,
            since: None,
            is_written,
        })
    }

    fn read(&mut self, at: SystemTime) -> Result<(), LabError> {
        let rows = self.run_dir.rows()?;
        self.curve = Curve::new(&self.spec);
        rows.iter().for_each(|row| self.curve.push(row));
        self.step = rows.last().map_or(0, |row| row.step);
        let began = fs::metadata(self.run_dir.spec_path()).and_then(|file| file.modified()).ok();
        // What was seen to grow tells more than the age of files: a run may have been interrupted.
        let (from, since) = match self.since {
            Some((from, since)) if self.step > from => (from, Some(since)),
            Some(_) => return Ok(()),
            None => {
                self.since = Some((self.step, at));
                (0, began)
            }
        };
        let seconds = since.and_then(|since| at.duration_since(since).ok()).map(|time| time.as_secs_f64());
        let rate = seconds.filter(|&seconds| seconds > 0.0).map(|seconds| (self.step - from) as f64 / seconds);
        self.rate = rate.filter(|&rate| rate > 0.0).or(self.rate);
        Ok(())
    }

    fn age(&self) -> f64 {
        let age = self.seen.and_then(|(_, at)| at.elapsed().ok());
        age.map_or(0.0, |age| age.as_secs_f64())
    }

    /// Steps, time left, rate.
    fn parts(&self) -> Vec<String> {
        let total = self.spec.train.steps;
        let steps = format!("{}/{} steps", commas(self.step), commas(total));
        if self.manifest.is_some() {
            return vec![steps, "ended".to_owned()];
        }
        if !self.is_written {
            return vec![steps, format!("nobody is making it, last row {} ago", duration(self.age()))];
        }
        let seconds = self.rate.map(|rate| ((total - self.step.min(total)) as f64 / rate - self.age()).max(0.0));
        let rate = self.rate.map_or(String::new(), |rate| format!("{} steps/s", commas(rate as u64)));
        vec![steps, left(seconds), rate, format!("last row {} ago", duration(self.age()))]
    }

    fn heading(&self, width: usize) -> String {
        let root = self.run_dir.root().display().to_string();
        fit(&[self.spec.name.clone(), self.spec.facts().sizes, root], width)
    }
}

impl Watched for Run {
    fn look(&mut self) -> Result<bool, LabError> {
        let is_first = self.seen.is_none();
        let log = fs::metadata(self.run_dir.log_path()).ok().and_then(|file| Some((file.len(), file.modified().ok()?)));
        if let Some(log) = log.filter(|log| self.seen != Some(*log) && Instant::now() >= self.next) {
            let clock = Instant::now();
            self.seen = Some(log);
            self.read(log.1)?;
            self.next = clock + clock.elapsed() * REST;
        }
        self.manifest = self.run_dir.manifest(&self.spec)?;
        if self.manifest.is_some() && self.seen.is_none() {
            // It is packed, and has no log of its own whose age could be told.
            self.read(SystemTime::now())?;
        }
        let every = self.rate.map_or(f64::INFINITY, |rate| self.spec.eval.every as f64 / rate);
        let is_late = self.age() > LATE_SECS.max(LATE * every.min(1e6));
        self.is_written = if is_late || is_first { self.run_dir.is_being_written() } else { true };
        Ok(self.manifest.is_none())
    }

    fn ending(&self) -> Vec<String> {
        match &self.manifest {
            Some(manifest) => vec![outcome(manifest, &self.spec)],
            None if self.is_written => Vec::new(),
            None => vec![format!("it has not ended; `{}` goes on", self.run_dir.resume_command())],
        }
    }
}

impl View for Run {
    fn lines(&self, size: Size) -> Vec<String> {
        let share = self.step as f64 / self.spec.train.steps.max(1) as f64;
        let mut lines = vec![self.heading(size.width), bar_line(share, &self.parts(), size.width)];
        let height = size.height.saturating_sub(2);
        lines.extend(self.curve.lines(Size { height, ..size }));
        lines
    }

    fn line(&self) -> String {
        fit(&self.parts(), 80)
    }

    fn remains(&self, size: Size) -> Vec<String> {
        let mut lines = vec![self.heading(size.width), fit(&self.parts(), size.width)];
        lines.extend(self.curve.lines(size));
        lines
    }
}
