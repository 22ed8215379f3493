//! The norm of all gradients together, and clipping by it.
//!
//! Burn's own clipping looks at each parameter by itself; the algorithm clips the gradient as one vector.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Scales all gradients of `module` so that their global L2 norm is at most `max_norm`, and returns the
/// norm before, `[1]`. Nothing is read back from the device.
///
/// The scale is `max_norm / (norm + 1e-6)`, at most 1 (Pascanu et al. 2013; PyTorch's
/// `clip_grad_norm_`).
pub fn clip_global_norm<M: Module>(gradients: &mut GradientsParams, module: &M, max_norm: f64) -> Tensor<1> {
    let mut squares = SquaredNorms { gradients, found: Vec::new() };
    module.visit(&mut squares);
    let norm = Tensor::cat(squares.found, 0).sum().sqrt();
    let scale = (norm.clone() + 1e-6).recip().mul_scalar(max_norm).clamp_max(1.0);
    module.visit(&mut Scale { gradients, scale });
    norm
}

struct SquaredNorms<'a> {
    gradients: &'a GradientsParams,
    found: Vec<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorms<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.found.push((gradient.clone() * gradient).sum());
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    scale: Tensor<1>,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.scale.clone().reshape([1; D]));
        }
    }
}

/// A copy of `module` that holds its gradients in the place of its parameters (zero where there is none).
pub(crate) fn as_module<M: Module>(module: &M, gradients: &GradientsParams) -> M {
    module.valid().map(&mut Replace { gradients })
}

struct Replace<'a> {
    gradients: &'a GradientsParams,
}

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = self.gradients.get::<D>(param.id);
        param.map(|value| gradient.unwrap_or_else(|| value.zeros_like()))
    }
}
