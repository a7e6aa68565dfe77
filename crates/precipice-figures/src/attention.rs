//! Attention before, during and after the jump: one heat map per head and moment.

use super::canvas::{Area, Canvas, TextStyle};
use super::heat::{BAR_WIDTH, LONGEST_BAR, Scale, bar_room, cells, color_bar};
use super::tokens::{TICK, column_names, key, row_names, token_ticks};
use super::{Figure, FigureError, check, style, text};

/// Attention at one step of training.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMoment {
    /// Optimizer updates done.
    pub step: u64,
    /// 0 to 1.
    pub accuracy: f64,
    /// One matrix a row of the grid, `n_tokens` x `n_tokens`, row-major `[query, key]`.
    pub patterns: Vec<Vec<f64>>,
}

/// The data of the attention figure.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionGrid {
    /// Heading of the page.
    pub title: String,
    /// T = 2N + 1: item, label, item, label, ..., query.
    pub n_tokens: usize,
    /// What the rows of the grid are called: a layer, or one of its heads.
    pub rows: Vec<String>,
    /// Columns of the grid, in order of steps.
    pub moments: Vec<AttentionMoment>,
    /// Per row, the `(query, key)` cells to outline; shorter lists outline fewer rows.
    pub highlights: Vec<Vec<(usize, usize)>>,
}

/// Above this many tokens only colored ticks mark them.
const MOST_NAMED_TOKENS: usize = 17;
const GAP: f64 = 16.0;

/// Draws the grid: rows are heads, columns moments; query down, key across.
///
/// # Errors
/// No moments, rows or tokens; matrices that are not `n_tokens` squared; moments with another
/// number of matrices than rows; highlights outside the matrix.
///
/// ```
/// use precipice_figures::{AttentionGrid, AttentionMoment, attention};
/// // Three tokens, item, label, query; one layer.
/// let uniform = vec![1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.3, 0.3, 0.4];
/// let moment = AttentionMoment { step: 100, accuracy: 0.5, patterns: vec![uniform] };
/// let (title, rows, highlights) = ("Attention".to_owned(), vec!["layer 1".to_owned()], vec![vec![(2, 1)]]);
/// let figure = attention(&AttentionGrid { title, n_tokens: 3, rows, moments: vec![moment], highlights })?;
/// assert!(figure.svg().contains("step 100"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn attention(data: &AttentionGrid) -> Result<Figure, FigureError> {
    let n_rows = validate(data)?;
    let grid = Grid::new(data);
    let (mut canvas, top) = Canvas::new(grid.page_width, &data.title);
    let row = style::line_height(style::BODY_SIZE);
    key(&mut canvas, (grid.left, top + row / 2.0));
    let top = top + row + grid.heading_height + 14.0;
    let cell = |row: usize, moment: usize| Area {
        left: grid.left + moment as f64 * (grid.side + GAP),
        top: top + row as f64 * (grid.side + GAP),
        width: grid.side,
        height: grid.side,
    };
    for (column, moment) in data.moments.iter().enumerate() {
        heading(&mut canvas, &grid, moment, cell(0, column));
        for (row, matrix) in moment.patterns.iter().enumerate() {
            let area = cell(row, column);
            let marked = data.highlights.get(row).map_or(&[][..], Vec::as_slice);
            draw_matrix(&mut canvas, area, data.n_tokens, matrix, marked);
            token_ticks(&mut canvas, area, data.n_tokens);
            if column == 0 {
                row_name(&mut canvas, area, &data.rows[row]);
            }
            if column == 0 && grid.names {
                row_names(&mut canvas, area, data.n_tokens);
            }
            if row + 1 == n_rows && grid.names {
                column_names(&mut canvas, area, data.n_tokens);
            }
        }
    }
    let last = cell(n_rows - 1, data.moments.len() - 1);
    let bar = Area { left: last.right() + 22.0, top, width: BAR_WIDTH, height: (last.bottom() - top).min(LONGEST_BAR) };
    color_bar(&mut canvas, bar, Scale::Attention, "attention");
    Ok(canvas.finish(last.bottom() + grid.foot()))
}

fn validate(data: &AttentionGrid) -> Result<usize, FigureError> {
    check::positive("n_tokens", data.n_tokens)?;
    check::non_empty("moments", data.moments.len())?;
    let n_rows = data.rows.len();
    check::non_empty("rows", n_rows)?;
    for moment in &data.moments {
        let name = format!("patterns of step {}", moment.step);
        check::length(&name, moment.patterns.len(), n_rows)?;
        for matrix in &moment.patterns {
            let name = format!("attention matrix of step {}", moment.step);
            check::length(&name, matrix.len(), data.n_tokens.saturating_mul(data.n_tokens))?;
        }
    }
    for &(query, key) in data.highlights.iter().flatten() {
        let outside = query >= data.n_tokens || key > query;
        if outside {
            let value = format!("({query}, {key})");
            let allowed = "key <= query < n_tokens";
            return Err(check::invalid("highlights", value, allowed));
        }
    }
    Ok(n_rows)
}

/// Where things stand: all in SVG units.
struct Grid {
    page_width: f64,
    left: f64,
    side: f64,
    heading_height: f64,
    /// Tokens have names, not ticks alone.
    names: bool,
}

impl Grid {
    fn new(data: &AttentionGrid) -> Self {
        let names = data.n_tokens <= MOST_NAMED_TOKENS;
        let left = style::PADDING + if names { 66.0 } else { 46.0 };
        let right = 22.0 + bar_room(Scale::Attention) + style::PADDING;
        let n_moments = data.moments.len() as f64;
        let gaps = GAP * (n_moments - 1.0);
        let side = ((style::WIDTH - left - right - gaps) / n_moments).clamp(120.0, 300.0);
        let headings: Vec<String> = data.moments.iter().map(|m| words(m).join(" · ")).collect();
        let widest = text::widest(headings.iter().map(String::as_str), style::BODY_SIZE);
        let n_lines = if widest > side + GAP - 4.0 { 2.0 } else { 1.0 };
        Grid {
            page_width: (left + gaps + side * n_moments + right).max(style::WIDTH),
            left,
            side,
            heading_height: n_lines * style::line_height(style::BODY_SIZE),
            names,
        }
    }

    /// Below the last row of matrices: ticks, and two lines of names.
    fn foot(&self) -> f64 {
        match self.names {
            true => TICK + 6.0 + 2.0 * style::line_height(style::SMALL_SIZE),
            false => TICK + 2.0,
        }
    }
}

/// "step 2,000" and "accuracy .13".
fn words(moment: &AttentionMoment) -> [String; 2] {
    [format!("step {}", text::thousands(moment.step as f64)), format!("accuracy {}", text::decimal(moment.accuracy, 2))]
}

/// "step 2,000 · accuracy .13", on two lines where columns are narrow.
fn heading(canvas: &mut Canvas, grid: &Grid, moment: &AttentionMoment, first: Area) {
    let [step, accuracy] = words(moment);
    let row = style::line_height(style::BODY_SIZE);
    let (x, bottom) = (first.center().0, first.top - 8.0);
    let look = TextStyle::body().middle();
    if grid.heading_height > row {
        canvas.text((x, bottom - row), &step, look);
        canvas.text((x, bottom), &accuracy, look);
    } else {
        canvas.text((x, bottom), &format!("{step} · {accuracy}"), look);
    }
}

fn row_name(canvas: &mut Canvas, area: Area, name: &str) {
    let x = style::PADDING + f64::from(style::BODY_SIZE);
    let look = TextStyle::body().bold();
    canvas.upward_text((x, area.center().1), name, look);
}

fn draw_matrix(canvas: &mut Canvas, area: Area, n_tokens: usize, matrix: &[f64], marked: &[(usize, usize)]) {
    canvas.fill(area, style::MASKED, 1.0);
    let unit = area.width / n_tokens as f64;
    let edges = |start: f64| -> Vec<f64> { (0..=n_tokens).map(|i| start + i as f64 * unit).collect() };
    // A token attends to itself and to earlier ones; the rest stays gray.
    let causal = |idx: usize| idx % n_tokens <= idx / n_tokens;
    let values: Vec<Option<f64>> =
        matrix.iter().enumerate().map(|(idx, value)| causal(idx).then_some(*value)).collect();
    let (x_edges, y_edges) = (edges(area.left), edges(area.top));
    cells(canvas, &x_edges, &y_edges, &values, Scale::Attention);
    for &(query, key) in marked {
        let cell = Area { left: x_edges[key], top: y_edges[query], width: unit, height: unit };
        // Thinner on small cells, whose color must stay visible.
        let width = style::HIGHLIGHT_WIDTH.min(0.25 * unit);
        canvas.outline(cell, style::HIGHLIGHT, width);
    }
    canvas.outline(area, style::INK, style::AXIS_WIDTH);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, shows};

    fn grid(n_tokens: usize, n_moments: usize) -> AttentionGrid {
        let uniform = |idx: usize| 1.0 / (idx / n_tokens + 1) as f64;
        let matrix: Vec<f64> = (0..n_tokens * n_tokens).map(uniform).collect();
        let moment =
            |idx: usize| AttentionMoment { step: 2000 + idx as u64, accuracy: 0.13, patterns: vec![matrix.clone(); 2] };
        AttentionGrid {
            title: "Attention".into(),
            n_tokens,
            rows: vec!["layer 1".into(), "layer 2".into()],
            moments: (0..n_moments).map(moment).collect(),
            highlights: vec![vec![(1, 0)], vec![(n_tokens - 1, 1)]],
        }
    }

    #[test]
    fn headings_tokens_and_layers_are_named() {
        let figure = attention(&grid(17, 3)).unwrap();
        assert_draws(&figure, || attention(&grid(17, 3)));
        let labels = ["layer 1", "layer 2", "x₁", "ℓ₈", "query", "attention"];
        shows(&figure, &labels);
        shows(&figure, &["step 2,000 · accuracy .13"]);
    }

    #[test]
    fn long_contexts_have_ticks_without_names() {
        let figure = attention(&grid(33, 5)).unwrap();
        assert!(!figure.svg().contains("x₂"));
        assert!(figure.png().is_ok());
    }

    #[test]
    fn only_causal_cells_are_colored() {
        let mut one = grid(3, 1);
        one.highlights.clear();
        one.rows.pop();
        one.moments[0].patterns = vec![vec![9.0, 5.0, 5.0, 0.0, 9.0, 5.0, 0.0, 0.0, f64::NAN]];
        let svg = attention(&one).unwrap().svg().to_string();
        assert_eq!(svg.matches(style::UNDEFINED).count(), 1);
    }

    #[test]
    fn bad_shapes_are_errors() {
        let wrong = |change: fn(&mut AttentionGrid)| {
            let mut data = grid(5, 2);
            change(&mut data);
            attention(&data).unwrap_err().to_string()
        };
        assert!(wrong(|d| d.moments.clear()).contains("moments is empty"));
        assert!(wrong(|d| d.rows.clear()).contains("rows is empty"));
        assert!(
            wrong(|d| {
                d.moments[1].patterns.pop();
            })
            .contains("expected 2")
        );
        assert!(
            wrong(|d| {
                d.moments[1].patterns[0].pop();
            })
            .contains("24 values")
        );
        assert!(wrong(|d| d.n_tokens = 0).contains("n_tokens"));
        assert!(wrong(|d| d.highlights[0].push((1, 4))).contains("(1, 4)"));
    }
}
