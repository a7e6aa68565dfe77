//! From SVG to PNG and PDF, with the embedded font and no other.

use std::sync::{Arc, OnceLock};

use krilla::Document;
use krilla::geom::Size;
use krilla::page::PageSettings;
use krilla_svg::{SurfaceExt, SvgSettings};
use resvg::{tiny_skia, usvg};

use super::{FigureError, style};

/// An SVG as PNG bytes, [`style::PNG_SCALE`] pixels per unit.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, FigureError> {
    let fail = |reason: String| FigureError::Render { format: "PNG", reason };
    let tree = parse(svg).map_err(fail)?;
    let size =
        tree.size().to_int_size().scale_by(style::PNG_SCALE).ok_or_else(|| fail("the page has no size".into()))?;
    let mut pixels =
        tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| fail("the page is too large".into()))?;
    let scale = tiny_skia::Transform::from_scale(style::PNG_SCALE, style::PNG_SCALE);
    resvg::render(&tree, scale, &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| fail(error.to_string()))
}

/// An SVG as the bytes of a PDF, [`style::PRINT_WIDTH_INCHES`] wide where the SVG is
/// [`style::WIDTH`] wide. No date is written, so the bytes depend on the SVG alone.
pub(super) fn pdf(svg: &str) -> Result<Vec<u8>, FigureError> {
    let fail = |reason: String| FigureError::Render { format: "PDF", reason };
    let tree = parse(svg).map_err(fail)?;
    let scale = (72.0 * style::PRINT_WIDTH_INCHES / style::WIDTH) as f32;
    let (width, height) = (tree.size().width() * scale, tree.size().height() * scale);
    let no_size = || fail("the page has no size".into());
    let size = Size::from_wh(width, height).ok_or_else(no_size)?;
    let settings = PageSettings::from_wh(width, height).ok_or_else(no_size)?;
    let mut document = Document::new();
    let mut page = document.start_page_with(settings);
    let mut surface = page.surface();
    surface.draw_svg(&tree, size, SvgSettings::default()).ok_or_else(|| fail("the page cannot be drawn".into()))?;
    surface.finish();
    page.finish();
    document.finish().map_err(|error| fail(format!("{error:?}")))
}

fn parse(svg: &str) -> Result<usvg::Tree, String> {
    let options =
        usvg::Options { font_family: style::EMBEDDED_FAMILY.into(), fontdb: fonts(), ..usvg::Options::default() };
    usvg::Tree::from_str(svg, &options).map_err(|error| error.to_string())
}

/// The embedded faces, parsed once. System fonts stay out: they differ between machines.
fn fonts() -> Arc<usvg::fontdb::Database> {
    static FONTS: OnceLock<Arc<usvg::fontdb::Database>> = OnceLock::new();
    FONTS
        .get_or_init(|| {
            let mut fonts = usvg::fontdb::Database::new();
            for face in [dejavu::sans::regular(), dejavu::sans::bold()] {
                fonts.load_font_source(usvg::fontdb::Source::Binary(Arc::new(face)));
            }
            fonts.set_sans_serif_family(style::EMBEDDED_FAMILY);
            Arc::new(fonts)
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_faces_are_embedded() {
        let families: Vec<(String, u16)> =
            fonts().faces().map(|face| (face.families[0].0.clone(), face.weight.0)).collect();
        let expected = [(style::EMBEDDED_FAMILY.to_string(), 400), (style::EMBEDDED_FAMILY.to_string(), 700)];
        assert_eq!(families, expected);
    }

    /// Two faces, two opacities and two clip paths: a writer that keeps its resources in
    /// hash order would give other bytes the second time.
    #[test]
    fn the_same_svg_gives_the_same_bytes() {
        let svg = r##"<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"
            font-family="DejaVu Sans, sans-serif" font-size="12"><defs>
            <clipPath id="a"><rect width="30" height="40"/></clipPath>
            <clipPath id="b"><rect x="9" width="30" height="40"/></clipPath></defs>
            <text y="12">β</text><text y="30" font-weight="bold">ℓ</text>
            <g clip-path="url(#a)"><rect width="50" height="9" fill-opacity="0.2"/></g>
            <g clip-path="url(#b)"><rect width="50" height="9" fill-opacity="0.7"/></g>
            </svg>"##;
        let (first_png, first_pdf) = (png(svg).unwrap(), pdf(svg).unwrap());
        for _ in 0..4 {
            assert!(first_png == png(svg).unwrap());
            assert!(first_pdf == pdf(svg).unwrap());
        }
    }

    #[test]
    fn broken_svg_is_an_error() {
        assert!(png("<svg").is_err());
        assert!(pdf("no svg").is_err());
    }
}
