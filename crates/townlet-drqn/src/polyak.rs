//! Soft target updates: the target network as a moving average of the online network.

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// `target` after it was moved the fraction `tau` of its way towards `online` (Lillicrap et al. 2016,
/// algorithm 1). Both are given without gradients, and are the same network with other parameters.
pub(crate) fn towards<M: Module>(target: M, online: &M, tau: f64) -> M {
    // Parameters are matched by their order, which is that of the module's fields: those of a network that
    // was loaded have other ids than those of the network that it is a copy of.
    let mut collect = Collect::default();
    online.visit(&mut collect);
    target.map(&mut Blend { online: collect.parameters, tau })
}

/// Every parameter as a row of numbers, in order.
#[derive(Default)]
struct Collect {
    parameters: VecDeque<Tensor<1>>,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let len: usize = value.dims().iter().product();
        self.parameters.push_back(value.reshape([len]));
    }
}

struct Blend {
    online: VecDeque<Tensor<1>>,
    tau: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let online = self.online.pop_front().expect("both networks have the same parameters");
        param.map(|target| {
            let online = online.reshape(target.dims());
            target * (1.0 - self.tau) + online * self.tau
        })
    }
}
