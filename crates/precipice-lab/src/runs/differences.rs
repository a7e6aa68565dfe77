//! In which fields two specs differ.

use precipice::spec::RunSpec;
use serde::Serialize;
use serde_json::Value;

/// A field that is not the same in two specs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldDifference {
    /// Its path, as after `-s`.
    pub field: String,
    /// Its value in the first; none where that leaves it out.
    pub a: Option<Value>,
    /// Its value in the second.
    pub b: Option<Value>,
}

/// Every field that differs, in the order of the specs. A table that only one has is one field.
///
/// ```
/// use precipice::spec::RunSpec;
/// use precipice_lab::runs::differences;
/// let (a, mut b) = (RunSpec::default(), RunSpec::default());
/// b.seeds.data = 7;
/// let found = differences(&a, &b);
/// assert_eq!((found.len(), found[0].field.as_str(), found[0].b.clone()), (1, "seeds.data", Some(7.into())));
/// ```
pub fn differences(a: &RunSpec, b: &RunSpec) -> Vec<FieldDifference> {
    let json = |spec: &RunSpec| serde_json::to_value(spec).expect("a spec is plain data");
    let mut found = Vec::new();
    compare("", Some(&json(a)), Some(&json(b)), &mut found);
    found
}

fn compare(path: &str, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<FieldDifference>) {
    if let (Some(Value::Object(left)), Some(Value::Object(right))) = (a, b) {
        let more = right.keys().filter(|key| !left.contains_key(*key));
        for key in left.keys().chain(more) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            compare(&path, left.get(key), right.get(key), found);
        }
        return;
    }
    // An option that is not given is left out, however it is written.
    let [a, b] = [a, b].map(|value| value.filter(|value| !value.is_null()).cloned());
    if a != b {
        found.push(FieldDifference { field: path.to_owned(), a, b });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::input::spec_file::{Changes, load};

    fn spec(overrides: &[&str]) -> RunSpec {
        let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
        load("copying-small", &Changes { overrides, ..Changes::default() }).unwrap()
    }

    #[test]
    fn both_values_are_told_and_what_is_left_out() {
        let (a, b) = (spec(&[]), spec(&["seeds.init=3", "train.optimizer={adam={learning_rate=0.001}}"]));
        assert_eq!(differences(&a, &a), []);
        let found = differences(&a, &b);
        let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["train.optimizer.sgd", "train.optimizer.adam", "seeds.init"]);
        assert!(found[0].b.is_none() && found[1].a.is_none());
        assert_eq!((&found[2].a, &found[2].b), (&Some(json!(0)), &Some(json!(3))));
        // The other way round the sides are exchanged.
        let back = differences(&b, &a);
        assert_eq!(back.iter().find(|one| one.field == "seeds.init").unwrap().a, Some(json!(3)));
    }
}
