//! Settings on a command line.

use crate::{KIND, Setting, Settings, Type, value::shown};
use clap::{
    Arg, ArgMatches, Command,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use serde_json::{Map, Value};

/// What a command line, variables and a file set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// The JSON of the type, with what was given alone.
    pub values: Value,
    /// What was given and has no effect, since it is for a kind that was not chosen; in words.
    pub unused: Vec<String>,
}

impl Settings {
    /// Adds a flag for each setting.
    #[must_use]
    pub fn augment(&self, command: Command) -> Command {
        self.iter().fold(command, |command, setting| command.arg(setting.arg()))
    }

    /// What was given of the flags that [`Self::augment`] added. `base` is the JSON that it is to be merged with.
    #[must_use]
    pub fn given(&self, matches: &ArgMatches, base: &Value) -> Given {
        let given: Vec<(&Setting, Value)> =
            self.iter().filter_map(|setting| Some((setting, setting.given(matches)?))).collect();
        let kind_of = |group: &str| {
            let named = given.iter().find(|(setting, _)| {
                setting.places.iter().any(|place| place.group.as_deref() == Some(group) && place.field == KIND)
            });
            named.map_or_else(|| base[group][KIND].clone(), |(_, kind)| kind.clone())
        };
        let mut values = Map::new();
        let mut unused = Vec::new();
        for (setting, value) in &given {
            let chosen = setting.places.iter().find(|place| match (&place.group, &place.of) {
                (Some(group), Some(of)) => kind_of(group) == **of,
                _ => true,
            });
            let Some(place) = chosen else {
                let kinds: Vec<&str> = setting.places.iter().filter_map(|place| place.of.as_deref()).collect();
                let group = setting.places.first().and_then(|place| place.group.as_deref()).unwrap_or_default();
                let chosen = shown(&kind_of(group));
                unused.push(format!("--{} is for {}, and the {group} is {chosen}", setting.flag, kinds.join(" and ")));
                continue;
            };
            let target = match &place.group {
                None => &mut values,
                Some(group) => {
                    let kind = place.of.clone().map(|kind| (KIND.to_owned(), Value::from(kind)));
                    let fresh = || Value::Object(kind.into_iter().collect());
                    match values.entry(group.clone()).or_insert_with(fresh) {
                        Value::Object(group) => group,
                        // It was made above.
                        _ => continue,
                    }
                }
            };
            target.insert(place.field.clone(), value.clone());
        }
        Given { values: Value::Object(values), unused }
    }
}

impl Setting {
    /// What clap calls it, and what its variable is made of.
    #[must_use]
    pub fn id(&self) -> String {
        self.flag.replace('-', "_")
    }

    fn given(&self, matches: &ArgMatches) -> Option<Value> {
        let id = self.id();
        match &self.value {
            Type::List(_) => {
                let values: Vec<Value> = matches.get_many::<Value>(&id)?.cloned().collect();
                Some(Value::Array(values))
            }
            Type::Bool => matches.get_one::<bool>(&id).map(|yes| Value::Bool(*yes)),
            _ => {
                let open = |value: &&Value| self.open.as_deref().is_some_and(|open| **value == open);
                matches.get_one::<Value>(&id).filter(|value| !open(value)).cloned()
            }
        }
    }

    fn arg(&self) -> Arg {
        let mut arg = Arg::new(self.id()).long(self.flag.clone()).help(self.help());
        if let Some(heading) = self.heading.clone() {
            arg = arg.help_heading(heading);
        }
        if let Some(alias) = self.alias.clone() {
            arg = arg.visible_alias(alias);
        }
        let name = self.value_name.clone().unwrap_or_else(|| self.usual_value_name().to_owned());
        match &self.value {
            Type::Bool => arg
                .value_name("BOOL")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .hide_possible_values(true)
                .value_parser(clap::builder::BoolishValueParser::new()),
            Type::Choice(names) => {
                let open = self.open.iter().map(|open| (open, "left open"));
                let names = names.iter().map(|(name, words)| (name, words.as_str())).chain(open);
                let possible = names
                    .map(|(name, words)| PossibleValue::new(name.clone()).help(words.trim_end_matches('.').to_owned()));
                arg.value_name(name).value_parser(PossibleValuesParser::new(possible).map(Value::from))
            }
            Type::List(each) => {
                let each = (**each).clone();
                arg.value_name(name).value_delimiter(',').value_parser(move |text: &str| each.parse(text.trim()))
            }
            other => {
                let other = other.clone();
                let arg = arg.value_name(name).allow_negative_numbers(true);
                arg.value_parser(move |text: &str| other.parse(text))
            }
        }
    }

    fn usual_value_name(&self) -> &'static str {
        match &self.value {
            Type::Bool => "BOOL",
            Type::U32 | Type::U64 => "N",
            Type::Float => "F",
            Type::Text | Type::Choice(_) => "NAME",
            Type::List(_) => "N,N",
        }
    }

    /// Its words, range and default.
    fn help(&self) -> String {
        let kinds: Vec<String> = self.places.iter().filter_map(|place| place.of.as_ref()).cloned().collect();
        let words =
            if kinds.is_empty() { self.words.clone() } else { format!("{}: {}", kinds.join(", "), small(&self.words)) };
        let range = if self.bounds.is_open() { String::new() } else { format!(" ({})", self.bounds) };
        let default = self.default().map_or_else(String::new, |default| format!(" [default: {default}]"));
        words + &range + &default
    }

    /// What happens without it, in words; `None` if nothing does.
    #[must_use]
    pub fn default(&self) -> Option<String> {
        if let Some(words) = &self.default_words {
            return Some(words.clone());
        }
        if self.value == Type::Bool && self.defaults.iter().all(|default| *default == Value::Bool(false)) {
            return None;
        }
        let told: Vec<(&Value, Option<&String>)> =
            self.defaults.iter().zip(&self.places).map(|(default, place)| (default, place.of.as_ref())).collect();
        let (first, _) = told.first()?;
        if told.iter().all(|(default, _)| default == first) {
            return (!first.is_null()).then(|| shown(first));
        }
        let each = told.iter().map(|(default, of)| format!("{} for {}", shown(default), of.map_or("", |of| of)));
        Some(each.collect::<Vec<_>>().join(", "))
    }
}

fn small(words: &str) -> String {
    // A name in capitals stays one.
    if words.chars().nth(1).is_none_or(char::is_uppercase) {
        return words.to_owned();
    }
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// `base` with what `given` sets. A group of another kind than that of `base` begins with nothing.
#[must_use]
pub fn merge(base: Value, given: Value) -> Value {
    match (base, given) {
        (Value::Object(mut base), Value::Object(given)) => {
            let other = given.get(KIND).is_some_and(|kind| base.get(KIND) != Some(kind));
            if other {
                return Value::Object(given);
            }
            for (name, value) in given {
                let merged = match base.remove(&name) {
                    Some(known) => merge(known, value),
                    None => value,
                };
                base.insert(name, merged);
            }
            Value::Object(base)
        }
        (_, given) => given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Dinner {
        /// Guests at the table.
        guests: u32,
        /// What is eaten.
        dish: Dish,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    enum Dish {
        /// From a pot
        Soup(Soup),
        /// From a pan
        Rice(Rice),
    }

    impl Default for Dish {
        fn default() -> Self {
            Self::Soup(Soup::default())
        }
    }

    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Soup {
        /// Whether it is cold.
        cold: bool,
        /// Grams of salt.
        #[schemars(extend("flag" = "salt"))]
        salt: f64,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Rice {
        /// Minutes on the stove.
        #[schemars(range(min = 5, max = 60))]
        minutes: u32,
        /// Grams of salt.
        #[schemars(extend("flag" = "salt"))]
        salt: f64,
    }

    impl Default for Rice {
        fn default() -> Self {
            Self { minutes: 15, salt: 2.0 }
        }
    }

    fn given(line: &str) -> Given {
        let settings = Settings::of::<Dinner>();
        let command = settings.augment(Command::new("dinner"));
        let matches = command.try_get_matches_from(line.split(' ')).unwrap();
        settings.given(&matches, &serde_json::to_value(Dinner::default()).unwrap())
    }

    #[test]
    fn flags_of_the_kind_that_is_chosen_count() {
        let Given { values, unused } = given("dinner --guests 3 --dish rice --rice-minutes 20 --soup-cold --salt 1");
        assert_eq!(values, json!({"guests": 3, "dish": {"kind": "rice", "minutes": 20, "salt": 1.0}}));
        assert_eq!(unused, ["--soup-cold is for soup, and the dish is rice"]);
        let Given { values, unused } = given("dinner --soup-cold --salt 1");
        assert_eq!(values, json!({"dish": {"kind": "soup", "cold": true, "salt": 1.0}}));
        assert!(unused.is_empty());
    }

    #[test]
    fn another_kind_begins_with_its_own_defaults() {
        let base = json!({"guests": 1, "dish": {"kind": "soup", "cold": true, "salt": 0.0}});
        let merged = merge(base.clone(), json!({"dish": {"kind": "soup", "salt": 3.0}}));
        assert_eq!(merged, json!({"guests": 1, "dish": {"kind": "soup", "cold": true, "salt": 3.0}}));
        let merged: Dinner = serde_json::from_value(merge(base, json!({"dish": {"kind": "rice"}}))).unwrap();
        assert!(matches!(merged.dish, Dish::Rice(Rice { minutes: 15, .. })) && merged.guests == 1);
    }

    #[test]
    fn the_help_tells_kind_range_and_default() {
        let settings = Settings::of::<Dinner>();
        let help = |flag: &str| settings.iter().find(|setting| setting.flag == flag).unwrap().help();
        assert_eq!(help("rice-minutes"), "rice: minutes on the stove (at least 5 and at most 60) [default: 15]");
        assert_eq!(help("salt"), "soup, rice: grams of salt [default: 0 for soup, 2 for rice]");
        assert_eq!(help("dish"), "What is eaten [default: soup]");
        assert_eq!(help("soup-cold"), "soup: whether it is cold");
    }

    #[test]
    fn differences_within_a_kind_and_of_the_kind() {
        let settings = Settings::of::<Dinner>();
        let text = |now: Value| {
            let before = serde_json::to_value(Dinner::default()).unwrap();
            let differences = settings.differences(&before, &merge(before.clone(), now));
            differences.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            text(json!({"guests": 2, "dish": {"kind": "soup", "cold": true}})),
            ["guests: 0 -> 2", "soup-cold: false -> true"]
        );
        assert_eq!(text(json!({"dish": {"kind": "rice", "minutes": 5}})), ["dish: soup -> rice"]);
    }
}
