//! What a person sees while a run goes on: rate, time left, the curve, and the jump as it happens.

mod sweep;

pub use sweep::SweepProgress;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use precipice::measure::{Column, metric};
use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::spec::RunSpec;
use precipice::task::{self, EvalSet, Facts};
use precipice::train::Trainer;

use crate::numbers::{commas, fraction};
use crate::output::note;
use crate::{chart, interrupt};

/// Characters of the chart.
const WIDTH: usize = 60;
/// Seconds between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Silent,
    Lines,
    Live,
}

/// What a task's progress is called; with the evaluation set where there are several.
pub fn progress_words(facts: &Facts) -> String {
    let is_on = |set: &&EvalSet| metric::ACCURACY.on(&set.prefix) == Column::of_progress(facts);
    match facts.eval_sets.iter().find(is_on) {
        Some(set) if facts.eval_sets.len() > 1 => format!("{} ({})", facts.progress.words, set.words),
        _ => facts.progress.words.clone(),
    }
}

/// Watches one run.
pub struct Progress {
    mode: Mode,
    screen: MultiProgress,
    bar: ProgressBar,
    chart: Vec<ProgressBar>,
    points: Vec<(f64, f64)>,
    n_steps: u64,
    /// What rises, what it is called, and its floor.
    progress: task::Progress,
    words: String,
    column: Column,
    loss_column: Column,
    has_jumped: bool,
    keeps_curve: bool,
    first_step: Option<(u64, Instant)>,
    last_line: Instant,
}

impl Progress {
    /// For a run of `spec`; `label` stands above it. `quiet` shows nothing.
    pub fn new(label: &str, spec: &RunSpec, quiet: bool) -> Self {
        let (n_steps, facts) = (spec.train.steps, spec.facts());
        let is_terminal = std::io::stderr().is_terminal();
        let mode = if quiet {
            Mode::Silent
        } else if is_terminal {
            Mode::Live
        } else {
            Mode::Lines
        };
        let target =
            if mode == Mode::Live { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let screen = MultiProgress::with_draw_target(target);
        let bar = screen.add(ProgressBar::new(n_steps));
        let template = "{bar:40.cyan/white.dim} {human_pos}/{human_len} steps · {msg}";
        bar.set_style(style(template).progress_chars("━╸─"));
        let chart: Vec<ProgressBar> = (0..chart::ROWS + 1).map(|_| screen.add(ProgressBar::new(1))).collect();
        chart.iter().for_each(|line| line.set_style(style("{msg}")));
        match mode {
            Mode::Silent => {}
            Mode::Lines => note(label),
            Mode::Live => drop(screen.println(label)),
        }
        Self {
            mode,
            screen,
            bar,
            chart,
            points: Vec::new(),
            n_steps,
            column: Column::of_progress(&facts),
            loss_column: Column::of_loss(&facts),
            words: progress_words(&facts),
            progress: facts.progress,
            has_jumped: false,
            keeps_curve: false,
            first_step: None,
            last_line: Instant::now(),
        }
    }

    /// Leaves the curve on the screen at the end.
    pub fn keep_curve(mut self) -> Self {
        self.keeps_curve = true;
        self
    }

    fn accuracy(&self, row: &Row) -> f64 {
        row.get(&self.column)
    }

    fn loss(&self, row: &Row) -> f64 {
        row.get(&self.loss_column)
    }

    fn say(&self, text: &str) {
        match self.mode {
            Mode::Silent => {}
            Mode::Lines => note(text),
            Mode::Live => drop(self.screen.println(text)),
        }
    }

    fn draw(&self, row: &Row) {
        let guess = self.progress.floor;
        let names = ["1 ", "", "", "0 "];
        for (i, line) in chart::lines(&self.points, guess, WIDTH).into_iter().enumerate() {
            let note = if i == chart::ROWS - 1 {
                format!("  ┈ {} = {}", self.progress.floor_words, fraction(guess))
            } else {
                String::new()
            };
            self.chart[i].set_message(format!("{:>4}{line}{note}", names[i]));
        }
        let mut text =
            format!("    {} {} · loss {}", self.words, fraction(self.accuracy(row)), fraction(self.loss(row)));
        if row.get(&metric::ILA1.main()).is_finite() {
            text += &format!(
                " · attention label→item {} · query→label {}",
                fraction(row.get(&metric::ILA1.main())),
                fraction(row.get(&metric::TILA2.main()))
            );
        }
        self.chart[chart::ROWS].set_message(text);
    }
}

/// Takes the bar away; what was announced stays, and the curve where it is kept.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        for line in &self.chart {
            if self.keeps_curve && !self.points.is_empty() {
                line.abandon();
            } else {
                line.finish_and_clear();
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Recorder for Progress {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        let accuracy = self.accuracy(row);
        let is_first = self.points.is_empty();
        self.points.push((row.step as f64 / self.n_steps.max(1) as f64, accuracy));
        if self.mode == Mode::Live {
            self.draw(row);
        }
        let has_learned = accuracy > self.progress.threshold();
        if has_learned && !self.has_jumped && !is_first {
            let text = format!(
                "    by step {} the jump has come: {} {}, up from {} = {}",
                commas(row.step),
                self.words,
                fraction(accuracy),
                self.progress.floor_words,
                fraction(self.progress.floor)
            );
            self.say(&text);
        }
        self.has_jumped |= has_learned;
        let is_due = self.last_line.elapsed() >= LINE_EVERY || is_first || row.step == self.n_steps;
        if self.mode == Mode::Lines && is_due {
            let (step, total) = (commas(row.step), commas(self.n_steps));
            self.say(&format!(
                "    step {step}/{total}: {} {}, loss {}",
                self.words,
                fraction(accuracy),
                fraction(self.loss(row))
            ));
            self.last_line = Instant::now();
        }
        Ok(())
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, step: u64, loss: f64) -> Next {
        let (first, since) = *self.first_step.get_or_insert_with(|| (step - 1, Instant::now()));
        if self.mode == Mode::Live && (step.is_multiple_of(10) || step == self.n_steps) {
            let rate = (step - first) as f64 / since.elapsed().as_secs_f64().max(1e-9);
            let left = crate::numbers::duration((self.n_steps - step) as f64 / rate);
            self.bar.set_message(format!("{rate:.0} steps/s · {left} left · batch loss {}", fraction(loss)));
            self.bar.set_position(step);
        }
        if interrupt::requested() { Next::Stop } else { Next::Continue }
    }
}
