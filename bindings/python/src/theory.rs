//! The formula of three nested soft-maxes: at many points at once, along the flow, over a plane.

use std::sync::atomic::AtomicBool;

use numpy::PyReadonlyArray1;
use precipice::theory::{Context, OutOfReach, Parameter, Plane, Point, Start, Third};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::array;
use crate::{error, work};

/// N, L, B, noise and label strength.
type Told = (usize, usize, usize, f64, f64);

/// A context, checked.
fn context(told: Told) -> PyResult<Context> {
    let (n_exemplars, n_labels, burstiness, noise, label_strength) = told;
    let context = Context { n_exemplars, n_labels, burstiness, within_class_noise: noise, label_strength };
    context.checked().map_err(error::told)
}

/// Parameters as arrays of one length, or of length 1 for the same everywhere.
struct Points<'a>([&'a [f64]; 3], usize);

impl<'a> Points<'a> {
    fn new(of: [&'a PyReadonlyArray1<'_, f64>; 3]) -> PyResult<Self> {
        let slices = [of[0].as_slice()?, of[1].as_slice()?, of[2].as_slice()?];
        let n = slices.iter().map(|slice| slice.len()).find(|&len| len != 1).unwrap_or(1);
        if slices.iter().any(|slice| slice.len() != n && slice.len() != 1) {
            return Err(error::other("beta, alpha and xi must have one shape"));
        }
        Ok(Self(slices, n))
    }

    fn at(&self, i: usize) -> Point {
        self.0.map(|slice| if slice.len() == 1 { slice[0] } else { slice[i] })
    }
}

/// Loss at each point.
#[pyfunction]
pub(crate) fn loss<'py>(
    py: Python<'py>,
    told: Told,
    beta: PyReadonlyArray1<'py, f64>,
    alpha: PyReadonlyArray1<'py, f64>,
    xi: PyReadonlyArray1<'py, f64>,
) -> PyResult<Bound<'py, PyAny>> {
    let (context, points) = (context(told)?, Points::new([&beta, &alpha, &xi])?);
    let losses: Vec<f64> = py.detach(|| (0..points.1).map(|i| context.loss(points.at(i))).collect());
    Ok(array(py, losses, &[points.1]))
}

/// Loss, gradient, Hessian and all that they are made of, at each point.
#[pyfunction]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    told: Told,
    beta: PyReadonlyArray1<'py, f64>,
    alpha: PyReadonlyArray1<'py, f64>,
    xi: PyReadonlyArray1<'py, f64>,
) -> PyResult<Bound<'py, PyDict>> {
    let (context, points) = (context(told)?, Points::new([&beta, &alpha, &xi])?);
    let n = points.1;
    let names = ["loss", "p_correct", "y", "z", "z_other", "u", "u_prime"];
    let (numbers, gradient, hessian) = py.detach(|| {
        let mut numbers = names.map(|_| Vec::with_capacity(n));
        let (mut gradient, mut hessian) = (Vec::with_capacity(3 * n), Vec::<f64>::with_capacity(9 * n));
        for i in 0..n {
            let at = context.evaluate(points.at(i));
            let values = [at.loss, at.p_correct, at.y, at.z, at.z_other, at.u, at.u_prime];
            numbers.iter_mut().zip(values).for_each(|(all, value)| all.push(value));
            gradient.extend(at.gradient);
            hessian.extend(at.hessian.as_flattened());
        }
        (numbers, gradient, hessian)
    });
    let dict = PyDict::new(py);
    for (name, values) in names.into_iter().zip(numbers) {
        dict.set_item(name, array(py, values, &[n]))?;
    }
    dict.set_item("gradient", array(py, gradient, &[n, 3]))?;
    dict.set_item("hessian", array(py, hessian, &[n, 3, 3]))?;
    Ok(dict)
}

/// The flow from a point: arrays over its points, `t50`, and `edge` as (t, beta, alpha, xi, loss).
#[pyfunction]
pub(crate) fn flow<'py>(
    py: Python<'py>,
    told: Told,
    start: [f64; 3],
    until: f64,
    at: PyReadonlyArray1<'py, f64>,
) -> PyResult<Bound<'py, PyDict>> {
    let context = context(told)?;
    let times = at.as_slice()?;
    if let Some(wrong) = times.iter().find(|t| !(**t >= 0.0 && **t <= until)) {
        return Err(error::value("at", wrong, format!("must be from 0 to until = {until}")));
    }
    let stop = AtomicBool::new(false);
    let (followed, raised) = work::attended(py, &stop, &mut |_| Ok(()), || {
        let flow = precipice::theory::flow(context, Start::at(start, until))?;
        let points = if times.is_empty() { flow.points() } else { times.iter().map(|&t| flow.at(t)).collect() };
        Ok::<_, precipice::theory::FlowError>((points, flow.time_of(0.5), flow.edge()))
    })?;
    raised.map_or(Ok(()), Err)?;
    let (points, t50, edge) = followed.map_err(error::told)?;
    let (n, dict) = (points.len(), PyDict::new(py));
    let column = |of: &dyn Fn(&precipice::theory::FlowPoint) -> f64| array(py, points.iter().map(of).collect(), &[n]);
    dict.set_item("t", column(&|at| at.t))?;
    for (i, name) in ["beta", "alpha", "xi"].into_iter().enumerate() {
        dict.set_item(name, column(&|at| at.point[i]))?;
    }
    dict.set_item("loss", column(&|at| at.loss))?;
    dict.set_item("p_correct", column(&|at| at.p_correct))?;
    dict.set_item("t50", t50)?;
    let [beta, alpha, xi] = edge.map_or([f64::NAN; 3], |edge| edge.point);
    dict.set_item("edge", edge.map(|edge| (edge.t, beta, alpha, xi, edge.loss)))?;
    Ok(dict)
}

/// The loss over two parameters, `[len(x), len(y)]`, and (beta, alpha, xi) of each place, `[len(x), len(y), 3]`. The third
/// is that number, or follows the flow from `start`.
#[pyfunction]
#[pyo3(signature = (told, names, x, y, third, start))]
pub(crate) fn landscape<'py>(
    py: Python<'py>,
    told: Told,
    names: (String, String),
    x: PyReadonlyArray1<'py, f64>,
    y: PyReadonlyArray1<'py, f64>,
    third: Option<f64>,
    start: [f64; 3],
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let context = context(told)?;
    let parameter = |field: &str, name: &str| {
        let found = Parameter::ALL.into_iter().find(|parameter| parameter.name() == name);
        found.ok_or_else(|| error::value(field, format!("{name:?}"), "must be \"beta\", \"alpha\" or \"xi\""))
    };
    let third = third.map_or(Third::OnFlow(start), Third::Fixed);
    let plane = Plane::new(context, parameter("x", &names.0)?, parameter("y", &names.1)?, third);
    let plane = plane.map_err(error::told)?;
    let (x, y) = (x.as_slice()?, y.as_slice()?);
    for (name, values) in [(&names.0, x), (&names.1, y)] {
        for &value in values {
            let out_of_reach =
                |_| error::told(OutOfReach { name: parameter("axis", name).map_or("axis", Parameter::name), value });
            precipice::theory::within_reach([value, 0.0, 0.0]).map_err(out_of_reach)?;
        }
    }
    let (points, losses) = py.detach(|| {
        let places = x.iter().flat_map(|&x| y.iter().map(move |&y| (x, y)));
        let points: Vec<Point> = places.map(|(x, y)| plane.point(x, y)).collect();
        let losses: Vec<f64> = points.iter().map(|&point| context.loss(point)).collect();
        (points, losses)
    });
    let shape = [x.len(), y.len()];
    Ok((array(py, losses, &shape), array(py, points.as_flattened().to_vec(), &[shape[0], shape[1], 3])))
}
