//! What a person sees while a run goes on: rate, time left, the curve, and the jump as it happens.

use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::spec::RunSpec;
use precipice::train::Trainer;

use super::curve::Curve;
use super::live::{Clock, Live, Mode, View};
use crate::interrupt;
use crate::lines::{bar_line, fit, left, remaining};
use crate::numbers::{commas, duration, fraction};
use crate::output::note;
use crate::screen::Size;

/// Watches one run.
pub struct Progress {
    live: Live<Running>,
    has_jumped: bool,
}

/// One run as it is shown.
struct Running {
    curve: Curve,
    n_steps: u64,
    step: u64,
    loss: f64,
    begun: Clock,
    /// The step that this process began with, when the first was made.
    first: Option<(u64, Clock)>,
    keeps_curve: bool,
    /// What else there is to say of time: that of a claim.
    beyond: Option<String>,
}

impl Progress {
    /// For a run of `spec`; `label` stands above it. `quiet` shows nothing.
    pub fn new(label: &str, spec: &RunSpec, quiet: bool) -> Self {
        Self::within(label, spec, quiet, None)
    }

    /// The same for a run that is a part of something, of which `beyond` tells.
    pub fn within(label: &str, spec: &RunSpec, quiet: bool, beyond: Option<String>) -> Self {
        let mode = Mode::of(quiet);
        if mode != Mode::Silent {
            note(label);
        }
        let running = Running {
            curve: Curve::new(spec),
            n_steps: spec.train.steps,
            step: 0,
            loss: f64::NAN,
            begun: Clock::start(),
            first: None,
            keeps_curve: false,
            beyond,
        };
        Self { live: Live::new(running, mode), has_jumped: false }
    }

    /// Leaves the curve on the screen at the end.
    pub fn keep_curve(self) -> Self {
        self.live.view().keeps_curve = true;
        self
    }
}

impl Running {
    /// Steps, time left, rate and loss, the most telling first.
    fn parts(&self) -> Vec<String> {
        let steps = format!("{}/{} steps", commas(self.step), commas(self.n_steps));
        let seconds = self.begun.seconds();
        let Some((first, since)) = self.first else {
            // Items are read, memory is looked at, the network is made and measured.
            return vec![steps, format!("beginning, {}", duration(seconds))];
        };
        if self.step >= self.n_steps {
            return vec![steps, "writing and drawing".to_owned()];
        }
        if interrupt::is_requested() {
            return vec![steps, "stopping".to_owned()];
        }
        let (done, seconds) = ((self.step - first) as f64, since.seconds());
        let left = left(remaining(done, (self.n_steps - first) as f64, seconds));
        let rate = done / seconds.max(1e-9);
        let rate = if rate < 10.0 { format!("{rate:.2} steps/s") } else { format!("{} steps/s", commas(rate as u64)) };
        vec![steps, left, self.beyond.clone().unwrap_or_default(), rate, format!("batch loss {}", fraction(self.loss))]
    }

    fn share(&self) -> f64 {
        self.step as f64 / self.n_steps.max(1) as f64
    }
}

impl View for Running {
    fn lines(&self, size: Size) -> Vec<String> {
        let mut lines = vec![bar_line(self.share(), &self.parts(), size.width)];
        lines.extend(self.curve.lines(size));
        lines
    }

    fn line(&self) -> String {
        let mut parts = self.parts();
        parts.truncate(3);
        parts.extend(self.curve.parts());
        format!("    {}", fit(&parts, 76))
    }

    fn remains(&self, size: Size) -> Vec<String> {
        if self.keeps_curve { self.curve.lines(size) } else { Vec::new() }
    }
}

impl Recorder for Progress {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        let mut view = self.live.view();
        let is_first = view.curve.n_rows() == 0;
        view.curve.push(row);
        let accuracy = view.curve.value(row);
        let has_learned = accuracy > view.curve.threshold();
        let text = format!(
            "    by step {} it is more than half way: {} {}, up from {}",
            commas(row.step),
            view.curve.words,
            fraction(accuracy),
            view.curve.floor()
        );
        drop(view);
        if has_learned && !self.has_jumped && !is_first && self.live.mode() != Mode::Silent {
            note(&text);
        }
        self.has_jumped |= has_learned;
        Ok(())
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, step: u64, loss: f64) -> Next {
        let mut view = self.live.view();
        view.first.get_or_insert_with(|| (step - 1, Clock::start()));
        (view.step, view.loss) = (step, loss);
        drop(view);
        if interrupt::requested() { Next::Stop } else { Next::Continue }
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;

    #[test]
    fn the_line_fits_at_any_step_count() {
        let spec = RunSpec::default();
        for n_steps in [2_000, 1_000_000, 9_999_999_999] {
            for first in [None, Some((0, Clock::start()))] {
                let curve = Curve::new(&spec);
                let beyond = Some("claim: 12 h 34 min left".to_owned());
                let begun = Clock::start();
                let step = n_steps / 2;
                let view = Running { curve, n_steps, step, loss: 1e-30, begun, first, keeps_curve: true, beyond };
                for width in [40, 60, 80, 100, 200] {
                    let lines = view.lines(Size { width, height: 24 });
                    assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{width}: {lines:?}");
                    assert!(lines[0].contains(&commas(step)), "{lines:?}");
                }
                assert!(view.line().chars().count() <= 80, "{}", view.line());
            }
        }
    }
}
