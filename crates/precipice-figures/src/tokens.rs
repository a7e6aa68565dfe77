//! The tokens of a context as labels of an attention matrix: x₁ ℓ₁ x₂ ℓ₂ ... and the query.

use super::canvas::{Area, Canvas, TextStyle};
use super::{style, text};

/// Length of the colored ticks.
pub(super) const TICK: f64 = 4.0;

/// What stands at a position of the context.
enum Token {
    Item(usize),
    Label(usize),
    Query,
}

impl Token {
    fn at(position: usize, n_tokens: usize) -> Token {
        match position {
            _ if position + 1 == n_tokens && n_tokens % 2 == 1 => Token::Query,
            even if even % 2 == 0 => Token::Item(even / 2 + 1),
            odd => Token::Label(odd / 2 + 1),
        }
    }

    fn color(&self) -> &'static str {
        match self {
            Token::Item(_) => style::ITEM,
            Token::Label(_) => style::LABEL,
            Token::Query => style::QUERY,
        }
    }

    /// "x₁", "ℓ₁", or "x" for the query, whose subscript is drawn apart.
    fn name(&self) -> String {
        match self {
            Token::Item(number) => format!("x{}", subscript(*number)),
            Token::Label(number) => format!("ℓ{}", subscript(*number)),
            Token::Query => "x".into(),
        }
    }

    fn width(&self) -> f64 {
        let lowered = match self {
            Token::Query => text::width("q", style::SUBSCRIPT_SIZE),
            _ => 0.0,
        };
        text::width(&self.name(), style::SMALL_SIZE) + lowered
    }
}

fn subscript(number: usize) -> String {
    let lowered = |c: char| match c.to_digit(10) {
        Some(digit) => char::from_u32('₀' as u32 + digit).unwrap_or(c),
        None => c,
    };
    number.to_string().chars().map(lowered).collect()
}

/// Center of a token's row or column, from the matrix' edge.
fn center(area: Area, position: usize, n_tokens: usize) -> f64 {
    (position as f64 + 0.5) * area.width / n_tokens as f64
}

/// Colored ticks below and left of a matrix.
pub(super) fn token_ticks(canvas: &mut Canvas, area: Area, n_tokens: usize) {
    for position in 0..n_tokens {
        let color = Token::at(position, n_tokens).color();
        let offset = center(area, position, n_tokens);
        let (x, y) = (area.left + offset, area.top + offset);
        let width = (0.6 * area.width / n_tokens as f64).min(3.0);
        let bottom = area.bottom();
        canvas.line((x, bottom + 1.0), (x, bottom + 1.0 + TICK), color, width, None);
        let edge = area.left - 1.0;
        canvas.line((edge - TICK, y), (edge, y), color, width, None);
    }
}

/// Names left of a matrix, one a row.
pub(super) fn row_names(canvas: &mut Canvas, area: Area, n_tokens: usize) {
    for position in 0..n_tokens {
        let y = area.top + center(area, position, n_tokens);
        let right = area.left - TICK - 4.0;
        let token = Token::at(position, n_tokens);
        draw_name(canvas, &token, (right - token.width(), y));
    }
}

/// Names below a matrix: items on one line, labels on the next, so that neighbors have
/// room and are told apart.
pub(super) fn column_names(canvas: &mut Canvas, area: Area, n_tokens: usize) {
    let row = style::line_height(style::SMALL_SIZE);
    let first = area.bottom() + TICK + 4.0 + row / 2.0;
    for position in 0..n_tokens {
        let x = area.left + center(area, position, n_tokens);
        let y = first + if position % 2 == 0 { 0.0 } else { row };
        let token = Token::at(position, n_tokens);
        draw_name(canvas, &token, (x - token.width() / 2.0, y));
    }
}

/// Unicode has no subscript q, so the query's is a small letter set lower.
fn draw_name(canvas: &mut Canvas, token: &Token, at: (f64, f64)) {
    let look = TextStyle::small().color(token.color());
    canvas.centered_text(at, &token.name(), look);
    if let Token::Query = token {
        let x = at.0 + text::width("x", style::SMALL_SIZE);
        let small = TextStyle { size: style::SUBSCRIPT_SIZE, ..look };
        canvas.centered_text((x, at.1 + 3.0), "q", small);
    }
}

/// The line that explains names and colors, from `at` (its vertical middle).
pub(super) fn key(canvas: &mut Canvas, at: (f64, f64)) {
    let (mut x, y) = at;
    let tokens = [(Token::Item(1), "item"), (Token::Label(1), "its label"), (Token::Query, "query")];
    for (token, word) in tokens {
        draw_name(canvas, &token, (x, y));
        x += token.width() + 5.0;
        let look = TextStyle::body().color(token.color());
        canvas.centered_text((x, y), word, look);
        x += text::width(word, style::BODY_SIZE) + 16.0;
    }
    let note = "row: attending token, column: attended token, gray: hidden";
    let look = TextStyle::body().color(style::MUTED);
    canvas.centered_text((x + 6.0, y), note, look);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_alternate_and_end_with_the_query() {
        let names: Vec<String> = (0..5).map(|i| Token::at(i, 5).name()).collect();
        assert_eq!(names, ["x₁", "ℓ₁", "x₂", "ℓ₂", "x"]);
        assert_eq!(subscript(12), "₁₂");
    }
}
