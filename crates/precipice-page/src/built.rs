//! The page as it was built, embedded.

use std::borrow::Cow;

use rust_embed::Embed;
use serde_json::{Value, json};

#[derive(Embed)]
#[folder = "../../page/dist"]
struct Dist;

/// The file that tells the page where it is: made by whoever gives the page out.
pub const CONFIG: &str = "config.json";

/// The file that a browser begins with.
pub const INDEX: &str = "index.html";

/// A file of the page.
#[derive(Clone, Debug)]
pub struct BuiltFile {
    /// Its content.
    pub bytes: Cow<'static, [u8]>,
    /// Hexadecimal digits of a digest of the content.
    pub digest: String,
}

/// Names of all files, with `/` between folders.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = Dist::iter().map(Cow::into_owned).filter(|name| name != CONFIG).collect();
    names.sort();
    names
}

/// A file by its name.
pub fn file(name: &str) -> Option<BuiltFile> {
    let file = Dist::get(name).filter(|_| name != CONFIG)?;
    let digest = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    Some(BuiltFile { bytes: file.data, digest })
}

/// What the page is told when it is served with the runs of a folder.
pub fn served_config(dir: &str) -> Value {
    json!({ "serve": true, "dir": dir, "version": env!("CARGO_PKG_VERSION") })
}

/// The same where it lies on its own; the files that it consists of are named, so that a later page can replace it.
pub fn written_config() -> Value {
    json!({ "serve": false, "version": env!("CARGO_PKG_VERSION"), "files": names() })
}

/// Whether a file's name says what is in it, as the build names what the page loads: `assets/index-DiwrgTda.js`.
pub fn is_hashed(name: &str) -> bool {
    let stem = name.strip_prefix("assets/").and_then(|file| file.split_once('.')).map(|(stem, _)| stem.as_bytes());
    let Some((rest, hash)) = stem.and_then(|stem| stem.split_at_checked(stem.len().checked_sub(8)?)) else {
        return false;
    };
    // A word is no hash.
    let is_word = hash.iter().all(u8::is_ascii_lowercase);
    rest.ends_with(b"-") && !is_word && hash.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// What a browser takes a file for.
pub fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "npz" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page() {
        assert!(names().contains(&INDEX.to_owned()) && !names().contains(&CONFIG.to_owned()));
        for name in names() {
            assert!(file(&name).is_some_and(|file| file.digest.len() == 32), "{name}");
            // Tensors have no type of their own.
            let is_known = media_type(&name) != "application/octet-stream" || name.ends_with(".safetensors");
            assert!(is_known, "{name}: browsers would not take it");
        }
        assert!(file("no-such-file").is_none() && file("../Cargo.toml").is_none());
    }

    #[test]
    fn names_with_a_hash_are_known() {
        for name in ["assets/index-DiwrgTda.js", "assets/index-b_c-d12x.css", "assets/latin-400-normal-C4-_abcd.woff2"]
        {
            assert!(is_hashed(name), "{name}");
        }
        for name in [
            "index.html",
            "assets/index.js",
            "assets/-short.js",
            "assets/font-variable.woff2",
            "data/band-DiwrgTda.json",
            "assets/indexDiwrgTda.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
