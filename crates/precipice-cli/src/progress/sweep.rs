//! What a person sees while a sweep goes on.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use precipice_lab::sweep::{FailedRun, SweepRow, SweepWatcher};

use crate::numbers::commas;
use crate::output::{failed_run, note};

/// Progress over runs.
pub struct SweepProgress {
    bar: ProgressBar,
    is_quiet: bool,
    /// Where there is no terminal: lines, not too many.
    is_plain: bool,
    n_runs: usize,
    n_ended: usize,
    n_jumped: usize,
    began: Instant,
    last_line: Instant,
    has_waited: bool,
}

/// Time between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

impl SweepProgress {
    /// For a sweep of `n_runs`; `is_quiet` shows nothing.
    pub fn new(n_runs: usize, is_quiet: bool) -> Self {
        let is_plain = !std::io::IsTerminal::is_terminal(&std::io::stderr());
        let target =
            if is_quiet || is_plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let bar = ProgressBar::with_draw_target(Some(n_runs as u64), target);
        let style =
            ProgressStyle::with_template("{bar:40.cyan/white.dim} {human_pos}/{human_len} runs · {eta} left · {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
        let now = Instant::now();
        Self { bar, is_quiet, is_plain, n_runs, n_ended: 0, n_jumped: 0, began: now, last_line: now, has_waited: false }
    }
}

impl SweepWatcher for SweepProgress {
    fn ended(&mut self, run: &Result<SweepRow, FailedRun>, _was_stored: bool) {
        self.n_ended += 1;
        match run {
            Ok(row) => self.n_jumped += usize::from(row.t50.is_some()),
            Err(failed) if !self.is_quiet => self.bar.suspend(|| note(&format!("failed: {}", failed_run(failed)))),
            Err(_) => {}
        }
        let text = format!("{} jumped", commas(self.n_jumped as u64));
        self.bar.set_message(text.clone());
        self.bar.inc(1);
        let is_due = self.n_ended == self.n_runs || self.last_line.elapsed() >= LINE_EVERY;
        if self.is_plain && !self.is_quiet && is_due {
            let rate = self.n_ended as f64 / self.began.elapsed().as_secs_f64();
            note(&format!("{} of {} runs · {text} · {rate:.2} runs/s", self.n_ended, self.n_runs));
            self.last_line = Instant::now();
        }
    }

    fn waits(&mut self) {
        if !self.is_quiet && !self.has_waited {
            self.bar.suspend(|| note("the runs that are left are being made by another process; waiting for them"));
        }
        self.has_waited = true;
    }
}

impl Drop for SweepProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
