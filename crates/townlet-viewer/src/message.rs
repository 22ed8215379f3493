//! What the server says on `/stream`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::{MAX_SEED, SPEEDS};
use crate::frame::{Certificate, Frame, Scene};
use crate::session::{Catalogue, Status};

/// The name and version of the protocol.
pub const PROTOCOL: &str = "townlet-viewer/1";

/// What the server says on `/stream`: JSON objects with the key `type`.
///
/// A client that connects gets `hello`, `catalogue`, `scene`, `status`, `certificates` and `frame`, in this
/// order, and then what changes. One that is too slow loses frames, and gets all of these but `hello` again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// The first message.
    Hello(Hello),
    /// What can be chosen from, and what is known of the run.
    Catalogue(Catalogue),
    /// What stays the same from frame to frame.
    Scene(Scene),
    /// What can be changed, as it is now.
    Status(Status),
    /// How the last episodes ended.
    Certificates(Certificates),
    /// One moment.
    Frame(Frame),
    /// Something was refused, or went wrong. The connection goes on.
    Error(ErrorMessage),
}

/// The first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// `townlet-viewer/1`.
    pub protocol: String,
    /// The version of the program.
    pub version: String,
    /// The slowest and the fastest speed, in steps a second.
    pub speeds: [u16; 2],
    /// The largest seed.
    pub max_seed: u64,
}

impl Hello {
    /// What this version says.
    pub fn new() -> Self {
        Self {
            protocol: PROTOCOL.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            speeds: [*SPEEDS.start(), *SPEEDS.end()],
            max_seed: MAX_SEED,
        }
    }
}

impl Default for Hello {
    fn default() -> Self {
        Self::new()
    }
}

/// How the last episodes ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Certificates {
    /// Oldest first, at most 12.
    pub certificates: Vec<Certificate>,
}

/// Something that was refused, or went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorMessage {
    /// What, for a person.
    pub message: String,
}
