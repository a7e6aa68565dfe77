//! Kernels at the shapes that training gives them: the plain loop, the `gemm` crate, and ours.
//!
//! Every bench compares results before it times them. Throughput counts multiply-adds or values.

use divan::Bencher;
use divan::counter::ItemsCount;
use precipice_num::{Fill, Kernels, MatMut, MatRef, Real, Rng, StreamId};

fn main() {
    divan::main();
}

fn random(lane: u32, len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    Rng::fill_normal(Kernels::detect(), StreamId { seed: 1, purpose: 0, step: 0, lane }, 1.0, &mut values);
    values
}

/// C [m, n] = A [m, k] B [k, n], either operand transposed in memory.
#[derive(Clone, Copy, Debug)]
struct Shape {
    what: &'static str,
    m: usize,
    n: usize,
    k: usize,
    a_t: bool,
    b_t: bool,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}x{}x{}", self.what, self.m, self.n, self.k)
    }
}

const fn shape(what: &'static str, m: usize, n: usize, k: usize, a_t: bool, b_t: bool) -> Shape {
    Shape { what, m, n, k, a_t, b_t }
}

const SHAPES: [Shape; 10] = [
    shape("map of every token", 2176, 128, 128, false, false),
    shape("its weights' gradient", 128, 128, 2176, true, false),
    shape("square", 128, 128, 128, false, false),
    shape("map of a shard's queries", 16, 128, 128, false, false),
    shape("the map transposed", 16, 128, 128, false, true),
    shape("weights' gradient of a batch", 128, 128, 128, true, false),
    shape("scores of a sequence", 17, 17, 64, false, true),
    shape("pattern times content", 17, 64, 17, false, false),
    shape("one row times content", 1, 64, 17, false, false),
    shape("map, odd width", 16, 145, 145, false, false),
];

struct Operands {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

impl Shape {
    fn operands(self) -> Operands {
        let Self { m, n, k, .. } = self;
        Operands { a: random(0, m * k), b: random(1, k * n), c: vec![0.0; m * n] }
    }

    /// (row stride, column stride) of A and B.
    fn strides(self) -> [(usize, usize); 2] {
        let Self { m, n, k, .. } = self;
        [if self.a_t { (1, m) } else { (k, 1) }, if self.b_t { (1, k) } else { (n, 1) }]
    }

    fn ours(self, Operands { a, b, c }: &mut Operands) {
        let Self { m, n, k, .. } = self;
        let a = if self.a_t { MatRef::new(a, k, m).t() } else { MatRef::new(a, m, k) };
        let b = if self.b_t { MatRef::new(b, n, k).t() } else { MatRef::new(b, k, n) };
        f32::gemm(Kernels::detect(), MatMut::new(c, m, n), Fill::Set, a, b);
    }

    fn plain(self, Operands { a, b, c }: &mut Operands) {
        let [(a_row, a_col), (b_row, b_col)] = self.strides();
        c.fill(0.0);
        for i in 0..self.m {
            for p in 0..self.k {
                let x = a[i * a_row + p * a_col];
                for j in 0..self.n {
                    c[i * self.n + j] += x * b[p * b_row + j * b_col];
                }
            }
        }
    }

    fn library(self, Operands { a, b, c }: &mut Operands) {
        let [(a_row, a_col), (b_row, b_col)] = self.strides().map(|(row, col)| (row as isize, col as isize));
        // SAFETY: the strides span exactly the operands' lengths.
        unsafe {
            gemm::gemm(
                self.m,
                self.n,
                self.k,
                c.as_mut_ptr(),
                1,
                self.n as isize,
                false,
                a.as_ptr(),
                a_col,
                a_row,
                b.as_ptr(),
                b_col,
                b_row,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }

    fn bench(self, bencher: Bencher<'_, '_>, product: fn(Self, &mut Operands)) {
        let (mut operands, mut reference) = (self.operands(), self.operands());
        product(self, &mut operands);
        self.plain(&mut reference);
        let close = |(x, y): (&f32, &f32)| (x - y).abs() < 1e-5 * (self.k as f32);
        assert!(operands.c.iter().zip(&reference.c).all(close), "{self} is not the product");
        bencher
            .counter(ItemsCount::new(self.m * self.n * self.k))
            .bench_local(|| product(self, divan::black_box(&mut operands)));
    }
}

#[divan::bench(args = SHAPES)]
fn product_plain(bencher: Bencher<'_, '_>, shape: Shape) {
    shape.bench(bencher, Shape::plain);
}

#[divan::bench(args = SHAPES)]
fn product_library(bencher: Bencher<'_, '_>, shape: Shape) {
    shape.bench(bencher, Shape::library);
}

#[divan::bench(args = SHAPES)]
fn product_ours(bencher: Bencher<'_, '_>, shape: Shape) {
    shape.bench(bencher, Shape::ours);
}

/// Rows of 17 scores: exponentials and a sum, in f64 by libm and ours.
#[divan::bench(args = ["libm", "ours"])]
fn softmax(bencher: Bencher<'_, '_>, which: &str) {
    let scores = random(2, 17 * 256);
    let rows = |product: fn(&mut [f32])| {
        let mut rows = scores.clone();
        rows.chunks_exact_mut(17).for_each(product);
        rows
    };
    let libm: fn(&mut [f32]) = |row| {
        let mut exact: Vec<f64> = row.iter().map(|&s| f64::from(s)).collect();
        f64::softmax(Kernels::detect(), &mut exact);
        row.iter_mut().zip(exact).for_each(|(to, p)| *to = p as f32);
    };
    let ours: fn(&mut [f32]) = |row| f32::softmax(Kernels::detect(), row);
    assert!(rows(libm).iter().zip(rows(ours)).all(|(x, y)| (x - y).abs() < 1e-6));
    let product = if which == "libm" { libm } else { ours };
    bencher.counter(ItemsCount::new(scores.len())).with_inputs(|| scores.clone()).bench_local_values(|mut rows| {
        rows.chunks_exact_mut(17).for_each(product);
        rows
    });
}

/// Normal deviates of a batch of contexts: 128 sequences of 9 items of 63 numbers.
#[divan::bench]
fn normals(bencher: Bencher<'_, '_>) {
    let mut items = vec![0.0; 9 * 63];
    bencher.counter(ItemsCount::new(128 * items.len())).bench_local(|| {
        for lane in 0..128 {
            let id = StreamId { seed: 1, purpose: 0, step: 0, lane };
            Rng::fill_normal(Kernels::detect(), id, 0.1, divan::black_box(&mut items));
        }
    });
}
