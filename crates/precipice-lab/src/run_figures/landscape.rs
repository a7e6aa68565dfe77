//! A run's path on the theory's landscape.

use precipice::measure::transition::transition_of;
use precipice::measure::{Column, metric};
use precipice::record::Row;
use precipice::spec::RunSpec;
use precipice::theory::{Context, Parameter, PathPoint, Third};
use precipice_figures as figure;

use super::curves::guess;
use crate::meter::Meter;
use crate::reports::landscape::{Landscape, Request};
use crate::reports::theory::{Formula, formula_of};

/// Points a side of the surface.
const GRID: usize = 129;

/// The run's learning curve beside the surface over alpha and xi, with the formula's flow and the
/// measured path on it. The surface is that of the label attention beta_2 measured on the plateau;
/// the measured alpha is that among label tokens, and the axis says so.
///
/// # Errors
/// If the log has no order parameters, or the surface cannot be computed.
pub fn landscape_row(spec: &RunSpec, rows: &[Row], has_map: bool) -> Result<figure::LandscapeRow, String> {
    let path = Formula::LabelAttention.path(spec, rows).map_err(|e| e.to_string())?;
    let points = path.points();
    let transition = transition_of(&spec.facts(), rows).1;
    let onset = transition.map(|t| if t.onset_step.is_finite() { t.onset_step } else { t.t50 });
    let last = points.len() - 1;
    let until = |step: f64| points.iter().rposition(|point| point.step <= step).unwrap_or(last);
    let label_strength = onset.map_or(&points[last], |step| &points[until(step)]).label_strength;
    let context = formula_of(spec).map_err(|e| e.to_string())?;
    let request = |ranges: [Option<(f64, f64)>; 2]| Request {
        context: Context { label_strength, ..context },
        x: (Parameter::Alpha, ranges[0]),
        y: (Parameter::Xi, ranges[1]),
        third: Third::OnFlow([0.0; 3]),
        start: [0.0; 3],
        grid: GRID,
    };
    // The ranges that the flow needs, widened to what was measured.
    let narrow = Landscape::new(request([None, None]), &Meter::default()).map_err(|e| e.to_string())?;
    let widened = |values: &[f64], parameter: Parameter| {
        let measured = || points.iter().map(|point| point.point[parameter as usize]);
        let low = measured().fold(values[0], f64::min);
        let high = measured().fold(values[values.len() - 1], |high, value| high.max(1.05 * value));
        Some((low, high))
    };
    let ranges = [widened(&narrow.surface.x, Parameter::Alpha), widened(&narrow.surface.y, Parameter::Xi)];
    let landscape = Landscape::new(request(ranges), &Meter::default()).map_err(|e| e.to_string())?;

    let lift = |point: &PathPoint| landscape.lift([point.point[1], point.point[2]]);
    let mut surface = landscape.drawing();
    if label_strength != 0.0 {
        surface.x.name = metric::ALPHA_LABELS.words.to_string();
        surface.third =
            format!("α′: α among labels; β as on the flow; β₂ = {label_strength:.1} as measured on the plateau");
    }
    // Points that are not known to a tenth of the axis would draw nothing but their error.
    let error_of = |point: &PathPoint| {
        let row = rows.iter().find(|row| row.step as f64 == point.step);
        row.map_or(f64::NAN, |row| row.get(&metric::XI_SE.main()))
    };
    let (y0, y1) = (landscape.surface.y[0], landscape.surface.y[landscape.surface.y.len() - 1]);
    let is_known = |point: &&PathPoint| error_of(point) <= 0.1 * (y1 - y0);
    // A network that stays is drawn where it is known best; a few known points beside that would say that it moved.
    let stays = points[last / 2..].iter().min_by(|a, b| error_of(a).total_cmp(&error_of(b)));
    let stays = stays.filter(|_| transition.is_none());
    let known: Vec<[f64; 3]> = points.iter().filter(is_known).map(lift).collect();
    if known.len() > 1 && stays.is_none_or(|point| is_known(&point)) {
        let name = "measured in the network".to_owned();
        surface.paths.push(figure::SurfacePath { name, points: known, is_measured: true });
    }
    let mut curve = learning_curve(spec, rows);
    let (facts, loss) = (spec.facts(), Column::of_loss(&spec.facts()));
    // Alone on its page, the row has the page's title.
    let size = format!("N = {}, L = {}", facts.n_exemplars(), facts.n_labels());
    let mut heading = if has_map { Vec::new() } else { vec![size] };
    if let (Some(transition), Some(onset)) = (transition, onset) {
        let events =
            [("plateau", 0.6 * onset), ("edge", onset), ("drop", transition.t50 + 0.5 * transition.width_10_90)];
        let row_at = |step: f64| rows.iter().rev().find(|row| row.step as f64 <= step);
        let events = events.map(|(label, step)| (label.to_owned(), points[until(step)], row_at(step)));
        surface.marks = events
            .iter()
            .map(|(label, point, _)| figure::SurfaceMark { label: label.clone(), at: lift(point) })
            .collect();
        let on_curve =
            events.into_iter().filter_map(|(label, _, row)| Some((label, row?.step as f64, row?.get(&loss))));
        curve.marks = on_curve.collect();
    } else {
        // The path hides the saddle that it starts from.
        surface.marks.retain(|mark| mark.label != "saddle");
        let label = "the network stays".to_owned();
        surface.marks.extend(stays.map(|point| figure::SurfaceMark { label, at: lift(point) }));
        let words = |point: &PathPoint| format!("stays at ξ = {:.1} ± {:.1}", point.point[2], error_of(point));
        heading.extend(stays.map(|point| words(point).replace('-', "−")));
    }
    Ok(figure::LandscapeRow { heading: heading.join(" · "), curve, surface, has_map })
}

fn learning_curve(spec: &RunSpec, rows: &[Row]) -> figure::Curve {
    let facts = spec.facts();
    let column = |column: &Column| rows.iter().map(|row| row.get(column)).collect::<Vec<f64>>();
    let accuracy = column(&Column::of_accuracy(&facts));
    figure::Curve {
        x_name: "optimizer step".to_owned(),
        x: rows.iter().map(|row| row.step as f64).collect(),
        accuracy: figure::Series { name: metric::ACCURACY.words.to_string(), values: accuracy },
        loss: column(&Column::of_loss(&facts)),
        n_labels: facts.n_labels(),
        guess: guess(&facts),
        jump: transition_of(&facts, rows).1.map(|t| t.t50),
        marks: Vec::new(),
    }
}
