//! Value rescaling on tensors: the same function as on numbers, and one that can be learned through.

use burn::tensor::{Device, Tensor};
use townlet_drqn::{RESCALING_EPSILON, rescale, rescale_inverse, rescale_inverse_tensor, rescale_tensor};

use crate::case::{CLOSE, cases, values};

cases![tensors_are_rescaled_like_numbers, the_slope_at_zero_is_a_half];

fn tensors_are_rescaled_like_numbers(device: &Device) {
    let numbers = [0.0_f32, 1e-3, -0.25, 1.0, -3.0, 99.0, -1_000.0, 1e6];
    let tensor = || Tensor::<1>::from_data(numbers, device);
    let check = |found: Vec<f32>, function: fn(f64) -> f64| {
        for (number, found) in numbers.iter().zip(found) {
            let expected = function(f64::from(*number)) as f32;
            assert!((found - expected).abs() <= CLOSE * expected.abs(), "{number} gave {found}");
        }
    };
    check(values(rescale_tensor(tensor())), rescale);
    check(values(rescale_inverse_tensor(tensor())), rescale_inverse);
}

/// A formula with a sign in it would have the slope 0 there.
fn the_slope_at_zero_is_a_half(device: &Device) {
    let zero = Tensor::<1>::zeros([1], &device.clone().autodiff()).require_grad();
    let gradients = rescale_tensor(zero.clone()).sum().backward();
    let slope = values(zero.grad(&gradients).expect("it was asked for"))[0];
    assert!((slope - (0.5 + RESCALING_EPSILON as f32)).abs() <= CLOSE, "{slope}");
}
