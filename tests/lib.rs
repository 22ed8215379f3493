//! Suites that cross crates. There is nothing to link against here; see `suite/main.rs`.
