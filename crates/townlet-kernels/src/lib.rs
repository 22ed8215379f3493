#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! Nothing here knows a tensor library: a network is an [`Architecture`] and a list of parameter slices, a
//! batch is a slice of observations. What a tensor library would do in some hundred operations, each with
//! its own memory and its own pass over it, is here one function: [`forward`](Weights::forward) over whole
//! sequences, and [`backward`](Tape::backward) from the gradient of the values to the gradient of every
//! parameter.
//!
//! - **Instruction sets** are chosen at run time by [`pulp`]: AVX-512, AVX2, NEON, or plain Rust. There is
//!   no `unsafe` in this crate.
//! - **Threads**: a batch is cut into as many contiguous parts as the current rayon pool has threads, each
//!   part is computed by itself, and the parts' gradients are added in order. The same machine and thread
//!   count give the same bits.
//! - **Layouts** of parameters and gradients are those of the layers they come from: linear and recurrent
//!   weights `[inputs, outputs]`, convolutions `[outputs, inputs, 3, 3]`.
#![forbid(unsafe_code)]
// A function is compiled for an instruction set by being inlined into the one that was chosen for it:
// without this, every load would be a call.
#![allow(clippy::inline_always)]

mod accumulator;
mod adam;
mod architecture;
mod convolution;
mod gates;
pub mod matrix;
mod parameters;
mod parts;
mod pass;
mod simd;
mod tape;
#[cfg(test)]
mod testing;
mod transposed;
mod weights;

pub use adam::{AdamStep, sum_of_squares};
pub use architecture::{Architecture, Vision};
pub use pass::{Outputs, Sequences, Workspace};
pub use simd::instruction_set;
pub use tape::{Gradients, OutputGradients, Tape};
pub use weights::Weights;
