//! A fixed part of a sweep, for workers that cannot hold locks against each other.

use std::fmt;
use std::str::FromStr;

use super::grid::Job;
use super::pace::costs;

/// Every n-th run, in the order of their cost.
///
/// ```
/// use precipice_lab::sweep::Shard;
/// let shard: Shard = "2/3".parse()?;
/// assert_eq!((0..6).filter(|&place| shard.has(place)).collect::<Vec<_>>(), [1, 4]);
/// assert!("4/3".parse::<Shard>().is_err() && "0/3".parse::<Shard>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    index: usize,
    n_shards: usize,
}

impl Shard {
    /// Whether a run is in it, by its place in the order of cost, from 0.
    pub fn has(self, place: usize) -> bool {
        place % self.n_shards == self.index - 1
    }

    /// How many of so many runs are in it.
    pub(super) fn len_of(self, n_runs: usize) -> usize {
        (n_runs + self.n_shards - self.index) / self.n_shards
    }

    /// Its runs, in the order in which they stand.
    pub(super) fn of(self, jobs: Vec<Job>) -> Vec<Job> {
        let costs = costs(&jobs);
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        order.sort_by(|&a, &b| costs[b].total_cmp(&costs[a]).then(a.cmp(&b)));
        let mut is_in = vec![false; jobs.len()];
        order.into_iter().enumerate().for_each(|(place, run)| is_in[run] = self.has(place));
        jobs.into_iter().zip(is_in).filter_map(|(job, is_in)| is_in.then_some(job)).collect()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, n)| Some((index.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, n_shards)) if (1..=n_shards).contains(&index) => Ok(Self { index, n_shards }),
            _ => Err("expected I/N with I from 1 to N, for example 2/8".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.n_shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Axis, Plan};

    #[test]
    fn shards_share_the_long_runs_and_leave_none_out() {
        let mut plan = Plan::load("copying-small", false).unwrap();
        plan.set_axis(Axis::of("train.steps", [10, 40, 20]));
        plan.seeds = vec![0, 1];
        let jobs = plan.jobs().unwrap();
        let parts = ["1/4", "2/4", "3/4", "4/4"].map(|shard| shard.parse::<Shard>().unwrap().of(jobs.clone()));
        assert!((1..=4).zip(&parts).all(|(index, part)| Shard { index, n_shards: 4 }.len_of(6) == part.len()));
        let steps = |part: &Vec<Job>| part.iter().map(|job| job.spec.train.steps).collect::<Vec<_>>();
        assert_eq!(parts.each_ref().map(steps), [vec![10, 40], vec![10, 40], vec![20], vec![20]]);
    }
}
