//! The limit of this machine: its best matrix product.

use std::time::Instant;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real, Rng, StreamId};

use crate::runs::threads::Pool;

/// Shapes [m, n, k] whose operands fit the second cache, the last nearly the first; which is fastest depends on both.
const SHAPES: [[usize; 3]; 3] = [[144, 64, 256], [192, 32, 256], [120, 64, 128]];

/// The f32 product [m, k] x [k, n] that is fastest on this machine, to be timed beside what is measured: the clock of
/// a machine moves, and so does what its neighbors leave of it.
///
/// ```
/// let limit = precipice_lab::bench::Limit::find();
/// assert!(limit.gflops() > 0.0);
/// ```
#[derive(Clone, Debug)]
pub struct Limit {
    product: Product,
    gflops: f64,
}

impl Limit {
    /// Times each shape several times, in turns, and keeps the one that was fastest.
    pub fn find() -> Self {
        const TURNS: usize = 10;
        const SECONDS: f64 = 1e-3;
        let mut found = SHAPES.map(|shape| Self { product: Product::new(shape), gflops: 0.0 });
        for _ in 0..TURNS {
            for limit in &mut found {
                limit.gflops = limit.gflops.max(limit.product.run(SECONDS).rate() / 1e9);
            }
        }
        let best = found.into_iter().max_by(|a, b| a.gflops.total_cmp(&b.gflops));
        best.expect("there are shapes")
    }

    /// Its shape [m, n, k].
    pub fn shape(&self) -> [usize; 3] {
        self.product.shape
    }

    /// 1e9 operations a second on one core, at best, when it was found.
    pub fn gflops(&self) -> f64 {
        self.gflops
    }

    /// The product on every thread of the pool at once for so many seconds: the work of all threads.
    pub(super) fn run(&self, pool: &Pool, seconds: f64) -> Work {
        let works = pool.on_each(|| self.product.run(seconds));
        let seconds = works.iter().map(|work| work.seconds).sum::<f64>() / works.len() as f64;
        Work { flops: seconds * works.iter().map(Work::rate).sum::<f64>(), seconds }
    }
}

/// Operations, and the seconds that they took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) flops: f64,
    pub(super) seconds: f64,
}

impl Work {
    /// More of it.
    pub(super) fn add(&mut self, more: Work) {
        self.flops += more.flops;
        self.seconds += more.seconds;
    }

    /// Operations a second.
    pub(super) fn rate(&self) -> f64 {
        self.flops / self.seconds
    }
}

/// The operands.
#[derive(Clone, Debug)]
struct Product {
    kernels: Kernels,
    shape: [usize; 3],
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Product {
    fn new(shape: [usize; 3]) -> Self {
        let (kernels, [m, n, k]) = (Kernels::detect(), shape);
        let random = |lane, len| {
            let mut values = vec![0.0; len];
            Rng::fill_normal(kernels, StreamId { seed: 0, purpose: 0, step: 0, lane }, 1.0, &mut values);
            values
        };
        Self { kernels, shape, a: random(0, m * k), b: random(1, k * n) }
    }

    /// Again and again for at least so many seconds; once before the clock starts, so that the operands are in the cache.
    fn run(&self, seconds: f64) -> Work {
        let [m, n, k] = self.shape;
        let mut c = vec![0.0; m * n];
        let mut multiply = || {
            let c = MatMut::new(std::hint::black_box(&mut c), m, n);
            f32::gemm(self.kernels, c, Fill::Set, MatRef::new(&self.a, m, k), MatRef::new(&self.b, k, n));
        };
        multiply();
        let (clock, mut work) = (Instant::now(), Work::default());
        while work.seconds < seconds {
            multiply();
            work.flops += 2.0 * (m * n * k) as f64;
            work.seconds = clock.elapsed().as_secs_f64();
        }
        work
    }
}
