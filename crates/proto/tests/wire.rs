//! Compares the descriptor set of this crate with `wire.json`, the facts that existing clients were built against.
//! Both sides become a flat list of facts (`messages/Event/fields/id/number = 1`), so whatever one side says and the
//! other does not is reported by name; order, comments and file options are no facts. Start with
//! `every_wire_fact_holds`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
};
use serde_json::{Value, json};

const PACKAGE: &str = "orchestrator";

/// Parts of `wire.json` that are no facts about the wire: prose, and options of other languages' generators.
const NO_FACTS: [&str; 3] = ["about", "oddities", "options"];

/// The value of each fact by its path.
type Facts = BTreeMap<String, String>;

type Fallible<T> = Result<T, Box<dyn Error>>;

#[test]
fn every_wire_fact_holds() -> Fallible<()> {
    let want = facts(&serde_json::from_str(include_str!("wire.json"))?);
    let got = facts(&description(&descriptor_set()?));
    let differences = differences(&want, &got);
    assert!(
        differences.is_empty(),
        "the descriptor set is not the wire contract:\n{}",
        differences.join("\n")
    );
    Ok(())
}

#[test]
fn each_kind_of_difference_is_named() {
    let want = facts(
        &json!({"enums": [{"name": "A", "values": [{"name": "X", "number": 1}], "reserved_numbers": [2]}]}),
    );
    let got = facts(
        &json!({"enums": [{"name": "A", "values": [{"name": "X", "number": 3}], "reserved_numbers": [4]}]}),
    );
    let expected = [
        "missing: enums/A/reserved_numbers/2",
        "differs: enums/A/values/X/number: want 1, got 3",
        "unexpected: enums/A/reserved_numbers/4",
    ];
    assert_eq!(differences(&want, &got), expected);
    assert!(differences(&want, &want).is_empty());
}

/// Server reflection can serve the set as it is: every import is there, before the file that needs it.
#[test]
fn descriptor_set_is_closed_and_bare() -> Fallible<()> {
    let mut seen = BTreeSet::new();
    for file in descriptor_set()?.file {
        for import in &file.dependency {
            assert!(seen.contains(import), "{} comes before its import {import}", file.name());
        }
        assert!(file.source_code_info.is_none(), "{} has source information", file.name());
        assert!(seen.insert(file.name().to_owned()), "{} is there twice", file.name());
    }
    for well_known in ["google/protobuf/empty.proto", "google/protobuf/timestamp.proto"] {
        assert!(seen.contains(well_known), "{well_known} is missing");
    }
    Ok(())
}

fn descriptor_set() -> Fallible<FileDescriptorSet> {
    Ok(FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET)?)
}

/// What `want` and `got` disagree about, one line for each fact.
fn differences(want: &Facts, got: &Facts) -> Vec<String> {
    let lacking = want.iter().filter_map(|(path, want)| match got.get(path) {
        None => Some(format!("missing: {path}{}", shown(want))),
        Some(got) if got != want => Some(format!("differs: {path}: want {want}, got {got}")),
        Some(_) => None,
    });
    let surplus = got.iter().filter(|(path, _)| !want.contains_key(*path));
    let surplus = surplus.map(|(path, got)| format!("unexpected: {path}{}", shown(got)));
    lacking.chain(surplus).collect()
}

/// A member of a list has no value beside its path.
fn shown(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(" = {value}") }
}

/// Flattens a description in the form of `wire.json`.
fn facts(description: &Value) -> Facts {
    let mut facts = Facts::new();
    collect("", description, &mut facts);
    facts
}

/// An object adds its members, a list its elements under their names; nothing (null, an empty list) adds no fact.
fn collect(path: &str, value: &Value, facts: &mut Facts) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| !NO_FACTS.contains(&name.as_str())) {
                collect(&below(path, name), member, facts);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                match element.get("name").and_then(Value::as_str) {
                    Some(name) => collect(&below(path, name), element, facts),
                    None => add(&below(path, &plain(element)), String::new(), facts),
                }
            }
        }
        Value::Null => {}
        scalar => add(path, plain(scalar), facts),
    }
}

/// Facts with the same path would hide each other.
fn add(path: &str, value: String, facts: &mut Facts) {
    let former = facts.insert(path.to_owned(), value);
    assert!(former.is_none(), "{path} is stated twice");
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn plain(scalar: &Value) -> String {
    scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned)
}

/// Describes the files of the package in the form of `wire.json`.
fn description(set: &FileDescriptorSet) -> Value {
    let files: Vec<_> = set.file.iter().filter(|file| file.package() == PACKAGE).collect();
    let enums = each(&files, |file| &file.enum_type);
    let messages = each(&files, |file| &file.message_type);
    let services = each(&files, |file| &file.service);
    json!({
        "package": PACKAGE,
        "counts": {
            "files": files.len(),
            "enums": enums.len(),
            "enum_values": enums.iter().map(|(_, of)| of.value.len()).sum::<usize>(),
            "messages": messages.len(),
            "fields": messages.iter().map(|(_, of)| of.field.len()).sum::<usize>(),
            "services": services.len(),
            "methods": services.iter().map(|(_, of)| of.method.len()).sum::<usize>(),
        },
        "files": list(&files, |file| file_facts(file)),
        "enums": list(&enums, |(file, of)| enum_facts(file, of)),
        "messages": list(&messages, |(file, of)| message_facts(file, of)),
        "services": list(&services, |(file, of)| service_facts(file, of)),
    })
}

/// The declarations of one sort, each with the name of its file.
fn each<'a, T>(
    files: &[&'a FileDescriptorProto],
    declared: impl Fn(&'a FileDescriptorProto) -> &'a [T],
) -> Vec<(&'a str, &'a T)> {
    files.iter().flat_map(|file| declared(file).iter().map(|of| (file.name(), of))).collect()
}

fn list<T>(items: &[T], describe: impl Fn(&T) -> Value) -> Value {
    items.iter().map(describe).collect()
}

fn file_facts(file: &FileDescriptorProto) -> Value {
    json!({
        "name": file.name(),
        "package": file.package(),
        "syntax": file.syntax(),
        "imports": file.dependency,
        "public_imports": file.public_dependency,
        "weak_imports": file.weak_dependency,
        "enums": list(&file.enum_type, |of| json!(of.name())),
        "messages": list(&file.message_type, |of| json!(of.name())),
        "services": list(&file.service, |of| json!(of.name())),
        "extensions": list(&file.extension, |of| json!(of.name())),
    })
}

fn enum_facts(file: &str, of: &EnumDescriptorProto) -> Value {
    let reserved = of.reserved_range.iter().flat_map(|range| range.start()..=range.end());
    json!({
        "name": of.name(),
        "full_name": format!("{PACKAGE}.{}", of.name()),
        "file": file,
        "values": list(&of.value, |value| json!({"name": value.name(), "number": value.number()})),
        "reserved_numbers": reserved.collect::<Vec<_>>(),
        "reserved_names": of.reserved_name,
    })
}

/// Entry types of maps stand with their field; any other nested declaration is one that `wire.json` does not have.
fn message_facts(file: &str, of: &DescriptorProto) -> Value {
    let reserved = of.reserved_range.iter().flat_map(|range| range.start()..range.end());
    let nested = of.nested_type.iter().filter(|nested| !is_map_entry(nested)).map(DescriptorProto::name);
    let nested = nested.chain(of.enum_type.iter().map(EnumDescriptorProto::name));
    json!({
        "name": of.name(),
        "full_name": format!("{PACKAGE}.{}", of.name()),
        "file": file,
        "deprecated": of.options.as_ref().is_some_and(|options| options.deprecated()),
        "fields": list(&of.field, |field| field_facts(of, field)),
        "oneofs": (0..).zip(&of.oneof_decl).map(|(index, oneof)| json!({
            "name": oneof.name(),
            "fields": members(of, index),
        })).collect::<Value>(),
        "reserved_numbers": reserved.collect::<Vec<_>>(),
        "reserved_names": of.reserved_name,
        "nested": nested.collect::<Vec<_>>(),
    })
}

fn members(of: &DescriptorProto, oneof: i32) -> Vec<&str> {
    let members = of.field.iter().filter(|field| field.oneof_index == Some(oneof));
    members.map(FieldDescriptorProto::name).collect()
}

fn field_facts(message: &DescriptorProto, field: &FieldDescriptorProto) -> Value {
    let oneofs = (0..).zip(&message.oneof_decl);
    let oneof = oneofs.filter(|(index, _)| field.oneof_index == Some(*index)).map(|(_, oneof)| oneof.name());
    json!({
        "name": field.name(),
        "number": field.number(),
        "json_name": field.json_name(),
        "label": lower("LABEL_", field.label().as_str_name()),
        "type": lower("TYPE_", field.r#type().as_str_name()),
        "type_name": type_name(field),
        "oneof": oneof.last(),
        "proto3_optional": field.proto3_optional(),
        "deprecated": field.options.as_ref().is_some_and(|options| options.deprecated()),
        "map": map_facts(message, field),
    })
}

/// The key and value types of a map field, null for any other field.
fn map_facts(message: &DescriptorProto, field: &FieldDescriptorProto) -> Value {
    let full_name = |entry: &DescriptorProto| format!(".{PACKAGE}.{}.{}", message.name(), entry.name());
    let mut entries = message.nested_type.iter().filter(|nested| is_map_entry(nested));
    let entry = entries.find(|entry| full_name(entry) == field.type_name());
    match entry.map(|entry| entry.field.as_slice()) {
        None => Value::Null,
        Some([key, value]) => json!({
            "key_type": lower("TYPE_", key.r#type().as_str_name()),
            "value_type": lower("TYPE_", value.r#type().as_str_name()),
            "value_type_name": type_name(value),
        }),
        Some(other) => panic!("a map entry has a key and a value, not {} fields", other.len()),
    }
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.map_entry())
}

/// The full name of a message or enum, null for a scalar.
fn type_name(field: &FieldDescriptorProto) -> Option<&str> {
    field.type_name.as_deref().map(undotted)
}

fn service_facts(file: &str, of: &ServiceDescriptorProto) -> Value {
    let full_name = format!("{PACKAGE}.{}", of.name());
    json!({
        "name": of.name(),
        "full_name": full_name,
        "file": file,
        "deprecated": of.options.as_ref().is_some_and(|options| options.deprecated()),
        "methods": list(&of.method, |method| method_facts(&full_name, method)),
    })
}

fn method_facts(service: &str, of: &MethodDescriptorProto) -> Value {
    json!({
        "name": of.name(),
        "path": format!("/{service}/{}", of.name()),
        "input": undotted(of.input_type()),
        "output": undotted(of.output_type()),
        "client_streaming": of.client_streaming(),
        "server_streaming": of.server_streaming(),
        "deprecated": of.options.as_ref().is_some_and(|options| options.deprecated()),
    })
}

/// Descriptors write full names with a leading dot, `wire.json` without.
fn undotted(name: &str) -> &str {
    name.trim_start_matches('.')
}

/// The name of an enum value as `wire.json` writes it: `TYPE_STRING` is `string`.
fn lower(prefix: &str, name: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}
