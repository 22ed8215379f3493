//! The messages of the reference implementation's viewer, for clients that speak them.
//!
//! They know one agent, and no time at which a network can be loaded but between episodes. Where two agents
//! are side by side, they are told of the first.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::frame::{Frame, Scene};
use crate::session::{Catalogue, Status};

/// The colour that the agent has in `grid.agents`.
const COLOUR: &str = "blue";

/// What a client of the reference sends: an object with the key `command`, or `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceCommand {
    /// Goes on.
    Play,
    /// Stops.
    Pause,
    /// Plays a whole episode without waiting between steps.
    Step,
    /// Begins the first episode again.
    Reset,
    /// Loads the newest checkpoint when the next episode begins.
    RefreshCheckpoint,
    /// Whether each new checkpoint is loaded: the other way about.
    ToggleAutoCheckpoint,
}

/// The object around a [`ReferenceCommand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRequest {
    /// The command.
    #[serde(alias = "type")]
    pub command: ReferenceCommand,
}

/// What the server says on `/ws` and `/ws/training`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReferenceMessage {
    /// The first message.
    Connected {
        /// For a person.
        message: String,
        /// Always empty.
        available_models: Vec<String>,
        /// Always `inference`.
        mode: String,
        /// The checkpoint that acts.
        #[serde(flatten)]
        acting: Acting,
        /// Whether each new checkpoint is loaded.
        auto_checkpoint_mode: bool,
    },
    /// Another checkpoint acts.
    ModelLoaded {
        /// The checkpoint.
        model: String,
        /// After how many episodes of training it was taken.
        episode: u64,
        /// How many episodes were trained in all.
        total_episodes: u64,
        /// How often the agent acts at random.
        epsilon: f64,
        /// For a person.
        message: String,
    },
    /// Whether each new checkpoint is loaded has changed.
    AutoCheckpointMode {
        /// Whether.
        enabled: bool,
    },
    /// An episode begins.
    EpisodeStart {
        /// Which, from 0.
        episode: u64,
        /// The checkpoint that acts.
        #[serde(flatten)]
        acting: Acting,
    },
    /// A step was taken.
    StateUpdate {
        /// How many steps of the episode.
        step: u32,
        /// The sum of its rewards.
        cumulative_reward: f64,
        /// The world.
        grid: ReferenceGrid,
        /// The meters, `{"agent_0": {"meters": {"energy": 1.0, ...}}}`.
        agent_meters: BTreeMap<String, ReferenceMeters>,
        /// The value of each action; the last ones known where the episode is over.
        q_values: Vec<f32>,
        /// How often each place was used in this episode, most first.
        affordance_stats: Vec<AffordanceStat>,
        /// In a level with a clock.
        #[serde(skip_serializing_if = "Option::is_none")]
        temporal: Option<Temporal>,
    },
    /// An episode is over.
    EpisodeEnd {
        /// Which, from 0.
        episode: u64,
        /// How many steps it took.
        steps: u32,
        /// The sum of its rewards.
        total_reward: f64,
        /// `done` where the agent died, `max_steps` where the limit cut it off.
        reason: String,
        /// The checkpoint that acts.
        #[serde(flatten)]
        acting: Acting,
    },
    /// Something was refused. Not in the reference.
    Error {
        /// What, for a person.
        message: String,
    },
}

/// The checkpoint that acts, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Acting {
    /// The checkpoint.
    pub checkpoint: String,
    /// After how many episodes of training it was taken; its steps where episodes are not known.
    pub checkpoint_episode: u64,
    /// The same of the newest checkpoint.
    pub total_episodes: u64,
    /// How often the agent acts at random.
    pub epsilon: f64,
}

/// The world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceGrid {
    /// Columns.
    pub width: u8,
    /// Rows.
    pub height: u8,
    /// The agent.
    pub agents: Vec<ReferenceAgent>,
    /// The places.
    pub affordances: Vec<ReferencePlace>,
}

/// The agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceAgent {
    /// `agent_0`.
    pub id: String,
    /// Its column.
    pub x: u8,
    /// Its row.
    pub y: u8,
    /// A colour by name.
    pub color: String,
    /// The index of its last action.
    pub last_action: u8,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReferencePlace {
    /// Its name.
    pub r#type: String,
    /// Its column.
    pub x: u8,
    /// Its row.
    pub y: u8,
}

/// The meters of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceMeters {
    /// By name.
    pub meters: BTreeMap<String, f32>,
}

/// How often a place was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AffordanceStat {
    /// The place.
    pub name: String,
    /// How often.
    pub count: u32,
}

/// The time of day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Temporal {
    /// The hour.
    pub time_of_day: u8,
    /// Ticks done of those required, 0 to 1.
    pub interaction_progress: f32,
}

/// Turns what a session shows into the reference's messages, in its order.
#[derive(Debug, Default)]
pub(crate) struct Translator {
    checkpoint: Option<String>,
    follow: Option<bool>,
    /// Values of the last thought, for the frame after the last step.
    values: Vec<f32>,
    /// Episode, scene and step that were told of last.
    told: Option<(u64, u64, u32)>,
}

impl Translator {
    /// What a client is told first.
    pub(crate) fn connected(status: &Status, catalogue: &Catalogue) -> ReferenceMessage {
        ReferenceMessage::Connected {
            message: "connected to townlet".to_owned(),
            available_models: Vec::new(),
            mode: "inference".to_owned(),
            acting: acting(status, catalogue),
            auto_checkpoint_mode: status.follow,
        }
    }

    /// What has changed in the status.
    pub(crate) fn status(&mut self, status: &Status, catalogue: &Catalogue) -> Vec<ReferenceMessage> {
        let mut messages = Vec::new();
        if self.checkpoint != status.checkpoint {
            if self.checkpoint.is_some() {
                let Acting { checkpoint, checkpoint_episode, total_episodes, epsilon } =
                    acting(status, catalogue);
                messages.push(ReferenceMessage::ModelLoaded {
                    message: format!("{checkpoint} acts now"),
                    model: checkpoint,
                    episode: checkpoint_episode,
                    total_episodes,
                    epsilon,
                });
            }
            self.checkpoint.clone_from(&status.checkpoint);
        }
        if self.follow.is_some_and(|follow| follow != status.follow) {
            messages.push(ReferenceMessage::AutoCheckpointMode { enabled: status.follow });
        }
        self.follow = Some(status.follow);
        messages
    }

    /// What a frame shows that has not been told.
    pub(crate) fn frame(
        &mut self,
        scene: &Scene,
        frame: &Frame,
        status: &Status,
        catalogue: &Catalogue,
    ) -> Vec<ReferenceMessage> {
        let Some(lane) = frame.lanes.first() else { return Vec::new() };
        if let Some(thought) = &lane.thought {
            self.values.clone_from(&thought.values);
        }
        let now = (frame.episode, frame.scene, lane.step);
        if self.told.replace(now) == Some(now) && lane.step > 0 {
            return Vec::new();
        }
        let acting = acting(status, catalogue);
        if lane.step == 0 {
            return vec![ReferenceMessage::EpisodeStart { episode: frame.episode, acting }];
        }
        let level = &scene.level;
        let mut stats: Vec<_> = level
            .places
            .iter()
            .zip(&lane.uses)
            .filter(|(_, count)| **count > 0)
            .map(|(place, &count)| AffordanceStat { name: place.name.clone(), count })
            .collect();
        stats.sort_by_key(|stat| std::cmp::Reverse(stat.count));
        let named = level.meters.iter().zip(&lane.meters);
        let meters = named.map(|(facts, meter)| (facts.name.clone(), meter.value)).collect();
        let placed = level.places.iter().zip(&lane.places);
        let mut messages = vec![ReferenceMessage::StateUpdate {
            step: lane.step,
            cumulative_reward: lane.total_reward,
            grid: ReferenceGrid {
                width: level.width,
                height: level.height,
                agents: vec![ReferenceAgent {
                    id: "agent_0".to_owned(),
                    x: lane.cell[0],
                    y: lane.cell[1],
                    color: COLOUR.to_owned(),
                    last_action: lane.taken.as_ref().map_or(0, |taken| taken.action),
                }],
                affordances: placed
                    .map(|(facts, place)| ReferencePlace {
                        r#type: facts.name.clone(),
                        x: place.cell[0],
                        y: place.cell[1],
                    })
                    .collect(),
            },
            agent_meters: BTreeMap::from([("agent_0".to_owned(), ReferenceMeters { meters })]),
            q_values: if self.values.is_empty() {
                vec![0.0; level.actions.len()]
            } else {
                self.values.clone()
            },
            affordance_stats: stats,
            temporal: level.clock.then(|| Temporal {
                time_of_day: lane.hour,
                interaction_progress: lane
                    .progress
                    .map_or(0.0, |progress| f32::from(progress.done) / f32::from(progress.required)),
            }),
        }];
        if let Some(end) = &lane.ended {
            messages.push(ReferenceMessage::EpisodeEnd {
                episode: frame.episode,
                steps: end.steps,
                total_reward: end.total_reward,
                reason: if end.died { "done" } else { "max_steps" }.to_owned(),
                acting,
            });
        }
        messages
    }
}

fn acting(status: &Status, catalogue: &Catalogue) -> Acting {
    let age = |checkpoint: &crate::CheckpointInfo| checkpoint.episodes.unwrap_or(checkpoint.steps);
    let current = catalogue.checkpoints.iter().find(|it| Some(&it.id) == status.checkpoint.as_ref());
    Acting {
        checkpoint: status.checkpoint.clone().unwrap_or_default(),
        checkpoint_episode: current.map_or(0, age),
        total_episodes: catalogue.checkpoints.last().map_or(0, age),
        epsilon: status.epsilon,
    }
}
