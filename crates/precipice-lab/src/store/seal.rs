//! Text that says of itself whether it is whole: a JSON object whose last entry, `check`, is a digest of all
//! that stands before it, and of what it follows.

/// Hexadecimal digits of a check.
const N_DIGITS: usize = 32;

/// The check of a text that follows `before`.
///
/// ```
/// use precipice_lab::store::seal::check;
/// assert_ne!(check("", "rows"), check("other", "rows"));
/// ```
pub fn check(before: &str, text: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{} {before}\n", before.len()).as_bytes());
    hasher.update(text.as_bytes());
    hasher.finalize().to_hex()[..N_DIGITS].to_owned()
}

/// Adds the last entry to an object with others, on a line or indented. Returns the text and its check.
///
/// ```
/// use precipice_lab::store::seal::{seal, unseal};
/// let (text, check) = seal(r#"{"loss":0.5}"#, "");
/// assert_eq!(text, format!(r#"{{"loss":0.5,"check":"{check}"}}"#));
/// assert_eq!(unseal(&text, ""), Some((r#"{"loss":0.5}"#.to_owned(), check)));
/// assert_eq!(unseal(&text.replace('5', "6"), ""), None);
/// ```
pub fn seal(object: &str, before: &str) -> (String, String) {
    let body = object.strip_suffix('}').unwrap_or(object).trim_end();
    let check = check(before, body);
    (format!("{body}{}", entry(&check, object.contains('\n'))), check)
}

/// The object without its check, and the check; none if anything was changed, or if it follows something else.
pub fn unseal(text: &str, before: &str) -> Option<(String, String)> {
    let is_indented = text.contains('\n');
    let at = text.len().checked_sub(entry(&"0".repeat(N_DIGITS), is_indented).len())?;
    let (body, last) = text.split_at_checked(at)?;
    let check = check(before, body);
    (last == entry(&check, is_indented)).then(|| (format!("{body}}}"), check))
}

fn entry(check: &str, is_indented: bool) -> String {
    if is_indented { format!(",\n  \"check\": \"{check}\"\n}}") } else { format!(",\"check\":\"{check}\"}}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_can_be_changed() {
        for object in [r#"{"a":1,"b":{"c":[2,null]}}"#, "{\n  \"a\": 1,\n  \"b\": {}\n}"] {
            let (text, _) = seal(object, "before");
            let (inner, _) = unseal(&text, "before").unwrap();
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(value(&inner), value(object));
            assert_eq!(value(&text)["a"], 1);
            assert_eq!(unseal(&text, "befor"), None);
            for at in 0..text.len() {
                assert_eq!(unseal(&text[..at], "before"), None);
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(unseal(&changed, "before"), None, "{changed}");
            }
        }
    }
}
