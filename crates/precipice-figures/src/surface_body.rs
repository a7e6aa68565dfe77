//! A loss surface as a shaded body, seen from the side of the drop.

use super::canvas::{Area, Canvas, TextStyle, path_of};
use super::heat::round_ticks;
use super::labels::Labels;
use super::surface::{Surface, draw_path, letter, thin};
use super::{style, text};

/// Faces a side.
const CELLS: usize = 56;

/// An orthographic view: the corner of the smallest x and y at the back, loss upward.
struct View<'a> {
    surface: &'a Surface,
    center_x: f64,
    top: f64,
    half_width: f64,
    depth: f64,
    rise: f64,
}

impl View<'_> {
    fn at(&self, x: f64, y: f64, loss: f64) -> (f64, f64) {
        let share = |v: f64, (low, high): (f64, f64)| (v - low) / (high - low);
        let (a, b) = (share(x, self.surface.x_range()), share(y, self.surface.y_range()));
        let c = loss.clamp(0.0, self.surface.ceiling) / self.surface.ceiling;
        (self.center_x + (b - a) * self.half_width, self.top + self.rise * (1.0 - c) + (a + b) * self.depth)
    }
}

/// Draws the body with its paths and marks into an area.
pub(super) fn body(canvas: &mut Canvas, surface: &Surface, area: Area) {
    let view = View {
        surface,
        center_x: area.center().0,
        top: area.top,
        half_width: area.width / 2.0 - 26.0,
        depth: (area.height - 24.0) * 0.27,
        rise: (area.height - 24.0) * 0.46,
    };
    floor(canvas, &view);
    faces(canvas, &view);
    let mut free = Labels::within(area);
    for path in &surface.paths {
        let inside = |p: &&[f64; 3]| surface.contains(p[0], p[1]) && p[2].is_finite();
        let points: Vec<(f64, f64)> = path.points.iter().filter(inside).map(|p| view.at(p[0], p[1], p[2])).collect();
        draw_path(canvas, path, &points);
        free.avoid_line(&points);
    }
    avoid_axes(&mut free, &view);
    let marks = surface.marks.iter().filter(|mark| surface.contains(mark.at[0], mark.at[1]));
    let marks: Vec<_> = marks.map(|mark| (view.at(mark.at[0], mark.at[1], mark.at[2]), mark.label.as_str())).collect();
    free.draw(canvas, &marks);
}

/// The axes with the room of their ticks, which no label is to cover.
fn avoid_axes(free: &mut Labels, view: &View<'_>) {
    let surface = view.surface;
    let ((x0, x1), (y0, y1)) = (surface.x_range(), surface.y_range());
    for (shift, down) in [(0.0, 0.0), (14.0, 10.0), (28.0, 10.0)] {
        let moved = |(x, y): (f64, f64), side: f64| (x + side * shift, y + down);
        free.avoid_line(&[moved(view.at(x0, y1, 0.0), 1.0), moved(view.at(x1, y1, 0.0), 1.0)]);
        free.avoid_line(&[moved(view.at(x1, y0, 0.0), -1.0), moved(view.at(x1, y1, 0.0), -1.0)]);
        free.avoid_line(&[
            (view.at(x1, y0, 0.0).0 - shift, view.at(x1, y0, 0.0).1),
            (view.at(x1, y0, 0.0).0 - shift, view.at(x1, y0, surface.ceiling).1),
        ]);
    }
}

/// The floor's two front edges with ticks and names, and the loss axis at the left corner.
fn floor(canvas: &mut Canvas, view: &View<'_>) {
    let surface = view.surface;
    let ((x0, x1), (y0, y1)) = (surface.x_range(), surface.y_range());
    let small = TextStyle::small();
    let ink = |canvas: &mut Canvas, from, to| canvas.line(from, to, style::INK, style::AXIS_WIDTH, None);
    ink(canvas, view.at(x0, y0, 0.0), view.at(x1, y0, 0.0));
    ink(canvas, view.at(x0, y0, 0.0), view.at(x0, y1, 0.0));
    ink(canvas, view.at(x1, y0, 0.0), view.at(x1, y1, 0.0));
    ink(canvas, view.at(x0, y1, 0.0), view.at(x1, y1, 0.0));
    ink(canvas, view.at(x1, y0, 0.0), view.at(x1, y0, surface.ceiling));
    for (low, high, along_x) in [(x0, x1, true), (y0, y1, false)] {
        for value in round_ticks(low, high) {
            let at = if along_x { view.at(value, y1, 0.0) } else { view.at(x1, value, 0.0) };
            let side = if along_x { 1.0 } else { -1.0 };
            ink(canvas, at, (at.0 + side * 4.0, at.1 + 4.0));
            let look = if along_x { small } else { small.end() };
            canvas.text((at.0 + side * 7.0, at.1 + 15.0), &text::tick(value), look);
        }
    }
    let middle = |a: (f64, f64), b: (f64, f64)| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    let name = TextStyle::body().bold();
    let at = middle(view.at(x0, y1, 0.0), view.at(x1, y1, 0.0));
    canvas.text((at.0 + 34.0, at.1 + 26.0), letter(&surface.x.name), name);
    let at = middle(view.at(x1, y0, 0.0), view.at(x1, y1, 0.0));
    canvas.text((at.0 - 34.0, at.1 + 26.0), letter(&surface.y.name), name.end());
    for value in round_ticks(0.0, surface.ceiling) {
        let at = view.at(x1, y0, value);
        ink(canvas, at, (at.0 - 4.0, at.1));
        canvas.centered_text((at.0 - 7.0, at.1), &text::tick(value), small.end());
    }
    let at = view.at(x1, y0, surface.ceiling);
    canvas.text((at.0, at.1 - 10.0), "loss", TextStyle::body().end());
}

fn faces(canvas: &mut Canvas, view: &View<'_>) {
    let surface = view.surface;
    let (xs, ys) = (thin(surface.x.values.len(), CELLS), thin(surface.y.values.len(), CELLS));
    let corner = |i: usize, j: usize| {
        let (i, j) = (xs[i], ys[j]);
        view.at(surface.x.values[i], surface.y.values[j], surface.height(i, j))
    };
    // From the back to the front, so that what is near covers what is far.
    for sum in 0..=(xs.len() + ys.len() - 4) {
        for i in sum.saturating_sub(ys.len() - 2)..=sum.min(xs.len() - 2) {
            let j = sum - i;
            let quad = [corner(i, j), corner(i + 1, j), corner(i + 1, j + 1), corner(i, j + 1)];
            let h = |i: usize, j: usize| surface.height(xs[i], ys[j]);
            let mean = (h(i, j) + h(i + 1, j) + h(i + 1, j + 1) + h(i, j + 1)) / 4.0;
            let slope_x = (h(i + 1, j) - h(i, j)) / surface.ceiling * (xs.len() - 1) as f64;
            let slope_y = (h(i, j + 1) - h(i, j)) / surface.ceiling * (ys.len() - 1) as f64;
            let color = shaded(&surface.scale().color(mean), slope_x, slope_y);
            canvas.tile(path_of(&quad) + "Z", &color);
        }
    }
}

/// Lambert's law with light from the upper left, on a face with these slopes.
fn shaded(color: &str, slope_x: f64, slope_y: f64) -> String {
    let normal = [-slope_x, -slope_y, 1.0];
    let light = [0.55, -0.25, 0.8];
    let dot: f64 = normal.iter().zip(light).map(|(n, l)| n * l).sum();
    let norm = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let brightness = 0.62 + 0.38 * (dot / (norm(normal) * norm(light))).max(0.0);
    let channel = |at: usize| u8::from_str_radix(color.get(at..at + 2).unwrap_or("80"), 16).unwrap_or(128);
    let dim = |c: u8| (f64::from(c) * brightness).round().clamp(0.0, 255.0) as u8;
    format!("#{:02x}{:02x}{:02x}", dim(channel(1)), dim(channel(3)), dim(channel(5)))
}
