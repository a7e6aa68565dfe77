//! How fast the formula is: one core, no SIMD tricks, the same bits everywhere.

use divan::Bencher;
use divan::counter::ItemsCount;
use precipice::theory::{Axis, Context, Parameter, Plane, Point, Start, Third, flow};

fn main() {
    divan::main();
}

fn context() -> Context {
    Context::new(8, 32).expect("exists")
}

/// Points on plateau, cliff and floor, because the branches of the soft-maxes differ there.
fn points() -> Vec<Point> {
    let along = |i: i32| [f64::from(i % 7) - 1.0, f64::from(i % 11) - 2.0, f64::from(i % 13) - 3.0];
    (0..1001).map(along).collect()
}

#[divan::bench]
fn loss_and_gradient(bencher: Bencher<'_, '_>) {
    let (context, points) = (context(), points());
    // The result must be the gradient of the loss, or its speed means nothing.
    for point in &points {
        let (full, fast) = (context.evaluate(*point), context.gradient(*point));
        assert_eq!((full.loss, full.gradient), fast);
    }
    bencher
        .counter(ItemsCount::new(points.len()))
        .bench(|| points.iter().map(|point| context.gradient(divan::black_box(*point)).1[1]).sum::<f64>());
}

#[divan::bench]
fn hessian(bencher: Bencher<'_, '_>) {
    let (context, points) = (context(), points());
    bencher
        .counter(ItemsCount::new(points.len()))
        .bench(|| points.iter().map(|point| context.evaluate(divan::black_box(*point)).hessian[1][2]).sum::<f64>());
}

/// 512 x 512 points, by what the third parameter does.
#[divan::bench(args = ["fixed", "on the flow", "minimized"])]
fn landscape(bencher: Bencher<'_, '_>, third: &str) {
    let third = match third {
        "fixed" => Third::Fixed(2.0),
        "on the flow" => Third::OnFlow([0.0; 3]),
        _ => Third::Minimized(-4.0, 8.0),
    };
    let axis = Axis { low: -1.0, high: 8.0, n: 512 };
    let plane = Plane::new(context(), Parameter::Alpha, Parameter::Xi, third).expect("exists");
    bencher.counter(ItemsCount::new(512_usize * 512)).bench(|| plane.surface(axis, axis, |_| ()));
}

/// The flow over the cliff to t = 1e6, at two sizes.
#[divan::bench(args = [8, 256])]
fn flow_over_the_cliff(bencher: Bencher<'_, '_>, n: usize) {
    let context = Context::new(n, 4 * n).expect("exists");
    bencher.bench(|| flow(context, Start::at([0.0; 3], 1e6)).expect("flows").time_of(0.5));
}
