//! The theory, as fast as a control moves: the loss over a plane, its marks, and the flow on it.

use precipice::theory::{Axis, Context, FlowPoint, Manifold, Parameter, Plane, Start, Third, flow};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::thrown;

/// How long the flow is followed.
const UNTIL: f64 = 1e7;
/// How far the separatrix is drawn.
const SEPARATRIX_LENGTH: f64 = 40.0;
/// Points of a flow at most: as many as a curve on a screen can show.
const POINTS_MAX: usize = 400;

/// N exemplars, L labels, and how much layer 2 prefers label tokens (beta_2), 0 in the formula of three parameters.
fn context(n: usize, l: usize, label_strength: f64) -> Result<Context, String> {
    let context = Context { label_strength, ..Context::new(n, l).map_err(|e| e.to_string())? };
    context.checked().map_err(|e| e.to_string())
}

fn plane(context: Context, start: [f64; 3]) -> Result<Plane, String> {
    Plane::new(context, Parameter::Alpha, Parameter::Xi, Third::OnFlow(start)).map_err(|e| e.to_string())
}

/// Loss in nats over alpha (rows) and xi (columns, fastest), beta as it is on the flow from the origin: `[n, n]`.
///
/// # Errors
/// If there is no such context or range.
#[wasm_bindgen]
pub fn cliff_surface(
    n: usize,
    l: usize,
    label_strength: f64,
    alpha: &[f64],
    xi: &[f64],
    points: usize,
) -> Result<Vec<f64>, JsError> {
    let surface = || {
        let plane = plane(context(n, l, label_strength)?, [0.0; 3])?;
        let axis = |range: &[f64]| match *range {
            [low, high] => Axis { low, high, n: points }.checked().map_err(|e| e.to_string()),
            _ => Err("a range has two ends".to_owned()),
        };
        Ok::<_, String>(plane.surface(axis(alpha)?, axis(xi)?, |_| ()).loss)
    };
    surface().map_err(thrown)
}

/// What the landscape has: `{saddle, t50, edge, separatrix, origin_loss}`; places are (beta, alpha, xi) with their
/// loss, null where there is none.
///
/// # Errors
/// If there is no such context.
#[wasm_bindgen]
pub fn cliff_marks(n: usize, l: usize, label_strength: f64) -> Result<String, JsError> {
    marks(n, l, label_strength).map(|marks| marks.to_string()).map_err(thrown)
}

fn marks(n: usize, l: usize, label_strength: f64) -> Result<Value, String> {
    let context = context(n, l, label_strength)?;
    let manifold = Manifold::through(context, [0.0; 3]);
    let place = |point: [f64; 3]| json!({ "point": point, "loss": context.loss(point) });
    // At L = N the origin is the saddle, and nothing leaves it.
    let flow = flow(context, Start::at([0.0; 3], UNTIL)).ok();
    let t50 = flow.as_ref().and_then(|flow| flow.time_of(0.5));
    let edge = flow.as_ref().filter(|_| t50.is_some()).and_then(|flow| flow.edge());
    Ok(json!({
        "saddle": manifold.saddle().map(place),
        "t50": t50,
        "edge": edge.map(|at| json!({ "t": at.t, "point": at.point, "loss": at.loss })),
        "separatrix": manifold.separatrix(SEPARATRIX_LENGTH),
        "origin_loss": context.loss([0.0; 3]),
    }))
}

/// The flow from a point (beta, alpha, xi), until it has learned or for long: flat `[t, beta, alpha, xi, loss, p]` for
/// each point.
///
/// # Errors
/// If there is no such context, or the point is out of the theory's reach.
#[wasm_bindgen]
pub fn cliff_flow(n: usize, l: usize, label_strength: f64, start: &[f64]) -> Result<Vec<f64>, JsError> {
    let followed = || {
        let point = <[f64; 3]>::try_from(start).map_err(|_| "a point has three numbers".to_owned())?;
        let flow = flow(context(n, l, label_strength)?, Start::at(point, UNTIL)).map_err(|e| e.to_string())?;
        let points = flow.points();
        let every = points.len().div_ceil(POINTS_MAX);
        let flat = |at: &FlowPoint| [&[at.t][..], &at.point, &[at.loss, at.p_correct]].concat();
        let last = (points.len() - 1) % every != 0;
        let thin = points.iter().step_by(every).chain(points.last().filter(|_| last));
        Ok::<_, String>(thin.flat_map(flat).collect())
    };
    followed().map_err(thrown)
}

/// The line of descent in the plane of a ball that is dropped at (alpha, xi): flat `[alpha, xi]`.
///
/// # Errors
/// If there is no such context.
#[wasm_bindgen]
pub fn cliff_ball(
    n: usize,
    l: usize,
    label_strength: f64,
    alpha: f64,
    xi: f64,
    length: f64,
) -> Result<Vec<f64>, JsError> {
    let line = || Ok::<_, String>(plane(context(n, l, label_strength)?, [0.0; 3])?.flow_line([alpha, xi], length));
    line().map(|line| line.concat()).map_err(thrown)
}

/// What the formula says of a point: `{loss, p_correct, y, z, z_other, u, u_prime, gradient}`, and beta where only
/// alpha is given (beta NaN).
///
/// # Errors
/// If there is no such context.
#[wasm_bindgen]
pub fn cliff_point(n: usize, l: usize, label_strength: f64, beta: f64, alpha: f64, xi: f64) -> Result<String, JsError> {
    let said = || {
        let context = context(n, l, label_strength)?;
        let beta = if beta.is_nan() { Manifold::through(context, [0.0; 3]).beta(alpha) } else { beta };
        let at = context.evaluate([beta, alpha, xi]);
        Ok::<_, String>(json!({
            "point": [beta, alpha, xi], "loss": at.loss, "p_correct": at.p_correct, "y": at.y, "z": at.z,
            "z_other": at.z_other, "u": at.u, "u_prime": at.u_prime, "gradient": at.gradient,
        }))
    };
    said().map(|value| value.to_string()).map_err(thrown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_labels_have_no_jump() {
        let jumps = marks(8, 32, 0.0).unwrap();
        assert!(jumps["t50"].as_f64().unwrap() > 0.0 && jumps["edge"]["t"].as_f64() < jumps["t50"].as_f64());
        let stays = marks(8, 8, 0.0).unwrap();
        assert!(stays["t50"].is_null() && stays["edge"].is_null());
        assert!(marks(8, 4, 0.0).unwrap_err().contains("must be at least 8"));
    }
}
