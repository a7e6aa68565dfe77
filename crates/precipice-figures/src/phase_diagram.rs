//! What comes of every point of a grid: heat maps side by side over the same two quantities.

use super::canvas::{Area, Canvas, TextStyle};
use super::heat::{Scale, cells};
use super::{Figure, FigureError, check, style, text};

/// The data of a phase diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseDiagram {
    /// Heading of the page.
    pub title: String,
    /// Name of the horizontal quantity and its values.
    pub x: (String, Vec<String>),
    /// Name of the vertical quantity and its values, lowest first.
    pub y: (String, Vec<String>),
    /// From left to right.
    pub maps: Vec<PhaseMap>,
    /// What stands below; may be empty.
    pub note: String,
}

/// One heat map.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseMap {
    /// What stands above it.
    pub name: String,
    /// What the numbers are.
    pub unit: PhaseUnit,
    /// Row by row from the lowest y, each from the first x.
    pub cells: Vec<PhaseCell>,
}

/// What the numbers of a map are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseUnit {
    /// From 0 to 1.
    Fraction,
    /// Optimizer steps; dark is early.
    Steps,
}

/// One point of the grid.
#[derive(Clone, Debug, PartialEq)]
pub enum PhaseCell {
    /// A number, and what stands below it; may be empty.
    Value(f64, String),
    /// It had not happened by this step in half of the runs; and what stands below.
    Censored(f64, String),
    /// No such run.
    Absent,
}

const GAP: f64 = 26.0;
const CELL_HEIGHT: f64 = 44.0;
const WIDEST_CELL: f64 = 90.0;

/// Draws the maps in one row.
///
/// # Errors
/// No maps or values, or maps of another size than the grid.
///
/// ```
/// use precipice_figures::{PhaseCell, PhaseDiagram, PhaseMap, PhaseUnit, phase_diagram};
/// let values = |name: &str, values: [&str; 2]| (name.to_owned(), values.map(str::to_owned).to_vec());
/// let value = |value| PhaseCell::Value(value, String::new());
/// let cells = vec![value(0.2), value(0.9), PhaseCell::Censored(2000.0, "0 of 4".to_owned()), PhaseCell::Absent];
/// let map = PhaseMap { name: "accuracy".to_owned(), unit: PhaseUnit::Fraction, cells };
/// let (x, y) = (values("K", ["32", "64"]), values("B", ["1", "2"]));
/// let figure = phase_diagram(&PhaseDiagram { title: "Classes".to_owned(), x, y, maps: vec![map], note: String::new() })?;
/// assert!(figure.svg().contains("0 of 4"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn phase_diagram(data: &PhaseDiagram) -> Result<Figure, FigureError> {
    let (n_x, n_y) = (data.x.1.len(), data.y.1.len());
    check::non_empty("maps", data.maps.len())?;
    check::non_empty("values of x", n_x)?;
    check::non_empty("values of y", n_y)?;
    data.maps.iter().try_for_each(|map| check::length(&map.name, map.cells.len(), n_x * n_y))?;
    let (mut canvas, top) = Canvas::new(style::WIDTH, &data.title);
    let row = style::line_height(style::BODY_SIZE);
    let names = text::widest(data.y.1.iter().map(String::as_str), style::BODY_SIZE);
    let left = style::PADDING + row + 8.0 + names + 8.0;
    let n_maps = data.maps.len() as f64;
    let room = (style::WIDTH - left - style::PADDING - (n_maps - 1.0) * GAP) / n_maps;
    let cell_width = (room / n_x as f64).min(WIDEST_CELL);
    let map_top = top + row + 4.0;
    let height = CELL_HEIGHT * n_y as f64;
    for (i, map) in data.maps.iter().enumerate() {
        let width = cell_width * n_x as f64;
        let area = Area { left: left + i as f64 * (width + GAP), top: map_top, width, height };
        draw_map(&mut canvas, map, area, n_x, n_y);
        for (column, name) in data.x.1.iter().enumerate() {
            let x = area.left + (column as f64 + 0.5) * cell_width;
            canvas.centered_text((x, area.bottom() + row / 2.0 + 2.0), name, TextStyle::body().middle());
        }
        let at = (area.center().0, area.bottom() + 1.5 * row + 4.0);
        canvas.centered_text(at, &data.x.0, TextStyle::body().middle());
    }
    for (i, name) in data.y.1.iter().enumerate() {
        let y = map_top + height - (i as f64 + 0.5) * CELL_HEIGHT;
        canvas.centered_text((left - 8.0, y), name, TextStyle::body().end());
    }
    canvas.upward_text(
        (style::PADDING + f64::from(style::BODY_SIZE), map_top + height / 2.0),
        &data.y.0,
        TextStyle::body(),
    );
    let bottom = canvas.note(map_top + height + 2.0 * row + 8.0, &data.note);
    Ok(canvas.finish(bottom))
}

fn draw_map(canvas: &mut Canvas, map: &PhaseMap, area: Area, n_x: usize, n_y: usize) {
    let row = style::line_height(style::BODY_SIZE);
    canvas.centered_text((area.center().0, area.top - row / 2.0 - 2.0), &map.name, TextStyle::body().middle().bold());
    let scale = scale_of(map);
    let edges = |n: usize, from: f64, length: f64| -> Vec<f64> {
        (0..=n).map(|i| from + length * i as f64 / n as f64).collect()
    };
    let (x_edges, y_edges) = (edges(n_x, area.left, area.width), edges(n_y, area.top, area.height));
    // The page's rows go down, the grid's go up.
    let from_top = || (0..n_y).rev().flat_map(|y| &map.cells[y * n_x..(y + 1) * n_x]);
    let value = |cell: &PhaseCell| match cell {
        PhaseCell::Value(value, _) => Some(*value),
        PhaseCell::Censored(..) => Some(f64::NAN),
        PhaseCell::Absent => None,
    };
    cells(canvas, &x_edges, &y_edges, &from_top().map(value).collect::<Vec<_>>(), scale);
    for (i, cell) in from_top().enumerate() {
        let (column, line) = (i % n_x, i / n_x);
        let (words, below, ink) = match cell {
            PhaseCell::Value(value, below) => (number(*value, map.unit), below, scale.ink(*value)),
            PhaseCell::Censored(step, below) => (format!("> {}", compact(*step)), below, style::INK),
            PhaseCell::Absent => continue,
        };
        let x = x_edges[column].midpoint(x_edges[column + 1]);
        let y = y_edges[line].midpoint(y_edges[line + 1]);
        let shift = if below.is_empty() { 0.0 } else { 8.0 };
        canvas.centered_text((x, y - shift), &words, TextStyle::small().middle().color(ink));
        canvas.centered_text((x, y + shift), below, TextStyle::small().middle().color(ink));
    }
    canvas.outline(area, style::INK, style::AXIS_WIDTH);
}

fn scale_of(map: &PhaseMap) -> Scale {
    let known = map.cells.iter().filter_map(|cell| match cell {
        PhaseCell::Value(value, _) => Some(*value),
        _ => None,
    });
    let (low, high) = known.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    match map.unit {
        PhaseUnit::Fraction => Scale::Fraction,
        PhaseUnit::Steps => Scale::Steps { low, high },
    }
}

fn number(value: f64, unit: PhaseUnit) -> String {
    match unit {
        PhaseUnit::Fraction => text::decimal(value, 2),
        PhaseUnit::Steps => compact(value),
    }
}

/// Three digits, thousands as k.
fn compact(steps: f64) -> String {
    match steps {
        s if s >= 100_000.0 => format!("{:.0}k", s / 1000.0),
        s if s >= 1000.0 => format!("{}k", text::tick((s / 10.0).round() / 100.0)),
        s => text::thousands(s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_say_what_they_are() {
        let map = |name: &str, unit, cells| PhaseMap { name: name.to_owned(), unit, cells };
        let value = |v| PhaseCell::Value(v, String::new());
        let steps = vec![value(1234.0), PhaseCell::Censored(4000.0, "1/3".to_owned()), PhaseCell::Absent, value(90.0)];
        let fractions = vec![value(0.04), value(0.5), PhaseCell::Absent, value(1.0)];
        let data = PhaseDiagram {
            title: "t".to_owned(),
            x: ("B".to_owned(), vec!["1".to_owned(), "2".to_owned()]),
            y: ("K".to_owned(), vec!["128".to_owned(), "512".to_owned()]),
            maps: vec![map("ic", PhaseUnit::Fraction, fractions), map("t50", PhaseUnit::Steps, steps)],
            note: "gray: later".to_owned(),
        };
        let svg = phase_diagram(&data).unwrap().svg().to_owned();
        for text in ["1.23k", "&gt; 4k", "1/3", "90", ".04", "512", "gray: later"] {
            assert!(svg.contains(text), "{text}");
        }
        let mut short = data;
        short.maps[0].cells.pop();
        assert!(phase_diagram(&short).is_err());
    }
}
