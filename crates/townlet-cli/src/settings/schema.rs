//! JSON schemas of the files that the program reads, for editors.

use std::sync::OnceLock;

use anyhow::Result;
use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};
use townlet_env::Level;

use super::document::Document;
use crate::study::Study;

/// A kind of file that has a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaKind {
    /// Files for --config
    #[default]
    Config,
    /// Level files
    Level,
    /// Study files
    Study,
}

/// The JSON schema (draft 2020-12) of a kind of file.
///
/// # Errors
///
/// Never in practice: every schema can be written as JSON.
pub(crate) fn schema(kind: SchemaKind) -> Result<String> {
    let title = match kind {
        SchemaKind::Config => "Townlet settings",
        SchemaKind::Level => "Townlet level",
        SchemaKind::Study => "Townlet study",
    };
    let mut schema = plain_schema(kind);
    schema["title"] = Value::from(title);
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

/// The schema of settings, as far as it says which keys there are.
pub(super) fn settings_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| plain_schema(SchemaKind::Config))
}

/// The schema of any type, in the form of those of files.
pub(crate) fn plain_schema_of<T: JsonSchema>() -> Value {
    plain(SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>())
}

fn plain_schema(kind: SchemaKind) -> Value {
    match kind {
        SchemaKind::Config => plain_schema_of::<Document>(),
        SchemaKind::Level => plain_schema_of::<Level>(),
        SchemaKind::Study => plain_schema_of::<Study>(),
    }
}

fn plain(schema: Schema) -> Value {
    let mut schema = schema.to_value();
    plain_descriptions(&mut schema);
    without_null(&mut schema);
    schema
}

/// What may stand under `level`: a name, or the keys of a level file, all of which may be left out.
pub(super) fn level_settings(generator: &mut SchemaGenerator) -> Schema {
    // Its parts are described once, under their own names.
    let level = <Level as JsonSchema>::json_schema(generator);
    let mut changes = level.to_value();
    if let Some(changes) = changes.as_object_mut() {
        changes.remove("required");
        let properties = changes.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        if let Some(properties) = properties.as_object_mut() {
            let base = json_schema!({
                "description": "The built-in level or the level file to change.",
                "type": "string",
            });
            properties.insert("base".to_owned(), base.to_value());
            // A level that is changed keeps what it has.
            for property in properties.values_mut().filter_map(Value::as_object_mut) {
                property.remove("default");
            }
        }
    }
    json_schema!({
        "description": "The world: a built-in level or a level file by its path; or a table with that as `base`, \
                        and whatever of the level is changed.",
        "anyOf": [{ "type": "string" }, changes],
    })
}

/// What may stand in a table of settings of a study: a `--config` file, as a part of another one.
pub(crate) fn settings_table(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Document>()
}

/// Makes documentation of code into descriptions: editors show them as they are.
fn plain_descriptions(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == "description" => *text = plain_description(text),
                    value => plain_descriptions(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(plain_descriptions),
        _ => {}
    }
}

/// Takes out that something may be null: TOML has no such value, and leaves out what is not there.
fn without_null(value: &mut Value) {
    if let Value::Object(object) = value {
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        }
    }
    match value {
        Value::Object(object) => object.values_mut().for_each(without_null),
        Value::Array(values) => values.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// A description without the examples in code after it, and without the targets of its links.
fn plain_description(text: &str) -> String {
    without_links(text.split("\n\n```").next().unwrap_or(text))
}

/// `[text](target)` and ``[`text`]`` without brackets and target.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("[`") {
        let link = &rest[start + 1..];
        let Some(end) = link.find("`]") else { break };
        plain += &rest[..start];
        plain += &link[..=end];
        rest = &link[end + 2..];
        if rest.starts_with('(')
            && let Some(close) = rest.find(')')
        {
            rest = &rest[close + 1..];
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::without_links;

    #[test]
    fn links_lose_their_targets() {
        let text = "At most [`trace_length`](Self::trace_length), see [`Stage`] and [0, 1]; [`open";
        assert_eq!(without_links(text), "At most `trace_length`, see `Stage` and [0, 1]; [`open");
    }
}
