//! What clap and the parsers of the libraries say of a value, in words that say what to write instead. One place for all flags.

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{
    error::Error,
    num::{IntErrorKind, ParseFloatError, ParseIntError},
};

/// `error` of `command` in plain words, if it is about a value and in those of a library.
pub fn plain(error: clap::Error, command: &Command) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let why = match error.kind() {
        ErrorKind::ValueValidation => error.source().and_then(of_a_library),
        _ => None,
    };
    let Some(why) = why else { return error };
    let (value, flag) = (text(ContextKind::InvalidValue), text(ContextKind::InvalidArg));
    // clap ends so what it says itself.
    let message = format!("invalid value '{value}' for '{flag}': {why}\n\nFor more information, try '--help'.\n");
    clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
}

/// What a value has to be, for an error of a library; `None` for words of our own.
fn of_a_library(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<ParseIntError>() {
        let words = match error.kind() {
            IntErrorKind::PosOverflow => "it is too large",
            _ => "it has to be a whole number",
        };
        return Some(words.to_owned());
    }
    if error.is::<ParseFloatError>() {
        return Some("it has to be a number, such as 0.1".to_owned());
    }
    if error.is::<humantime::DurationError>() {
        return Some(TIME.to_owned());
    }
    of_a_range(&error.to_string())
}

/// How a time is written.
const TIME: &str = "it has to be a time with its unit, such as 500ms, 10s or 2h";

/// The words for clap's `0 is not in 1..=255`.
fn of_a_range(text: &str) -> Option<String> {
    let (value, range) = text.split_once(" is not in ")?;
    // Without a greatest number of its own it has that of its type.
    let (least, most) = range.split_once("..=").or_else(|| range.split_once(".."))?;
    let is_below = value.parse::<i128>().ok()? < least.parse().ok()?;
    let is_open = is_below && most.parse::<u64>().is_ok_and(|most| most >= u64::from(u32::MAX));
    Some(if is_open {
        format!("it has to be at least {least}")
    } else {
        format!("it has to be from {least} to {most}")
    })
}

/// A time that is longer than nothing, for flags.
///
/// # Errors
/// If it is none, in words.
pub fn some_time(text: &str) -> Result<std::time::Duration, String> {
    let time = humantime::parse_duration(text).map_err(|_| TIME.to_owned())?;
    if time.is_zero() { Err("it has to be longer than 0".to_owned()) } else { Ok(time) }
}
