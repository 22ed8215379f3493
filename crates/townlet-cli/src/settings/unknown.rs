//! Keys that no setting is called by, wherever in a table they stand.
//!
//! The types refuse them too, but do not always know where they are: within a choice with a `kind`, serde has lost its
//! way. The schema that editors get knows every table, and which keys belong to which kind.

use serde_json::Value as Json;
use toml::{Table, Value};
use townlet_text::{nearest, printable};

/// A schema, and what of it is being looked at.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    root: &'a Json,
    schema: &'a Json,
}

/// A key that is not known.
#[derive(Debug, PartialEq)]
pub(crate) struct UnknownKey<'a> {
    /// The table that it is in; empty for the outermost.
    pub(crate) table: String,
    pub(crate) word: String,
    /// The keys that the table has.
    known: Vec<&'a str>,
    /// The kind of the table, where it has one.
    kind: Option<String>,
    /// The other kinds that have a key of this name.
    kinds: Vec<&'a str>,
}

/// What a kind of table may hold.
pub(super) struct Kind<'a> {
    /// What its `kind` is, where it has one.
    pub(super) name: Option<&'a str>,
    pub(super) keys: Vec<(&'a str, &'a Json)>,
    /// What keys of any name hold, where those are allowed.
    others: Option<&'a Json>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(root: &'a Json) -> Self {
        Self { root, schema: root }
    }

    /// The first key of `table` that is not known. Where a table with a kind does not say which, its keys may be those
    /// of any.
    pub(crate) fn unknown(self, table: &Table) -> Option<UnknownKey<'a>> {
        self.unknown_in(table, "")
    }

    /// A setting that is called `word`, or nearly, in whatever table it stands.
    pub(crate) fn elsewhere(self, word: &str) -> Option<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        // The outer ones first: `learner.learning_rate` before `learner.intrinsic.learning_rate`.
        paths.sort_by_key(|path| path.matches('.').count());
        let name = |path: &'_ String| path.rsplit('.').next().unwrap_or_default().to_owned();
        let names: Vec<String> = paths.iter().map(name).collect();
        let exact = names.iter().position(|name| name == word);
        let near = || {
            let meant = nearest(word, names.iter().map(String::as_str))?;
            names.iter().position(|name| name == meant)
        };
        exact.or_else(near).map(|index| paths.swap_remove(index))
    }

    pub(super) fn of(self, schema: &'a Json) -> Self {
        Self { schema, ..self }
    }

    fn target(self, schema: &'a Json) -> Option<&'a Json> {
        self.root.pointer(schema["$ref"].as_str()?.trim_start_matches('#'))
    }

    /// Every kind of table that the schema allows.
    pub(super) fn kinds(self) -> Vec<Kind<'a>> {
        let schema = self.schema;
        let mut kinds: Vec<Kind<'a>> = ["anyOf", "oneOf"]
            .into_iter()
            .filter_map(|choice| schema[choice].as_array())
            .flatten()
            .flat_map(|choice| self.of(choice).kinds())
            .collect();
        let beside = self.target(schema).map(|target| self.of(target).kinds()).unwrap_or_default();
        let keys: Vec<(&str, &Json)> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, schema)| (key.as_str(), schema))
            .collect();
        let others = Some(&schema["additionalProperties"]).filter(|others| others.is_object());
        if keys.is_empty() && others.is_none() && schema["type"] != "object" {
            kinds.extend(beside);
        } else {
            let name = schema["properties"]["kind"]["const"].as_str();
            let more = beside.into_iter().flat_map(|kind| kind.keys);
            kinds.push(Kind { name, keys: keys.into_iter().chain(more).collect(), others });
        }
        kinds
    }

    fn unknown_in(self, table: &Table, path: &str) -> Option<UnknownKey<'a>> {
        let kinds = self.kinds();
        if kinds.is_empty() {
            return None;
        }
        let said = table.get("kind").and_then(Value::as_str);
        let chosen: Vec<&Kind<'a>> = kinds
            .iter()
            .filter(|kind| kind.name.is_none() || said.is_none_or(|it| kind.name == Some(it)))
            .collect();
        if chosen.is_empty() {
            // A kind that does not exist, which the types tell about.
            return None;
        }
        let find = |key: &str| {
            let of_kinds =
                |kind: &&Kind<'a>| kind.keys.iter().find(|(known, _)| *known == key).map(|(_, it)| *it);
            chosen.iter().find_map(of_kinds).or_else(|| chosen.iter().find_map(|kind| kind.others))
        };
        let unknown = || table.keys().filter(|key| find(key).is_none());
        // A kind whose name is misspelt is why the keys beside it are not known.
        let first = unknown().find(|key| nearest(key, ["kind"]).is_some()).or_else(|| unknown().next());
        if let Some(word) = first {
            let mut known: Vec<&str> =
                chosen.iter().flat_map(|kind| kind.keys.iter().map(|(key, _)| *key)).collect();
            known.sort_unstable();
            known.dedup();
            let has = |kind: &&Kind<'a>| kind.keys.iter().any(|(key, _)| key == word);
            return Some(UnknownKey {
                table: path.to_owned(),
                word: word.clone(),
                known,
                kind: said.map(str::to_owned),
                kinds: kinds.iter().filter(has).filter_map(|kind| kind.name).collect(),
            });
        }
        table.iter().find_map(|(key, value)| self.of(find(key)?).unknown_below(value, &join(path, key)))
    }

    fn unknown_below(self, value: &Value, path: &str) -> Option<UnknownKey<'a>> {
        match value {
            Value::Table(table) => self.unknown_in(table, path),
            Value::Array(values) => {
                let items = self.items()?;
                let below = |(index, value)| items.unknown_below(value, &format!("{path}[{index}]"));
                values.iter().enumerate().find_map(below)
            }
            _ => None,
        }
    }

    /// The schema of the entries of a list.
    pub(super) fn items(self) -> Option<Self> {
        let schema = self.schema;
        if schema["items"].is_object() {
            return Some(self.of(&schema["items"]));
        }
        let choices = ["anyOf", "oneOf"].into_iter().filter_map(|choice| schema[choice].as_array()).flatten();
        self.target(schema).into_iter().chain(choices).find_map(|choice| self.of(choice).items())
    }

    /// The path of every setting, but those of the level, which are many and have a file of their own.
    fn collect(self, path: &str, paths: &mut Vec<String>) {
        for kind in self.kinds() {
            for (key, schema) in kind.keys {
                let path = join(path, key);
                if path == "level" || paths.contains(&path) {
                    continue;
                }
                if self.of(schema).kinds().is_empty() {
                    paths.push(path);
                } else {
                    self.of(schema).collect(&path, paths);
                }
            }
        }
    }
}

impl UnknownKey<'_> {
    /// The whole key.
    pub(crate) fn key(&self) -> String {
        join(&self.table, &self.word)
    }

    /// What is wrong, and what was meant. `keys` is the schema, and `kind_from` says where the kind of the table is
    /// from.
    pub(crate) fn message(&self, keys: Keys<'_>, kind_from: Option<&str>) -> String {
        let unknown = format!("unknown field `{}`", printable(&self.word));
        if let Some(meant) = nearest(&self.word, self.known.iter().copied()) {
            return format!("{unknown}; did you mean `{meant}`?");
        }
        if let (Some(kind), [first, ..]) = (&self.kind, self.kinds.as_slice()) {
            let from = kind_from.map(|from| format!(" ({from})")).unwrap_or_default();
            return format!(
                "{unknown}: it belongs to the kind `{first}`, and this is `{}`{from}",
                printable(kind)
            );
        }
        if let Some(meant) = keys.elsewhere(&self.word) {
            return format!("{unknown}; did you mean `{meant}`?");
        }
        match (self.known.as_slice(), &self.kind) {
            (["kind"], Some(kind)) => format!("{unknown}: the kind `{}` has no settings", printable(kind)),
            (known, _) => format!("{unknown}, expected one of `{}`", known.join("`, `")),
        }
    }
}

pub(super) fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}
