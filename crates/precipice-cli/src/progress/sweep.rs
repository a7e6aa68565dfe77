//! What a person sees while a sweep goes on.

use precipice_lab::sweep::{FailedRun, Job, Pace, SweepRow, SweepWatcher};

use super::live::{Clock, Live, Mode, View};
use crate::interrupt;
use crate::lines::{bar_line, fit, left};
use crate::numbers::commas;
use crate::output::{failed_run, note};
use crate::screen::Size;

/// Progress over the steps of all runs.
pub struct SweepProgress {
    live: Live<Sweeping>,
    has_waited: bool,
}

struct Sweeping {
    /// None before it is known what is to be made.
    pace: Option<Pace>,
    clock: Clock,
    n_runs: usize,
    n_ended: usize,
    n_jumped: usize,
    n_failed: usize,
}

impl SweepProgress {
    /// For a sweep of `n_runs`; `is_quiet` shows nothing.
    pub fn new(n_runs: usize, is_quiet: bool) -> Self {
        let sweeping = Sweeping { pace: None, clock: Clock::start(), n_runs, n_ended: 0, n_jumped: 0, n_failed: 0 };
        Self { live: Live::new(sweeping, Mode::of(is_quiet)), has_waited: false }
    }

    fn with_pace(&self, change: impl FnOnce(&mut Pace, f64)) {
        let Sweeping { pace, clock, .. } = &mut *self.live.view();
        if let Some(pace) = pace {
            change(pace, clock.seconds());
        }
    }

    fn say(&self, text: &str) {
        if self.live.mode() != Mode::Silent {
            note(text);
        }
    }
}

impl Sweeping {
    /// Runs, time left, jumps, steps: the most telling first.
    fn parts(&self) -> (f64, Vec<String>) {
        let runs = format!("{}/{} runs", commas(self.n_ended as u64), commas(self.n_runs as u64));
        let Some(pace) = &self.pace else { return (0.0, vec![runs, "looking at the runs".to_owned()]) };
        let (done, total) = pace.steps();
        let time =
            if interrupt::is_requested() { "stopping".to_owned() } else { left(pace.left(self.clock.seconds())) };
        let failed = if self.n_failed > 0 { format!("{} failed", commas(self.n_failed as u64)) } else { String::new() };
        let jumped = format!("{} jumped", commas(self.n_jumped as u64));
        let steps = format!("{}/{} steps", commas(done), commas(total));
        (pace.share(), vec![runs, time, jumped, failed, steps, format!("{} running", pace.n_running())])
    }
}

impl View for Sweeping {
    fn lines(&self, size: Size) -> Vec<String> {
        let (share, parts) = self.parts();
        // Steps of millions leave no room beside the others.
        let (first, second) = parts.split_at(parts.len().min(4));
        let mut lines = vec![bar_line(share, first, size.width)];
        lines.extend((!second.is_empty()).then(|| format!("    {}", fit(second, size.width.saturating_sub(4)))));
        lines
    }

    fn line(&self) -> String {
        fit(&self.parts().1, 80)
    }
}

impl SweepWatcher for SweepProgress {
    fn planned(&mut self, jobs: &[Job], n_workers: usize) {
        let pace = Pace::new(jobs, n_workers);
        let mut view = self.live.view();
        (view.pace, view.clock) = (Some(pace), Clock::start());
    }

    fn begins(&mut self, run: usize) {
        self.with_pace(|pace, now| pace.begins(run, now));
    }

    fn at(&mut self, run: usize, step: u64) {
        self.with_pace(|pace, now| pace.at(run, step, now));
    }

    fn is_held(&mut self, run: usize) {
        self.with_pace(|pace, _| pace.waits(run));
    }

    fn ended(&mut self, run: usize, ending: &Result<SweepRow, FailedRun>, was_stored: bool) {
        let mut view = self.live.view();
        view.n_ended += 1;
        match ending {
            Ok(row) => view.n_jumped += usize::from(row.t50.is_some()),
            Err(_) => view.n_failed += 1,
        }
        drop(view);
        self.with_pace(|pace, now| pace.ended(run, ending.is_ok() && !was_stored, now));
        if let Err(failed) = ending {
            self.say(&format!("failed: {}", failed_run(failed)));
        }
    }

    fn waits(&mut self) {
        if !self.has_waited {
            self.say("the runs that are left are being made by another process; waiting for them");
        }
        self.has_waited = true;
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;
    use precipice_lab::sweep::Plan;

    use super::*;

    #[test]
    fn lines_fit_and_tell_time_left_before_the_first_run_ends() {
        let mut plan = Plan::load("copying-small", false).unwrap();
        plan.seeds = (0..1000).collect();
        plan.changes.steps = Some(999_999);
        let jobs = plan.jobs().unwrap();
        let mut pace = Pace::new(&jobs, 2);
        pace.begins(0, 0.0);
        pace.at(0, 1, 0.002);
        pace.at(0, 5000, 10.0);
        let clock = Clock::start();
        let mut view = Sweeping { pace: Some(pace), clock, n_runs: 1000, n_ended: 0, n_jumped: 0, n_failed: 0 };
        let line = view.line();
        assert!(line.starts_with("0/1,000 runs · 27") && line.contains("left") && line.contains("5,000/999,999,000"));
        view.n_failed = 7;
        for width in [40, 60, 80, 100, 200] {
            let lines = view.lines(Size { width, height: 24 });
            assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{lines:?}");
            assert!(lines[0].contains("0/1,000 runs"), "{lines:?}");
        }
        assert!(view.line().chars().count() <= 80);
        view.pace = None;
        assert!(view.line().contains("looking at the runs"));
    }
}
