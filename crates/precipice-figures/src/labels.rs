//! Places for the labels of points: where they cover neither what is drawn nor each other.

use super::canvas::{Area, Canvas, TextStyle};
use super::{style, text};

/// Space that a label keeps from lines and points.
const CLEARANCE: f64 = 4.0;
/// How far from its point a label may be, nearest first.
const DISTANCES: [f64; 6] = [9.0, 16.0, 26.0, 40.0, 58.0, 80.0];
/// Directions that are tried, counted from the upper right.
const DIRECTIONS: usize = 16;
/// From this distance on a thin line says whose label it is.
const LED_FROM: f64 = 20.0;
/// Radius of a labelled point.
const RADIUS: f64 = 3.6;

/// What labels must keep away from.
pub(super) struct Labels {
    within: Area,
    segments: Vec<[(f64, f64); 2]>,
    taken: Vec<Area>,
}

impl Labels {
    /// Labels stay inside an area.
    pub fn within(area: Area) -> Self {
        Self { within: area, segments: Vec::new(), taken: Vec::new() }
    }

    /// A line that is drawn.
    pub fn avoid_line(&mut self, points: &[(f64, f64)]) {
        let is_drawn = |pair: &&[(f64, f64)]| pair.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        self.segments.extend(points.windows(2).filter(is_drawn).map(|pair| [pair[0], pair[1]]));
    }

    /// Draws points with their labels on a light ground, and a thin line to those that are further away.
    pub fn draw(mut self, canvas: &mut Canvas, marks: &[((f64, f64), &str)]) {
        let is_drawn = |mark: &&((f64, f64), &str)| mark.0.0.is_finite() && mark.0.1.is_finite();
        let marks: Vec<_> = marks.iter().filter(is_drawn).collect();
        self.taken.extend(marks.iter().map(|(at, _)| around(*at, RADIUS + 1.5)));
        let mut placed = Vec::new();
        for (at, label) in &marks {
            let size = (text::width(label, style::BODY_SIZE) + 8.0, 19.0);
            let (ground, distance) = self.place(*at, size);
            if distance >= LED_FROM {
                let end = nearest(ground, *at);
                canvas.line(*at, end, style::INK, style::AXIS_WIDTH, None);
                self.segments.push([*at, end]);
            }
            self.taken.push(ground);
            placed.push(ground);
        }
        for ((at, label), ground) in marks.iter().zip(placed) {
            canvas.disk(*at, RADIUS, style::INK);
            canvas.fill(ground, style::PAGE, 0.82);
            canvas.text((ground.left + 4.0, ground.top + 14.0), label, TextStyle::body());
        }
    }

    /// The free place nearest to a point, or the one that covers least; and how far it is.
    fn place(&self, at: (f64, f64), size: (f64, f64)) -> (Area, f64) {
        let mut best = (f64::INFINITY, around(at, 0.0), 0.0);
        for distance in DISTANCES {
            for k in 0..DIRECTIONS {
                // Up to the right first, then alternately to either side.
                let turn = k.div_ceil(2) as f64 * if k % 2 == 0 { 1.0 } else { -1.0 };
                let angle = (0.125 + turn / DIRECTIONS as f64) * std::f64::consts::TAU;
                let ground = self.beside(at, size, (libm::cos(angle), -libm::sin(angle)), distance);
                let cost = 50.0 * self.covered(ground) + distance + 0.2 * k as f64;
                if cost < best.0 {
                    best = (cost, ground, distance);
                }
            }
        }
        (best.1, best.2)
    }

    /// The rectangle that touches the circle around a point from outside, moved into the area.
    fn beside(&self, (x, y): (f64, f64), (width, height): (f64, f64), (dx, dy): (f64, f64), distance: f64) -> Area {
        let center = (x + dx * (distance + width / 2.0), y + dy * (distance + height / 2.0));
        let inside = |wanted: f64, low: f64, high: f64| wanted.clamp(low, high.max(low));
        let left = inside(center.0 - width / 2.0, self.within.left, self.within.right() - width);
        let top = inside(center.1 - height / 2.0, self.within.top, self.within.bottom() - height);
        Area { left, top, width, height }
    }

    /// How much of what is drawn a rectangle covers: lengths of lines, and three times the smaller side of an overlap.
    fn covered(&self, ground: Area) -> f64 {
        let wide = Area {
            left: ground.left - CLEARANCE,
            top: ground.top - CLEARANCE,
            width: ground.width + 2.0 * CLEARANCE,
            height: ground.height + 2.0 * CLEARANCE,
        };
        let lines: f64 = self.segments.iter().map(|segment| length_inside(*segment, wide)).sum();
        let overlap = |other: &Area| {
            let width = wide.right().min(other.right()) - wide.left.max(other.left);
            let height = wide.bottom().min(other.bottom()) - wide.top.max(other.top);
            3.0 * width.min(height).max(0.0)
        };
        lines + self.taken.iter().map(overlap).sum::<f64>()
    }
}

fn around((x, y): (f64, f64), radius: f64) -> Area {
    Area { left: x - radius, top: y - radius, width: 2.0 * radius, height: 2.0 * radius }
}

/// The point of a rectangle nearest to another.
fn nearest(area: Area, (x, y): (f64, f64)) -> (f64, f64) {
    (x.clamp(area.left, area.right()), y.clamp(area.top, area.bottom()))
}

/// Length of the part of a segment that lies in a rectangle (Liang and Barsky 1984).
fn length_inside([(x0, y0), (x1, y1)]: [(f64, f64); 2], area: Area) -> f64 {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    let sides = [(-dx, x0 - area.left), (dx, area.right() - x0), (-dy, y0 - area.top), (dy, area.bottom() - y0)];
    for (p, q) in sides {
        if p == 0.0 {
            if q < 0.0 {
                return 0.0;
            }
        } else if p < 0.0 {
            from = from.max(q / p);
        } else {
            to = to.min(q / p);
        }
    }
    (to - from).max(0.0) * dx.hypot(dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Area = Area { left: 0.0, top: 0.0, width: 400.0, height: 300.0 };

    #[test]
    fn lengths_are_those_inside() {
        let area = Area { left: 10.0, top: 10.0, width: 10.0, height: 10.0 };
        assert_eq!(length_inside([(0.0, 15.0), (100.0, 15.0)], area), 10.0);
        assert_eq!(length_inside([(12.0, 12.0), (12.0, 15.0)], area), 3.0);
        assert_eq!(length_inside([(0.0, 0.0), (100.0, 5.0)], area), 0.0);
    }

    /// Lines on all sides but one, in turn: the label goes where there is none.
    #[test]
    fn labels_go_where_nothing_is_drawn() {
        let at = (200.0, 150.0);
        for angle in [0.0, 1.0, 2.0, 3.0] {
            let mut labels = Labels::within(PAGE);
            // A bundle of lines from the point over three quarters of the circle.
            for i in 0..=24 {
                let a = (angle + 0.5 + 3.0 * f64::from(i) / 24.0) * std::f64::consts::FRAC_PI_2;
                labels.avoid_line(&[at, (at.0 + 300.0 * libm::cos(a), at.1 + 300.0 * libm::sin(a))]);
            }
            let (ground, _) = labels.place(at, (60.0, 19.0));
            assert_eq!(labels.covered(ground), 0.0, "{angle}: {ground:?}");
        }
    }

    #[test]
    fn labels_of_neighbors_and_at_edges_do_not_overlap() {
        let mut labels = Labels::within(PAGE);
        let mut grounds: Vec<Area> = Vec::new();
        for at in [(398.0, 2.0), (396.0, 4.0), (399.0, 299.0), (1.0, 299.0), (395.0, 6.0)] {
            let (ground, _) = labels.place(at, (70.0, 19.0));
            assert!(ground.left >= 0.0 && ground.right() <= 400.0 && ground.top >= 0.0 && ground.bottom() <= 300.0);
            let is_apart = |other: &Area| {
                ground.left >= other.right()
                    || other.left >= ground.right()
                    || ground.top >= other.bottom()
                    || other.top >= ground.bottom()
            };
            assert!(grounds.iter().all(is_apart), "{grounds:?} {ground:?}");
            labels.taken.push(ground);
            grounds.push(ground);
        }
    }
}
