//! Gradients in the shape of the module that they belong to.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

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
