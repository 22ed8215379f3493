//! Splitting a tensor into its rows without paying for it in the backward pass.

use burn::tensor::Tensor;

/// Splits `[rows, ...]` into `rows` tensors `[1, ...]`, in order.
///
/// The backward pass of one slice writes its gradient into a zeroed tensor of the *whole* input's size, so
/// slicing T rows off one tensor costs T² in all. Halving again and again costs T·log T.
pub(crate) fn unstack<const D: usize>(tensor: Tensor<D>) -> Vec<Tensor<D>> {
    let rows = tensor.dims()[0];
    if rows == 1 {
        return vec![tensor];
    }
    let halves = tensor.split_with_sizes(vec![rows / 2, rows - rows / 2], 0);
    halves.into_iter().flat_map(unstack).collect()
}
