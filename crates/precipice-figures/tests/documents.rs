//! The pictures of the documents.

use std::fs;
use std::path::Path;

use precipice_figures::Theme;

/// The dark form of a picture is that of this very picture.
#[test]
fn dark_forms_are_those_of_the_pictures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/figures");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stems: Vec<String> = names.filter_map(|name| name.strip_suffix("-dark.svg").map(str::to_owned)).collect();
    assert!(stems.len() > 10, "{stems:?}");
    for stem in stems {
        let (light, dark) = (read(&format!("{stem}.svg")), read(&format!("{stem}-dark.svg")));
        assert!(Theme::Dark.of_light(&light) == dark, "{stem}-dark.svg is of another picture; run scripts/figures");
        // What the dark page does not know would stay black on black.
        assert!(!dark.contains("\"#1a1a1a\"") && !dark.contains("\"#ffffff\""), "{stem}");
    }
}
