//! `key.sub=value`, `KEY=V1,V2` and what they mean: how fields are typed on the command line.

use toml::{Table, Value};

#[cfg(feature = "runs")]
use super::fields::dotted;
use crate::error::{LabError, SpecProblem, excerpt};

/// A field, its new value, and where that was said.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    /// For errors: `-s model.d_pos=3`.
    pub origin: String,
    pub path: Vec<String>,
    pub value: Value,
}

impl Assignment {
    /// `-s key.sub=value`, said at `origin`.
    pub fn parse(option: &str, text: &str) -> Result<Self, LabError> {
        let origin = format!("{option} {}", excerpt(text));
        let (key, value) = split_key(text).ok_or_else(|| LabError::spec(&origin, SpecProblem::NotAnAssignment))?;
        let path = parse_key(key).map_err(|problem| LabError::spec(&origin, problem))?;
        Ok(Self { origin, path, value: parse_value(value) })
    }

    /// One field by its path.
    pub fn of(origin: String, path: &[&str], value: impl Into<Value>) -> Self {
        Self { origin, path: path.iter().map(|part| (*part).to_owned()).collect(), value: value.into() }
    }
}

/// What stands before and after the first "=" outside quotes.
pub(crate) fn split_key(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '=') => return Some((&text[..at], &text[at + 1..])),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

/// The parts of a key, which may be quoted as in TOML.
pub(crate) fn parse_key(key: &str) -> Result<Vec<String>, SpecProblem> {
    if key.trim().is_empty() {
        return Err(SpecProblem::NoKey);
    }
    let problem = || SpecProblem::NotAKey { key: excerpt(key) };
    let mut table = format!("{key} = 0").parse::<Table>().map_err(|_| problem())?;
    let mut path = Vec::new();
    loop {
        if table.len() != 1 {
            return Err(problem());
        }
        let (name, inner) = table.into_iter().next().expect("one entry");
        path.push(name);
        match inner {
            Value::Table(inner) => table = inner,
            _ => return Ok(path),
        }
    }
}

/// TOML, or else a text, so that `model.readout=mlp` needs no quotes; numbers may begin or end with a point.
pub(crate) fn parse_value(text: &str) -> Value {
    let text = text.trim();
    text.parse().or_else(|_| with_zeros(text).parse()).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// `.5` and `5.`, which TOML does not have, as `0.5` and `5.0`, outside quotes.
fn with_zeros(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len() + 8);
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        let is_point = quote.is_none() && c == '.';
        let before = at.checked_sub(1).map_or(b' ', |i| bytes[i]);
        let after = bytes.get(at + 1).copied().unwrap_or(b' ');
        let begins = is_point && after.is_ascii_digit() && b" \t[,+-=".contains(&before);
        let ends = is_point && before.is_ascii_digit() && b" \t],}eE".contains(&after);
        out += if begins { "0" } else { "" };
        out.push(c);
        out += if ends { "0" } else { "" };
    }
    out
}

/// `KEY=V1,V2` or `KEY1,KEY2=[A1,B1],[A2,B2]`: the keys, and for each point their values.
#[cfg(feature = "runs")]
pub(crate) fn parse_axis(text: &str) -> Result<(Vec<String>, Vec<Vec<Value>>), String> {
    let expected = "expected KEY=V1,V2, or KEY1,KEY2=[A1,B1],[A2,B2] for fields that go together";
    let (keys, values) = split_key(text).ok_or(expected)?;
    let keys = split_commas(keys, true).ok_or(expected)?;
    let paths = keys.iter().map(|key| parse_key(key)).collect::<Result<Vec<_>, _>>();
    let keys: Vec<String> = paths.map_err(|problem| problem.to_string())?.iter().map(|path| dotted(path)).collect();
    let values = split_commas(values, false).ok_or("has a bracket or a quote that is not closed")?;
    if values.iter().any(|value| value.is_empty()) {
        return Err(format!("{expected}, with a value between the commas"));
    }
    let points = values.iter().map(|value| together(&keys, parse_value(value))).collect::<Result<_, _>>()?;
    Ok((keys, points))
}

/// The values of fields that go together, from a list with one for each.
#[cfg(feature = "runs")]
pub(crate) fn together(keys: &[String], value: Value) -> Result<Vec<Value>, String> {
    match (keys.len(), value) {
        (1, value) => Ok(vec![value]),
        (n, Value::Array(values)) if values.len() == n => Ok(values),
        (n, other) => Err(format!(
            "{}: expected a list of {n} values, one each for {}",
            excerpt(&other.to_string()),
            excerpt(&keys.join(", "))
        )),
    }
}

/// The parts between commas that are outside brackets and quotes; none where one of these is not closed. A word that is
/// no key may hold an apostrophe: quotes count where a value begins, or inside brackets.
#[cfg(feature = "runs")]
fn split_commas(text: &str, are_keys: bool) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_i32);
    let (mut quote, mut is_escaped, mut is_word) = (None, false, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some('"'), '\\') if !is_escaped => {
                is_escaped = true;
                continue;
            }
            (Some(open), c) if c == open && !is_escaped => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if depth > 0 || !is_word || are_keys => quote = Some(c),
            (None, '[' | '{') if depth > 0 || !is_word => depth += 1,
            (None, ']' | '}') if depth > 0 => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(text[from..at].trim());
                (from, is_word) = (at + 1, false);
                continue;
            }
            _ => {}
        }
        is_escaped = false;
        is_word |= !c.is_whitespace();
    }
    parts.push(text[from..].trim());
    (depth == 0 && quote.is_none()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(toml: &str) -> Value {
        toml.parse().unwrap()
    }

    #[test]
    fn only_commas_outside_brackets_and_quotes_separate() {
        let axis = |text: &str| parse_axis(text).unwrap();
        let (keys, points) = axis(r#"model.clamps=[],[{layer=0,head=0,pattern="previous-token"}]"#);
        assert_eq!(keys, ["model.clamps"]);
        let clamp = value(r#"[{ layer = 0, head = 0, pattern = "previous-token" }]"#);
        assert_eq!(points, [vec![value("[]")], vec![clamp]]);
        assert_eq!(axis(r#"a="x,y",'p,"q',r"#).1.concat(), [r#""x,y""#, r#"'p,"q'"#, r#""r""#].map(value));
        assert_eq!(axis(r#"a="\",",2"#).1.concat(), [r#""\",""#, "2"].map(value));
        assert_eq!(axis("a=it's,that's").1.concat().len(), 2, "an apostrophe inside a word is no quote");
        assert_eq!(
            axis("a=1, .5 ,2.,-.25,1e3,true").1.concat(),
            ["1", "0.5", "2.0", "-0.25", "1e3", "true"].map(value)
        );
        assert_eq!(axis("x.\"a=b,c\".y=1").0, ["x.\"a=b,c\".y"]);
        for (text, reason) in [
            ("a", "expected KEY"),
            ("a=1,,2", "between the commas"),
            ("a=", "between the commas"),
            ("a=[1,2", "not closed"),
            ("a=\"1,2", "not closed"),
            ("=1", "expected a key"),
            ("a,=1", "expected a key"),
            ("a,b=1,2", "one each for a, b"),
            ("a,b=[1,2],[3]", "one each for a, b"),
        ] {
            let problem = parse_axis(text).unwrap_err();
            assert!(problem.contains(reason), "{text}: {problem}");
        }
    }

    #[test]
    fn fields_that_go_together() {
        let (keys, points) = parse_axis("n, l=[4,16],[8,32]").unwrap();
        assert_eq!(keys, ["n", "l"]);
        assert_eq!(points, [["4", "16"].map(value), ["8", "32"].map(value)]);
    }

    #[test]
    fn values_are_toml_or_words() {
        for (text, toml) in [
            (".1", "0.1"),
            ("+.5", "0.5"),
            ("3.", "3.0"),
            ("3.e2", "3.0e2"),
            ("[.4, .3,.2 ,1.]", "[0.4, 0.3, 0.2, 1.0]"),
            ("{ rate = .5 }", "{ rate = 0.5 }"),
            ("mlp", "\"mlp\""),
            ("a.5", "\"a.5\""),
            ("\".5\"", "\".5\""),
        ] {
            assert_eq!(parse_value(text), value(toml), "{text}");
        }
        assert_eq!(parse_value("1\nb = 2"), Value::String("1\nb = 2".to_owned()), "nothing is dropped");
        let parsed = Assignment::parse("-s", "train.freeze_until.\"a=b\"=3").unwrap();
        assert_eq!((parsed.path[2].as_str(), parsed.value), ("a=b", Value::Integer(3)));
        assert!(Assignment::parse("-s", "a\nb=1").is_err());
    }
}
