//! Which run is made next: the longest, so that nobody is left alone with a long one at the end.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};

use super::grid::Job;
use super::pace::costs;

/// The runs that wait, by kind: those that differ in seeds alone take the same time.
#[derive(Debug)]
pub(super) struct Queue {
    kinds: Vec<Kind>,
    /// The kind of each run.
    kind_of: Vec<usize>,
    /// Kinds of which no run has ended, the longest last.
    foretold: Vec<usize>,
    /// The others, by their time.
    measured: BTreeSet<(u64, Reverse<usize>)>,
    /// Runs that others hold come after all others.
    held: VecDeque<usize>,
    /// Time that runs took, and their work.
    seconds: f64,
    worked: f64,
}

#[derive(Debug)]
struct Kind {
    /// Work of one run, about, in any unit.
    cost: f64,
    /// Time that its runs took, and how many they were.
    seconds: f64,
    n_measured: f64,
    waiting: VecDeque<usize>,
}

impl Kind {
    /// Seconds of a run, for whom the order of bits is that of numbers: they are above 0.
    fn key(&self) -> u64 {
        (self.seconds / self.n_measured).to_bits()
    }
}

impl Queue {
    /// Of all runs of a sweep.
    pub fn new(jobs: &[Job]) -> Self {
        let (mut kinds, mut kind_of) = (Vec::<Kind>::new(), Vec::with_capacity(jobs.len()));
        for (run, cost) in costs(jobs).into_iter().enumerate() {
            if run == 0 || jobs[run - 1].swept != jobs[run].swept {
                kinds.push(Kind { cost, seconds: 0.0, n_measured: 0.0, waiting: VecDeque::new() });
            }
            kind_of.push(kinds.len() - 1);
            kinds[kind_of[run]].waiting.push_back(run);
        }
        let mut foretold: Vec<usize> = (0..kinds.len()).collect();
        // Of equals the first comes first, so that points of one cost are made in their order.
        foretold.sort_by(|&a, &b| kinds[a].cost.total_cmp(&kinds[b].cost).then(b.cmp(&a)));
        let (measured, held) = (BTreeSet::new(), VecDeque::new());
        Self { kinds, kind_of, foretold, measured, held, seconds: 0.0, worked: 0.0 }
    }

    /// Runs that wait.
    pub fn len(&self) -> usize {
        self.kinds.iter().map(|kind| kind.waiting.len()).sum::<usize>() + self.held.len()
    }

    /// Takes the run that is expected to take longest: by the time that its kind took, or by its counted work at the
    /// speed of those that ended.
    pub fn next(&mut self) -> Option<usize> {
        let Self { kinds, foretold, measured, .. } = self;
        let is_over = |kind: &Kind| kind.waiting.is_empty() || kind.n_measured > 0.0;
        while foretold.pop_if(|kind| is_over(&kinds[*kind])).is_some() {}
        while measured.last().is_some_and(|(_, Reverse(kind))| kinds[*kind].waiting.is_empty()) {
            measured.pop_last();
        }
        let pace = if self.worked > 0.0 { self.seconds / self.worked } else { 1.0 };
        let foretold = foretold.last().map(|&kind| (kinds[kind].cost * pace, kind));
        let measured = measured.last().map(|&(bits, Reverse(kind))| (f64::from_bits(bits), kind));
        let longest = foretold.into_iter().chain(measured).max_by(|a, b| a.0.total_cmp(&b.0));
        longest.and_then(|(_, kind)| kinds[kind].waiting.pop_front()).or_else(|| self.held.pop_front())
    }

    /// Another process makes the run: it is looked at again when nothing else is left.
    pub fn put_back(&mut self, run: usize) {
        self.held.push_back(run);
    }

    /// A run took so many seconds, here or elsewhere.
    pub fn took(&mut self, run: usize, seconds: f64) {
        if !(seconds.is_finite() && seconds > 0.0) {
            return;
        }
        let idx = self.kind_of[run];
        let kind = &mut self.kinds[idx];
        let has_place = kind.n_measured == 0.0 || self.measured.remove(&(kind.key(), Reverse(idx)));
        (kind.seconds, kind.n_measured) = (kind.seconds + seconds, kind.n_measured + 1.0);
        if has_place {
            self.measured.insert((kind.key(), Reverse(idx)));
        }
        (self.seconds, self.worked) = (self.seconds + seconds, self.worked + kind.cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Axis, Plan};

    fn jobs(steps: &[i64], seeds: u64) -> Vec<Job> {
        let mut plan = Plan::load("copying-small", false).unwrap();
        plan.set_axis(Axis::of("train.steps", steps.iter().copied()));
        plan.seeds = (0..seeds).collect();
        plan.jobs().unwrap()
    }

    fn all(queue: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn the_longest_run_comes_first_and_equals_in_their_order() {
        assert_eq!(all(&mut Queue::new(&jobs(&[10, 40, 20], 2))), [2, 3, 4, 5, 0, 1]);
        assert_eq!(all(&mut Queue::new(&jobs(&[10], 3))), [0, 1, 2]);
    }

    #[test]
    fn what_is_measured_counts_more_than_what_is_foretold() {
        let mut queue = Queue::new(&jobs(&[10, 40, 20], 3));
        assert_eq!(queue.next(), Some(3));
        // The longest turned out to be short: a tenth of what the others are foretold to take at this speed.
        queue.took(3, 4.0);
        assert_eq!(queue.next(), Some(4));
        assert_eq!(queue.next(), Some(5));
        assert_eq!(queue.next(), Some(6));
        queue.took(6, 1e-3);
        // Now they are foretold more than the one that was measured, whose runs come last.
        assert_eq!(all(&mut queue), [0, 1, 2, 7, 8]);
    }

    #[test]
    fn what_others_hold_comes_last() {
        let mut queue = Queue::new(&jobs(&[10, 40], 2));
        let held = queue.next().unwrap();
        queue.put_back(held);
        assert_eq!((queue.len(), all(&mut queue)), (4, vec![3, 0, 1, 2]));
    }

    #[test]
    fn many_points_take_no_long() {
        let steps: Vec<i64> = (1..=3000).collect();
        let jobs = jobs(&steps, 1);
        let mut queue = Queue::new(&jobs);
        let mut order = Vec::new();
        while let Some(run) = queue.next() {
            queue.took(run, (run + 1) as f64);
            order.push(run);
        }
        assert!(order.len() == 3000 && order.windows(2).all(|pair| pair[0] > pair[1]));
    }
}
