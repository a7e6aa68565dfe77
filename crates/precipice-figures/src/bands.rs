//! Curves of many seeds: medians with the range of the seeds, over steps or over a swept quantity.

use super::canvas::{Area, Canvas, TextStyle};
use super::legend::{EdgeLabel, Entry, Stroke, edge_labels, edge_room, legend};
use super::panel::{Panel, STEP_AXIS_SPACE, step_range, value_range};
use super::{Figure, FigureError, check, style, text};

/// The data of a figure of bands.
#[derive(Clone, Debug, PartialEq)]
pub struct Bands {
    /// Heading of the page.
    pub title: String,
    /// What the panels are drawn over; none for optimizer steps.
    pub x_name: Option<String>,
    /// From top to bottom.
    pub panels: Vec<BandPanel>,
}

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct BandPanel {
    /// What stands above it; may be empty.
    pub heading: String,
    /// Name of the vertical axis.
    pub y_name: String,
    /// Curves.
    pub series: Vec<BandSeries>,
    /// Dashed lines with their labels.
    pub references: Vec<(String, f64)>,
    /// Dashed vertical lines, as at the jump.
    pub marks: Vec<f64>,
    /// What they are; may be empty.
    pub mark_words: String,
}

/// One curve with its band.
#[derive(Clone, Debug, PartialEq)]
pub struct BandSeries {
    /// What the legend says.
    pub name: String,
    /// Rising.
    pub x: Vec<f64>,
    /// Low end of the band, the curve, high end; one a value of x.
    pub values: Vec<[f64; 3]>,
}

const HEIGHT: f64 = 200.0;
const GAP: f64 = 26.0;

/// Draws the panels one below the other over one axis.
///
/// # Errors
/// No panels or series, steps that do not rise, a band of another length than its steps.
///
/// ```
/// use precipice_figures::{BandPanel, BandSeries, Bands, bands};
/// let series = BandSeries { name: "seeds".to_owned(), x: vec![0.0, 1.0], values: vec![[0.1, 0.2, 0.3], [0.8, 0.9, 1.0]] };
/// let panel = BandPanel {
///     heading: String::new(),
///     y_name: "accuracy".to_owned(),
///     series: vec![series],
///     references: vec![("1/N".to_owned(), 0.125)],
///     marks: Vec::new(),
///     mark_words: String::new(),
/// };
/// let figure = bands(&Bands { title: "Eight seeds".to_owned(), x_name: None, panels: vec![panel] })?;
/// assert!(figure.svg().contains("Eight seeds"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn bands(data: &Bands) -> Result<Figure, FigureError> {
    check::non_empty("panels", data.panels.len())?;
    for panel in &data.panels {
        check::non_empty("series", panel.series.len())?;
        for series in &panel.series {
            check::steps(&series.x)?;
            check::length(&format!("values of \"{}\"", series.name), series.values.len(), series.x.len())?;
        }
    }
    let all = || data.panels.iter().flat_map(|panel| &panel.series);
    let (low, high) = all()
        .flat_map(|series| series.x.iter().copied())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let x = step_range(&[low, high]);
    let (mut canvas, mut top) = Canvas::new(style::WIDTH, &data.title);
    let names = data.panels.iter().flat_map(|panel| &panel.references).map(|(name, _)| name.as_str());
    let room = edge_room(names).max(30.0);
    let left = style::PADDING + style::AXIS_SPACE;
    let width = style::WIDTH - left - style::PADDING - room;
    for (idx, panel) in data.panels.iter().enumerate() {
        let is_lowest = idx + 1 == data.panels.len();
        // Curves of the same names are named once.
        let has_legend = idx == 0 || !names_of(panel).eq(names_of(&data.panels[idx - 1]));
        top = draw_panel(&mut canvas, panel, data.x_name.as_deref(), x, (left, width, top), (is_lowest, has_legend));
    }
    Ok(canvas.finish(top - GAP + STEP_AXIS_SPACE))
}

fn names_of(panel: &BandPanel) -> impl Iterator<Item = &str> {
    panel.series.iter().map(|series| series.name.as_str())
}

/// Draws one panel and returns where the next begins.
fn draw_panel(
    canvas: &mut Canvas,
    data: &BandPanel,
    x_name: Option<&str>,
    x: (f64, f64),
    (left, width, mut top): (f64, f64, f64),
    (is_lowest, has_legend): (bool, bool),
) -> f64 {
    let row = style::line_height(style::BODY_SIZE);
    if !data.heading.is_empty() {
        canvas.centered_text((left, top + row / 2.0), &data.heading, TextStyle::body().bold());
        top += row;
    }
    let entry = |(i, series): (usize, &BandSeries)| Entry {
        name: series.name.clone(),
        color: style::series_color(i),
        stroke: Stroke::Solid,
    };
    let entries: Vec<Entry> = data.series.iter().enumerate().map(entry).collect();
    if has_legend {
        top = legend(canvas, &entries, left, style::WIDTH - style::PADDING, top);
    }
    top += 6.0;
    for line in text::wrap(&data.mark_words, style::BODY_SIZE, style::WIDTH - style::PADDING - left) {
        canvas.centered_text((left, top + row / 2.0), &line, TextStyle::body().color(style::JUMP_INK));
        top += row;
    }
    let area = Area { left, top, width, height: HEIGHT };
    let shown = data.series.iter().flat_map(|series| series.values.iter().flatten().copied());
    let range = value_range(shown.chain(data.references.iter().map(|(_, value)| *value)));
    // Shares fill the panel from 0 to 1; losses and differences have a scale of their own.
    let is_share = !["loss", "difference"].iter().any(|word| data.y_name.contains(word));
    let is_fraction = is_share && range.0 >= -0.06 && range.1 <= 1.06;
    let mut panel = Panel::new(area, x, if is_fraction { (0.0, 1.05) } else { (range.0.min(0.0), range.1) });
    if let Some(name) = x_name {
        panel = panel.over(name);
    }
    data.marks.iter().for_each(|&mark| panel.mark(mark));
    for (series, entry) in data.series.iter().zip(&entries) {
        let of = |pick: fn(&[f64; 3]) -> f64| series.values.iter().map(pick).collect::<Vec<f64>>();
        panel.band(&series.x, &of(|v| v[0].midpoint(v[2])), &of(|v| (v[2] - v[0]) / 2.0), entry.color);
        panel.series(&series.x, &of(|v| v[1]), entry);
    }
    let mut labels = Vec::new();
    for (text, value) in &data.references {
        panel.reference(*value);
        labels.push(EdgeLabel { y: panel.map_y(*value), text: text.clone(), color: style::MUTED });
    }
    panel.draw(canvas, &data.y_name, is_lowest);
    edge_labels(canvas, area, labels);
    area.bottom() + GAP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_drawn_and_nothing_is_refused() {
        let series = |name: &str| BandSeries {
            name: name.to_owned(),
            x: vec![0.0, 0.5, 1.0],
            values: vec![[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [f64::NAN; 3]],
        };
        let panel = BandPanel {
            heading: "minimal head".to_owned(),
            y_name: "accuracy".to_owned(),
            series: vec![series("ic"), series("iw")],
            references: vec![("1/N".to_owned(), 0.125)],
            marks: vec![0.7],
            mark_words: "jump at .7".to_owned(),
        };
        let data =
            Bands { title: "t".to_owned(), x_name: Some("noise".to_owned()), panels: vec![panel.clone(), panel] };
        let svg = bands(&data).unwrap().svg().to_owned();
        assert!(["minimal head", "noise", "1/N", "iw", "jump at .7"].iter().all(|text| svg.contains(text)));
        assert_eq!(svg.matches(">iw<").count(), 1, "named once");
        let mut others = data.clone();
        others.panels[1].series.pop();
        assert_eq!(bands(&others).unwrap().svg().matches(">ic<").count(), 2, "another panel has its own names");
        assert!(bands(&Bands { panels: Vec::new(), ..data.clone() }).is_err());
        let mut short = data;
        short.panels[0].series[0].values.pop();
        assert!(bands(&short).is_err());
    }
}
