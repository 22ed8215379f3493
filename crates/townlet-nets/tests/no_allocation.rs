//! A step of acting on a CPU backend allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use townlet_env::ObservationLayout;
use townlet_nets::{Actor, Backend, QNetworkConfig};

/// Counts the allocations of all threads: a step of many agents is shared out.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
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

/// One test, so that no other one allocates meanwhile.
#[test]
fn a_step_of_acting_allocates_nothing() {
    let layout = ObservationLayout::builder().window(5).position().meters(8).affordance(14).build();
    for backend in Backend::compiled().filter(|backend| backend.is_cpu()) {
        let network = QNetworkConfig::new(layout.clone(), 5).init(1, &backend.device().unwrap());
        for agents in [1, 7, 300] {
            let observations = vec![0.5; agents * layout.len()];
            let ended: Vec<bool> = (0..agents).map(|agent| agent % 3 == 0).collect();
            let mut actor = Actor::new(&network, agents);
            let mut step = || {
                actor.values(&observations);
                actor.forget(&ended);
            };
            // The first step finds out how much memory the others need.
            step();
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..50 {
                step();
            }
            let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
            // The queues of the thread pool grow now and then, whatever they carry.
            assert!(allocated < 10, "{allocated} allocations in 50 steps of {agents} agents on {backend}");
        }
    }
}
