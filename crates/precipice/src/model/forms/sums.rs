//! Sums over the sequences of each shard, in one order whoever adds them.

use std::ops::Range;

use precipice_num::{Kernels, Real};

/// The sums of consecutive shards. Those from the first shard on are added up as soon as the next one begins: so one
/// thread needs two vectors, and reads them while they are in its cache.
#[derive(Clone, Debug)]
pub struct ShardSums<T> {
    shards: Range<usize>,
    /// Where the first shard is among them the sum of the shards before the open one, and that of the open one; else
    /// one vector a shard.
    sums: Vec<Vec<T>>,
    open: usize,
}

impl<T: Real> ShardSums<T> {
    /// For shards, `len` numbers each.
    pub fn new(shards: Range<usize>, len: usize) -> Self {
        let n = if shards.start == 0 { shards.len().min(2) } else { shards.len() };
        Self { open: shards.start, shards, sums: vec![vec![T::ZERO; len]; n] }
    }

    /// Sets all to 0.
    pub fn clear(&mut self) {
        self.open = self.shards.start;
        self.sums.iter_mut().for_each(|sum| sum.fill(T::ZERO));
    }

    /// Where a shard adds; shards come in order.
    ///
    /// # Panics
    /// If it is not among them, or comes too late.
    pub fn of(&mut self, kernels: Kernels, shard: usize) -> &mut [T] {
        assert!(self.shards.contains(&shard) && shard >= self.open, "shard {shard} of {:?}", self.shards);
        if self.shards.start > 0 {
            self.open = shard;
            return &mut self.sums[shard - self.shards.start];
        }
        while self.open < shard {
            self.close(kernels);
            self.open += 1;
        }
        &mut self.sums[usize::from(shard > 0)]
    }

    /// Adds the open shard to those before it; the first is there already.
    fn close(&mut self, kernels: Kernels) {
        if let ([total, open], true) = (&mut self.sums[..], self.open > 0) {
            T::axpy(kernels, T::ONE, open, total);
            open.fill(T::ZERO);
        }
    }

    /// The sums, to be added in this order.
    pub fn in_order(&self) -> impl Iterator<Item = &[T]> {
        self.sums.iter().map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_in_their_order() {
        let kernels = Kernels::detect();
        let value = |shard: usize| [0.1 * (shard + 1) as f32, 1.0 / (shard + 3) as f32];
        let mut want = value(0);
        for shard in 1..8 {
            want.iter_mut().zip(value(shard)).for_each(|(sum, x)| *sum += x);
        }
        for cuts in [vec![0, 8], vec![0, 4, 8], vec![0, 1, 3, 8], (0..=8).collect()] {
            let mut groups: Vec<_> = cuts.windows(2).map(|cut| ShardSums::new(cut[0]..cut[1], 2)).collect();
            for _ in 0..2 {
                groups.iter_mut().for_each(ShardSums::clear);
                for (group, cut) in groups.iter_mut().zip(cuts.windows(2)) {
                    for shard in cut[0]..cut[1] {
                        group.of(kernels, shard).copy_from_slice(&value(shard));
                    }
                }
                let mut sums = groups.iter().flat_map(ShardSums::in_order);
                let mut total = sums.next().unwrap().to_vec();
                sums.for_each(|sum| f32::axpy(kernels, 1.0, sum, &mut total));
                assert_eq!(total, want);
            }
        }
    }
}
