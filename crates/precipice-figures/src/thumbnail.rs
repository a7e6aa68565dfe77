//! Small gray drawings as vector shapes, sharp at every size.

use super::canvas::{Area, Canvas};
use super::style;

/// A small gray drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// `height` x `width`, row-major from the top left; 0 = paper, 255 = ink.
    pub pixels: Vec<u8>,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

/// Draws ink as nested shapes, one per gray level from light to dark: neighboring pixels
/// of a level join without hairlines, and the shape stays small.
pub(super) fn draw_thumbnail(canvas: &mut Canvas, drawing: &Thumbnail, area: Area) {
    // Paper is light on every page: its grays stand for the pixels.
    canvas.fill(area, style::ON_DARK_CELL, 1.0);
    canvas.outline(area, style::GRID, style::AXIS_WIDTH);
    let mut levels: Vec<u8> = drawing.pixels.iter().map(|p| quantized(*p)).collect();
    levels.sort_unstable();
    levels.dedup();
    for level in levels.into_iter().filter(|level| *level > 0) {
        let gray = 255 - level;
        let color = format!("#{gray:02x}{gray:02x}{gray:02x}");
        canvas.shape(level_shape(drawing, level, area), &color);
    }
}

/// Gray in 16 levels: more cannot be told apart at this size.
fn quantized(pixel: u8) -> u8 {
    (pixel / 17) * 17
}

/// Path of all pixels at least this dark, runs of a row as one rectangle.
fn level_shape(drawing: &Thumbnail, level: u8, area: Area) -> String {
    let unit_x = area.width / drawing.width as f64;
    let unit_y = area.height / drawing.height as f64;
    let mut path = String::new();
    for (y, row) in drawing.pixels.chunks(drawing.width).enumerate() {
        let dark: Vec<bool> = row.iter().map(|p| quantized(*p) >= level).collect();
        let mut start = 0;
        for run in dark.chunk_by(|a, b| a == b) {
            if run[0] {
                let x = area.left + start as f64 * unit_x;
                let top = area.top + y as f64 * unit_y;
                let width = run.len() as f64 * unit_x;
                path.push_str(&format!("M{x:.2} {top:.2}h{width:.2}v{unit_y:.2}h-{width:.2}z"));
            }
            start += run.len();
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_ink_are_joined() {
        let small = Thumbnail { pixels: vec![255, 255, 0, 0], width: 2, height: 2 };
        let area = Area { left: 0.0, top: 0.0, width: 20.0, height: 20.0 };
        let path = level_shape(&small, 255, area);
        assert_eq!(path, "M0.00 0.00h20.00v10.00h-20.00z");
    }
}
