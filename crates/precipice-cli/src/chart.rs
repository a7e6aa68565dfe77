//! A small chart of accuracy over steps in braille characters, with the 1/N line.

const DOTS_PER_ROW: usize = 4;
const DOTS_PER_COLUMN: usize = 2;
/// Bits of a braille cell, `[column][row from the top]`.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Lines of a chart of so many characters: x is the fraction of the run, y the accuracy, both 0..=1.
pub fn lines(points: &[(f64, f64)], reference: f64, width: usize, n_rows: usize) -> Vec<String> {
    let (dots_x, dots_y) = (width * DOTS_PER_COLUMN, n_rows * DOTS_PER_ROW);
    let mut cells = vec![vec![0_u8; width]; n_rows];
    if width == 0 || n_rows == 0 {
        return vec![String::new(); n_rows];
    }
    let mut dot = |x: usize, y: usize| {
        let from_top = dots_y - 1 - y.min(dots_y - 1);
        cells[from_top / DOTS_PER_ROW][x / DOTS_PER_COLUMN] |= BITS[x % DOTS_PER_COLUMN][from_top % DOTS_PER_ROW];
    };
    let height = |y: f64| (y.clamp(0.0, 1.0) * (dots_y - 1) as f64).round() as usize;
    for x in (0..dots_x).step_by(4) {
        dot(x, height(reference));
    }
    for pair in points.windows(2) {
        let column = |x: f64| (x.clamp(0.0, 1.0) * (dots_x - 1) as f64).round() as usize;
        let (from, to) = (column(pair[0].0), column(pair[1].0));
        for x in from..=to {
            let along = if to == from { 1.0 } else { (x - from) as f64 / (to - from) as f64 };
            dot(x, height(pair[0].1 + along * (pair[1].1 - pair[0].1)));
        }
    }
    let text =
        |row: &Vec<u8>| row.iter().map(|&bits| char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ')).collect();
    cells.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_goes_from_the_bottom_to_the_top() {
        for (width, n_rows) in [(10, 4), (200, 12), (3, 1)] {
            let chart = lines(&[(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (1.0, 1.0)], 0.125, width, n_rows);
            assert_eq!(chart.len(), n_rows);
            assert!(chart.iter().all(|line| line.chars().count() == width));
            assert_ne!(chart[0].chars().last(), Some('\u{2800}'), "the curve at the top right");
            if n_rows > 1 {
                assert_eq!(chart[0].chars().next(), Some('\u{2800}'), "nothing at the top left");
                assert_eq!(chart[1].chars().last(), Some('\u{2800}'), "nothing below the curve");
            }
        }
    }

    #[test]
    fn undefined_points_do_not_panic() {
        lines(&[(0.0, f64::NAN), (1.0, f64::INFINITY)], f64::NAN, 3, 4);
        lines(&[(0.0, 0.0), (1.0, 1.0)], 0.5, 0, 0);
    }
}
