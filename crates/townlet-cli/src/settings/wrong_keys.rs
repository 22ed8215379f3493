//! Tables with one wrong key each, for every table that a schema knows: also those of each kind, and in lists.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::unknown::{Keys, join};

/// A table in which one key is misspelt.
pub(crate) struct WrongKey {
    /// The whole of the wrong key.
    pub(crate) key: String,
    /// The key that it was to be.
    pub(crate) meant: String,
    pub(crate) table: Table,
}

/// A wrong key for every key of every table, and for every kind.
pub(crate) fn wrong_keys(schema: &Json) -> Vec<WrongKey> {
    let mut found = Vec::new();
    walk(Keys::new(schema), "", &|table| table, &mut found);
    found
}

fn walk(keys: Keys<'_>, path: &str, place: &dyn Fn(Table) -> Table, found: &mut Vec<WrongKey>) {
    for kind in keys.kinds() {
        let mut base = Table::new();
        if let Some(name) = kind.name {
            let mut table = Table::new();
            table.insert("kinf".to_owned(), Value::from(name));
            found.push(WrongKey { key: join(path, "kinf"), meant: "kind".to_owned(), table: place(table) });
            base.insert("kind".to_owned(), Value::from(name));
        }
        for &(meant, schema) in &kind.keys {
            let wrong = format!("{meant}x");
            let mut table = base.clone();
            table.insert(wrong.clone(), Value::from(1));
            found.push(WrongKey { key: join(path, &wrong), meant: meant.to_owned(), table: place(table) });

            let inside = |value: Value| {
                let mut table = base.clone();
                table.insert(meant.to_owned(), value);
                place(table)
            };
            let (below, path) = (keys.of(schema), join(path, meant));
            walk(below, &path, &|table| inside(Value::Table(table)), found);
            if let Some(items) = below.items() {
                let list = |table| inside(Value::Array(vec![Value::Table(table)]));
                walk(items, &format!("{path}[0]"), &list, found);
            }
        }
    }
}
