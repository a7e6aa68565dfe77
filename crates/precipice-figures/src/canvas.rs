//! One page: text, lines, rectangles and kuva's panels in one coordinate system.
//!
//! Coordinates are SVG units from the top left corner, y downward.

use kuva::backend::svg::SvgBackend;
use kuva::render::color::Color;
pub(super) use kuva::render::render::TextAnchor as Anchor;
use kuva::render::render::{PathData, Primitive, Scene};

use super::{Figure, style, text};

/// A rectangle on the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub fn center(&self) -> (f64, f64) {
        (self.left + self.width / 2.0, self.top + self.height / 2.0)
    }
}

/// How a piece of text looks.
#[derive(Clone, Copy)]
pub(super) struct TextStyle<'a> {
    pub size: u32,
    pub anchor: Anchor,
    pub color: &'a str,
    pub bold: bool,
}

impl<'a> TextStyle<'a> {
    /// Body text in ink, starting at its point.
    pub fn body() -> Self {
        TextStyle { size: style::BODY_SIZE, anchor: Anchor::Start, color: style::INK, bold: false }
    }

    pub fn small() -> Self {
        TextStyle { size: style::SMALL_SIZE, ..TextStyle::body() }
    }

    pub fn middle(self) -> Self {
        TextStyle { anchor: Anchor::Middle, ..self }
    }

    pub fn end(self) -> Self {
        TextStyle { anchor: Anchor::End, ..self }
    }

    pub fn color(self, color: &'a str) -> Self {
        TextStyle { color, ..self }
    }

    pub fn bold(self) -> Self {
        TextStyle { bold: true, ..self }
    }
}

/// A page under construction; its height is known when it is finished.
pub(super) struct Canvas {
    scene: Scene,
    title: String,
    n_clips: usize,
}

impl Canvas {
    /// A page with its title set; the second value is the first free y below the title.
    pub fn new(width: f64, title: &str) -> (Self, f64) {
        let mut scene = Scene::new(width, 0.0).with_background(Some(style::PAGE));
        scene.font_family = Some(style::FONT_FAMILY.into());
        scene.text_color = Some(style::INK.into());
        let mut canvas = Canvas { scene, title: title.into(), n_clips: 0 };
        let look = TextStyle { size: style::TITLE_SIZE, ..TextStyle::body().bold() };
        // Bold advances are about a tenth wider than the table's.
        let room = (width - 2.0 * style::PADDING) / 1.1;
        let mut top = style::PADDING;
        for line in text::wrap(title, style::TITLE_SIZE, room) {
            let baseline = top + f64::from(style::TITLE_SIZE);
            canvas.text((style::PADDING, baseline), &line, look);
            top += style::line_height(style::TITLE_SIZE);
        }
        (canvas, top + 6.0)
    }

    /// Text with its baseline at `at`.
    pub fn text(&mut self, at: (f64, f64), content: &str, look: TextStyle<'_>) {
        self.turned_text(at, content, look, None);
    }

    /// Text whose vertical middle is at `at`.
    pub fn centered_text(&mut self, at: (f64, f64), content: &str, look: TextStyle<'_>) {
        let baseline = at.1 + f64::from(look.size) * style::BASELINE;
        self.text((at.0, baseline), content, look);
    }

    /// Text reading upward, the label of a vertical axis, centered at `at`.
    pub fn upward_text(&mut self, at: (f64, f64), content: &str, look: TextStyle<'_>) {
        self.turned_text(at, content, look.middle(), Some(-90.0));
    }

    /// The name of an upright axis that is `length` long, beside it; `at` is the middle of its baseline. A longer name
    /// is broken, and its first line stands further left.
    pub fn upright_name(&mut self, at: (f64, f64), name: &str, length: f64) {
        let row = style::line_height(style::BODY_SIZE);
        let lines = text::wrap(name, style::BODY_SIZE, length);
        for (i, line) in lines.iter().rev().enumerate() {
            self.upward_text((at.0 - i as f64 * row, at.1), line, TextStyle::body());
        }
    }

    fn turned_text(&mut self, at: (f64, f64), content: &str, look: TextStyle<'_>, rotate: Option<f64>) {
        self.scene.add(Primitive::Text {
            x: at.0,
            y: at.1,
            // kuva reads `$` as the start of a formula.
            content: content.replace('$', "\\$"),
            size: look.size,
            anchor: look.anchor,
            rotate,
            bold: look.bold,
            color: Some(Color::from(look.color)),
        });
    }

    /// A straight line; `dash` as in SVG's `stroke-dasharray`.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), color: &str, width: f64, dash: Option<&str>) {
        self.scene.add(Primitive::Line {
            x1: from.0,
            y1: from.1,
            x2: to.0,
            y2: to.1,
            stroke: Color::from(color),
            stroke_width: width,
            stroke_dasharray: dash.map(String::from),
        });
    }

    /// A filled rectangle without an outline.
    pub fn fill(&mut self, area: Area, color: &str, opacity: f64) {
        self.rect(area, Color::from(color), None, Some(opacity));
    }

    /// A rectangle's outline.
    pub fn outline(&mut self, area: Area, color: &str, width: f64) {
        let stroke = Some((Color::from(color), width));
        self.rect(area, Color::None, stroke, None);
    }

    fn rect(&mut self, area: Area, fill: Color, stroke: Option<(Color, f64)>, opacity: Option<f64>) {
        let (stroke, stroke_width) = stroke.unzip();
        self.scene.add(Primitive::Rect {
            x: area.left,
            y: area.top,
            width: area.width,
            height: area.height,
            fill,
            stroke,
            stroke_width,
            opacity: opacity.filter(|value| *value < 1.0),
        });
    }

    /// Many filled rectangles.
    pub fn fills(&mut self, cells: impl IntoIterator<Item = (Area, String)>) {
        let (mut x, mut y, mut w, mut h) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut fills = Vec::new();
        for (area, color) in cells {
            x.push(area.left);
            y.push(area.top);
            w.push(area.width);
            h.push(area.height);
            fills.push(Color::from(color));
        }
        self.scene.add(Primitive::RectBatch { x, y, w, h, fills });
    }

    /// A filled shape given as SVG path commands.
    pub fn shape(&mut self, commands: String, color: &str) {
        self.scene.add(Primitive::Path(Box::new(PathData {
            d: commands,
            fill: Some(Color::from(color)),
            stroke: Color::None,
            stroke_width: 0.0,
            opacity: None,
            stroke_dasharray: None,
        })));
    }

    /// A line through points; `dash` as in SVG's `stroke-dasharray`.
    pub fn polyline(&mut self, points: &[(f64, f64)], color: &str, width: f64, dash: Option<&str>) {
        if points.len() < 2 {
            return;
        }
        self.scene.add(Primitive::Path(Box::new(PathData {
            d: path_of(points),
            fill: None,
            stroke: Color::from(color),
            stroke_width: width,
            opacity: None,
            stroke_dasharray: dash.map(String::from),
        })));
    }

    /// A filled shape with an outline of the same color, so that no page shines through between it
    /// and its neighbors.
    pub fn tile(&mut self, commands: String, color: &str) {
        self.scene.add(Primitive::Path(Box::new(PathData {
            d: commands,
            fill: Some(Color::from(color)),
            stroke: Color::from(color),
            stroke_width: 0.75,
            opacity: None,
            stroke_dasharray: None,
        })));
    }

    /// The stroke of SVG path commands.
    pub fn stroke(&mut self, commands: String, color: &str, width: f64, opacity: f64) {
        if commands.is_empty() {
            return;
        }
        self.scene.add(Primitive::Path(Box::new(PathData {
            d: commands,
            fill: None,
            stroke: Color::from(color),
            stroke_width: width,
            opacity: Some(opacity),
            stroke_dasharray: None,
        })));
    }

    /// A filled disk with an outline.
    pub fn disk(&mut self, at: (f64, f64), radius: f64, color: &str) {
        let (x, y) = at;
        let circle = |r: f64| {
            format!(
                "M{:.2},{y:.2} a{r:.2},{r:.2} 0 1,0 {:.2},0 a{r:.2},{r:.2} 0 1,0 -{:.2},0 Z",
                x - r,
                2.0 * r,
                2.0 * r
            )
        };
        self.shape(circle(radius + 1.5), style::PAGE);
        self.shape(circle(radius), color);
    }

    /// A circle, empty.
    pub fn ring(&mut self, (x, y): (f64, f64), radius: f64, color: &str) {
        self.scene.add(Primitive::Circle {
            cx: x,
            cy: y,
            r: radius,
            fill: Color::from(style::PAGE),
            fill_opacity: None,
            stroke: Some(Color::from(color)),
            stroke_width: Some(1.5),
        });
    }

    /// Small words below everything, in as many lines as they need; returns where they end.
    pub fn note(&mut self, top: f64, words: &str) -> f64 {
        let row = style::line_height(style::SMALL_SIZE);
        let lines = text::wrap(words, style::SMALL_SIZE, style::WIDTH - 2.0 * style::PADDING);
        for (i, line) in lines.iter().enumerate() {
            let at = (style::PADDING, top + (i as f64 + 0.5) * row);
            self.centered_text(at, line, TextStyle::small().color(style::MUTED));
        }
        top + lines.len() as f64 * row
    }

    /// A panel drawn by kuva, its own top left corner placed at `at`.
    pub fn place(&mut self, panel: Scene, at: (f64, f64)) {
        self.scene.add(Primitive::GroupStart {
            transform: Some(format!("translate({:.2},{:.2})", at.0, at.1)),
            title: None,
            extra_attrs: None,
        });
        for element in panel.elements {
            let element = self.renumbered(element);
            self.scene.add(element);
        }
        self.scene.add(Primitive::GroupEnd);
    }

    /// kuva counts clip paths over the whole process, which would make the bytes depend
    /// on what was drawn before; the page counts its own.
    fn renumbered(&mut self, element: Primitive) -> Primitive {
        let Primitive::ClipStart { x, y, width, height, .. } = element else {
            return element;
        };
        self.n_clips += 1;
        let id = format!("clip-{}", self.n_clips);
        self.scene.defs.push(format!(
            r#"<clipPath id="{id}"><rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}"/></clipPath>"#
        ));
        Primitive::ClipStart { x, y, width, height, id }
    }

    /// Ends the page at `bottom` (the padding is added) and writes the SVG.
    pub fn finish(mut self, bottom: f64) -> Figure {
        self.scene.height = (bottom + style::PADDING).ceil();
        let body = SvgBackend::new().with_pretty(true).render_scene(&self.scene);
        // A view box lets a page scale the figure; the title is what screen readers say.
        let view_box = format!("<svg role=\"img\" viewBox=\"0 0 {:.0} {:.0}\"", self.scene.width, self.scene.height);
        let title = format!(">\n  <title>{}</title>", escaped(&self.title));
        let svg = body.replacen("<svg", &view_box, 1).replacen('>', &title, 1);
        Figure { svg }
    }
}

/// SVG path commands of a line through points.
pub(super) fn path_of(points: &[(f64, f64)]) -> String {
    let mut commands = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        commands += &format!("{}{x:.1},{y:.1}", if i == 0 { "M" } else { "L" });
    }
    commands
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_dollars_kept() {
        let (mut canvas, _) = Canvas::new(400.0, "a < b & \"c\"");
        canvas.text((0.0, 50.0), "costs $5 & $6", TextStyle::body());
        let svg = canvas.finish(60.0).svg().to_string();
        assert!(svg.contains("<title>a &lt; b &amp; \"c\"</title>"));
        assert!(svg.contains("costs $5 &amp; $6"));
        assert!(svg.contains("viewBox=\"0 0 400 78\""));
    }
}
