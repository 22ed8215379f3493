//! Runs that are killed at any moment, above all while they are set up, go on and come to the same end.

#[path = "common/crash.rs"]
mod crash;

use crash::CrashTest;

#[test]
fn runs_killed_at_any_moment_come_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("townlet");
    let test = CrashTest { program: &program, folder: folder.path(), kills: 30, seed: 1 };
    let outcome = test.run(|_| ()).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{outcome:?}");
    assert!(outcome.at_set_up > 0 && outcome.runs > 0, "{outcome:?}");
}
