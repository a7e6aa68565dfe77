//! Writes figures that were drawn in light for another page, beside them: `a.svg` as `a-dark.svg`.
//!
//!     cargo run -p precipice-figures --example in_theme -- dark a.svg b.svg

use precipice_figures::Theme;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let theme = Theme::ALL.into_iter().find(|theme| theme.name() == name && *theme != Theme::Light);
    let theme = theme.ok_or("expected dark or transparent, then .svg files")?;
    for path in args {
        let stem = path.strip_suffix(".svg").ok_or_else(|| format!("{path}: expected an .svg file"))?;
        std::fs::write(format!("{stem}-{name}.svg"), theme.of_light(&std::fs::read_to_string(&path)?))?;
    }
    Ok(())
}
