//! Swept fields and their values, as figures say them.

use serde_json::Value;

use crate::error::excerpt;

/// What a field is called on an axis.
pub(super) fn field(key: &str) -> String {
    let path: Vec<&str> = key.split('.').collect();
    let last = path[path.len() - 1];
    if let Some(of) = inside(&path, "freeze_until") {
        return format!("step until which {of} is frozen");
    }
    if let Some(of) = inside(&path, "rate_factors") {
        return format!("factor on the rate of {of}");
    }
    match last {
        "n_exemplars" => "exemplars N".to_owned(),
        "n_labels" => "labels L".to_owned(),
        "n_classes" => "classes K".to_owned(),
        "burstiness" => "copies B".to_owned(),
        "p_bursty" => "share of bursty contexts".to_owned(),
        "p_novel" => "share of contexts of novel classes".to_owned(),
        "within_class_noise" => "within-class noise".to_owned(),
        "zipf_exponent" => "Zipf exponent".to_owned(),
        "misread_scale" => "scale of the misread weights".to_owned(),
        other => spaced(other),
    }
}

/// The name of a table's entry, where the path ends in one of that table.
fn inside(path: &[&str], table: &str) -> Option<String> {
    let at = path.iter().position(|name| *name == table)?;
    (at + 1 < path.len()).then(|| path[at + 1..].join("."))
}

/// A field with its value, as a legend says them.
pub(super) fn told(key: &str, value: &Value) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    match value {
        Value::Bool(is) => format!("{}: {}", spaced(last), if *is { "yes" } else { "no" }),
        Value::String(text) => match (structured(text), last) {
            (Some(toml), "clamps") => clamps(&toml),
            (Some(toml), "freeze_until") => frozen(&toml),
            (Some(toml), "rate_factors") => rates(&toml),
            (Some(toml), _) => format!("{}: {}", spaced(last), bounded(&plain(&toml))),
            (None, _) => format!("{}: {}", spaced(last), excerpt(text)),
        },
        number => format!("{} = {number}", symbol(last)),
    }
}

/// A value alone, as an axis that has the field's name says it.
pub(super) fn value(key: &str, value: &Value) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let told = match value {
        Value::Bool(is) => if *is { "yes" } else { "no" }.to_owned(),
        Value::String(text) => match (structured(text), last) {
            (Some(toml), "clamps") => clamps(&toml),
            (Some(toml), "freeze_until") => frozen(&toml),
            (Some(toml), "rate_factors") => rates(&toml),
            (Some(toml), _) => bounded(&plain(&toml)),
            (None, _) => excerpt(text),
        },
        number => number.to_string(),
    };
    // Minus signs, not hyphens, before numbers.
    told.strip_prefix('-').filter(|_| value.is_number()).map_or(told.clone(), |rest| format!("\u{2212}{rest}"))
}

fn symbol(name: &str) -> String {
    match name {
        "n_exemplars" => "N".to_owned(),
        "n_labels" => "L".to_owned(),
        "n_classes" => "K".to_owned(),
        "burstiness" => "B".to_owned(),
        other => spaced(other),
    }
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// The list or table that a text is as TOML, if it is one.
fn structured(text: &str) -> Option<toml::Value> {
    let table = format!("value = {text}").parse::<toml::Table>().ok()?;
    table.get("value").filter(|value| value.is_array() || value.is_table()).cloned()
}

/// "clamped: previous token (layer 1), match (layer 2)"
fn clamps(value: &toml::Value) -> String {
    let Some(list) = value.as_array().filter(|list| !list.is_empty()) else { return "nothing clamped".to_owned() };
    let one = |clamp: &toml::Value| {
        let number = |name: &str| clamp.get(name).and_then(toml::Value::as_integer);
        let pattern = clamp.get("pattern").and_then(toml::Value::as_str)?;
        // As the attention figure names them: layers of one head from 1, heads among several from 0.
        let place = match (number("layer")?, number("head")) {
            (layer, None) => format!("layer {}", layer + 1),
            (layer, Some(head)) => format!("head {layer}.{head}"),
        };
        Some(format!("{} ({place})", pattern.replace('-', " ")))
    };
    match list.iter().map(one).collect::<Option<Vec<_>>>() {
        Some(parts) => bounded(&format!("clamped: {}", parts.join(", "))),
        None => bounded(&plain(value)),
    }
}

/// "readout frozen until step 1000"
fn frozen(value: &toml::Value) -> String {
    let Some(table) = value.as_table().filter(|table| !table.is_empty()) else { return "nothing frozen".to_owned() };
    let one = |(name, until): (&String, &toml::Value)| format!("{name} frozen until step {}", plain(until));
    bounded(&table.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// "rate of readout × 4.0"
fn rates(value: &toml::Value) -> String {
    let Some(table) = value.as_table().filter(|table| !table.is_empty()) else { return "one rate for all".to_owned() };
    let one = |(name, factor): (&String, &toml::Value)| format!("rate of {name} × {}", plain(factor));
    bounded(&table.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Any value without the signs of TOML.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Boolean(is) => if *is { "yes" } else { "no" }.to_owned(),
        toml::Value::Array(list) if list.is_empty() => "none".to_owned(),
        toml::Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" and "),
        toml::Value::Table(table) if table.is_empty() => "none".to_owned(),
        toml::Value::Table(table) => {
            let entry = |(name, value): (&String, &toml::Value)| match value {
                toml::Value::Table(inner) if inner.is_empty() => spaced(name),
                toml::Value::Table(_) => format!("{} ({})", spaced(name), plain(value)),
                _ => format!("{} {}", spaced(name), plain(value)),
            };
            table.iter().map(entry).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Characters of a value in a legend.
const LONGEST: usize = 90;

fn bounded(words: &str) -> String {
    match words.char_indices().nth(LONGEST) {
        None => words.to_owned(),
        Some((end, _)) => format!("{}…", &words[..end]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sweep::Axis;
    use crate::sweep::grid::as_json;

    #[test]
    fn structured_values_are_words() {
        // As typed after -g, so that this is what a legend gets.
        let of = |typed: &str| {
            let axis = Axis::parse(typed).unwrap();
            axis.points.iter().map(|values| told(&axis.keys[0], &as_json(&values[0]))).collect::<Vec<_>>()
        };
        let clamps = of(
            r#"model.clamps=[],[{layer=0,pattern="previous-token"}],[{layer=0,head=1,pattern="previous-token"},{layer=1,pattern="match"}]"#,
        );
        let wanted = [
            "nothing clamped",
            "clamped: previous token (layer 1)",
            "clamped: previous token (head 0.1), match (layer 2)",
        ];
        assert_eq!(clamps, wanted);
        assert_eq!(
            of("train.freeze_until={},{readout=1000,\"blocks.0\"=50}"),
            ["nothing frozen", "blocks.0 frozen until step 50, readout frozen until step 1000"]
        );
        assert_eq!(of("train.rate_factors={},{readout=8.0}"), ["one rate for all", "rate of readout × 8.0"]);
        let optimizers = of("train.optimizer={sgd={learning_rate=0.1}},{adam={learning_rate=0.001}}");
        assert_eq!(optimizers, ["optimizer: sgd (learning rate 0.1)", "optimizer: adam (learning rate 0.001)"]);
        assert_eq!(
            of("probes.ablations=[],[\"head-1\",\"head-2\"]"),
            ["ablations: none", "ablations: head-1 and head-2"]
        );
        for words in [clamps, optimizers] {
            assert!(words.iter().all(|words| !words.contains(['{', '}', '[', ']', '"'])), "{words:?}");
        }
    }

    #[test]
    fn plain_values_stay_what_they_are() {
        assert_eq!(told("task.copying.n_exemplars", &json!(8)), "N = 8");
        assert_eq!(told("train.optimizer.sgd.learning_rate", &json!(0.1)), "learning rate = 0.1");
        assert_eq!(told("model.tied_layers", &json!(true)), "tied layers: yes");
        assert_eq!(told("model.readout", &json!("mlp")), "readout: mlp");
        assert_eq!(value("model.minimal.alpha", &json!(-0.5)), "−0.5");
        assert_eq!(field("task.classification.within_class_noise"), "within-class noise");
        assert_eq!(field("train.freeze_until.blocks.0"), "step until which blocks.0 is frozen");
        let long = format!("[{}]", vec!["\"abcdef\""; 40].join(","));
        assert!(told("probes.ablations", &json!(long)).chars().count() < 120);
    }
}
