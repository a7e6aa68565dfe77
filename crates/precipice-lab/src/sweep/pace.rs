//! How far a sweep is and how long it will take: by the work of its runs, which differs from point to point, not by
//! their number.

use precipice::model::Description;
use precipice::model::plan::Plan;
use precipice::run::n_rows_due;
use precipice::spec::RunSpec;

use super::grid::Job;

/// How far the runs of a sweep are. Times are seconds of any clock.
#[derive(Clone, Debug)]
pub struct Pace {
    kinds: Vec<Kind>,
    runs: Vec<RunPace>,
    n_workers: usize,
    /// Runs before it do not wait.
    first_waiting: usize,
    n_waiting: usize,
    n_running: usize,
    n_steps_done: u64,
    n_steps: u64,
    cost_done: f64,
    cost: f64,
}

/// Runs that differ in seeds alone take the same time.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// Work of one of its runs, about, in any unit.
    cost: f64,
    /// Time that its runs took so far, and how many runs that were, with fractions.
    seconds: f64,
    n_measured: f64,
    n_waiting: usize,
}

#[derive(Clone, Copy, Debug)]
struct RunPace {
    kind: u32,
    stage: Stage,
    n_steps: u64,
    /// Steps now.
    step: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Waiting,
    /// Since when; its first step here and the time of that; what of it stands in its kind.
    Running {
        begun: f64,
        first: Option<(u64, f64)>,
        seconds: f64,
        share: f64,
    },
    Ended,
}

/// A count of runs: what is said of a point beforehand weighs as much as this share of a run that is measured.
const PRIOR: f64 = 0.02;
/// More runs than this are not laid out worker by worker: their mean tells as much.
const LAID_OUT: usize = 1000;

impl Pace {
    /// Of the runs of a sweep that so many workers make, a few at a time.
    pub fn new(jobs: &[Job], n_workers: usize) -> Self {
        let mut before: Option<&Job> = None;
        let mut number = 0;
        let runs = jobs.iter().zip(costs(jobs)).map(|(job, cost)| {
            number += usize::from(before.is_some_and(|other| other.swept != job.swept));
            before = Some(job);
            (number, cost, job.spec.train.steps)
        });
        Self::of(runs, n_workers)
    }

    /// Runs as (kind, from 0 and rising, cost of one run of a new kind, steps).
    fn of(runs: impl IntoIterator<Item = (usize, f64, u64)>, n_workers: usize) -> Self {
        let (mut kinds, mut all) = (Vec::<Kind>::new(), Vec::new());
        for (kind, cost, n_steps) in runs {
            if kind == kinds.len() {
                kinds.push(Kind { cost, seconds: 0.0, n_measured: 0.0, n_waiting: 0 });
            }
            kinds[kind].n_waiting += 1;
            all.push(RunPace { kind: kind as u32, stage: Stage::Waiting, n_steps, step: 0 });
        }
        Self {
            n_workers: n_workers.clamp(1, all.len().max(1)),
            n_steps: all.iter().map(|run| run.n_steps).sum(),
            cost: all.iter().map(|run| kinds[run.kind as usize].cost).sum(),
            cost_done: 0.0,
            n_waiting: all.len(),
            kinds,
            runs: all,
            first_waiting: 0,
            n_running: 0,
            n_steps_done: 0,
        }
    }

    /// A run begins.
    pub fn begins(&mut self, run: usize, now: f64) {
        let RunPace { kind, stage, .. } = &mut self.runs[run];
        if *stage == Stage::Waiting {
            *stage = Stage::Running { begun: now, first: None, seconds: 0.0, share: 0.0 };
            self.kinds[*kind as usize].n_waiting -= 1;
            (self.n_waiting, self.n_running) = (self.n_waiting - 1, self.n_running + 1);
        }
        while self.runs.get(self.first_waiting).is_some_and(|run| run.stage != Stage::Waiting) {
            self.first_waiting += 1;
        }
    }

    /// A run has made a step.
    pub fn at(&mut self, run: usize, step: u64, now: f64) {
        let RunPace { kind, stage, n_steps, step: before } = &mut self.runs[run];
        let Stage::Running { first, seconds, share, .. } = stage else { return };
        // A run that goes on from its last state has the steps before it for nothing.
        let (first, since) = *first.get_or_insert((step, now));
        let n_new = step.saturating_sub(*before);
        self.n_steps_done += n_new;
        self.cost_done += self.kinds[*kind as usize].cost * n_new as f64 / (*n_steps).max(1) as f64;
        *before = step;
        let kind = &mut self.kinds[*kind as usize];
        let so_far = (now - since, step.saturating_sub(first) as f64 / (*n_steps).max(1) as f64);
        kind.seconds += so_far.0 - *seconds;
        kind.n_measured += so_far.1 - *share;
        (*seconds, *share) = so_far;
    }

    /// A run has ended: stored before, or failed, which says nothing of time, or made here.
    pub fn ended(&mut self, run: usize, is_made: bool, now: f64) {
        let RunPace { kind, stage, n_steps, step } = &mut self.runs[run];
        let measured = &mut self.kinds[*kind as usize];
        match *stage {
            Stage::Ended => return,
            Stage::Waiting => {
                measured.n_waiting -= 1;
                self.n_waiting -= 1;
            }
            Stage::Running { begun, seconds, .. } => {
                self.n_running -= 1;
                // What comes before the first step and after the last takes time, too.
                if is_made && seconds > 0.0 {
                    measured.seconds += now - begun - seconds;
                }
            }
        }
        *stage = Stage::Ended;
        let n_new = n_steps.saturating_sub(*step);
        self.n_steps_done += n_new;
        self.cost_done += measured.cost * n_new as f64 / (*n_steps).max(1) as f64;
        *step = *n_steps;
    }

    /// A run that another process makes waits again.
    pub fn waits(&mut self, run: usize) {
        let RunPace { kind, stage, .. } = &mut self.runs[run];
        if matches!(stage, Stage::Running { .. }) {
            *stage = Stage::Waiting;
            self.kinds[*kind as usize].n_waiting += 1;
            (self.n_waiting, self.n_running) = (self.n_waiting + 1, self.n_running - 1);
            self.first_waiting = self.first_waiting.min(run);
        }
    }

    /// Steps that are made, those of stored runs among them, and steps in all.
    pub fn steps(&self) -> (u64, u64) {
        (self.n_steps_done, self.n_steps)
    }

    /// Runs that go on.
    pub fn n_running(&self) -> usize {
        self.n_running
    }

    /// Share of the work that is done, by its cost.
    pub fn share(&self) -> f64 {
        self.cost_done / self.cost.max(f64::MIN_POSITIVE)
    }

    /// Seconds left, if that can be told.
    pub fn left(&self, now: f64) -> Option<f64> {
        if self.n_waiting + self.n_running == 0 {
            return Some(0.0);
        }
        let measured: f64 = self.kinds.iter().map(|kind| kind.seconds).sum();
        let worked: f64 = self.kinds.iter().map(|kind| kind.n_measured * kind.cost).sum();
        if worked <= 0.0 {
            return None;
        }
        let of_run = |kind: &Kind| {
            let foretold = kind.cost * measured / worked;
            (kind.seconds + PRIOR * foretold) / (kind.n_measured + PRIOR)
        };
        // The time at which each worker is free.
        let mut free: Vec<f64> = Vec::with_capacity(self.n_workers);
        if self.n_running > 0 {
            for run in &self.runs {
                if let Stage::Running { begun, first, .. } = run.stage {
                    let whole = of_run(&self.kinds[run.kind as usize]);
                    let left = whole * (1.0 - run.step as f64 / run.n_steps.max(1) as f64);
                    // A step that takes long has been going on for a while.
                    free.push(if first.is_some() { left } else { (left - (now - begun)).max(0.0) });
                }
            }
        }
        free.resize(self.n_workers.max(free.len()), 0.0);
        if self.n_waiting > LAID_OUT {
            let queued: f64 = self.kinds.iter().map(|kind| kind.n_waiting as f64 * of_run(kind)).sum();
            return Some((queued + free.iter().sum::<f64>()) / free.len() as f64);
        }
        let waiting = self.runs[self.first_waiting.min(self.runs.len())..].iter();
        for run in waiting.filter(|run| run.stage == Stage::Waiting) {
            let next = free.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("a worker at least");
            *next += of_run(&self.kinds[run.kind as usize]);
        }
        free.into_iter().max_by(f64::total_cmp)
    }
}

/// Operations that a number drawn, or an element that is exponentiated, counts as. With the next: measured on networks
/// from d_item = 16 to 256 and N = 4 to 16, whose steps then take the same time an operation within a factor of 1.45.
const PER_ELEMENT: f64 = 30.0;
/// Operations that could be made while a step is begun and ended.
const PER_STEP: f64 = 6e7;

/// Work of each run. Those that differ in seeds alone stand side by side, and it is counted once for them.
pub(super) fn costs(jobs: &[Job]) -> Vec<f64> {
    let mut costs: Vec<f64> = Vec::with_capacity(jobs.len());
    for (run, job) in jobs.iter().enumerate() {
        let same = run.checked_sub(1).filter(|&before| jobs[before].swept == job.swept).map(|before| costs[before]);
        costs.push(same.unwrap_or_else(|| cost(&job.spec)));
    }
    costs
}

/// Work of a run: its training steps and its evaluations, in operations.
fn cost(spec: &RunSpec) -> f64 {
    let (network, steps) = (Description::of(spec), spec.train.steps as f64);
    let batch = spec.train.batch_size;
    let plan = Plan::of(&network, batch);
    let facts = spec.facts();
    let elements = |n: f64| PER_ELEMENT * n * (network.n_tokens() * (network.d_item + network.n_heads)) as f64;
    let step = plan.flops + elements(batch as f64) + PER_STEP;
    // A forward pass is a third of a step. Ablated passes and probes compute the plain form.
    let a_sequence = plan.flops / batch as f64 / 3.0;
    let a_plain_sequence = plan.plain_flops / batch as f64 / 3.0;
    let n_scored = (spec.eval.sequences * facts.eval_sets.len()) as f64;
    let is_probed = spec.probes.enabled;
    let n_probed = if is_probed { (spec.probes.sequences * (1 + spec.probes.ablations.len())) as f64 } else { 0.0 };
    let row = n_scored * a_sequence + 3.0 * n_probed * a_plain_sequence + elements(n_scored + n_probed) + PER_STEP;
    steps * step + n_rows_due(spec, spec.train.steps) as f64 * row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Axis, Plan};

    /// Makes the runs on so many workers, a tenth of a second after the other, and tells the worst factor between time
    /// left as told and as it was, from `from` of the time on. `seconds` of each run; the first `n_stored` are stored.
    fn worst_factor(runs: &[(usize, f64, u64)], seconds: &[f64], n_workers: usize, n_stored: usize, from: f64) -> f64 {
        let mut pace = Pace::of(runs.iter().copied(), n_workers);
        (0..n_stored).for_each(|run| {
            pace.begins(run, 0.0);
            pace.ended(run, false, 0.0);
        });
        let (mut told, mut now, mut next) = (Vec::new(), 0.0, n_stored);
        let mut running: Vec<(usize, f64)> = Vec::new();
        loop {
            running.retain(|&(run, began)| {
                let is_over = now - began >= seconds[run];
                if is_over {
                    pace.ended(run, true, now);
                }
                !is_over
            });
            while running.len() < n_workers && next < runs.len() {
                pace.begins(next, now);
                running.push((next, now));
                next += 1;
            }
            if running.is_empty() {
                break;
            }
            now += 0.1;
            for &(run, began) in &running {
                let step = ((now - began) / seconds[run] * runs[run].2 as f64) as u64;
                if step > 0 {
                    pace.at(run, step.min(runs[run].2), now);
                }
            }
            told.push((now, pace.left(now)));
        }
        let (done, total) = pace.steps();
        assert_eq!(done, total);
        let late = told.iter().filter(|(at, _)| *at >= from * now && now - *at > 0.5);
        late.map(|&(at, left)| {
            let left = left.expect("known by then");
            (left / (now - at)).max((now - at) / left)
        })
        .fold(1.0, f64::max)
    }

    #[test]
    fn time_left_is_true_where_points_cost_the_same() {
        let runs: Vec<_> = (0..12).map(|i| (i / 6, 1.0, 1000)).collect();
        assert!(worst_factor(&runs, &[5.0; 12], 2, 0, 0.05) < 1.2);
        assert!(worst_factor(&runs, &[5.0; 12], 2, 7, 0.05) < 1.2, "stored runs take no time");
    }

    #[test]
    fn time_left_is_true_where_points_cost_differently() {
        // Costs are as foretold within a factor of 1.3, and rise eightfold; by runs the time would be far too short.
        let costs = [1.0, 2.0, 4.0, 8.0];
        let off = [1.0, 1.3, 0.8, 1.1];
        let runs: Vec<_> = (0..16).map(|i| (i / 4, costs[i / 4], 1000)).collect();
        let seconds: Vec<f64> = (0..16).map(|i| 3.0 * costs[i / 4] * off[i / 4]).collect();
        for n_workers in [1, 2, 3] {
            let worst = worst_factor(&runs, &seconds, n_workers, 0, 0.02);
            assert!(worst < 1.5, "{n_workers} workers: {worst}");
        }
        assert!(worst_factor(&runs, &seconds, 2, 5, 0.02) < 1.5);
    }

    #[test]
    fn a_run_that_another_process_makes_is_waited_for() {
        let mut pace = Pace::of([(0, 1.0, 10), (0, 1.0, 10)], 2);
        pace.begins(0, 0.0);
        pace.begins(1, 0.0);
        pace.waits(1);
        assert_eq!(pace.left(1.0), None, "nothing is known yet");
        pace.at(0, 1, 1.0);
        pace.at(0, 5, 5.0);
        assert_eq!(pace.left(5.0), Some(10.0));
        pace.ended(0, true, 10.0);
        pace.ended(1, false, 12.0);
        assert_eq!((pace.left(12.0), pace.steps(), pace.n_running()), (Some(0.0), (20, 20), 0));
    }

    #[test]
    fn a_resumed_run_is_not_taken_for_a_fast_one() {
        let mut pace = Pace::of([(0, 1.0, 100), (0, 1.0, 100)], 1);
        pace.begins(0, 0.0);
        pace.at(0, 91, 0.1);
        pace.at(0, 95, 0.5);
        assert_eq!(pace.steps(), (95, 200));
        // A tenth of a second a step: half a second and ten.
        assert!((pace.left(0.5).unwrap() - 10.5).abs() < 0.01, "{:?}", pace.left(0.5));
    }

    #[test]
    fn larger_networks_and_longer_runs_cost_more() {
        let mut plan = Plan::load("copying-small", false).unwrap();
        plan.seeds = vec![0];
        for (key, values) in [("train.steps", [100, 400]), ("task.copying.d_item", [16, 256]), ("eval.every", [50, 5])]
        {
            plan.axes = vec![Axis::of(key, values)];
            let jobs = plan.jobs().unwrap();
            assert!(cost(&jobs[1].spec) > 1.5 * cost(&jobs[0].spec), "{key}");
        }
    }
}
