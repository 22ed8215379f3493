//! A step allocates nothing, not even where episodes end and layouts are shuffled.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{allowed, builtin};
use townlet_env::probes::{
    Chain, DelayedTMaze, FlickeringCartPole, MemoryLength, PassiveTMaze, Probe, ProbeEnv,
};
use townlet_env::{Level, PreviousInputs, VectorEnv};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are those that the system allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_step_allocates_nothing() {
    for name in Level::builtin_names() {
        let mut town = builtin(name, 300);
        for step in 0..510_usize {
            let draws: Vec<u8> = (0..300).map(|i| ((i * 7 + step * 3) % 5) as u8).collect();
            let actions = allowed(&town, &draws);
            let before = ALLOCATIONS.get();
            town.step(&actions).unwrap();
            assert_eq!(ALLOCATIONS.get(), before, "step {step} of `{name}`");
        }
        assert!(town.episodes().iter().all(|&episodes| episodes > 0), "no episode of `{name}` ended");
    }
}

#[test]
fn a_step_with_previous_inputs_allocates_nothing() {
    let mut env = PreviousInputs::new(builtin("pomdp", 16), 0.01);
    let actions = [0; 16];
    let before = ALLOCATIONS.get();
    for _ in 0..300 {
        env.step(&actions).unwrap();
    }
    assert_eq!(ALLOCATIONS.get(), before);
}

#[test]
fn a_step_of_a_probe_allocates_nothing() {
    fn check<P: Probe>(probe: P) {
        let mut env = ProbeEnv::new(probe, 16);
        let actions = [1; 16];
        let before = ALLOCATIONS.get();
        for _ in 0..50 {
            env.step(&actions).unwrap();
        }
        assert_eq!(ALLOCATIONS.get(), before, "{}", P::NAME);
    }
    check(MemoryLength::new(4));
    check(PassiveTMaze::new(4));
    check(DelayedTMaze::new(2, 2));
    check(FlickeringCartPole::default());
    check(Chain);
}
