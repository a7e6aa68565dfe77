//! Figures for other pages than white ones.

use super::{shades, style};

/// The page that a figure is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// White and opaque.
    #[default]
    Light,
    /// Dark and opaque.
    Dark,
    /// The colors of the light one without its page.
    Transparent,
}

impl Theme {
    /// All themes.
    pub const ALL: [Theme; 3] = [Theme::Light, Theme::Dark, Theme::Transparent];

    /// Its name.
    pub fn name(self) -> &'static str {
        ["light", "dark", "transparent"][self as usize]
    }

    /// An SVG that was drawn in light, for this page: what [`Figure::in_theme`](crate::Figure::in_theme) does, of a
    /// figure whose data are no longer at hand.
    ///
    /// ```
    /// # use precipice_figures::Theme;
    /// assert_eq!(Theme::Dark.of_light("<path stroke=\"#1a1a1a\"/>"), "<path stroke=\"#e8e8e8\"/>");
    /// ```
    pub fn of_light(self, svg: &str) -> String {
        apply(svg, self)
    }
}

/// What is drawn on the page in light, and what in dark. Colors of attention are reversed
/// ([`shades`]), those of other cells and of surfaces stand for values and stay.
const DARK: [(&str, &str); 16] = [
    (style::PAGE, "#15181c"),
    (style::INK, "#e8e8e8"),
    (style::MUTED, "#a6a6a6"),
    (style::GRID, "#31363c"),
    (style::MASKED, "#41464c"),
    (style::UNDEFINED, "#565c63"),
    (style::BLUE, "#4aa8e8"),
    (style::VERMILLION, "#ff7a2e"),
    (style::GREEN, "#2fc79a"),
    (style::PURPLE, "#d68fb8"),
    (style::ORANGE, "#f2b134"),
    (style::SKY, "#7cc7f2"),
    (style::BROWN, "#c49a6c"),
    (style::JUMP_INK, "#e3a6c8"),
    (style::RIGHT, "#3ccfa2"),
    (style::WRONG, "#ff7d52"),
];

/// The rectangle that kuva lays under everything.
const GROUND: &str = "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\" />";

/// An SVG that was drawn in light, for another page. Every color of the page is one of [`style`]'s, so that it can be
/// exchanged in the finished text.
pub(super) fn apply(svg: &str, theme: Theme) -> String {
    match theme {
        Theme::Light => svg.to_owned(),
        Theme::Transparent => svg.replacen(GROUND, "", 1),
        Theme::Dark => {
            let mut out = String::with_capacity(svg.len());
            let mut rest = svg;
            while let Some(at) = rest.find("\"#") {
                let end = (at + "\"#rrggbb".len()).min(rest.len());
                out.push_str(&rest[..=at]);
                let color = rest.get(at + 1..end).unwrap_or_default();
                let of_page = DARK.iter().find(|(light, _)| *light == color).map(|(_, dark)| (*dark).to_owned());
                let dark = of_page.or_else(|| shades::on_dark_page(color));
                out.push_str(dark.as_deref().unwrap_or(color));
                rest = &rest[at + 1 + color.len()..];
            }
            out + rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::luminance;

    #[test]
    fn colors_of_the_page_are_exchanged_and_no_others() {
        let svg = format!("{GROUND}<text fill=\"#1a1a1a\">#1a1a1a</text><rect fill=\"#08306b\" stroke=\"#ffffff\"/>");
        assert_eq!(apply(&svg, Theme::Light), svg);
        assert!(!apply(&svg, Theme::Transparent).contains("100%"));
        let dark = apply(&svg, Theme::Dark);
        assert!(
            dark.contains("fill=\"#e8e8e8\">#1a1a1a</text>") && dark.contains("fill=\"#08306b\" stroke=\"#15181c\"")
        );
        assert_eq!(apply("cut off \"#1a", Theme::Dark), "cut off \"#1a");
    }

    /// WCAG's contrast of text, 4.5, of lines, 3, on the dark page.
    #[test]
    fn dark_colors_can_be_read() {
        let page = luminance(DARK[0].1);
        let drawn_on_it = DARK
            .iter()
            .filter(|(light, _)| ![style::PAGE, style::GRID, style::MASKED, style::UNDEFINED].contains(light));
        for (light, dark) in drawn_on_it {
            let contrast = (luminance(dark) + 0.05) / (page + 0.05);
            assert!(contrast > 4.5, "{light} as {dark}: {contrast}");
        }
    }
}
