//! That the protocol explains itself: every message, field, choice, enum, value, service and call of our own `.proto` files has a
//! comment directly above it. A comment above several of them belongs to the first one only.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};
use std::collections::HashMap;

/// Our own files, as the build has parsed them: with their comments.
const DOCUMENTED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/documented.bin"));
/// Of our own messages.
const PACKAGE: &str = "coxswain.v1";

/// A thing that has to be documented: its name, and where the file's descriptor has it.
type Thing = (String, Vec<i32>);

/// What is at `index` of the field `number` of what is at `within`.
fn at(within: &[i32], number: i32, index: usize) -> Vec<i32> {
    [within, &[number, i32::try_from(index).unwrap()]].concat()
}

fn enumeration(scope: &str, of: &EnumDescriptorProto, path: Vec<i32>) -> Vec<Thing> {
    let name = format!("{scope}.{}", of.name());
    let values = of.value.iter().enumerate();
    let mut things: Vec<Thing> =
        values.map(|(index, value)| (format!("{name}.{}", value.name()), at(&path, 2, index))).collect();
    things.push((name, path));
    things
}

fn message(scope: &str, of: &DescriptorProto, path: Vec<i32>) -> Vec<Thing> {
    let name = format!("{scope}.{}", of.name());
    let mut things = Vec::new();
    for (index, field) in of.field.iter().enumerate() {
        things.push((format!("{name}.{}", field.name()), at(&path, 2, index)));
    }
    for (index, choice) in of.oneof_decl.iter().enumerate() {
        // That of an `optional` field is not in the file.
        let mut fields = of.field.iter().filter(|field| field.oneof_index.is_some_and(|of| of as usize == index));
        if fields.any(|field| !field.proto3_optional()) {
            things.push((format!("{name}.{}", choice.name()), at(&path, 8, index)));
        }
    }
    for (index, nested) in of.nested_type.iter().enumerate() {
        things.extend(message(&name, nested, at(&path, 3, index)));
    }
    for (index, nested) in of.enum_type.iter().enumerate() {
        things.extend(enumeration(&name, nested, at(&path, 4, index)));
    }
    things.push((name, path));
    things
}

fn service(scope: &str, of: &ServiceDescriptorProto, path: Vec<i32>) -> Vec<Thing> {
    let name = format!("{scope}.{}", of.name());
    let calls = of.method.iter().enumerate();
    let mut things: Vec<Thing> =
        calls.map(|(index, call)| (format!("{name}.{}", call.name()), at(&path, 2, index))).collect();
    things.push((name, path));
    things
}

fn things(file: &FileDescriptorProto) -> Vec<Thing> {
    let scope = file.package();
    let mut all = Vec::new();
    for (index, each) in file.message_type.iter().enumerate() {
        all.extend(message(scope, each, at(&[], 4, index)));
    }
    for (index, each) in file.enum_type.iter().enumerate() {
        all.extend(enumeration(scope, each, at(&[], 5, index)));
    }
    for (index, each) in file.service.iter().enumerate() {
        all.extend(service(scope, each, at(&[], 6, index)));
    }
    all
}

/// How many things there are, and the names of those that have no comment of their own.
fn undocumented(files: &FileDescriptorSet) -> (usize, Vec<String>) {
    let (mut count, mut bare) = (0, Vec::new());
    for file in files.file.iter().filter(|file| file.package() == PACKAGE) {
        let locations = &file.source_code_info.as_ref().unwrap().location;
        let comments: HashMap<&[i32], &str> =
            locations.iter().map(|location| (location.path.as_slice(), location.leading_comments())).collect();
        for (name, path) in things(file) {
            count += 1;
            if comments.get(path.as_slice()).is_none_or(|comment| comment.trim().is_empty()) {
                bare.push(name);
            }
        }
    }
    (count, bare)
}

fn parsed() -> FileDescriptorSet {
    FileDescriptorSet::decode(DOCUMENTED).unwrap()
}

#[test]
fn everything_has_a_comment_of_its_own() {
    let (count, bare) = undocumented(&parsed());
    assert!(count > 350, "only {count} things are looked at");
    assert!(
        bare.is_empty(),
        "these have no comment directly above them: {bare:#?}\nSay what the name does not: the unit, where it begins to count, \
         when it is absent, who sets it, what becomes of a bad value"
    );
}

#[test]
fn every_comment_that_is_missing_is_seen() {
    let mut files = parsed();
    let locations = files.file.iter_mut().filter(|file| file.package() == PACKAGE);
    for location in locations.flat_map(|file| &mut file.source_code_info.as_mut().unwrap().location) {
        location.leading_comments = None;
    }
    let (count, bare) = undocumented(&files);
    assert_eq!(count, bare.len());
    // One of each kind.
    for name in [
        "Worker",
        "Worker.rank",
        "Report.report",
        "Report.hello",
        "RunState",
        "RunState.RUN_STATE_WAITING",
        "Training",
        "Training.GetRun",
    ] {
        let name = format!("{PACKAGE}.{name}");
        assert!(bare.contains(&name), "{name} is not looked at");
    }
}
