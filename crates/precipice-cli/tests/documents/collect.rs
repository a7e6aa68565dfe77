//! What the documents and `--help` tell people to type.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// After the opening fence: `sh`, `sh long` (minutes), `python`, `toml` ...
    pub info: String,
    pub lines: Vec<String>,
}

/// A document and what stands in it.
#[derive(Clone, Debug)]
pub struct Document {
    /// From the root of the repository.
    pub name: String,
    pub blocks: Vec<Block>,
    /// Commands in the text, between backticks.
    pub inline: Vec<String>,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every document whose commands a reader may type.
pub fn documents() -> Vec<Document> {
    let mut names = vec!["README.md".to_owned(), "RESULTS.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["docs", "docs/reference"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let mut pages: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        pages.retain(|page| page.ends_with(".md"));
        pages.sort();
        names.extend(pages.iter().map(|page| format!("{folder}/{page}")));
    }
    names.into_iter().map(|name| document(&name)).collect()
}

fn document(name: &str) -> Document {
    let text = fs::read_to_string(root().join(name)).unwrap();
    let (mut blocks, mut prose, mut open) = (Vec::new(), String::new(), None::<Block>);
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info: info.to_owned(), lines: Vec::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.lines.push(line.to_owned()),
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    assert_eq!(open, None, "{name}: a block is not closed");
    let inline = prose.split('`').skip(1).step_by(2).map(str::trim);
    let inline = inline.filter(|code| code.starts_with("precipice ")).map(str::to_owned).collect();
    Document { name: name.to_owned(), blocks, inline }
}

/// The words of a command, as a shell splits them; redirections, what follows a pipe, and comments left out.
pub fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(q)) if c == q => quote = None,
            ('#' | '>' | '|' | ';' | '&', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
