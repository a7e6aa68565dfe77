//! Counter-based random numbers: every number is a function of (seed, purpose, step, lane, index).
//!
//! Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). Nothing is
//! carried from one draw to the next, so that batches may be drawn in any order by any thread.

use crate::kernels::{Kernels, dispatch};
use crate::math;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Philox 4x32-10 of one counter.
#[inline(always)]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter =
            [(p1 >> 32) as u32 ^ counter[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ counter[3] ^ key[1], p0 as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The address of a stream of random numbers. Different addresses give independent streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId {
    /// Seed of the run; the key.
    pub seed: u64,
    /// What the numbers are for.
    pub purpose: u8,
    /// Training step, below 2^56.
    pub step: u64,
    /// Sequence in the batch, or tensor.
    pub lane: u32,
}

impl StreamId {
    fn key(self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }

    fn counter(self, block: u32) -> [u32; 4] {
        debug_assert!(self.step < 1 << 56);
        [block, self.lane, self.step as u32, (self.step >> 32) as u32 | u32::from(self.purpose) << 24]
    }
}

/// A reader of one stream, word by word.
#[derive(Clone, Debug)]
pub struct Rng {
    id: StreamId,
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Rng {
    /// Starts at the first word of the stream.
    pub fn new(id: StreamId) -> Self {
        Self { id, block: 0, words: [0; 4], used: 4 }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox(self.id.counter(self.block), self.id.key());
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform in 0..n, without bias (Lemire 2019).
    ///
    /// # Panics
    /// If n = 0.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "no number is below 0");
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        let bits = u64::from(self.next_u32()) << 32 | u64::from(self.next_u32());
        (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// `out.len()` distinct numbers below n, in uniformly random order.
    ///
    /// # Panics
    /// If n < `out.len()`.
    pub fn distinct_below(&mut self, n: u32, out: &mut [u32]) {
        // A Fisher-Yates shuffle whose array is kept as its list of swaps: position i received
        // what stood at r_i, so value lookups replay earlier swaps. k^2 / 2 steps, no memory of n.
        assert!(n as usize >= out.len(), "fewer than {} numbers below {n}", out.len());
        for i in 0..out.len() {
            out[i] = i as u32 + self.below(n - i as u32);
        }
        for i in (0..out.len()).rev() {
            let mut at = out[i];
            for j in (0..i).rev() {
                // Undo swap j: what stands at r_j after it stood at j before it.
                if at == out[j] {
                    at = j as u32;
                }
            }
            out[i] = at;
        }
    }

    /// Fills `out` with independent uniform numbers between -width / 2 and width / 2, the centers of 2^24
    /// equal cells. Element e comes from word e of the stream.
    pub fn fill_uniform(id: StreamId, width: f32, out: &mut [f32]) {
        let key = id.key();
        let scale = width / (1 << 25) as f32;
        for (block, chunk) in out.chunks_mut(4).enumerate() {
            let words = philox(id.counter(block as u32), key);
            for (x, word) in chunk.iter_mut().zip(words) {
                // An odd integer below 2^24 in size, which an f32 holds exactly.
                let cell = 2 * (word >> 8) as i32 + 1 - (1 << 24);
                *x = cell as f32 * scale;
            }
        }
    }

    /// Fills `out` with independent normal deviates of the given standard deviation.
    ///
    /// Element e comes from block e / 4 of the stream, whatever the length of `out`.
    pub fn fill_normal(kernels: Kernels, id: StreamId, std: f32, out: &mut [f32]) {
        dispatch!(kernels, fill_normal_body(id: StreamId, std: f32, out: &mut [f32]));
    }
}

/// Blocks drawn together, so that each line of the algorithm is a vector operation.
const WIDTH: usize = 16;

#[inline(always)]
fn fill_normal_body(id: StreamId, std: f32, out: &mut [f32]) {
    let mut block = 0;
    for chunk in out.chunks_mut(4 * WIDTH) {
        let deviates = normals(id, block, std);
        let mut in_order = [0.0; 4 * WIDTH];
        for j in 0..WIDTH {
            for i in 0..4 {
                in_order[4 * j + i] = deviates[i][j];
            }
        }
        chunk.copy_from_slice(&in_order[..chunk.len()]);
        block += WIDTH as u32;
    }
}

/// The 4 deviates of each of `WIDTH` blocks.
#[inline(always)]
fn normals(id: StreamId, block: u32, std: f32) -> [[f32; WIDTH]; 4] {
    // Words in lanes of 64 bits: their products need no widening.
    const LOW: u64 = 0xffff_ffff;
    let [mut k0, mut k1] = id.key();
    let mut c = id.counter(block).map(|word| [u64::from(word); WIDTH]);
    for j in 0..WIDTH {
        c[0][j] = u64::from(block.wrapping_add(j as u32));
    }
    for _ in 0..ROUNDS {
        for j in 0..WIDTH {
            let p0 = u64::from(MULTIPLIERS[0]) * (c[0][j] & LOW);
            let p1 = u64::from(MULTIPLIERS[1]) * (c[2][j] & LOW);
            c[0][j] = (p1 >> 32) ^ c[1][j] ^ u64::from(k0);
            c[1][j] = p1 & LOW;
            c[2][j] = (p0 >> 32) ^ c[3][j] ^ u64::from(k1);
            c[3][j] = p0 & LOW;
        }
        (k0, k1) = (k0.wrapping_add(WEYL[0]), k1.wrapping_add(WEYL[1]));
    }
    let c = c.map(|words| words.map(|word| word as u32));
    let mut z = [[0.0; WIDTH]; 4];
    for pair in [0, 2] {
        for j in 0..WIDTH {
            let (a, b) = math::normal_pair(c[pair][j], c[pair + 1][j]);
            z[pair][j] = std * a;
            z[pair + 1][j] = std * b;
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors that come with Random123.
    #[test]
    fn philox_matches_random123() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    fn id(lane: u32) -> StreamId {
        StreamId { seed: 7, purpose: 2, step: 5, lane }
    }

    #[test]
    fn normals_are_the_same_at_every_level_and_length() {
        let mut whole = [0.0; 1000];
        Rng::fill_normal(Kernels::detect(), id(0), 2.0, &mut whole);
        for kernels in Kernels::available() {
            for len in [1, 5, 63, 64, 65, 999] {
                let mut part = vec![0.0; len];
                Rng::fill_normal(kernels, id(0), 2.0, &mut part);
                assert_eq!(part, whole[..len], "{kernels:?}");
            }
        }
    }

    #[test]
    fn normals_have_the_right_moments() {
        let mut x = vec![0.0; 1 << 20];
        Rng::fill_normal(Kernels::detect(), id(1), 1.0, &mut x);
        let n = x.len() as f64;
        let moment = |k: i32| x.iter().map(|&v| f64::from(v).powi(k)).sum::<f64>() / n;
        // Each bound is 5 standard errors (sqrt of 1, 2, 15, 96 over n): tail probability 6e-7.
        let errors = [1.0, 2.0, 15.0, 96.0].map(|v: f64| 5.0 * (v / n).sqrt());
        for (k, want) in [0.0, 1.0, 0.0, 3.0].into_iter().enumerate() {
            assert!((moment(k as i32 + 1) - want).abs() < errors[k], "moment {}", k + 1);
        }
        // P(|x| > 3) = .0026998; 5 standard errors.
        let tail = x.iter().filter(|v| v.abs() > 3.0).count() as f64 / n;
        assert!((tail - 0.002_699_8).abs() < 5.0 * (0.0027 / n).sqrt());
    }

    #[test]
    fn below_is_uniform() {
        let mut counts = [0_u32; 7];
        let mut rng = Rng::new(id(2));
        (0..70_000).for_each(|_| counts[rng.below(7) as usize] += 1);
        // Chi-square with 6 degrees of freedom exceeds 38.3 with probability 1e-6.
        let chi2: f64 = counts.iter().map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4).sum();
        assert!(chi2 < 38.3, "{counts:?}");
    }

    #[test]
    fn distinct_numbers_are_uniform_over_arrangements() {
        let mut counts = std::collections::BTreeMap::new();
        for lane in 0..60_000 {
            let mut out = [0; 3];
            Rng::new(id(lane)).distinct_below(5, &mut out);
            *counts.entry(out).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 60);
        // Chi-square with 59 degrees of freedom exceeds 123 with probability 2e-6.
        let chi2: f64 = counts.values().map(|&c| (f64::from(c) - 1e3).powi(2) / 1e3).sum();
        assert!(chi2 < 123.0, "chi-square {chi2}");
    }

    #[test]
    fn all_of_n_is_a_permutation() {
        let mut out = [0; 8];
        Rng::new(id(3)).distinct_below(8, &mut out);
        out.sort_unstable();
        assert_eq!(out, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
