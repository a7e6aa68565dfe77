//! The cliff: a learning curve beside the loss surface that explains it, with paths on it.

use super::canvas::{Area, Canvas, TextStyle};
use super::labels::Labels;
use super::learning_curve::{Guess, loss_references};
use super::legend::{EdgeLabel, Entry, Stroke, edge_labels, edge_room};
use super::panel::{Panel, STEP_AXIS_SPACE, value_range};
use super::surface::{self, Surface};
use super::surface_body::body;
use super::surface_map::map;
use super::{Figure, FigureError, Series, check, style, text};

/// The data of a landscape figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Landscape {
    /// Heading of the page.
    pub title: String,
    /// One below the other, at least 1.
    pub rows: Vec<LandscapeRow>,
}

/// A curve and its surface.
#[derive(Clone, Debug, PartialEq)]
pub struct LandscapeRow {
    /// Heading of the row; none if empty.
    pub heading: String,
    /// What happens over time.
    pub curve: Curve,
    /// Where it happens.
    pub surface: Surface,
    /// Whether the surface is drawn as a map too.
    pub has_map: bool,
}

/// Accuracy and loss over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// "optimizer step" or "time".
    pub x_name: String,
    /// Times, strictly increasing.
    pub x: Vec<f64>,
    /// "accuracy" or "p(correct)".
    pub accuracy: Series,
    /// Nats.
    pub loss: Vec<f64>,
    /// L, for the lines at 1/L and ln L.
    pub n_labels: usize,
    /// What is reached without the context's help.
    pub guess: Guess,
    /// When the cliff came.
    pub jump: Option<f64>,
    /// Labelled points (time, loss) of the lower curve.
    pub marks: Vec<(String, f64, f64)>,
}

const PANEL_WIDTH: f64 = 210.0;
const PANEL_HEIGHT: f64 = 150.0;
const BODY_HEIGHT: f64 = 390.0;
const MAP_HEIGHT: f64 = 400.0;

/// Draws each row: the curve on the left, the surface as a body on the right, as a map below.
///
/// # Errors
/// No rows, lists of unequal lengths, times or axes that do not rise, counts of 0.
pub fn landscape(data: &Landscape) -> Result<Figure, FigureError> {
    validate(data)?;
    let (mut canvas, mut top) = Canvas::new(style::WIDTH, &data.title);
    for row in &data.rows {
        top = draw_row(&mut canvas, row, top) + 14.0;
    }
    Ok(canvas.finish(top - 14.0))
}

fn validate(data: &Landscape) -> Result<(), FigureError> {
    check::non_empty("rows", data.rows.len())?;
    for row in &data.rows {
        let curve = &row.curve;
        check::steps(&curve.x)?;
        check::series("curve", std::slice::from_ref(&curve.accuracy), curve.x.len())?;
        check::length("curve.loss", curve.loss.len(), curve.x.len())?;
        check::positive("n_labels", curve.n_labels)?;
        surface::validate(&row.surface)?;
    }
    Ok(())
}

/// Returns where the row ends.
fn draw_row(canvas: &mut Canvas, row: &LandscapeRow, top: f64) -> f64 {
    let line = style::line_height(style::BODY_SIZE);
    let mut top = top;
    for words in text::wrap(&row.heading, style::BODY_SIZE, (style::WIDTH - 2.0 * style::PADDING) / 1.1) {
        canvas.text((style::PADDING, top + line), &words, TextStyle::body().bold());
        top += line;
    }
    top += 8.0;
    let left_end = draw_curve(canvas, &row.curve, top);
    let left = style::PADDING + style::AXIS_SPACE + PANEL_WIDTH + room(&row.curve) + 6.0;
    let area = Area { left, top: top + 24.0, width: style::WIDTH - style::PADDING - left, height: BODY_HEIGHT - 24.0 };
    body(canvas, &row.surface, area);
    let third = TextStyle::small().color(style::MUTED).end();
    let right = style::WIDTH - style::PADDING;
    canvas.text((right, top + 12.0), &row.surface.third, third);
    let mut end = left_end.max(top + BODY_HEIGHT);
    if row.surface.is_cut_off() {
        // Of a soft-max that is sure and wrong the loss has no bound.
        let words = format!("surface cut off at a loss of {}", text::tick(row.surface.ceiling));
        canvas.centered_text((style::PADDING, end + 12.0), &words, TextStyle::small().color(style::MUTED));
    }
    surface::path_legend(canvas, &row.surface, row.has_map, right, end + 12.0);
    end += line + 12.0;
    if row.has_map {
        let left = style::PADDING;
        let area = Area { left, top: end + 8.0, width: style::WIDTH - 2.0 * left, height: MAP_HEIGHT };
        map(canvas, &row.surface, area);
        end = area.bottom() + 6.0;
    }
    end
}

fn references(curve: &Curve) -> Vec<(String, f64)> {
    loss_references(curve.n_labels, &curve.guess)
}

fn room(curve: &Curve) -> f64 {
    edge_room(references(curve).iter().map(|(name, _)| name.as_str()))
}

/// Returns where the curve ends.
fn draw_curve(canvas: &mut Canvas, curve: &Curve, top: f64) -> f64 {
    let left = style::PADDING + style::AXIS_SPACE;
    let area = |top: f64| Area { left, top, width: PANEL_WIDTH, height: PANEL_HEIGHT };
    let (upper, lower) = (area(top + 24.0), area(top + 24.0 + PANEL_HEIGHT + 20.0));
    let (first, last) = (curve.x[0], curve.x[curve.x.len() - 1]);
    let x = if last > first { (first, last) } else { (first - 1.0, first + 1.0) };
    let entry = Entry { name: String::new(), color: style::BLUE, stroke: Stroke::Solid };

    let mut panel = Panel::new(upper, x, (0.0, 1.05)).over(&curve.x_name);
    panel.series(&curve.x, &curve.accuracy.values, &entry);
    if let Some(jump) = curve.jump {
        panel.mark(jump);
        // Steps are whole, times are not.
        let is_time = jump < 1000.0 && curve.x.iter().any(|x| x.fract() != 0.0);
        let words = format!("jump at {}", if is_time { text::decimal(jump, 1) } else { text::thousands(jump) });
        let half = text::width(&words, style::BODY_SIZE) / 2.0;
        let at = panel.map_x(jump).clamp(upper.left + half, (upper.right() - half).max(upper.left + half));
        let look = TextStyle::body().middle().color(style::JUMP_INK);
        canvas.text((at, upper.top - 6.0), &words, look);
    }
    let guess = [(&curve.guess.words, curve.guess.accuracy)];
    let labels = guess.map(|(name, value)| {
        panel.reference(value);
        let text = format!("{name} = {}", text::decimal(value, 3));
        EdgeLabel { y: panel.map_y(value), text, color: style::MUTED }
    });
    panel.draw(canvas, &curve.accuracy.name, false);
    edge_labels(canvas, upper, labels.to_vec());

    let references = references(curve);
    let shown = curve.loss.iter().copied().chain(references.iter().map(|(_, value)| *value));
    let mut panel = Panel::new(lower, x, (0.0, value_range(shown.chain([0.0])).1)).over(&curve.x_name);
    panel.series(&curve.x, &curve.loss, &entry);
    if let Some(jump) = curve.jump {
        panel.mark(jump);
    }
    let label = |(text, value): (String, f64)| {
        panel.reference(value);
        EdgeLabel { y: panel.map_y(value), text, color: style::MUTED }
    };
    let labels: Vec<EdgeLabel> = references.into_iter().map(label).collect();
    let mut free = Labels::within(Area { width: lower.width + 20.0, ..lower });
    let line: Vec<(f64, f64)> =
        curve.x.iter().zip(&curve.loss).map(|(x, y)| (panel.map_x(*x), panel.map_y(*y))).collect();
    free.avoid_line(&line);
    for label in &labels {
        free.avoid_line(&[(lower.left, label.y), (lower.right() + 20.0, label.y)]);
    }
    if let Some(jump) = curve.jump.map(|jump| panel.map_x(jump)) {
        free.avoid_line(&[(jump, lower.top), (jump, lower.bottom())]);
    }
    let marks: Vec<_> =
        curve.marks.iter().map(|(name, x, y)| ((panel.map_x(*x), panel.map_y(*y)), name.as_str())).collect();
    panel.draw(canvas, "loss (nats)", true);
    edge_labels(canvas, lower, labels);
    free.draw(canvas, &marks);
    lower.bottom() + STEP_AXIS_SPACE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, series, shows, sigmoid, steps};
    use crate::{SurfaceAxis, SurfaceMark, SurfacePath};

    fn row(heading: &str) -> LandscapeRow {
        let axis =
            |name: &str| SurfaceAxis { name: name.into(), values: (0..30).map(|i| f64::from(i) / 4.0).collect() };
        let loss = (0..900).map(|k| 3.5 / (1.0 + f64::from(k / 30 * (k % 30)) / 50.0)).collect();
        let path = |name: &str, is_measured| SurfacePath {
            name: name.into(),
            points: (0..20).map(|i| [f64::from(i) / 3.0, f64::from(i) / 4.0, 3.0 - f64::from(i) / 8.0]).collect(),
            is_measured,
        };
        let steps = steps();
        LandscapeRow {
            heading: heading.into(),
            curve: Curve {
                x_name: "optimizer step".into(),
                accuracy: series("accuracy", sigmoid(&steps, 0.125, 0.99)),
                loss: sigmoid(&steps, 2.1, 0.05),
                x: steps,
                n_labels: 32,
                guess: Guess::among(8, 1),
                jump: Some(2520.0),
                marks: vec![("plateau".into(), 1000.0, 2.1)],
            },
            surface: Surface {
                x: axis("alpha"),
                y: axis("xi"),
                loss,
                ceiling: 4.0,
                third: "β follows the flow".into(),
                flow_lines: vec![vec![[1.0, 0.5], [1.5, 1.0], [9.0, 9.0]]],
                separatrix: vec![vec![[0.0, 2.0], [2.0, 0.0]]],
                paths: vec![path("flow of the formula", false), path("measured", true)],
                marks: vec![SurfaceMark { label: "edge".into(), at: [2.0, 2.0, 2.0] }],
            },
            has_map: true,
        }
    }

    fn data() -> Landscape {
        Landscape { title: "Landscape".into(), rows: vec![row("more labels"), row("as many labels")] }
    }

    #[test]
    fn curves_surfaces_paths_and_marks_are_named() {
        let figure = landscape(&data()).unwrap();
        assert_draws(&figure, || landscape(&data()));
        let labels = [
            "more labels",
            "as many labels",
            "jump at 2,520",
            "plateau",
            "edge",
            "ln L = 3.47",
            "α",
            "ξ",
            "loss (nats)",
            "flow of the formula",
            "measured",
            "β follows the flow",
        ];
        shows(&figure, &labels);
        let on_surface = format!("width=\"34\" height=\"14\" fill=\"{}\"", data().rows[0].surface.scale().color(1.8));
        assert_eq!(figure.svg().matches(&on_surface).count(), 6, "in each row two paths and the line between basins");
    }

    #[test]
    fn a_surface_that_is_cut_off_says_so() {
        let words = "surface cut off at a loss of";
        assert!(!landscape(&data()).unwrap().svg().contains(words));
        let mut data = data();
        data.rows[0].surface.ceiling = 2.5;
        shows(&landscape(&data).unwrap(), &["surface cut off at a loss of 2.5"]);
    }

    #[test]
    fn undefined_values_and_a_single_row_are_drawn() {
        let mut data = data();
        data.rows.truncate(1);
        data.rows[0].surface.loss.fill(f64::NAN);
        data.rows[0].surface.paths[1].points.clear();
        data.rows[0].curve.loss.fill(f64::INFINITY);
        data.rows[0].curve.jump = None;
        assert!(landscape(&data).unwrap().png().is_ok());
    }

    #[test]
    fn bad_shapes_are_errors() {
        let wrong = |change: fn(&mut LandscapeRow)| {
            let mut data = data();
            change(&mut data.rows[1]);
            landscape(&data).unwrap_err().to_string()
        };
        assert!(wrong(|row| row.surface.loss.truncate(5)).contains("surface.loss has 5 values, expected 900"));
        assert!(wrong(|row| row.surface.x.values.reverse()).contains("surface.x"));
        assert!(wrong(|row| row.surface.ceiling = 0.0).contains("surface.ceiling"));
        assert!(wrong(|row| row.curve.loss.clear()).contains("curve.loss"));
        assert!(wrong(|row| row.curve.n_labels = 0).contains("n_labels"));
        assert!(landscape(&Landscape { title: String::new(), rows: vec![] }).is_err());
    }
}
