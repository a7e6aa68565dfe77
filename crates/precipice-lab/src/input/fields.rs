//! TOML to plain data by the names of fields, with errors in the fields' words.
//!
//! A table is only ever read from a table: serde alone would take a list for one, by position.

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use toml::{Table, Value};

use crate::error::excerpt;

/// Why a value is not what its field takes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// From the outside in; places in lists are `[i]`.
    pub path: Vec<String>,
    pub fault: Fault,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A table has a field that is not known.
    UnknownField { name: String, known: &'static [&'static str] },
    /// A choice that is not known.
    UnknownChoice { name: String, choices: &'static [&'static str] },
    /// A choice that has no fields was given some.
    ChoiceHasNoFields,
    /// No choice, or several.
    NotOneChoice { found: String, choices: &'static [&'static str] },
    /// A field without a default is absent.
    Missing { name: String },
    /// A value of another kind.
    Kind { found: String, expected: String },
    /// Whatever a type says of itself.
    Other(String),
}

/// Reads a table.
pub(crate) fn read<T: DeserializeOwned>(table: Table) -> Result<T, FieldError> {
    T::deserialize(Node(Value::Table(table)))
}

/// A value on its way to its field.
struct Node(Value);

const WHOLE: &str = "a whole number";
const COUNT: &str = "a whole number, 0 or more";

impl Node {
    fn refuse(&self, expected: &str) -> FieldError {
        FieldError::at_this_place(Fault::Kind { found: shown(&self.0), expected: expected.to_owned() })
    }

    fn whole<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.0 {
            Value::Integer(n) => visitor.visit_i64(n),
            _ => Err(self.refuse(WHOLE)),
        }
    }

    fn count<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match &self.0 {
            Value::Integer(n) => u64::try_from(*n).map_err(|_| self.refuse(COUNT)).and_then(|n| visitor.visit_u64(n)),
            _ => Err(self.refuse(COUNT)),
        }
    }
}

/// A value as it is typed, cut where it is long.
pub(crate) fn shown(value: &Value) -> String {
    excerpt(&value.to_string())
}

macro_rules! by_kind {
    ($($method:ident, $expected:expr, { $($kind:pat => $visit:expr),+ });+ $(;)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
            match self.0 {
                $($kind => $visit(visitor),)+
                _ => Err(self.refuse($expected)),
            }
        })+
    };
}

macro_rules! numbers {
    ($how:ident: $($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
            self.$how(visitor)
        })+
    };
}

impl<'de> Deserializer<'de> for Node {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Integer(n) => visitor.visit_i64(n),
            Value::Float(x) => visitor.visit_f64(x),
            Value::Boolean(is) => visitor.visit_bool(is),
            Value::Array(list) => visitor.visit_seq(List { rest: list.into_iter(), place: 0 }),
            Value::Table(table) => visitor.visit_map(Entries::of(table)),
            Value::Datetime(_) => Err(self.refuse("a number, a text, a list or a table")),
        }
    }

    numbers! { whole: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }
    numbers! { count: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    by_kind! {
        deserialize_bool, "true or false", { Value::Boolean(is) => |v: V| v.visit_bool(is) };
        deserialize_f32, "a number",
            { Value::Float(x) => |v: V| v.visit_f64(x), Value::Integer(n) => |v: V| v.visit_f64(n as f64) };
        deserialize_f64, "a number",
            { Value::Float(x) => |v: V| v.visit_f64(x), Value::Integer(n) => |v: V| v.visit_f64(n as f64) };
        deserialize_char, "a text, in quotes", { Value::String(text) => |v: V| v.visit_string(text) };
        deserialize_str, "a text, in quotes", { Value::String(text) => |v: V| v.visit_string(text) };
        deserialize_string, "a text, in quotes", { Value::String(text) => |v: V| v.visit_string(text) };
        deserialize_seq, "a list, [ ... ]",
            { Value::Array(list) => |v: V| v.visit_seq(List { rest: list.into_iter(), place: 0 }) };
        deserialize_map, "a table, { key = value, ... }",
            { Value::Table(table) => |v: V| v.visit_map(Entries::of(table)) };
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, FieldError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.deserialize_seq(visitor)
    }

    /// A choice: its name, or a table of one entry, the choice and its fields.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        choices: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let fault = |fault| Err(FieldError::at_this_place(fault));
        let unknown = |name: &String| !choices.contains(&name.as_str());
        match self.0 {
            Value::String(name) if unknown(&name) => fault(Fault::UnknownChoice { name, choices }),
            Value::String(name) => visitor.visit_enum(Choice { name, content: None }),
            Value::Table(table) => match table.keys().find(|name| unknown(name)) {
                Some(name) => fault(Fault::UnknownChoice { name: name.clone(), choices }),
                None if table.len() == 1 => {
                    let (name, content) = table.into_iter().next().expect("one entry");
                    visitor.visit_enum(Choice { name, content: Some(content) })
                }
                None => fault(Fault::NotOneChoice { found: shown(&Value::Table(table)), choices }),
            },
            other => fault(Fault::NotOneChoice { found: shown(&other), choices }),
        }
    }

    serde::forward_to_deserialize_any! { bytes byte_buf unit unit_struct identifier ignored_any }
}

/// The entries of a table.
struct Entries {
    rest: toml::map::IntoIter<String, Value>,
    next: Option<(String, Value)>,
}

impl Entries {
    fn of(table: Table) -> Self {
        Self { rest: table.into_iter(), next: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FieldError> {
        self.next = self.rest.next();
        let Some((name, _)) = &self.next else { return Ok(None) };
        let name: de::value::StringDeserializer<FieldError> = name.clone().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, FieldError> {
        let (name, value) = self.next.take().expect("a key comes first");
        seed.deserialize(Node(value)).map_err(|e| e.inside(name))
    }
}

/// The entries of a list.
struct List {
    rest: std::vec::IntoIter<Value>,
    place: usize,
}

impl<'de> de::SeqAccess<'de> for List {
    type Error = FieldError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, FieldError> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        self.place += 1;
        seed.deserialize(Node(value)).map(Some).map_err(|e| e.inside(format!("[{}]", self.place - 1)))
    }
}

/// A choice with or without fields.
struct Choice {
    name: String,
    content: Option<Value>,
}

impl<'de> de::EnumAccess<'de> for Choice {
    type Error = FieldError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), FieldError> {
        let name: de::value::StringDeserializer<FieldError> = self.name.clone().into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl Choice {
    fn node(self) -> Result<(String, Node), FieldError> {
        let fault = || Fault::Kind {
            found: format!("{:?}", self.name),
            expected: format!("the choice with its fields, {{ {} = {{ ... }} }}", self.name),
        };
        let content = self.content.ok_or_else(|| FieldError::at_this_place(fault()))?;
        Ok((self.name, Node(content)))
    }
}

impl<'de> de::VariantAccess<'de> for Choice {
    type Error = FieldError;

    fn unit_variant(self) -> Result<(), FieldError> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(FieldError::at_this_place(Fault::ChoiceHasNoFields).inside(self.name)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, FieldError> {
        let (name, node) = self.node()?;
        seed.deserialize(node).map_err(|e| e.inside(name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, FieldError> {
        let (name, node) = self.node()?;
        node.deserialize_seq(visitor).map_err(|e| e.inside(name))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, FieldError> {
        let (name, node) = self.node()?;
        node.deserialize_map(visitor).map_err(|e| e.inside(name))
    }
}

impl FieldError {
    fn at_this_place(fault: Fault) -> Self {
        Self { path: Vec::new(), fault }
    }

    fn inside(mut self, name: String) -> Self {
        self.path.insert(0, name);
        self
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", dotted(&self.path), self.fault)
    }
}

impl std::error::Error for FieldError {}

impl de::Error for FieldError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::at_this_place(Fault::Other(excerpt(&message.to_string())))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::at_this_place(Fault::Missing { name: name.to_owned() })
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::at_this_place(Fault::UnknownField { name: name.to_owned(), known })
    }

    fn unknown_variant(name: &str, choices: &'static [&'static str]) -> Self {
        Self::at_this_place(Fault::UnknownChoice { name: name.to_owned(), choices })
    }
}

/// A path as in `-s`; parts that are no bare keys are quoted.
pub(crate) fn dotted(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        let is_bare = !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let is_place = part.starts_with('[');
        text += if text.is_empty() || is_place { "" } else { "." };
        text += &if is_bare || is_place { part.clone() } else { format!("{part:?}") };
    }
    excerpt(&text)
}

/// Every field that a table can have, at any depth; found by asking each table for a field that none has.
pub(crate) fn known_paths<T: DeserializeOwned>() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    explore::<T>(&[], &mut found);
    found
}

/// Deeper than any spec.
const DEPTH_MAX: usize = 8;

/// Whether a path can be one of a field; what stands below it is found too.
fn explore<T: DeserializeOwned>(prefix: &[String], found: &mut Vec<Vec<String>>) -> bool {
    let mut value = Value::Table(Table::from_iter([(String::new(), Value::Integer(0))]));
    for name in prefix.iter().rev() {
        value = Value::Table(Table::from_iter([(name.clone(), value)]));
    }
    let (Value::Table(table), true) = (value, prefix.len() < DEPTH_MAX) else { return true };
    let names = match read::<T>(table) {
        Err(FieldError { path, fault: Fault::UnknownField { name, known } }) if path == prefix && name.is_empty() => {
            known
        }
        Err(FieldError { path, fault: Fault::UnknownChoice { name, choices } })
            if path == prefix && name.is_empty() =>
        {
            choices
        }
        Err(FieldError { fault: Fault::ChoiceHasNoFields, .. }) => return false,
        _ => &[],
    };
    for name in names {
        let path = [prefix, &[(*name).to_owned()]].concat();
        let at = found.len();
        if explore::<T>(&path, found) {
            found.insert(at, path);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use precipice::spec::RunSpec;

    use super::*;

    fn fault(text: &str) -> (String, Fault) {
        let error = read::<RunSpec>(text.parse().unwrap()).unwrap_err();
        (dotted(&error.path), error.fault)
    }

    #[test]
    fn what_is_read_is_what_serde_reads() {
        for (name, text) in crate::input::built_in::BUILT_INS {
            let spec: RunSpec = toml::from_str(text).unwrap();
            assert_eq!(read::<RunSpec>(text.parse().unwrap()).unwrap(), spec, "{name}");
        }
        let facts = RunSpec { name: "own".to_owned(), ..RunSpec::default() }.facts();
        let text = toml::to_string(&facts).unwrap();
        assert_eq!(read::<precipice::task::Facts>(text.parse().unwrap()).unwrap(), facts);
    }

    #[test]
    fn tables_are_not_read_by_position() {
        let places = [
            ("model = []", "model"),
            ("train = [5, 9]", "train"),
            ("seeds = [1, 2, 3, 4]", "seeds"),
            ("task = { copying = [8, 32, 64] }", "task.copying"),
            ("model = { minimal = [1.0, 2.0, 0.0, true] }", "model.minimal"),
            ("model = { clamps = [[0, 0, \"match\"]] }", "model.clamps[0]"),
            ("train = { optimizer = { sgd = [0.1] } }", "train.optimizer.sgd"),
        ];
        for (text, place) in places {
            let (path, fault) = fault(text);
            assert_eq!(path, place);
            assert!(matches!(&fault, Fault::Kind { expected, .. } if expected.starts_with("a table")), "{fault:?}");
        }
    }

    #[test]
    fn known_paths_are_those_of_every_choice_and_option() {
        let known: Vec<String> = known_paths::<RunSpec>().iter().map(|path| dotted(path)).collect();
        for path in [
            "name",
            "task.copying.items.file",
            "task.regression.n_tasks",
            "model.minimal.beta_2",
            "model.embedding.d_embed",
            "model.construction.kernel-smoother.sharpness",
            "train.optimizer.adam.learning_rate",
            "train.schedule.warmup_steps",
            "seeds.data",
            "train.freeze_until",
        ] {
            assert!(known.contains(&path.to_owned()), "{path}: {known:?}");
        }
        assert!(!known.contains(&"model.readout.linear".to_owned()), "a choice without fields is no field");
    }
}
