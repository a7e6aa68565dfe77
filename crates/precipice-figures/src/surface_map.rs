//! A loss surface as a map: colors, contour lines, lines of descent, the line between the basins.

use super::canvas::{Area, Canvas, path_of};
use super::heat::{BAR_WIDTH, bar_room, color_bar};
use super::labels::Labels;
use super::panel::{Panel, STEP_AXIS_SPACE};
use super::style;
use super::surface::{Surface, draw_path, letter, thin};

/// Cells a side.
const CELLS: usize = 128;
/// Shades of the ground.
const SHADES: usize = 96;
/// Contour lines.
const LEVELS: usize = 12;

/// Draws the map with contour lines, flow lines, separatrix, paths and marks, and its color bar;
/// `area` is what all of it may take, axis labels included.
pub(super) fn map(canvas: &mut Canvas, surface: &Surface, area: Area) {
    let room = bar_room(surface.scale());
    let plot = Area {
        left: area.left + style::AXIS_SPACE,
        top: area.top,
        width: area.width - style::AXIS_SPACE - room - 14.0,
        height: area.height - STEP_AXIS_SPACE,
    };
    let panel = Panel::new(plot, surface.x_range(), surface.y_range()).over(letter(&surface.x.name)).without_grid();
    let place = |x: f64, y: f64| (panel.map_x(x), panel.map_y(y));
    ground(canvas, surface, &place);
    for level in 1..LEVELS {
        contour(canvas, surface, surface.ceiling * level as f64 / LEVELS as f64, &place);
    }
    for line in &surface.flow_lines {
        for piece in inside_pieces(surface, line) {
            let points: Vec<(f64, f64)> = piece.iter().map(|p| place(p[0], p[1])).collect();
            canvas.polyline(&points, style::ON_DARK_CELL, 0.9, None);
            arrow(canvas, &points);
        }
    }
    let mut free = Labels::within(plot);
    for line in &surface.separatrix {
        for piece in inside_pieces(surface, line) {
            let points: Vec<(f64, f64)> = piece.iter().map(|p| place(p[0], p[1])).collect();
            canvas.polyline(&points, style::ORANGE, 2.2, Some(style::REFERENCE_DASH));
            free.avoid_line(&points);
        }
    }
    for path in &surface.paths {
        let inside = |p: &&[f64; 3]| surface.contains(p[0], p[1]);
        let points: Vec<(f64, f64)> = path.points.iter().filter(inside).map(|p| place(p[0], p[1])).collect();
        draw_path(canvas, path, &points);
        free.avoid_line(&points);
    }
    let marks = surface.marks.iter().filter(|mark| surface.contains(mark.at[0], mark.at[1]));
    let marks: Vec<_> = marks.map(|mark| (place(mark.at[0], mark.at[1]), mark.label.as_str())).collect();
    free.draw(canvas, &marks);
    panel.draw(canvas, letter(&surface.y.name), true);
    let bar = Area { left: plot.right() + 14.0, width: BAR_WIDTH, ..plot };
    color_bar(canvas, bar, surface.scale(), "loss (nats)");
}

/// Cells of the same shade above each other are one rectangle, all of a shade one shape.
fn ground(canvas: &mut Canvas, surface: &Surface, place: &impl Fn(f64, f64) -> (f64, f64)) {
    let (xs, ys) = (thin(surface.x.values.len(), CELLS), thin(surface.y.values.len(), CELLS));
    let shade_at = |i: usize, j: usize| {
        let corners = [(i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)];
        let mean = corners.iter().map(|&(i, j)| surface.height(xs[i], ys[j])).sum::<f64>() / 4.0;
        ((mean / surface.ceiling * SHADES as f64) as usize).min(SHADES - 1)
    };
    let mut shapes = vec![String::new(); SHADES];
    for i in 0..xs.len() - 1 {
        let mut from = 0;
        for j in 1..ys.len() {
            let shade = shade_at(i, from);
            if j + 1 < ys.len() && shade_at(i, j) == shade {
                continue;
            }
            let (left, bottom) = place(surface.x.values[xs[i]], surface.y.values[ys[from]]);
            let (right, top) = place(surface.x.values[xs[i + 1]], surface.y.values[ys[j]]);
            shapes[shade] += &(path_of(&[(left, bottom), (right, bottom), (right, top), (left, top)]) + "Z");
            from = j;
        }
    }
    for (shade, commands) in shapes.into_iter().enumerate().filter(|(_, commands)| !commands.is_empty()) {
        let loss = (shade as f64 + 0.5) / SHADES as f64 * surface.ceiling;
        canvas.tile(commands, &surface.scale().color(loss));
    }
}

/// One contour line, by marching squares.
fn contour(canvas: &mut Canvas, surface: &Surface, level: f64, place: &impl Fn(f64, f64) -> (f64, f64)) {
    let (xs, ys) = (thin(surface.x.values.len(), CELLS), thin(surface.y.values.len(), CELLS));
    let point = |i: usize, j: usize| (surface.x.values[xs[i]], surface.y.values[ys[j]], surface.height(xs[i], ys[j]));
    let mut commands = String::new();
    for i in 0..xs.len() - 1 {
        for j in 0..ys.len() - 1 {
            let corners = [point(i, j), point(i + 1, j), point(i + 1, j + 1), point(i, j + 1)];
            let mut crossings = Vec::new();
            for side in 0..4 {
                let (a, b) = (corners[side], corners[(side + 1) % 4]);
                if (a.2 < level) != (b.2 < level) {
                    let t = (level - a.2) / (b.2 - a.2);
                    crossings.push(place(a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
                }
            }
            for pair in crossings.chunks_exact(2) {
                commands += &path_of(pair);
            }
        }
    }
    canvas.stroke(commands, style::ON_DARK_CELL, 0.6, 0.55);
}

/// The parts of a line that lie inside the surface.
fn inside_pieces(surface: &Surface, line: &[[f64; 2]]) -> Vec<Vec<[f64; 2]>> {
    let pieces = line.split(|p| !surface.contains(p[0], p[1]));
    pieces.filter(|piece| piece.len() > 1).map(<[_]>::to_vec).collect()
}

/// An arrow head half way along a line.
fn arrow(canvas: &mut Canvas, points: &[(f64, f64)]) {
    let middle = points.len() / 2;
    let ((x0, y0), (x1, y1)) = (points[middle - 1], points[middle]);
    let norm = (x1 - x0).hypot(y1 - y0);
    if norm <= 0.0 {
        return;
    }
    let (dx, dy) = ((x1 - x0) / norm, (y1 - y0) / norm);
    let head = [
        (x1 + 4.0 * dx, y1 + 4.0 * dy),
        (x1 - 3.0 * dx - 3.0 * dy, y1 - 3.0 * dy + 3.0 * dx),
        (x1 - 3.0 * dx + 3.0 * dy, y1 - 3.0 * dy - 3.0 * dx),
    ];
    canvas.shape(path_of(&head) + "Z", style::ON_DARK_CELL);
}
