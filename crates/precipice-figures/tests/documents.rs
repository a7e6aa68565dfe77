//! The pictures of the documents.

use std::fs;
use std::path::Path;

use precipice_figures::Theme;

/// Every picture of the README stands beside its dark form, which is that of this very picture.
#[test]
fn pictures_of_the_readme_have_a_dark_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let mut stems: Vec<&str> =
        readme.split("docs/figures/").skip(1).filter_map(|rest| rest.split(".svg").next()).collect();
    stems.retain(|stem| !stem.ends_with("-dark"));
    assert!(stems.len() > 10, "{stems:?}");
    for stem in stems {
        let of = |name: String| {
            fs::read_to_string(root.join("docs/figures").join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let (light, dark) = (of(format!("{stem}.svg")), of(format!("{stem}-dark.svg")));
        assert!(Theme::Dark.of_light(&light) == dark, "{stem}-dark.svg is of another picture; run scripts/figures");
    }
}
