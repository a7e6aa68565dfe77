//! One quantity against several sizes, a small panel each with the same vertical axis, all logarithmic.

use super::canvas::{Area, Canvas};
use super::legend::{Entry, Stroke};
use super::panel::{Panel, STEP_AXIS_SPACE};
use super::scaling::log_range;
use super::{Figure, FigureError, check, style};

/// The data of a growth figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// Heading of the page.
    pub title: String,
    /// What is measured.
    pub y_name: String,
    /// From left to right, two a row.
    pub panels: Vec<GrowthPanel>,
}

/// One size.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthPanel {
    /// What varies.
    pub x_name: String,
    /// Its values, rising, and what was measured; all above 0.
    pub points: Vec<(f64, f64)>,
}

const HEIGHT: f64 = 190.0;
const COLUMNS: usize = 2;
const GAP: f64 = 34.0;

/// Draws the panels.
///
/// # Errors
/// No panels, or one without points above 0.
///
/// ```
/// use precipice_figures::{Growth, GrowthPanel, growth};
/// let panel = |x_name: &str| GrowthPanel { x_name: x_name.to_owned(), points: vec![(4.0, 2.3), (8.0, 2.8), (16.0, 3.6)] };
/// let (title, y_name) = ("Cost of a step".to_owned(), "milliseconds".to_owned());
/// let figure = growth(&Growth { title, y_name, panels: vec![panel("exemplars"), panel("batch")] })?;
/// assert!(figure.svg().contains("exemplars"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn growth(data: &Growth) -> Result<Figure, FigureError> {
    check::non_empty("panels", data.panels.len())?;
    for panel in &data.panels {
        check::non_empty(&format!("points of {}", panel.x_name), panel.points.len())?;
        for (x, y) in &panel.points {
            if !(*x > 0.0 && *y > 0.0 && check::is_shown(*x) && check::is_shown(*y)) {
                return Err(check::invalid("points", format!("({x}, {y})"), "above 0 and finite"));
            }
        }
    }
    let y = log_range(data.panels.iter().flat_map(|panel| panel.points.iter().map(|p| p.1)));
    let (mut canvas, top) = Canvas::new(style::WIDTH, &data.title);
    let left = style::PADDING + style::AXIS_SPACE;
    let room = style::WIDTH - left - style::PADDING - 30.0;
    let width = (room - (style::AXIS_SPACE - 20.0)) / COLUMNS as f64;
    let mut bottom = top;
    for (i, data_of_panel) in data.panels.iter().enumerate() {
        let (row, column) = (i / COLUMNS, i % COLUMNS);
        let area = Area {
            left: left + column as f64 * (width + style::AXIS_SPACE - 20.0),
            top: top + 10.0 + row as f64 * (HEIGHT + STEP_AXIS_SPACE + GAP - 20.0),
            width,
            height: HEIGHT,
        };
        let (xs, ys): (Vec<f64>, Vec<f64>) = data_of_panel.points.iter().copied().unzip();
        let mut panel = Panel::new(area, log_range(xs.iter().copied()), y).over(&data_of_panel.x_name).logarithmic();
        for stroke in [Stroke::Solid, Stroke::Points] {
            panel.series(&xs, &ys, &Entry { name: String::new(), color: style::BLUE, stroke });
        }
        panel.draw(&mut canvas, if column == 0 { &data.y_name } else { "" }, true);
        bottom = area.bottom();
    }
    Ok(canvas.finish(bottom + STEP_AXIS_SPACE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, shows};

    #[test]
    fn every_size_has_a_panel() {
        let panel = |name: &str| GrowthPanel { x_name: name.into(), points: vec![(4.0, 2.0), (8.0, 3.0), (16.0, 5.0)] };
        let names = ["exemplars", "item width", "batch"];
        let data = Growth { title: "Cost".into(), y_name: "ms".into(), panels: names.map(panel).to_vec() };
        let figure = growth(&data).unwrap();
        assert_draws(&figure, || growth(&data));
        shows(&figure, &["Cost", "ms", "exemplars", "item width", "batch"]);
        let wrong = |change: fn(&mut Growth)| {
            let mut data = data.clone();
            change(&mut data);
            growth(&data).unwrap_err().to_string()
        };
        assert!(wrong(|d| d.panels.clear()).contains("panels"));
        assert!(wrong(|d| d.panels[1].points.clear()).contains("points of item width"));
        assert!(wrong(|d| d.panels[0].points[0].1 = f64::NAN).contains("above 0"));
    }
}
