//! Real contexts of drawn characters: what the query attends to, what the network says.

use super::canvas::{Area, Canvas, TextStyle};
use super::heat::{Scale, cells};
use super::thumbnail::{Thumbnail, draw_thumbnail};
use super::{Figure, FigureError, check, style, text};

/// What the network does with a context at one moment of training.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextMoment {
    /// Per exemplar, 0 to 1: layer-2 attention of the query on its label token.
    pub attention: Vec<f64>,
    /// The network's answer.
    pub predicted: u32,
}

/// One sequence: N exemplars, a query, and the network's answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextRow {
    /// The N items of the context.
    pub items: Vec<Thumbnail>,
    /// Their labels.
    pub labels: Vec<u32>,
    /// The item asked for.
    pub query: Thumbnail,
    /// The right label.
    pub answer: u32,
    /// One per name in [`Contexts::moment_names`].
    pub moments: Vec<ContextMoment>,
}

/// The data of the figure of contexts.
#[derive(Clone, Debug, PartialEq)]
pub struct Contexts {
    /// Heading of the page.
    pub title: String,
    /// For example "step 2,000 · accuracy .13"; broken into lines at " · ".
    pub moment_names: Vec<String>,
    /// The sequences.
    pub rows: Vec<ContextRow>,
}

const LARGEST_PITCH: f64 = 72.0;
const SMALLEST_PITCH: f64 = 30.0;
const QUERY_SPACE: f64 = 30.0;
const QUERY_COLUMN: f64 = 48.0;
const ANSWER_SPACE: f64 = 92.0;
const STRIP_GAP: f64 = 10.0;
const ROW_GAP: f64 = 24.0;

/// Draws each sequence once, its labels underneath, and below them one strip per moment:
/// the query's attention on every exemplar's label and the network's answer.
///
/// # Errors
/// No rows or moments; a row without items; labels, attention or moments of another
/// number; pixels that are not `width` x `height`.
pub fn contexts(data: &Contexts) -> Result<Figure, FigureError> {
    validate(data)?;
    let plan = Plan::new(data);
    let (mut canvas, top) = Canvas::new(plan.page_width, &data.title);
    let mut top = column_heads(&mut canvas, &plan, top);
    for (idx, row) in data.rows.iter().enumerate() {
        if idx > 0 {
            let y = top - ROW_GAP / 2.0;
            let end = plan.page_width - style::PADDING;
            let ends = ((style::PADDING, y), (end, y));
            canvas.line(ends.0, ends.1, style::GRID, style::AXIS_WIDTH, None);
        }
        top = drawings(&mut canvas, &plan, row, top);
        for (name, moment) in data.moment_names.iter().zip(&row.moments) {
            strip(&mut canvas, &plan, row, moment, name, top);
            top += plan.strip_height + STRIP_GAP;
        }
        top += ROW_GAP - STRIP_GAP;
    }
    let note = "cells: attention of the query on each label in layer 2; outlined: the right label";
    let bottom = top - ROW_GAP + style::line_height(style::BODY_SIZE) + 8.0;
    let look = TextStyle::body().color(style::MUTED);
    canvas.text((style::PADDING, bottom - 4.0), note, look);
    Ok(canvas.finish(bottom))
}

fn validate(data: &Contexts) -> Result<(), FigureError> {
    check::non_empty("rows", data.rows.len())?;
    check::non_empty("moment_names", data.moment_names.len())?;
    for (idx, row) in data.rows.iter().enumerate() {
        let name = |part: &str| format!("{part} of row {}", idx + 1);
        let n_exemplars = row.items.len();
        check::non_empty(&name("items"), n_exemplars)?;
        check::length(&name("labels"), row.labels.len(), n_exemplars)?;
        check::length(&name("moments"), row.moments.len(), data.moment_names.len())?;
        for moment in &row.moments {
            check::length(&name("attention"), moment.attention.len(), n_exemplars)?;
        }
        for drawing in row.items.iter().chain([&row.query]) {
            let n_pixels = drawing.width.saturating_mul(drawing.height);
            check::positive(&name("drawing size"), n_pixels)?;
            check::length(&name("pixels"), drawing.pixels.len(), n_pixels)?;
        }
    }
    Ok(())
}

/// Where things stand: all in SVG units.
struct Plan {
    page_width: f64,
    items_left: f64,
    pitch: f64,
    query_left: f64,
    answer_left: f64,
    strip_height: f64,
}

impl Plan {
    fn new(data: &Contexts) -> Self {
        let most = data.rows.iter().map(|row| row.items.len()).max();
        let n_columns = most.unwrap_or(1) as f64;
        let lines = || data.moment_names.iter().flat_map(|name| name.split(" · "));
        let n_lines = data.moment_names.iter().map(|name| name.split(" · ").count());
        let items_left = style::PADDING + text::widest(lines(), style::BODY_SIZE) + 16.0;
        let after = QUERY_SPACE + ANSWER_SPACE + style::PADDING;
        // The query takes a column too, wide enough for its head.
        let room = style::WIDTH - items_left - after;
        let shared = room / (n_columns + 1.0);
        let pitch = match shared >= QUERY_COLUMN {
            true => shared.min(LARGEST_PITCH),
            false => ((room - QUERY_COLUMN) / n_columns).max(SMALLEST_PITCH),
        };
        let query_column = pitch.max(QUERY_COLUMN);
        let query_left = items_left + pitch * n_columns + QUERY_SPACE;
        let text_height = style::line_height(style::BODY_SIZE) * n_lines.max().unwrap_or(1) as f64;
        Plan {
            page_width: (query_left + query_column + ANSWER_SPACE + style::PADDING).max(style::WIDTH),
            items_left,
            pitch,
            query_left,
            answer_left: query_left + query_column + 16.0,
            strip_height: text_height.max(28.0),
        }
    }

    /// The square of the drawing in a column; the query's for `None`.
    fn square(&self, column: Option<usize>, top: f64) -> Area {
        let left = match column {
            Some(column) => self.items_left + column as f64 * self.pitch,
            None => self.query_left,
        };
        let side = self.pitch - 6.0;
        Area { left: left + 3.0, top, width: side, height: side }
    }
}

fn column_heads(canvas: &mut Canvas, plan: &Plan, top: f64) -> f64 {
    let y = top + style::line_height(style::BODY_SIZE) / 2.0;
    let look = TextStyle::body().color(style::MUTED);
    let heads = [
        (plan.items_left + 3.0, "context: items and their labels"),
        (plan.square(None, 0.0).left, "query"),
        (plan.answer_left, "answer"),
    ];
    for (x, head) in heads {
        canvas.centered_text((x, y), head, look);
    }
    top + style::line_height(style::BODY_SIZE) + 6.0
}

/// Items, their labels and the query; returns the first free y below them.
fn drawings(canvas: &mut Canvas, plan: &Plan, row: &ContextRow, top: f64) -> f64 {
    let side = plan.square(None, top).height;
    let label_y = top + side + 4.0 + style::line_height(style::BODY_SIZE) / 2.0;
    for (column, (item, label)) in row.items.iter().zip(&row.labels).enumerate() {
        let area = plan.square(Some(column), top);
        draw_thumbnail(canvas, item, area);
        let look = match *label == row.answer {
            true => TextStyle::body().middle().bold(),
            false => TextStyle::body().middle(),
        };
        canvas.centered_text((area.center().0, label_y), &label.to_string(), look);
    }
    let query = plan.square(None, top);
    draw_thumbnail(canvas, &row.query, query);
    let look = TextStyle::body().middle().color(style::MUTED);
    canvas.centered_text((query.center().0, label_y), "?", look);
    let right = TextStyle::body();
    let words = format!("right: {}", row.answer);
    canvas.centered_text((plan.answer_left, label_y), &words, right);
    label_y + style::line_height(style::BODY_SIZE) / 2.0 + 4.0
}

/// One moment: attention as tinted cells with their values, then the answer.
fn strip(canvas: &mut Canvas, plan: &Plan, row: &ContextRow, moment: &ContextMoment, name: &str, top: f64) {
    let middle = top + plan.strip_height / 2.0;
    let line = style::line_height(style::BODY_SIZE);
    let n_lines = name.split(" · ").count() as f64;
    for (idx, part) in name.split(" · ").enumerate() {
        let y = middle + (idx as f64 - (n_lines - 1.0) / 2.0) * line;
        canvas.centered_text((style::PADDING, y), part, TextStyle::body());
    }
    for (column, (value, label)) in moment.attention.iter().zip(&row.labels).enumerate() {
        let square = plan.square(Some(column), 0.0);
        let cell = Area { left: square.left, top: middle - 14.0, width: square.width, height: 28.0 };
        attention_cell(canvas, cell, *value, *label == row.answer);
    }
    let right = moment.predicted == row.answer;
    let (mark, color) = match right {
        true => ("✓", style::RIGHT),
        false => ("✗", style::WRONG),
    };
    let answer = format!("{mark} {}", moment.predicted);
    let look = TextStyle::body().bold().color(color);
    canvas.centered_text((plan.answer_left, middle), &answer, look);
}

/// The cell of an exemplar with the right label is outlined.
fn attention_cell(canvas: &mut Canvas, cell: Area, value: f64, is_right: bool) {
    let edges = ([cell.left, cell.right()], [cell.top, cell.bottom()]);
    cells(canvas, &edges.0, &edges.1, &[Some(value)], Scale::Attention);
    let (color, width) = match is_right {
        true => (style::HIGHLIGHT, style::HIGHLIGHT_WIDTH + 0.6),
        false => (style::GRID, style::AXIS_WIDTH),
    };
    canvas.outline(cell, color, width);
    let ink = Scale::Attention.ink(value);
    let look = TextStyle::small().middle().color(ink);
    canvas.centered_text(cell.center(), &text::decimal(value, 2), look);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, shows};

    fn drawing() -> Thumbnail {
        Thumbnail { pixels: (0..576).map(|i| if i % 5 == 0 { 255 } else { 85 }).collect(), width: 24, height: 24 }
    }

    fn data() -> Contexts {
        let moment = |predicted| ContextMoment { attention: vec![0.06, 0.91, f64::NAN, 0.0], predicted };
        Contexts {
            title: "Contexts".into(),
            moment_names: vec!["step 2,000 · accuracy .13".into(), "step 4,000".into()],
            rows: vec![ContextRow {
                items: vec![drawing(); 4],
                labels: vec![5, 17, 23, 29],
                query: drawing(),
                answer: 17,
                moments: vec![moment(23), moment(17)],
            }],
        }
    }

    #[test]
    fn labels_attention_and_answers_are_shown() {
        let figure = contexts(&data()).unwrap();
        assert_draws(&figure, || contexts(&data()));
        let labels =
            ["step 2,000", "accuracy .13", "step 4,000", ">29<", ">.91<", ">–<", "✗ 23", "✓ 17", "right: 17", "query"];
        shows(&figure, &labels);
    }

    #[test]
    fn many_exemplars_widen_the_page() {
        let mut wide = data();
        let row = &mut wide.rows[0];
        row.items = vec![drawing(); 32];
        row.labels = (0..32).collect();
        for moment in &mut row.moments {
            moment.attention = vec![1.0 / 65.0; 32];
        }
        assert!(contexts(&wide).unwrap().png().is_ok());
    }

    #[test]
    fn bad_shapes_are_errors() {
        let wrong = |change: fn(&mut ContextRow)| {
            let mut bad = data();
            change(&mut bad.rows[0]);
            contexts(&bad).unwrap_err().to_string()
        };
        assert!(wrong(|r| r.items.clear()).contains("items of row 1 is empty"));
        assert!(
            wrong(|r| {
                r.labels.pop();
            })
            .contains("labels of row 1 has 3")
        );
        assert!(
            wrong(|r| {
                r.moments.pop();
            })
            .contains("moments of row 1 has 1")
        );
        assert!(
            wrong(|r| {
                r.query.pixels.pop();
            })
            .contains("pixels of row 1 has 575")
        );
        assert!(wrong(|r| r.query.width = 0).contains("drawing size"));
        assert!(wrong(|r| r.moments[0].attention.clear()).contains("attention"));
        let none = Contexts { rows: vec![], ..data() };
        assert!(contexts(&none).is_err());
    }
}
