//! `t50<3000`: what a run must be like to be meant.

use std::cmp::Ordering;

use super::entry::RunEntry;
use super::field::{Field, Known};
use crate::error::{InventoryProblem, LabError, excerpt};

/// A comparison of a field with a value. Nothing is true of a field that a run does not have.
///
/// ```
/// use precipice_lab::inventory::Condition;
/// assert!(Condition::parse("t50<3000").is_ok());
/// assert!(Condition::parse("train.optimizer.sgd.learning_rate >= .1").is_ok());
/// let unknown = Condition::parse("t5<3000").unwrap_err().to_string();
/// assert!(unknown.contains("did you mean t50?"), "{unknown}");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub(super) field: Field,
    operator: Operator,
    text: String,
    number: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Below,
    AtMost,
    Above,
    AtLeast,
    Contains,
}

/// The longer ones first.
const OPERATORS: [(&str, Operator); 8] = [
    ("!=", Operator::IsNot),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("==", Operator::Is),
    ("=", Operator::Is),
    ("<", Operator::Below),
    (">", Operator::Above),
    ("~", Operator::Contains),
];

impl Condition {
    /// FIELD, one of = != < <= > >= ~ (contains), and a value; sizes may have a unit (`size>10MB`), and so may times
    /// (`age<2h`).
    ///
    /// # Errors
    /// If the field is not known, naming the nearest, or the value is none for it.
    pub fn parse(text: &str) -> Result<Self, LabError> {
        let problem = LabError::Inventory;
        let no_condition = || problem(InventoryProblem::NotACondition { text: excerpt(text) });
        let at = text.find(['=', '!', '<', '>', '~']).ok_or_else(no_condition)?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let found =
            OPERATORS.into_iter().find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?.trim())));
        let (operator, value) = found.filter(|_| !name.is_empty()).ok_or_else(no_condition)?;
        let field = Field::parse(name)?;
        let number = number(&field, value);
        if field.is_number() && number.is_none() && operator != Operator::Contains {
            let (field, found) = (name.to_owned(), excerpt(value));
            return Err(problem(InventoryProblem::NotANumber { field, found }));
        }
        Ok(Self { field, operator, text: value.to_owned(), number })
    }

    /// Whether it is true of a run.
    pub(super) fn holds(&self, run: &RunEntry) -> bool {
        let order = match self.field.of(run) {
            Known::Nothing => return false,
            found if self.operator == Operator::Contains => return shown(&found).contains(&self.text),
            Known::Number(found) => match self.number {
                Some(number) => found.partial_cmp(&number),
                // A number is no word, whichever is the greater.
                None => return self.operator == Operator::IsNot,
            },
            // Nobody types all digits.
            Known::Text(found) if self.field.is_digest() && self.text.len() >= 4 && found.starts_with(&self.text) => {
                Some(Ordering::Equal)
            }
            Known::Text(found) => Some(found.as_str().cmp(&self.text)),
        };
        match self.operator {
            Operator::Is => order == Some(Ordering::Equal),
            Operator::IsNot => order.is_some_and(Ordering::is_ne),
            Operator::Below => order.is_some_and(Ordering::is_lt),
            Operator::AtMost => order.is_some_and(Ordering::is_le),
            Operator::Above => order.is_some_and(Ordering::is_gt),
            Operator::AtLeast => order.is_some_and(Ordering::is_ge),
            Operator::Contains => false,
        }
    }
}

fn shown(value: &Known) -> String {
    match value {
        Known::Nothing => String::new(),
        Known::Number(number) => number.to_string(),
        Known::Text(text) => text.clone(),
    }
}

/// Decimal units of sizes.
const UNITS: [(&str, f64); 4] = [("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)];

fn number(field: &Field, text: &str) -> Option<f64> {
    let plain = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let with_unit = || match field {
        Field::Column("size") => UNITS.iter().find_map(|(unit, bytes)| Some(plain(text.strip_suffix(unit)?)? * bytes)),
        Field::Column("age" | "seconds") => humantime::parse_duration(text).ok().map(|time| time.as_secs_f64()),
        _ => None,
    };
    plain(text).or_else(with_unit)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::SystemTime;

    use serde_json::json;

    use super::super::walk::Found;
    use super::*;

    fn entry() -> RunEntry {
        let nowhere = Found { root: PathBuf::from("/nowhere/a-run"), sweep: None, problem: None };
        let mut run = RunEntry::read(&nowhere, &[], SystemTime::now());
        (run.t50, run.size, run.age) = (Some(812.5), 12_000_000, Some(7200.0));
        run.hash = Some("012353c1f0".to_owned());
        run.final_row.insert("accuracy".to_owned(), json!(0.998));
        run.spec.insert("train.steps".to_owned(), json!(1600));
        run.spec.insert("model.readout".to_owned(), json!("linear"));
        run
    }

    #[test]
    fn comparisons_are_what_they_say() {
        let run = entry();
        for (text, holds) in [
            ("t50<3000", true),
            ("t50 < 812.5", false),
            ("t50<=812.5", true),
            ("t50!=812.5", false),
            ("t50>=1e3", false),
            ("t50=812.5", true),
            ("t50==812.5", true),
            ("t50~12", true),
            ("size>10MB", true),
            ("size<0.01GB", false),
            ("age<1day", true),
            ("age<1h", false),
            ("outcome=damaged", true),
            ("outcome!=damaged", false),
            ("path~a-run", true),
            ("hash=012353c1", true),
            ("hash!=012353c1", false),
            ("hash=012", false),
            ("final.accuracy>.99", true),
            ("train.steps=1600", true),
            ("train.steps=many", false),
            ("model.readout=linear", true),
            // Nothing is true of what is not there.
            ("onset_step<3000", false),
            ("onset_step!=3000", false),
            ("name=a", false),
            ("name!=a", false),
        ] {
            assert_eq!(Condition::parse(text).unwrap().holds(&run), holds, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_told() {
        for (text, reason) in [
            ("t50", "expected FIELD"),
            ("<3", "expected FIELD"),
            ("t50!3", "expected FIELD"),
            ("outcom=none", "did you mean outcome?"),
            ("train.step=3", "did you mean train.steps?"),
            ("t50<many", "expected a number"),
            ("size<10MiB", "expected a number"),
            ("zzz=1", "path, name, hash"),
        ] {
            let told = Condition::parse(text).unwrap_err().to_string();
            assert!(told.contains(reason), "{text}: {told}");
        }
        assert!(Condition::parse("train.freeze_until.readout>3").is_ok(), "a table of any names");
    }
}
