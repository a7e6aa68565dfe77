//! Every color, size and line width of the figures, in one place.
//!
//! Colors are Okabe and Ito's, told apart by color-blind readers and in gray print.
//! One SVG unit is 1/120 inch in print, so a size of 14 is 8.4 points.

/// Width of a figure in SVG units.
pub const WIDTH: f64 = 840.0;
/// Width of a figure in print, in inches.
pub const PRINT_WIDTH_INCHES: f64 = 7.0;
/// Pixels per SVG unit in a PNG (240 dots per inch in print).
pub const PNG_SCALE: f32 = 2.0;

/// Families from best to any; the first one is embedded for PNG and PDF.
pub const FONT_FAMILY: &str = "DejaVu Sans, Verdana, Arial, sans-serif";
/// The embedded family.
pub const EMBEDDED_FAMILY: &str = "DejaVu Sans";
/// Figure titles (10.2 points in print).
pub const TITLE_SIZE: u32 = 17;
/// Labels, legends, ticks (8.4 points in print).
pub const BODY_SIZE: u32 = 14;
/// Token names and values inside cells (7.2 points in print).
pub const SMALL_SIZE: u32 = 12;
/// A letter below the line: the q of a query's name.
pub const SUBSCRIPT_SIZE: u32 = 9;
/// From baseline to baseline, as a multiple of the size.
pub const LINE_SPACING: f64 = 1.3;
/// From a line's middle down to its baseline, as a multiple of the size.
pub const BASELINE: f64 = 0.36;

/// Page color; opaque, so that a figure reads on a dark page too.
pub const PAGE: &str = "#ffffff";
/// Text and axes.
pub const INK: &str = "#1a1a1a";
/// Secondary text, reference lines.
pub const MUTED: &str = "#595959";
/// Grid lines.
pub const GRID: &str = "#e6e6e6";
/// Cells that attention cannot reach.
pub const MASKED: &str = "#e9e9e9";
/// Text on dark cells, whatever the page.
pub const ON_DARK_CELL: &str = "#fefefe";
/// Text on light cells, whatever the page.
pub const ON_LIGHT_CELL: &str = "#1b1b1b";
/// Text on cells of strong attention, which are dark on a light page and bright on a dark one.
pub const ON_STRONG: &str = "#fdfdfd";
/// Text on cells of weak attention.
pub const ON_WEAK: &str = "#1c1c1c";
/// Cells without a value.
pub const UNDEFINED: &str = "#bdbdbd";

/// Okabe and Ito's blue.
pub const BLUE: &str = "#0072b2";
/// Okabe and Ito's vermillion.
pub const VERMILLION: &str = "#d55e00";
/// Okabe and Ito's bluish green.
pub const GREEN: &str = "#009e73";
/// Okabe and Ito's reddish purple.
pub const PURPLE: &str = "#cc79a7";
/// Okabe and Ito's orange.
pub const ORANGE: &str = "#e69f00";
/// Okabe and Ito's sky blue.
pub const SKY: &str = "#56b4e9";

/// Colors of series, in order; Okabe-Ito's yellow is too faint on white, and purple is
/// kept for the transition.
pub const SERIES: [&str; 6] = [BLUE, VERMILLION, GREEN, ORANGE, SKY, INK];
/// Brown, beside Okabe and Ito's.
pub const BROWN: &str = "#7a4a1e";
/// Colors of series where there may be many; those that look alike come last.
pub const MANY_SERIES: [&str; 7] = [BLUE, VERMILLION, GREEN, ORANGE, INK, BROWN, SKY];
/// Item tokens.
pub const ITEM: &str = BLUE;
/// Label tokens.
pub const LABEL: &str = VERMILLION;
/// The query token.
pub const QUERY: &str = INK;
/// Outlines of cells that matter.
pub const HIGHLIGHT: &str = VERMILLION;
/// The transition: its line and its band.
pub const JUMP: &str = PURPLE;
/// The transition's words: darker, so that they read as text.
pub const JUMP_INK: &str = "#96406f";
/// How strongly the band of the jump covers what is behind it.
pub const JUMP_OPACITY: f64 = 0.22;
/// A right answer, which bears a tick too.
pub const RIGHT: &str = "#007a59";
/// A wrong answer, which bears a cross too.
pub const WRONG: &str = "#c03000";
/// What formulas predict, beside what was measured in ink: none of the order parameters' colors.
pub const FORMULAS: [&str; 2] = [SKY, BROWN];
/// Standard-error bands.
pub const BAND_OPACITY: f64 = 0.22;

/// Stroke of curves.
pub const SERIES_WIDTH: f64 = 2.2;
/// Stroke of axes.
pub const AXIS_WIDTH: f64 = 1.0;
/// Stroke of reference lines.
pub const REFERENCE_WIDTH: f64 = 1.2;
/// Stroke of the line at t50.
pub const JUMP_WIDTH: f64 = 1.6;
/// Stroke around cells that matter.
pub const HIGHLIGHT_WIDTH: f64 = 1.6;
/// Radius of a value whose neighbors are undefined.
pub const POINT_RADIUS: f64 = 3.0;
/// Dashes of reference lines.
pub const REFERENCE_DASH: &str = "5 4";
/// Dashes of predicted curves.
pub const PREDICTION_DASH: &str = "9 5";

/// Dots of a third curve on a dashed one on a solid one.
pub const DOTS: &str = "3 11";

/// Space around the page.
pub const PADDING: f64 = 18.0;
/// Left of the plot area: tick labels and axis label.
pub const AXIS_SPACE: f64 = 82.0;
/// Length of tick marks.
pub const TICK_LENGTH: f64 = 5.0;

/// The color of the `idx`-th series; repeats after six.
pub fn series_color(idx: usize) -> &'static str {
    SERIES[idx % SERIES.len()]
}

/// The color of an order parameter, the same in every figure; none of a series that is not one.
pub fn parameter_color(name: &str) -> Option<&'static str> {
    let color = match name {
        "beta" => BLUE,
        "alpha" => VERMILLION,
        "xi" => GREEN,
        "alpha among labels" => ORANGE,
        "beta_2" => INK,
        _ => return None,
    };
    Some(color)
}

/// One line of text at `size`, in SVG units.
pub fn line_height(size: u32) -> f64 {
    f64::from(size) * LINE_SPACING
}
