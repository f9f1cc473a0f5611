//! That nobody is left behind: what a client or a worker of an earlier version knows of the protocol still means the same.
//!
//! `protocol.lock` lists every message, field, number, type, value and call. What is in it has to stay. What is new is added to it by
//! this test, with `COXSWAIN_WRITE_PROTOCOL=1`. Whoever breaks the protocol on purpose edits the file by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use std::{collections::BTreeSet, env, fs, path::Path};

/// Of our own messages; those of Google are not ours to break.
const PACKAGE: &str = "coxswain.v1";
const WRITE: &str = "COXSWAIN_WRITE_PROTOCOL";

fn field(of: &str, message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let kind = match field.type_name() {
        "" => Type::try_from(field.r#type() as i32).unwrap().as_str_name().trim_start_matches("TYPE_").to_lowercase(),
        name => name.trim_start_matches('.').to_owned(),
    };
    let label = match field.label() {
        Label::Repeated => "repeated ",
        _ if field.proto3_optional() => "optional ",
        _ => "",
    };
    let one_of = field.oneof_index.filter(|_| !field.proto3_optional());
    let one_of = one_of.map(|index| format!(" of {}", message.oneof_decl[index as usize].name()));
    format!("{of} {} = {label}{kind} {}{}", field.number(), field.name(), one_of.unwrap_or_default())
}

fn enumeration(within: &str, of: &EnumDescriptorProto) -> Vec<String> {
    let value = |value: &prost_types::EnumValueDescriptorProto| {
        format!("enum {within}.{} {} = {}", of.name(), value.number(), value.name())
    };
    of.value.iter().map(value).collect()
}

fn message(within: &str, of: &DescriptorProto) -> Vec<String> {
    let name = format!("{within}.{}", of.name());
    let mut lines = vec![format!("message {name}")];
    lines.extend(of.field.iter().map(|each| field(&format!("field {name}"), of, each)));
    lines.extend(of.enum_type.iter().flat_map(|each| enumeration(&name, each)));
    lines.extend(of.nested_type.iter().flat_map(|each| message(&name, each)));
    lines
}

fn service(of: &ServiceDescriptorProto) -> Vec<String> {
    let stream = |streams| if streams { "stream " } else { "" };
    let call = |call: &prost_types::MethodDescriptorProto| {
        format!(
            "rpc {PACKAGE}.{}.{} ({}{}) returns ({}{})",
            of.name(),
            call.name(),
            stream(call.client_streaming()),
            call.input_type().trim_start_matches('.'),
            stream(call.server_streaming()),
            call.output_type().trim_start_matches('.')
        )
    };
    of.method.iter().map(call).collect()
}

/// A line for each thing that somebody may rely on.
fn protocol(descriptors: &[u8]) -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(descriptors).unwrap().file;
    let ours = files.iter().filter(|file| file.package() == PACKAGE);
    ours.flat_map(|file| {
        let messages = file.message_type.iter().flat_map(|each| message(PACKAGE, each));
        let enums = file.enum_type.iter().flat_map(|each| enumeration(PACKAGE, each));
        messages.chain(enums).chain(file.service.iter().flat_map(service)).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn what_others_rely_on_stays() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol.lock");
    let known: BTreeSet<String> = fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
    let found = protocol(proto::DESCRIPTORS);
    let broken: Vec<&String> = known.difference(&found).collect();
    assert!(
        broken.is_empty(),
        "the protocol is broken for those who know it: these are gone, or mean something else:\n{broken:#?}\nGive what is new \
         a number of its own. To break it on purpose, take the lines out of {}",
        path.display()
    );
    let new: Vec<&String> = found.difference(&known).collect();
    if env::var_os(WRITE).is_some() {
        let text: String = found.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        fs::write(&path, text).unwrap();
        return;
    }
    assert!(new.is_empty(), "{WRITE}=1 adds what is new to {}: {new:#?}", path.display());
}

#[test]
fn every_kind_of_break_is_seen() {
    let sound = protocol(proto::DESCRIPTORS);
    let broken = |change: fn(&mut DescriptorProto)| {
        let mut files = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let messages = files.file.iter_mut().flat_map(|file| &mut file.message_type);
        change(messages.into_iter().find(|message| message.name() == "Epoch").unwrap());
        let changed = protocol(&files.encode_to_vec());
        sound.difference(&changed).cloned().collect::<Vec<_>>()
    };
    let loss = "field coxswain.v1.Epoch 2 = double train_loss";
    assert!(sound.contains(loss) && broken(|_| {}).is_empty());
    let changes: [fn(&mut DescriptorProto); 5] = [
        |epoch| epoch.field.retain(|field| field.number() != 2),
        |epoch| epoch.field[1].number = Some(99),
        |epoch| epoch.field[1].name = Some("loss".to_owned()),
        |epoch| epoch.field[1].set_type(Type::Float),
        |epoch| epoch.field[1].set_label(Label::Repeated),
    ];
    for change in changes {
        assert_eq!(broken(change), [loss]);
    }
    assert!(broken(|epoch| epoch.name = Some("Era".to_owned())).len() > 9);
}
