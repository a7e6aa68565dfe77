//! What the guides quote stands in the examples.

use std::fs;
use std::path::Path;

/// Lines without their indentation, and without blank ones.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn guides_quote_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for name in ["own-task", "own-probe"] {
        let guide = if name == "own-probe" { "own-measure" } else { name };
        let read = |path: String| fs::read_to_string(root.join(path)).unwrap();
        let text = read(format!("docs/{guide}.md"));
        let sources = ["lib", "main"].map(|file| read(format!("examples/{name}/src/{file}.rs")));
        let sources = sources.each_ref().map(|source| lines(source));
        let quotes = text.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
        let pieces: Vec<&str> = quotes.flat_map(|quote| quote.split("…\n")).collect();
        assert!(pieces.len() > 5, "{guide} quotes {}", pieces.len());
        for piece in pieces {
            let piece = lines(piece);
            let stands = sources.iter().any(|source| source.windows(piece.len()).any(|window| window == piece));
            assert!(stands, "docs/{guide}.md quotes what is not in examples/{name}:\n{}", piece.join("\n"));
        }
    }
}
