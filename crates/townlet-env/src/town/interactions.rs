//! Using the affordance under an agent, and which actions an agent is allowed.

use std::ops::Range;

use super::block::{Block, clip};
use super::dynamics::Chosen;
use super::plan::{ACTIONS, INTERACT, Plan};
use crate::Action;

impl Block<'_> {
    /// Serves every agent that interacts where it can pay and is let in.
    pub(super) fn interact(&mut self, plan: &Plan, actions: &[Action]) {
        self.interactions.fill(None);
        let served = Chosen::new(self.len(), |i| {
            let here = usize::from(self.here[i]);
            let affordable = self.meters[plan.money][i] >= plan.prices[here];
            let let_in = plan.served[here] >> self.hours[i] & 1 == 1;
            (actions[i] == INTERACT) & affordable & let_in
        });
        for i in served.iter() {
            self.serve(plan, i);
        }
    }

    /// One tick: effects, then the price, then what completing adds, each rounded; limited once, after all.
    fn serve(&mut self, plan: &Plan, i: usize) {
        let here = usize::from(self.here[i]);
        let done = self.progress[i] + 1;
        let completes = done == plan.ticks[here];
        self.progress[i] = if completes { 0 } else { done };
        self.interactions[i] = Some(self.here[i]);

        let row = here * plan.num_meters..(here + 1) * plan.num_meters;
        let amounts = plan.effects[row.clone()].iter().zip(&plan.completion_effects[row]);
        for (meter, (effect, completion)) in amounts.enumerate() {
            let value = &mut self.meters[meter][i];
            *value += effect;
            if meter == plan.money {
                *value -= plan.prices[here];
            }
            if completes {
                *value += completion;
            }
            *value = clip(*value);
        }
    }

    /// Notes which affordance each agent stands on.
    pub(super) fn look_down(&mut self, plan: &Plan, agents: Range<usize>) {
        for i in agents {
            self.here[i] = plan.ground_of(self.grounds, i)[plan.ground.offset(self.cells[i])];
        }
    }

    /// Writes the action masks: moves that lead elsewhere, and INTERACT where it is affordable and open.
    pub(super) fn mask(&mut self, plan: &Plan, agents: Range<usize>) {
        let (masks, _) = self.action_masks.as_chunks_mut::<ACTIONS>();
        for i in agents {
            let here = usize::from(self.here[i]);
            let affordable = self.meters[plan.money][i] >= plan.prices[here];
            let open = plan.open[here] >> self.hours[i] & 1 == 1;
            masks[i] = plan.moves[usize::from(self.cells[i])];
            masks[i][usize::from(INTERACT)] = affordable & open;
        }
    }
}
