//! Which parts of query and key make the attention: nine interactions over training.

use super::canvas::{Area, Canvas, TextStyle};
use super::heat::{BAR_WIDTH, LONGEST_BAR, SHORTEST_BAR, Scale, bar_room, cells, color_bar, round_up};
use super::panel::{Panel, STEP_AXIS_SPACE, step_range};
use super::{Figure, FigureError, Jump, Series, check, style, text};

/// The data of the interaction map.
#[derive(Clone, Debug, PartialEq)]
pub struct InteractionMap {
    /// Heading of the page.
    pub title: String,
    /// Optimizer steps, strictly increasing.
    pub steps: Vec<f64>,
    /// Per layer, one named series per interaction ("position × content", query part
    /// first): the mean of that part of the score on the pattern that matters minus its
    /// mean elsewhere, in units of the pre-softmax score.
    pub layers: Vec<Vec<Series>>,
    /// The transition to mark, if there is one.
    pub jump: Option<Jump>,
    /// What stands below; may be empty.
    pub note: String,
}

const ROW_HEIGHT: f64 = 22.0;
/// More columns than this are averaged in neighboring groups: print shows no more.
const MOST_COLUMNS: usize = 300;

/// Draws one panel per layer, rows for interactions, columns for steps.
///
/// # Errors
/// No steps, layers or series; series of another length than `steps`; steps that do not
/// rise; a jump without `t50`.
///
/// ```
/// use precipice_figures::{InteractionMap, Series, interactions};
/// let series = |name: &str, last| Series { name: name.to_owned(), values: vec![0.0, last] };
/// let layer = vec![series("content × content", 0.1), series("position × position", 6.0)];
/// let title = "Interactions".to_owned();
/// let figure = interactions(&InteractionMap { title, steps: vec![0.0, 100.0], layers: vec![layer], jump: None, note: String::new() })?;
/// assert!(figure.svg().contains("contrast of the score"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn interactions(data: &InteractionMap) -> Result<Figure, FigureError> {
    check::steps(&data.steps)?;
    check::non_empty("layers", data.layers.len())?;
    check::jump(data.jump.as_ref())?;
    for (idx, series) in data.layers.iter().enumerate() {
        let name = format!("layer {}", idx + 1);
        check::non_empty(&name, series.len())?;
        check::series(&name, series, data.steps.len())?;
    }
    let all = data.layers.iter().flatten();
    let scale = Scale::Contrast { bound: bound(all.clone()) };
    let names = all.map(|series| series.name.as_str());
    let left = style::PADDING + 40.0 + text::widest(names, style::BODY_SIZE) + 14.0;
    let right = style::WIDTH - style::PADDING - bar_room(scale) - 22.0;

    let (mut canvas, mut top) = Canvas::new(style::WIDTH, &data.title);
    top += style::line_height(style::BODY_SIZE) + 6.0;
    let first = top;
    let muted = TextStyle::body().color(style::MUTED);
    canvas.text((left - 10.0, first - 6.0), "query × key", muted.end());
    let mut bottom = top;
    for (idx, layer) in data.layers.iter().enumerate() {
        let area = Area { left, top, width: right - left, height: ROW_HEIGHT * layer.len() as f64 };
        draw_layer(&mut canvas, data, idx, area, scale);
        bottom = area.bottom();
        top = bottom + 20.0;
    }
    let bar = Area {
        left: right + 22.0,
        top: first,
        width: BAR_WIDTH,
        height: (bottom - first).clamp(SHORTEST_BAR, LONGEST_BAR),
    };
    color_bar(&mut canvas, bar, scale, "contrast of the score");
    if data.layers.iter().flatten().any(has_gap) {
        let at = (style::PADDING, bottom + STEP_AXIS_SPACE - 6.0);
        canvas.text(at, "gray: undefined", muted);
    }
    let end = canvas.note((bottom + STEP_AXIS_SPACE).max(bar.bottom() + 8.0) + 4.0, &data.note);
    Ok(canvas.finish(end))
}

fn draw_layer(canvas: &mut Canvas, data: &InteractionMap, idx: usize, area: Area, scale: Scale) {
    let layer = &data.layers[idx];
    let x = step_edges_range(&data.steps);
    let names: Vec<String> = layer.iter().map(|series| series.name.clone()).collect();
    let panel = Panel::with_rows(area, x, &names);
    let (edges, groups) = columns(&data.steps, x);
    let x_edges: Vec<f64> = edges.iter().map(|step| panel.map_x(*step)).collect();
    let y_edges: Vec<f64> = (0..=layer.len()).map(|row| area.top + row as f64 * ROW_HEIGHT).collect();
    let values: Vec<Option<f64>> =
        layer.iter().flat_map(|series| groups.iter().map(|group| Some(mean(&series.values[group.clone()])))).collect();
    cells(canvas, &x_edges, &y_edges, &values, scale);
    if let Some(jump) = &data.jump {
        let x = panel.map_x(jump.t50);
        if x >= area.left && x <= area.right() {
            let ends = ((x, area.top), (x, area.bottom()));
            canvas.line(ends.0, ends.1, style::INK, style::JUMP_WIDTH, None);
        }
        if idx == 0 {
            panel.jump_label(canvas, jump, style::INK);
        }
    }
    let lowest = idx + 1 == data.layers.len();
    panel.draw(canvas, &format!("layer {}", idx + 1), lowest);
    canvas.outline(area, style::INK, style::AXIS_WIDTH);
    group_lines(canvas, area, layer.len());
}

/// Thin lines between the three query parts of a full set of nine.
fn group_lines(canvas: &mut Canvas, area: Area, n_rows: usize) {
    if n_rows != 9 {
        return;
    }
    for row in [3.0, 6.0] {
        let y = area.top + row * ROW_HEIGHT;
        let ends = ((area.left, y), (area.right(), y));
        canvas.line(ends.0, ends.1, style::INK, style::AXIS_WIDTH / 2.0, None);
    }
}

fn has_gap(series: &Series) -> bool {
    series.values.iter().any(|v| !check::is_shown(*v))
}

/// The largest finite contrast, rounded up.
fn bound<'a>(series: impl Iterator<Item = &'a Series>) -> f64 {
    let values = series.flat_map(|series| &series.values);
    let shown = values.filter(|v| check::is_shown(**v));
    round_up(shown.fold(0.0, |most: f64, v| most.max(v.abs())))
}

/// Cells reach half a step beyond the first and last measurement.
fn step_edges_range(steps: &[f64]) -> (f64, f64) {
    match steps {
        [first, second, .., before, last] => (first - (second - first) / 2.0, last + (last - before) / 2.0),
        [first, last] => {
            let half = (last - first) / 2.0;
            (first - half, last + half)
        }
        [first, middle, last] => (first - (middle - first) / 2.0, last + (last - middle) / 2.0),
        _ => step_range(steps),
    }
}

/// Column edges in steps and the measurements each column averages.
fn columns(steps: &[f64], range: (f64, f64)) -> (Vec<f64>, Vec<std::ops::Range<usize>>) {
    let per_column = steps.len().div_ceil(MOST_COLUMNS).max(1);
    let starts: Vec<usize> = (0..steps.len()).step_by(per_column).collect();
    let groups: Vec<_> = starts.iter().map(|&start| start..(start + per_column).min(steps.len())).collect();
    let between = |start: &usize| (steps[start - 1] + steps[*start]) / 2.0;
    let inner = starts.iter().skip(1).map(between);
    let edges = std::iter::once(range.0).chain(inner).chain(std::iter::once(range.1)).collect();
    (edges, groups)
}

/// Mean of the values that are defined; `NaN` if none is.
fn mean(values: &[f64]) -> f64 {
    let shown: Vec<f64> = values.iter().copied().filter(|v| check::is_shown(*v)).collect();
    shown.iter().sum::<f64>() / shown.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, series, shows, sigmoid, steps};

    fn map() -> InteractionMap {
        let steps = steps();
        let parts = ["content", "position", "buffer"];
        let layer: Vec<Series> = parts
            .iter()
            .flat_map(|query| parts.iter().map(move |key| format!("{query} × {key}")))
            .map(|name| series(&name, sigmoid(&steps, -0.5, 5.0)))
            .collect();
        InteractionMap {
            title: "Nine interactions".into(),
            steps,
            layers: vec![layer.clone(), layer],
            jump: Some(Jump { onset_step: f64::NAN, t50: 2520.0, width_10_90: 240.0 }),
            note: "buffer: what was written".into(),
        }
    }

    #[test]
    fn rows_layers_scale_and_jump_are_named() {
        let figure = interactions(&map()).unwrap();
        assert_draws(&figure, || interactions(&map()));
        let labels = [
            "position × buffer",
            "layer 1",
            "layer 2",
            "jump at 2,520",
            "contrast of the score",
            "optimizer step",
            ">6<",
            ">−6<",
        ];
        shows(&figure, &labels);
    }

    #[test]
    fn undefined_values_and_single_rows_are_drawn() {
        let mut gaps = map();
        gaps.layers[0][2].values.fill(f64::NAN);
        let svg = interactions(&gaps).unwrap().svg().to_string();
        assert_eq!(svg.matches(style::UNDEFINED).count(), 41);
        assert!(svg.contains("gray: undefined"));
        let single = InteractionMap {
            steps: vec![100.0],
            layers: vec![vec![series("content × content", vec![0.0])]],
            jump: None,
            ..map()
        };
        assert!(interactions(&single).unwrap().png().is_ok());
    }

    #[test]
    fn many_steps_are_averaged() {
        let steps: Vec<f64> = (0..1000).map(f64::from).collect();
        let range = step_edges_range(&steps);
        assert_eq!(range, (-0.5, 999.5));
        let (edges, groups) = columns(&steps, range);
        assert_eq!((edges.len(), groups.len()), (251, 250));
        assert_eq!(groups[249], 996..1000);
        assert_eq!(mean(&[1.0, f64::NAN, 3.0]), 2.0);
        assert!(mean(&[f64::NAN]).is_nan());
    }

    #[test]
    fn bad_shapes_are_errors() {
        let mut short = map();
        short.layers[1][0].values.pop();
        let error = interactions(&short).unwrap_err().to_string();
        assert!(error.contains("layer 2 \"content × content\" has 40 values"));
        let empty = InteractionMap { layers: vec![], ..map() };
        assert!(interactions(&empty).is_err());
    }
}
