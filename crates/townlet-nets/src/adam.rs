//! The optimiser's step: the norm of the whole gradient, the clip by it, and Adam.
//!
//! Burn's own clipping looks at each parameter by itself; the algorithm clips the gradient as one vector.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{
    Adam, AdamConfig, AdamState, AdaptiveMomentumState, GradientsParams, LearningRate, ModuleOptimizer,
    Optimizer,
};
use burn::tensor::{Device, Tensor, TensorData};
use townlet_kernels::AdamStep;

use crate::kernels::{self, AdamTensors};
use crate::moments::Moments;

/// Adam (Kingma and Ba 2015) with PyTorch's decay rates, 0.9 and 0.999, and without weight decay.
///
/// Its state is that of [`burn::optim::Adam`]: a record of the one is loaded by the other. On a CPU backend a
/// parameter is changed in one pass over memory instead of some dozen.
pub fn adam(epsilon: f32) -> ModuleOptimizer {
    watched_adam(epsilon).0
}

/// [`adam`], and what tells whether one of its steps left a parameter that is not finite. It looks while a parameter
/// is written, which costs nothing, and on CPU backends alone.
pub fn watched_adam(epsilon: f32) -> (ModuleOptimizer, Spoiled) {
    let spoiled = Spoiled::default();
    let elsewhere = AdamConfig::new().with_epsilon(epsilon).build();
    (HostAdam { epsilon, elsewhere, spoiled: spoiled.clone() }.into(), spoiled)
}

/// Whether a step of a [`watched_adam`] left a parameter that is not finite.
#[derive(Clone, Debug, Default)]
pub struct Spoiled(Arc<AtomicBool>);

impl Spoiled {
    /// Whether one has since this was asked last.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;

#[derive(Clone)]
struct HostAdam {
    epsilon: f32,
    /// For tensors that do not lie in the host's memory.
    elsewhere: Adam,
    spoiled: Spoiled,
}

impl Optimizer for HostAdam {
    type State<const D: usize> = Moments<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Moments<D>>,
    ) -> (Tensor<D>, Option<Moments<D>>) {
        let state = state.map_or_else(
            || {
                let zeros = || parameter.zeros_like();
                AdamState::new(AdaptiveMomentumState::new(0, zeros(), zeros()))
            },
            |state| state.on(&gradient.device()),
        );
        let AdaptiveMomentumState { time, moment_1, moment_2, .. } = state.momentum;
        let step = AdamStep {
            learning_rate: rate as f32,
            beta_1: BETA_1,
            beta_2: BETA_2,
            epsilon: self.epsilon,
            time: i32::try_from(time + 1).unwrap_or(i32::MAX),
            gradient_scale: 1.0,
        };
        let tensors = AdamTensors { parameter, gradient, moments: [moment_1, moment_2] };
        match kernels::adam(&step, tensors, &self.spoiled.0) {
            Ok((parameter, [moment_1, moment_2])) => {
                let momentum = AdaptiveMomentumState::new(time + 1, moment_1, moment_2);
                (parameter, Some(Moments::live(AdamState::new(momentum))))
            }
            Err(tensors) => {
                let AdamTensors { parameter, gradient, moments: [moment_1, moment_2] } = *tensors;
                // No state at all is how Burn's Adam knows its first step.
                let momentum = AdaptiveMomentumState::new(time, moment_1, moment_2);
                let state = (time > 0).then(|| AdamState::new(momentum));
                let (parameter, state) = self.elsewhere.step(rate, parameter, gradient, state);
                (parameter, state.map(Moments::live))
            }
        }
    }

    fn to_device<const D: usize>(state: Moments<D>, device: &Device) -> Moments<D> {
        Moments::live(state.on(device))
    }
}

/// Scales all gradients of `module` so that their global L2 norm is at most `max_norm`, and returns the
/// norm before, `[1]`. Nothing is read back from a device that is not the host.
///
/// The scale is `max_norm / (norm + 1e-6)`, at most 1 (Pascanu et al. 2013; PyTorch's
/// `clip_grad_norm_`). Where the norm is not a number, no gradient is one afterwards.
///
/// # Panics
///
/// Where no parameter of `module` has a gradient.
pub fn clip_global_norm<M: Module>(gradients: &mut GradientsParams, module: &M, max_norm: f64) -> Tensor<1> {
    let mut squares = Squares { gradients, of_each: Vec::new(), on_host: Some(0.0) };
    module.visit(&mut squares);
    let Squares { of_each, on_host, .. } = squares;
    if let Some(sum) = on_host {
        let norm = sum.sqrt();
        let factor = max_norm / (norm + 1e-6);
        // Most gradients are not clipped, and then nothing has to be written.
        if factor < 1.0 || factor.is_nan() {
            module.visit(&mut Scale { gradients, factor: Factor::Number(factor) });
        }
        return Tensor::from_data(TensorData::from([norm as f32]), &first_device(module));
    }
    let norm = Tensor::cat(of_each, 0).sum().sqrt();
    let factor = (norm.clone() + 1e-6).recip().mul_scalar(max_norm).clamp_max(1.0);
    module.visit(&mut Scale { gradients, factor: Factor::Tensor(Box::new(factor)) });
    norm
}

/// The device that a module's gradients are on.
fn first_device<M: Module>(module: &M) -> Device {
    module.devices().into_iter().next().expect("a module with gradients has parameters").inner()
}

/// Adds up squares: as one number while all of them lie in the host's memory, otherwise as tensors.
struct Squares<'a> {
    gradients: &'a GradientsParams,
    of_each: Vec<Tensor<1>>,
    on_host: Option<f64>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        self.on_host =
            self.on_host.zip(kernels::sum_of_squares(&gradient)).map(|(sum, squares)| sum + squares);
        if self.on_host.is_none() {
            self.of_each.push((gradient.clone() * gradient).sum());
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: Factor,
}

enum Factor {
    Number(f64),
    Tensor(Box<Tensor<1>>),
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let scaled = match &self.factor {
                Factor::Number(factor) => gradient.mul_scalar(*factor),
                Factor::Tensor(factor) => gradient * (**factor).clone().reshape([1; D]),
            };
            self.gradients.register(param.id, scaled);
        }
    }
}
