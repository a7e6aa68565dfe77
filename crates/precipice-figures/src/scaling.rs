//! Times over a size, both axes logarithmic: a power law is a straight line.

use super::canvas::{Area, Canvas};
use super::legend::{Entry, Stroke, legend};
use super::panel::{Panel, STEP_AXIS_SPACE};
use super::{Figure, FigureError, check, style};

/// The data of a scaling figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// Heading of the page.
    pub title: String,
    /// What varies.
    pub x_name: String,
    /// What is measured.
    pub y_name: String,
    /// Lines and points.
    pub series: Vec<ScalingSeries>,
}

/// Points, or the line that a law draws.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingSeries {
    /// What the legend says.
    pub name: String,
    /// x and y; those not above 0 have no place on the page and are left out.
    pub points: Vec<(f64, f64)>,
    /// A law (dashed line) rather than measurements (points).
    pub is_law: bool,
}

const HEIGHT: f64 = 400.0;

/// Draws points and laws.
///
/// # Errors
/// If there is nothing above 0 to draw.
///
/// ```
/// use precipice_figures::{Scaling, ScalingSeries, scaling};
/// let points = vec![(8.0, 200.0), (16.0, 560.0), (32.0, 1600.0)];
/// let figure = scaling(&Scaling {
///     title: "When the cliff comes".to_owned(),
///     x_name: "N".to_owned(),
///     y_name: "time".to_owned(),
///     series: vec![ScalingSeries { name: "flow".to_owned(), points, is_law: false }],
/// })?;
/// assert!(figure.svg().contains("When the cliff comes"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn scaling(data: &Scaling) -> Result<Figure, FigureError> {
    let series: Vec<ScalingSeries> = data.series.iter().map(positive).collect();
    let all = || series.iter().flat_map(|series| series.points.iter());
    check::non_empty("points above 0", all().count())?;
    let (mut canvas, top) = Canvas::new(style::WIDTH, &data.title);
    let entries: Vec<Entry> = series.iter().enumerate().map(|(i, series)| entry(i, series)).collect();
    let left = style::PADDING + style::AXIS_SPACE;
    let right = style::WIDTH - style::PADDING - 30.0;
    let top = legend(&mut canvas, &entries, left, right, top) + 12.0;
    let area = Area { left, top, width: right - left, height: HEIGHT };
    let (x, y) = (log_range(all().map(|p| p.0)), log_range(all().map(|p| p.1)));
    let mut panel = Panel::new(area, x, y).over(&data.x_name).logarithmic();
    for (series, entry) in series.iter().zip(&entries) {
        let (xs, ys): (Vec<f64>, Vec<f64>) = series.points.iter().copied().unzip();
        panel.series(&xs, &ys, entry);
    }
    panel.draw(&mut canvas, &data.y_name, true);
    Ok(canvas.finish(area.bottom() + STEP_AXIS_SPACE))
}

fn positive(series: &ScalingSeries) -> ScalingSeries {
    let is_shown = |(x, y): &&(f64, f64)| *x > 0.0 && *y > 0.0 && check::is_shown(*x) && check::is_shown(*y);
    ScalingSeries { points: series.points.iter().filter(is_shown).copied().collect(), ..series.clone() }
}

fn entry(i: usize, series: &ScalingSeries) -> Entry {
    let stroke = if series.is_law { Stroke::Dashed } else { Stroke::Points };
    Entry { name: series.name.clone(), color: style::series_color(i), stroke }
}

/// From the least to the greatest with a tenth of an octave to spare.
pub(super) fn log_range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    (low / 1.25, high * 1.25)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, shows};

    fn data() -> Scaling {
        let power = |exponent: f64| (1..9).map(|i| f64::from(1 << i)).map(|n| (n, libm::pow(n, exponent))).collect();
        Scaling {
            title: "When the cliff comes".into(),
            x_name: "N".into(),
            y_name: "t50".into(),
            series: vec![
                ScalingSeries { name: "law".into(), points: power(1.5), is_law: true },
                ScalingSeries { name: "measured".into(), points: power(1.6), is_law: false },
            ],
        }
    }

    #[test]
    fn laws_and_points_are_named() {
        let figure = scaling(&data()).unwrap();
        assert_draws(&figure, || scaling(&data()));
        shows(&figure, &["When the cliff comes", "law", "measured", "t50", "100", "1,000"]);
    }

    #[test]
    fn what_is_not_above_zero_is_left_out() {
        let mut gaps = data();
        gaps.series[0].points[0] = (0.0, f64::NAN);
        assert!(scaling(&gaps).unwrap().png().is_ok());
        gaps.series.iter_mut().for_each(|series| series.points.clear());
        assert!(scaling(&gaps).unwrap_err().to_string().contains("points above 0"));
    }
}
