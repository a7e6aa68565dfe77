//! A loss surface with paths on it; `surface_body` and `surface_map` draw it.

use super::canvas::{Area, Canvas, TextStyle};
use super::heat::Scale;
use super::{FigureError, check, style, text};

/// An axis of a surface.
#[derive(Clone, Debug, PartialEq)]
pub struct SurfaceAxis {
    /// "beta", "alpha" or "xi", written as Greek letters.
    pub name: String,
    /// Increasing values, at least 2.
    pub values: Vec<f64>,
}

/// A curve on the surface and on the map.
#[derive(Clone, Debug, PartialEq)]
pub struct SurfacePath {
    /// What the legend says; empty for one that the legend leaves out.
    pub name: String,
    /// x, y and loss.
    pub points: Vec<[f64; 3]>,
    /// Measured in a network (dots) rather than computed (a line).
    pub is_measured: bool,
}

/// A labelled point.
#[derive(Clone, Debug, PartialEq)]
pub struct SurfaceMark {
    /// "plateau", "edge", "drop", "saddle".
    pub label: String,
    /// x, y and loss.
    pub at: [f64; 3],
}

/// A loss surface over two of the three parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    /// First axis.
    pub x: SurfaceAxis,
    /// Second axis.
    pub y: SurfaceAxis,
    /// Loss in nats, `[x][y]`, y fastest.
    pub loss: Vec<f64>,
    /// Losses above this are drawn at this height.
    pub ceiling: f64,
    /// What the third parameter does.
    pub third: String,
    /// Lines of descent, for the map.
    pub flow_lines: Vec<Vec<[f64; 2]>>,
    /// The line between the basins.
    pub separatrix: Vec<Vec<[f64; 2]>>,
    /// The theory's flow and measured paths.
    pub paths: Vec<SurfacePath>,
    /// Labelled points.
    pub marks: Vec<SurfaceMark>,
}

pub(super) fn validate(surface: &Surface) -> Result<(), FigureError> {
    for (field, axis) in [("x", &surface.x), ("y", &surface.y)] {
        let is_legal = axis.values.len() >= 2
            && axis.values.iter().all(|v| check::is_shown(*v))
            && axis.values.is_sorted_by(|a, b| a < b);
        if !is_legal {
            let values = format!("{} values", axis.values.len());
            return Err(check::invalid(&format!("surface.{field}"), values, "at least 2, finite and increasing"));
        }
    }
    check::length("surface.loss", surface.loss.len(), surface.x.values.len() * surface.y.values.len())?;
    if !(surface.ceiling > 0.0 && surface.ceiling.is_finite()) {
        return Err(check::invalid("surface.ceiling", surface.ceiling, "finite and above 0"));
    }
    Ok(())
}

pub(super) fn path_color(path: &SurfacePath) -> &'static str {
    if path.is_measured { style::VERMILLION } else { style::ON_DARK_CELL }
}

/// "alpha" as "α".
pub(super) fn letter(name: &str) -> &str {
    match name {
        "beta" => "β",
        "alpha" => "α",
        "alpha among labels" => "α′",
        "xi" => "ξ",
        "beta_2" => "β₂",
        other => other,
    }
}

/// Evenly spaced indices, both ends included; more cells would only make the file larger.
pub(super) fn thin(n: usize, cells: usize) -> Vec<usize> {
    let cells = cells.min(n - 1);
    (0..=cells).map(|i| i * (n - 1) / cells).collect()
}

impl Surface {
    pub(super) fn height(&self, i: usize, j: usize) -> f64 {
        let loss = self.loss[i * self.y.values.len() + j];
        if loss.is_finite() { loss.clamp(0.0, self.ceiling) } else { self.ceiling }
    }

    /// Whether somewhere a loss is higher than it is drawn.
    pub(super) fn is_cut_off(&self) -> bool {
        self.loss.iter().any(|loss| *loss > self.ceiling)
    }

    pub(super) fn x_range(&self) -> (f64, f64) {
        (self.x.values[0], self.x.values[self.x.values.len() - 1])
    }

    pub(super) fn y_range(&self) -> (f64, f64) {
        (self.y.values[0], self.y.values[self.y.values.len() - 1])
    }

    pub(super) fn contains(&self, x: f64, y: f64) -> bool {
        let ((x0, x1), (y0, y1)) = (self.x_range(), self.y_range());
        (x0..=x1).contains(&x) && (y0..=y1).contains(&y)
    }

    pub(super) fn scale(&self) -> Scale {
        Scale::Loss { high: self.ceiling }
    }
}

pub(super) fn draw_path(canvas: &mut Canvas, path: &SurfacePath, points: &[(f64, f64)]) {
    // Surfaces are the same on every page, and so is what lies on them.
    let halo = if path.is_measured { style::ON_DARK_CELL } else { style::ON_LIGHT_CELL };
    canvas.polyline(points, halo, 4.6, None);
    canvas.polyline(points, path_color(path), 2.4, None);
    if path.is_measured {
        let mut last: Option<(f64, f64)> = None;
        for &(x, y) in points {
            if last.is_none_or(|(a, b): (f64, f64)| (x - a).hypot(y - b) > 7.0) {
                canvas.disk((x, y), 2.4, path_color(path));
                last = Some((x, y));
            }
        }
    }
}

/// Names of the paths, and of the line between the basins if the map shows it, as a legend that
/// ends at `right`.
pub(super) fn path_legend(canvas: &mut Canvas, surface: &Surface, has_map: bool, right: f64, y: f64) {
    const SWATCH: f64 = 26.0;
    let mut x = right;
    let mut entry = |canvas: &mut Canvas, name: &str| {
        x -= SWATCH + 11.0 + text::width(name, style::SMALL_SIZE);
        canvas.centered_text((x + SWATCH + 11.0, y), name, TextStyle::small());
        let swatch = [(x, y), (x + SWATCH, y)];
        // On a patch of the surface, where a white line is one.
        let patch = Area { left: x - 4.0, top: y - 7.0, width: SWATCH + 8.0, height: 14.0 };
        canvas.fill(patch, &surface.scale().color(0.45 * surface.ceiling), 1.0);
        x -= 22.0;
        swatch
    };
    if has_map && surface.separatrix.iter().flatten().any(|p| surface.contains(p[0], p[1])) {
        let swatch = entry(canvas, "line between the basins");
        canvas.polyline(&swatch, style::ORANGE, 2.2, Some(style::REFERENCE_DASH));
    }
    for path in surface.paths.iter().rev().filter(|path| !path.name.is_empty()) {
        let swatch = entry(canvas, &path.name);
        draw_path(canvas, path, &swatch);
    }
}
