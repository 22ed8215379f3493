//! Nothing. When an example is built, cargo chooses the features of dependencies as it does for tests; `cargo xtask
//! fuzz` names this one, so that it need not build them a second time.

fn main() {}
