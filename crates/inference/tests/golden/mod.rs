//! The pictures of `tests/golden/pictures.json`, made by the script beside it.

use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    pictures: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    whole_from: usize,
    file: String,
}

/// A picture's file.
pub struct Whole {
    /// Of what kind it is.
    pub name: String,
    /// How many bytes of it Pillow needs.
    #[allow(dead_code, reason = "of no use to some tests")]
    pub needed: usize,
    /// All of it.
    pub file: Vec<u8>,
}

pub fn pictures() -> Vec<Whole> {
    let golden: Golden = serde_json::from_str(include_str!("../../../../tests/golden/pictures.json")).unwrap();
    let bytes = |hex: &str| {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
    };
    let whole = |row: Row| Whole { needed: row.whole_from, file: bytes(&row.file), name: row.name };
    golden.pictures.into_iter().map(whole).collect()
}
