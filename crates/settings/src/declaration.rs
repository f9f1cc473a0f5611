//! From a JSON schema to a list of settings.

use crate::{
    KIND,
    value::{Bounds, Type},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// Where a setting is in the JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The group that it is in, if any.
    pub group: Option<String>,
    /// The kind of that group that has it, if the group has kinds.
    pub of: Option<String>,
    /// The name of the field in the struct that declares it.
    pub field: String,
}

/// Something that a person can set, as it is declared.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its flag, without dashes; also its key in a file, and its name in errors.
    pub flag: String,
    /// What it does, without a full stop.
    pub words: String,
    /// What it can be.
    pub value: Type,
    /// Its range.
    pub bounds: Bounds,
    /// Whether it may have no value.
    pub optional: bool,
    /// Where it is: in several places, where kinds share its flag.
    pub places: Vec<Place>,
    /// Its default in each place; `Null`: none.
    pub defaults: Vec<Value>,
    /// What the help calls a value.
    pub value_name: Option<String>,
    /// Another name of the flag.
    pub alias: Option<String>,
    /// A further value, which leaves the setting open.
    pub open: Option<String>,
    /// What happens without it, in words.
    pub default_words: Option<String>,
    /// The group's name, for the help.
    pub heading: Option<String>,
}

/// All settings of a type, in the order of its fields.
#[derive(Debug, Clone)]
pub struct Settings {
    list: Vec<Setting>,
}

impl Settings {
    /// The settings that `T` declares.
    ///
    /// # Panics
    /// If a declaration cannot be a flag, says what means nothing, or is one of two that do not agree. No input decides that.
    #[must_use]
    pub fn of<T: JsonSchema>() -> Self {
        let generator = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = generator.into_generator().into_root_schema_for::<T>().to_value();
        let mut reader = Reader { list: Vec::new() };
        for (name, field) in properties(&schema) {
            reader.field(name, field);
        }
        Self { list: reader.list }
    }

    /// The same with the defaults of a type that serde cannot make without all of its fields. `values` is its default, as
    /// JSON.
    #[must_use]
    pub fn with_defaults(mut self, values: &Value) -> Self {
        for setting in &mut self.list {
            for (place, default) in setting.places.iter().zip(&mut setting.defaults) {
                if let Some(value) = place.value(values) {
                    default.clone_from(value);
                }
            }
        }
        self
    }

    /// `values` with their whole numbers as numbers. A message has those that a 64-bit float does not hold as strings.
    #[must_use]
    pub fn with_numbers(&self, mut values: Value) -> Value {
        for setting in self.list.iter().filter(|setting| matches!(setting.value, Type::U32 | Type::U64)) {
            for place in &setting.places {
                let number =
                    place.value(&values).and_then(Value::as_str).and_then(|text| setting.value.parse(text).ok());
                let group = match &place.group {
                    Some(group) => values.get_mut(group),
                    None => Some(&mut values),
                };
                if let (Some(number), Some(Value::Object(group))) = (number, group) {
                    group.insert(place.field.clone(), number);
                }
            }
        }
        values
    }

    /// The settings in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.list.iter()
    }
}

/// Collects settings.
struct Reader {
    list: Vec<Setting>,
}

impl Reader {
    /// A field of the outermost struct.
    fn field(&mut self, name: &str, schema: &Value) {
        if let Some(kinds) = kinds(schema) {
            let names = kinds.iter().map(|(kind, schema)| (kind.clone(), words_of(schema))).collect();
            let place = Place { group: Some(name.to_owned()), of: None, field: KIND.to_owned() };
            let default = schema["default"][KIND].clone();
            let heading = Some(title(name));
            self.add(Setting {
                value: Type::Choice(names),
                heading: heading.clone(),
                ..setting(place, name.replace('_', "-"), schema, default)
            });
            for (kind, schema) in kinds {
                for (field, schema) in properties(schema).filter(|(field, _)| *field != KIND) {
                    let place = Place { group: Some(name.to_owned()), of: Some(kind.clone()), field: field.to_owned() };
                    self.nested(place, &kind, schema, heading.clone());
                }
            }
        } else if schema["properties"].is_object() {
            for (field, schema) in properties(schema) {
                let place = Place { group: Some(name.to_owned()), of: None, field: field.to_owned() };
                self.nested(place, name, schema, Some(title(name)));
            }
        } else {
            let place = Place { group: None, of: None, field: name.to_owned() };
            self.add(setting(place, name.replace('_', "-"), schema, schema["default"].clone()));
        }
    }

    /// A field of a group, or of one kind of it.
    fn nested(&mut self, place: Place, prefix: &str, schema: &Value, heading: Option<String>) {
        let flag = format!("{prefix}-{}", place.field).replace('_', "-");
        self.add(Setting { heading, ..setting(place, flag, schema, schema["default"].clone()) });
    }

    fn add(&mut self, setting: Setting) {
        let Some(known) = self.list.iter_mut().find(|known| known.flag == setting.flag) else {
            self.list.push(setting);
            return;
        };
        let (first, second) = (&known.places[0], &setting.places[0]);
        let kinds = first.group == second.group && first.of.is_some() && second.of.is_some() && first.of != second.of;
        assert!(kinds, "--{} is declared twice: by {first:?} and by {second:?}", setting.flag);
        let alike = known.value == setting.value
            && known.bounds == setting.bounds
            && (&known.words, &known.value_name, &known.default_words)
                == (&setting.words, &setting.value_name, &setting.default_words);
        assert!(alike, "--{} is declared as different things: by {first:?} and by {second:?}", setting.flag);
        known.places.extend(setting.places);
        known.defaults.extend(setting.defaults);
    }
}

/// What a setting's schema may say: what serde and schemars make of a field, and our own.
const KEYS: [&str; 19] = [
    "type",
    "format",
    "description",
    "default",
    "enum",
    "oneOf",
    "const",
    "items",
    "title",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "flag",
    "alias",
    "value",
    "open",
    "default_words",
    "$schema",
];

/// What `schema` says of a setting.
fn setting(place: Place, flag: String, schema: &Value, default: Value) -> Setting {
    let own = |key: &str| schema[key].as_str().map(str::to_owned);
    let unknown: Vec<&String> =
        schema.as_object().into_iter().flat_map(Map::keys).filter(|key| !KEYS.contains(&key.as_str())).collect();
    assert!(unknown.is_empty(), "the setting {} declares {unknown:?}, which means nothing", place.field);
    let value = Type::of(schema).unwrap_or_else(|| panic!("no flag can hold the setting {}: {schema}", place.field));
    Setting {
        flag: own("flag").unwrap_or(flag),
        words: words_of(schema),
        bounds: Bounds::of(schema, &value),
        optional: schema["type"].as_array().is_some_and(|kinds| kinds.contains(&Value::from("null"))),
        value,
        places: vec![place],
        defaults: vec![default],
        alias: own("alias"),
        value_name: own("value"),
        open: own("open"),
        default_words: own("default_words"),
        heading: None,
    }
}

/// The doc comment, as one line without a full stop.
fn words_of(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_suffix('.').unwrap_or(&line).to_owned()
}

fn title(name: &str) -> String {
    let name = name.replace('_', " ");
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema["properties"].as_object().into_iter().flat_map(Map::iter).map(|(name, schema)| (name.as_str(), schema))
}

/// The kinds of a group, by name.
fn kinds(schema: &Value) -> Option<Vec<(String, &Value)>> {
    let kinds = schema["oneOf"].as_array()?;
    kinds.iter().map(|kind| Some((kind["properties"][KIND]["const"].as_str()?.to_owned(), kind))).collect()
}
