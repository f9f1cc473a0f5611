//! Settings, each declared once.
//!
//! A setting is a field of a struct that derives serde's traits and `schemars::JsonSchema`. Its name, words, default and
//! range are those of the field. From there come its flag, variable and key in a file ([`Settings::augment`]), the check
//! of its range ([`Settings::check`]), and how two values are compared ([`Settings::differences`]). JSON and messages are
//! serde's.
//!
//! A field that is a struct is a *group*. A field that is an enum tagged by `kind` is a group of several *kinds*, such
//! as schedules. Its own flag names the kind, and each kind has settings of its own.
//!
//! What serde and `JsonSchema` do not say is said by `#[schemars(extend("flag" = "..."))]`:
//!
//! | key | meaning | without it |
//! | --- | --- | --- |
//! | `flag` | the flag's name; settings of two kinds may share it | the field's, after that of its group or kind |
//! | `alias` | another name of the flag, on the command line and in a file | there is none |
//! | `value` | what the help calls a value | by its type |
//! | `open` | a further value, which leaves the setting open | there is none |
//! | `default_words` | what happens without the setting, in words | its default |
//!
//! # Layout
//!
//! - `declaration`: from a JSON schema to a list of settings.
//! - `value`: what a setting can be, and from text to a value.
//! - `flags`: settings on a command line.
//! - `check`: ranges.
//! - `difference`: what is not the same in two values.
//!
//! # Example
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//! use settings::Settings;
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! #[serde(default)]
//! struct Walk {
//!     /// How far to go, in kilometres.
//!     #[schemars(range(min = 1, max = 40))]
//!     distance: u32,
//! }
//!
//! impl Default for Walk {
//!     fn default() -> Self {
//!         Self { distance: 5 }
//!     }
//! }
//!
//! let settings = Settings::of::<Walk>();
//! assert_eq!(settings.check(&json!({"distance": 5})), Ok(()));
//! let error = settings.check(&json!({"distance": 41})).unwrap_err();
//! assert_eq!(error.to_string(), "--distance 41 is impossible: it has to be at least 1 and at most 40");
//! ```

mod check;
mod declaration;
mod difference;
mod flags;
mod value;

pub use check::Impossible;
pub use declaration::{Place, Setting, Settings};
pub use difference::Difference;
pub use flags::{Given, merge};
pub use value::{Bounds, Type};

/// The field that tells the kind of a group.
pub const KIND: &str = "kind";
