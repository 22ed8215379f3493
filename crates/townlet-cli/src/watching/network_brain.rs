//! A trained network as the viewer asks it.

use townlet_env::ObservationLayout;
use townlet_nets::{Actor, QNetwork};
use townlet_viewer::{Brain, Thought};

/// A network and the memory with which it acts: the same [`Actor`] that trains and is evaluated.
pub(super) struct NetworkBrain {
    actor: Actor,
    layout: ObservationLayout,
    /// How wide the part of the memory is that is shown: an LSTM's hidden state without its cell.
    shown: usize,
    memory: Vec<f32>,
}

impl NetworkBrain {
    pub(super) fn new(network: &QNetwork, layout: ObservationLayout) -> Self {
        let actor = Actor::new(network, 1);
        let shown = actor.state_widths().first().copied().unwrap_or_default();
        Self { actor, layout, shown, memory: Vec::new() }
    }
}

impl Brain for NetworkBrain {
    fn act(&mut self, observation: &[f32], mask: &[bool]) -> Thought {
        let values = self.actor.values(observation).to_vec();
        self.actor.write_state(&mut self.memory);
        Thought::greedy(values, self.memory[..self.shown].to_vec(), mask)
    }

    fn forget(&mut self) {
        self.actor.forget(&[true]);
    }

    fn accepts(&self, layout: &ObservationLayout) -> Result<(), String> {
        if *layout == self.layout {
            Ok(())
        } else {
            Err(format!(
                "its network sees {} features of other kinds than the {} of this level",
                self.layout.len(),
                layout.len()
            ))
        }
    }
}
